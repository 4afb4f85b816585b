"""AUTH PLAIN and LOGIN (RFC 4954), over TLS, for establishments and patients."""

import asyncio
import binascii
import contextlib
from base64 import b64decode

from mssgw.core.envelope import Role
from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply
from mssgw.edges import smtpd_replies as say
from mssgw.edges.smtpd_tls import TlsDialogue
from mssgw.ports import Login

AUTHENTICATED = Reply(235, "2.7.0", "Authentification reussie")
BAD_CREDENTIALS = Reply(535, "5.7.8", "Identifiant ou mot de passe incorrect")
CANNOT_CHECK = Reply(454, "4.7.0", "Authentification momentanement impossible")
NO_SUCH_MECHANISM = Reply(504, "5.5.4", "Mecanisme inconnu, PLAIN et LOGIN sont offerts")
NOT_BASE64 = Reply(501, "5.5.2", "Reponse d'authentification illisible")
AUTH_NEEDS_TLS = Reply(538, "5.7.11", "AUTH demande TLS")
NO_AUTH = Reply(502, "5.5.1", "AUTH n'est pas offert ici")
LOGIN_CHANGED = Reply(421, "4.7.0", "Ce login a change depuis l'authentification, reconnectez-vous")
TOO_MANY_FAILURES = Reply(421, "4.7.0", "Trop d'echecs d'authentification")


class AnswerTooLong(GatewayError):
    """What came for a challenge does not fit in a line (RFC 4954 section 4)."""

    reply = Reply(500, "5.5.6", "Reponse d'authentification trop longue")


class AuthDialogue(TlsDialogue):
    """A dialogue that takes credentials. ``login``: as it was when its password was right, None before.

    ``extended``: it began with EHLO. ``person``: who is behind the connection, as far as SMTP tells (SD-6).
    """

    auth_failures = 0  # of the whole connection: STARTTLS forgets everything else
    _login_timer: asyncio.TimerHandle | None = None

    def forget(self) -> None:
        super().forget()
        self.extended = False
        self.person: str | None = None
        self.login: Login | None = None

    async def login_stands(self) -> bool:  # req: SD-5, WHO-3
        """Asked as a letter begins. Of a patient the registry is asked: he may have closed his mailbox meanwhile."""
        if self.login is None or self.listener.role is not Role.PATIENT_SPACE:
            return True
        patients = self.reception.patients
        return patients is not None and await patients.stands(self.login)

    def login_now(self) -> Login | None:  # req: SD-5
        """The login as things stand: None when a reload withdrew it, or changed its password, since it was given."""
        given = self.login
        if self.listener.role is Role.PATIENT_SPACE:
            return given  # see login_stands
        now = self.reception.login(self.listener.role, given.name) if given else None
        return now if given and now and now.password_hash == given.password_hash else None

    async def begin(self) -> None:
        listener = self.listener
        if listener.auth and self.reception.client_at(listener.role, self.peer) is None:
            self._login_timer = self.loop.call_later(listener.login_within, self._not_logged_in)
        await super().begin()

    def connection_lost(self, error: Exception | None) -> None:
        if self._login_timer is not None:
            self._login_timer.cancel()
        super().connection_lost(error)

    def _not_logged_in(self) -> None:
        """Who can do nothing here but log in has not: others need the room."""
        if not self.session.authenticated:
            self.hang_up(say.TOO_SLOW)

    @property
    def in_transaction(self) -> bool:
        """Whether MAIL was accepted."""
        return False

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
        if not self.extended or self.login is not None or self.in_transaction:
            return say.BAD_SEQUENCE
        if arg is None or arg.partition(" ")[0].upper() not in ("PLAIN", "LOGIN"):
            return NO_SUCH_MECHANISM
        return None

    async def _credentials(self, mechanism: str, initial: str | None) -> tuple[str, str] | None:
        """Login and password, None when they cannot be read."""
        if mechanism == "PLAIN":
            answer = _decoded(initial) if initial else await self._ask(b"")
            parts = answer.split("\0") if answer is not None else []
            # Nobody acts for somebody else: the authorization identity is absent or the login itself (RFC 4616).
            return (parts[1], parts[2]) if len(parts) == 3 and parts[1] and parts[0] in ("", parts[1]) else None
        login = _decoded(initial) if initial else await self._ask(b"VXNlcm5hbWU6")
        password = await self._ask(b"UGFzc3dvcmQ6") if login else None
        return (login, password) if login and password is not None else None

    async def _ask(self, challenge: bytes) -> str | None:
        await self.push(b"334 " + challenge)
        try:
            line = await self.lines.readuntil()
        except asyncio.LimitOverrunError:
            await self.lines.skip_line()
            raise AnswerTooLong from None
        return _decoded(line.strip().decode("ascii", "replace"))

    async def _log_in(self, login: str, password: str) -> None:
        try:
            async with self.door.turn_to_log_in(self.peer) as turn:
                found = await self._checked(login, password)
                turn.told(right=found is not None)
        except TimeoutError:  # others guess passwords: no defect of ours
            self.log.login_waited()
            await self._failed(CANNOT_CHECK)
            return
        except Exception as error:
            self.log.error(error)
            await self._failed(CANNOT_CHECK)
            return
        if not isinstance(found, Login):
            await self._failed(found or BAD_CREDENTIALS)
            return
        self.login, self.session.authenticated = found, True
        self.person = login if self.listener.role is Role.ESTABLISHMENT else None  # req: SD-6, BAL-3
        self.log.client = found.client.name
        self.door.recognised(self)
        await self.say(AUTHENTICATED)

    async def _checked(self, name: str, password: str) -> Login | Reply | None:
        """The login; None when name or password are wrong; a reply when they are right and something else is not."""
        role = self.listener.role
        if role is Role.PATIENT_SPACE:
            patients = self.reception.patients
            return await patients.log_in(name, password) if patients is not None else None
        known = self.reception.login(role, name)  # before: a reload may come while we wait
        client = await self.reception.authenticate(role, name, password)
        return known if client is not None else None

    async def _failed(self, reply: Reply) -> None:
        self.auth_failures += 1
        if self.auth_failures < self.listener.max_auth_failures:
            await self.say(reply)
        else:
            await self.say(TOO_MANY_FAILURES)
            self.hang_up(None)


def _decoded(text: str) -> str | None:
    """Base64 to text; "=" is the empty string. None when it is no Base64 or no text, or was given up ("*").

    RFC 4616 has UTF-8; JavaMail and Outlook say AUTH LOGIN in the character set of Windows.
    """
    try:
        octets = b"" if text == "=" else b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    for charset in ("utf-8", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            return octets.decode(charset)
    return None
