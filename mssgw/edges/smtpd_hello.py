"""Who is speaking: EHLO and HELO, XCLIENT, and what a letter is told of its origin."""

import re

from mssgw.core.clients import Client
from mssgw.core.envelope import Origin
from mssgw.core.replies import Reply
from mssgw.edges import smtpd_replies as say
from mssgw.edges.smtpd_auth import AuthDialogue
from mssgw.edges.smtpd_listener import TlsMode
from mssgw.formats.smtp_args import parse_xclient

# What a host calls itself ends up in Received: letters of host names and address literals, and "_" for Windows.
_HOST = re.compile(r"[A-Za-z0-9_\-.]{1,253}|\[[A-Za-z0-9:.\-]{2,60}\]")

MAY_NOT_XCLIENT = Reply(550, "5.7.0", "XCLIENT n'est pas permis a ce client")


class HelloDialogue(AuthDialogue):
    """A dialogue that knows who is speaking, as far as SMTP tells."""

    def forget(self) -> None:
        super().forget()
        self.helo = ""

    @property
    def client(self) -> Client | None:
        """The client of this login, else of this network; asked for again each time, since a reload may change it."""
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
