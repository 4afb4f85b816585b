"""Who is speaking: EHLO and HELO, AUTH, XCLIENT."""

import binascii
import re
from base64 import b64decode
from typing import Any

from mssgw.core.clients import Client
from mssgw.core.envelope import Origin
from mssgw.core.replies import Reply
from mssgw.edges import smtpd_replies as say
from mssgw.edges.smtpd_listener import TlsMode
from mssgw.edges.smtpd_tls import TlsDialogue
from mssgw.formats.smtp_args import parse_xclient

# What a host calls itself ends up in Received: letters of host names and address literals, and "_" for Windows.
_HOST = re.compile(r"[A-Za-z0-9_\-.]{1,253}|\[[A-Za-z0-9:.\-]{2,60}\]")

AUTHENTICATED = Reply(235, "2.7.0", "Authentification reussie")
BAD_CREDENTIALS = Reply(535, "5.7.8", "Identifiant ou mot de passe incorrect")
CANNOT_CHECK = Reply(454, "4.7.0", "Authentification momentanement impossible")
NO_SUCH_MECHANISM = Reply(504, "5.5.4", "Mecanisme inconnu, PLAIN et LOGIN sont offerts")
NOT_BASE64 = Reply(501, "5.5.2", "Reponse d'authentification illisible")
AUTH_NEEDS_TLS = Reply(538, "5.7.11", "AUTH demande TLS")
NO_AUTH = Reply(502, "5.5.1", "AUTH n'est pas offert ici")
TOO_MANY_FAILURES = Reply(421, "4.7.0", "Trop d'echecs d'authentification")
MAY_NOT_XCLIENT = Reply(550, "5.7.0", "XCLIENT n'est pas permis a ce client")


class LoginDialogue(TlsDialogue):
    """A dialogue that knows who is speaking, as far as SMTP tells."""

    def forget(self) -> None:
        super().forget()
        self.helo = ""
        self.extended = False
        self.person: str | None = None  # req: SD-6
        self.login_client: Client | None = None
        self.auth_failures = getattr(self, "auth_failures", 0)

    @property
    def client(self) -> Client | None:
        """The client of this login, else of this network; asked for again each time, since a reload may change it."""
        return self.login_client or self.reception.client_at(self.listener.role, self.peer)

    def origin(self, client: Client | None, smtputf8: bool) -> Origin:
        """How the letter that begins now reaches us (RFC 3848, RFC 6531 section 4.3)."""
        secured = ("S" if self.tls else "") + ("A" if self.login_client else "")
        name = "UTF8SMTP" if smtputf8 else "ESMTP"
        return Origin(
            role=self.listener.role,
            client=client.name if client else "",
            peer=self.peer,
            helo=self.helo,
            protocol=name + secured if self.extended else "SMTP",
            tls=self.tls or None,
            person=self.person,
        )

    async def smtp_HELO(self, arg: str | None) -> None:
        if await self._greeted(arg):
            self.extended = self.session.extended_smtp = False
            await self.say_lines(250, [self.hostname])

    async def smtp_EHLO(self, arg: str | None) -> None:
        if not await self._greeted(arg):
            return
        self.extended = self.session.extended_smtp = True
        listener, client = self.listener, self.client
        offers = [self.hostname, f"SIZE {listener.size_limit}", "8BITMIME", "SMTPUTF8", "PIPELINING"]
        offers += ["ENHANCEDSTATUSCODES", "DSN"]  # never CHUNKING: BDAT would be a second way to end a message
        if listener.tls is TlsMode.STARTTLS and not self.tls:
            offers.append("STARTTLS")
        if listener.auth and self.tls:
            offers.append("AUTH PLAIN LOGIN")
        if client is not None and client.xclient:
            offers.append("XCLIENT LOGIN")
        await self.say_lines(250, offers)

    async def _greeted(self, arg: str | None) -> bool:
        if arg is None or not _HOST.fullmatch(arg):
            await self.say(say.BAD_HELLO)
            return False
        self._set_rset_state()
        self.helo = self.session.host_name = arg
        return True

    async def check_helo_needed(self, helo: str = "HELO") -> bool:
        if self.helo:
            return False
        await self.say(say.HELLO_FIRST)
        return True

    # AUTH (RFC 4954)

    async def smtp_AUTH(self, arg: str | None) -> None:
        refusal = self._no_auth_now(arg)
        if refusal is not None:
            await self.say(refusal)
            return
        mechanism, _, initial = (arg or "").partition(" ")
        credentials = await self._credentials(mechanism.upper(), initial.strip() or None)
        if credentials is None:
            await self._failed(NOT_BASE64)
            return
        await self._log_in(*credentials)

    def _no_auth_now(self, arg: str | None) -> Reply | None:
        if not self.listener.auth:
            return NO_AUTH
        if not self.tls:
            return AUTH_NEEDS_TLS
        if not self.extended or self.login_client is not None or self.in_transaction:
            return say.BAD_SEQUENCE
        if arg is None or arg.partition(" ")[0].upper() not in ("PLAIN", "LOGIN"):
            return NO_SUCH_MECHANISM
        return None

    async def _credentials(self, mechanism: str, initial: str | None) -> tuple[str, str] | None:
        """Login and password, None when they cannot be read."""
        if mechanism == "PLAIN":
            answer = _decoded(initial) if initial else await self._ask(b"")
            parts = answer.split("\0") if answer is not None else []
            return (parts[1], parts[2]) if len(parts) == 3 and parts[1] else None
        login = _decoded(initial) if initial else await self._ask(b"VXNlcm5hbWU6")
        password = await self._ask(b"UGFzc3dvcmQ6") if login else None
        return (login, password) if login and password is not None else None

    async def _ask(self, challenge: bytes) -> str | None:
        await self.push(b"334 " + challenge)
        line = await self.lines.readuntil()
        return _decoded(line.strip().decode("ascii", "replace"))

    async def _log_in(self, login: str, password: str) -> None:
        try:
            client = await self.reception.authenticate(self.listener.role, login, password)
        except Exception as error:
            self.log_error(error)
            await self.say(CANNOT_CHECK)
            return
        if client is None:
            await self._failed(BAD_CREDENTIALS)
            return
        self.login_client, self.person, self.session.authenticated = client, login, True  # req: SD-6, BAL-3
        self.client_name = client.name
        await self.say(AUTHENTICATED)

    async def _failed(self, reply: Reply) -> None:
        self.auth_failures += 1
        if self.auth_failures < self.listener.max_auth_failures:
            await self.say(reply)
        else:
            await self.say(TOO_MANY_FAILURES)
            self.hang_up(None)

    # XCLIENT, from a trusted server that has authenticated a person

    async def smtp_XCLIENT(self, arg: str | None) -> None:
        client = self.client
        if client is None or not client.xclient:
            await self.say(MAY_NOT_XCLIENT)
        elif self.in_transaction:
            await self.say(say.BAD_SEQUENCE)
        else:
            self.person = parse_xclient(arg or "")  # req: SD-6
            self.helo = ""  # the dialogue begins again with a greeting, as Postfix defines it
            self._set_rset_state()
            await self.push(f"220 {self.hostname} ESMTP")

    @property
    def in_transaction(self) -> bool:
        """Whether MAIL was accepted."""
        return False


def _decoded(text: Any) -> str | None:
    """Base64 to text; "=" is the empty string. None when it is neither Base64 nor UTF-8, or was given up ("*")."""
    try:
        return "" if text == "=" else b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
