"""Who is speaking: EHLO and HELO, XCLIENT, and what a letter is told of its origin."""

import re

from mssgw.core.clients import Client
from mssgw.core.envelope import Origin, Role
from mssgw.core.replies import Reply
from mssgw.core.trust import Distrust
from mssgw.edges import smtpd_replies as say
from mssgw.edges.smtpd_auth import AuthDialogue
from mssgw.edges.smtpd_dialogue import Verb
from mssgw.edges.smtpd_listener import TlsMode
from mssgw.formats.smtp_args import parse_xclient

# What a host calls itself ends up in Received: letters of host names and address literals, and "_" for Windows.
_HOST = re.compile(r"[A-Za-z0-9_\-.]{1,253}|\[[A-Za-z0-9:.\-]{2,60}\]")
# What no host is called, but a Windows computer may be: its letters are taken, its name is not.
_ODD_NAME = re.compile(r"[^\s\x00-\x1f\x7f()<>\"\\;,]{1,253}")

MAY_NOT_XCLIENT = Reply(550, "5.7.0", "XCLIENT n'est pas permis a ce client")


# Who is not trusted may ask for nothing else: no octet of a letter is read (TLS-7).
_WITHOUT_TRUST = frozenset({"EHLO", "HELO", "NOOP", "RSET", "QUIT", "STARTTLS"})


class HelloDialogue(AuthDialogue):
    """A dialogue that knows who is speaking, as far as SMTP and TLS tell."""

    def verb(self, verb: str) -> Verb | None:
        found = super().verb(verb)
        if found is None or verb in _WITHOUT_TRUST or (self.listener.require_tls and not self.tls):
            return found
        return self._not_trusted if isinstance(self.standing(), Distrust) else found

    def standing(self) -> Client | Distrust | None:
        """What the peer's certificate says now: a revocation or a new white list counts from the next command on.

        None: certificates do not matter here.
        """
        return self.reception.operator(self.chain) if self.listener.role is Role.TRUST_SPACE else None

    async def _not_trusted(self, arg: str | None) -> None:  # req: WL-8, TLS-5, TLS-6, TLS-7
        distrust = self.standing()
        assert isinstance(distrust, Distrust)  # nothing was awaited since verb() asked
        self._set_rset_state()
        self.log.distrusted(distrust)
        await self.say(distrust.reply, told=True)

    def forget(self) -> None:
        super().forget()
        self.helo = ""

    @property
    def client(self) -> Client | None:
        """The client of this certificate, login or network; asked for again each time, since a reload may change it."""
        operator = self.standing()
        if operator is not None:
            return operator if isinstance(operator, Client) else None
        if self.login is None:
            return self.reception.client_at(self.listener.role, self.peer)
        now = self.login_now()
        return now.client if now else None  # whoever has logged in is not the network's client any more

    def origin(self, client: Client | None, smtputf8: bool) -> Origin:
        """How the letter that begins now reaches us (RFC 3848, RFC 6531 section 4.3)."""
        secured = ("S" if self.tls else "") + ("A" if self.login else "")
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
        if arg is None or not (_HOST.fullmatch(arg) or _ODD_NAME.fullmatch(arg)):
            await self.say(say.BAD_HELLO)
            return False
        self._set_rset_state()
        self.helo = self.session.host_name = arg if _HOST.fullmatch(arg) else "unknown"
        if isinstance(self.standing(), Client):
            self.door.recognised(self)
        return True

    async def check_helo_needed(self, helo: str = "HELO") -> bool:
        if self.helo:
            return False
        await self.say(say.HELLO_FIRST)
        return True

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
