"""The mail transaction: MAIL and RCPT, refused as early as the envelope allows; RSET and the small verbs."""

from dataclasses import replace

from mssgw.core.clients import Client
from mssgw.core.envelope import Envelope
from mssgw.core.replies import Reply
from mssgw.core.rules.content import too_big
from mssgw.edges import smtpd_replies as say
from mssgw.edges.smtpd_auth import LOGIN_CHANGED
from mssgw.edges.smtpd_hello import HelloDialogue
from mssgw.formats.smtp_args import MailArguments, parse_mail, parse_rcpt


class MailDialogue(HelloDialogue):
    """A dialogue with an envelope. ``mail`` None: no MAIL was accepted since the last message."""

    def _set_rset_state(self) -> None:  # aiosmtpd calls it for RSET, EHLO and HELO
        self.mail: Envelope | None = None
        self.mail_client: Client | None = None
        self.refused_recipients = 0

    @property
    def in_transaction(self) -> bool:
        return self.mail is not None

    async def smtp_MAIL(self, arg: str | None) -> None:
        if self.mail is not None:
            await self.say(say.BAD_SEQUENCE)
            return
        if await self.check_helo_needed():
            return
        client = self.client if await self.login_stands() else None
        if client is None and self.login is not None:
            self.hang_up(LOGIN_CHANGED)
            return
        given = parse_mail(arg or "", extended=self.extended)
        self.log.client = client.name if client else ""
        envelope = self._envelope(client, given)
        refusal = await self.reception.sender(client, envelope, given.size)
        told = refusal is not None
        if refusal is None and client is None:
            refusal = say.UNKNOWN_CLIENT  # no open relay, whatever the reception says
        if refusal is None and given.size > self.listener.size_limit:
            refusal = too_big(self.listener.size_limit)  # nor more than we said, whatever the limit is now.  req: SIZ-3
        if refusal is None:
            self.mail, self.mail_client = envelope, client
        await self.say(refusal or say.SENDER_OK, told=told)

    def _envelope(self, client: Client | None, given: MailArguments) -> Envelope:
        return Envelope(
            reverse_path=given.reverse_path,
            forward_paths=(),
            origin=self.origin(client, given.smtputf8),
            eight_bit=given.eight_bit,
            smtputf8=given.smtputf8,
            ret=given.ret,
            envid=given.envid,
        )

    async def smtp_RCPT(self, arg: str | None) -> None:
        mail, client = self.mail, self.mail_client
        if mail is None or client is None:
            await self.say(say.BAD_SEQUENCE)
            return
        if max(len(mail.forward_paths), self.refused_recipients) >= self.listener.max_recipients:
            await self.say(say.TOO_MANY_RECIPIENTS)
            return
        self.refused_recipients += 1  # until it is accepted: parsing and the reception may raise
        path = parse_rcpt(arg or "", extended=self.extended, smtputf8=mail.smtputf8, hostname=self.hostname)
        refusal = await self.reception.recipient(client, mail, path)
        if refusal is None:
            self.refused_recipients -= 1
            self.mail = replace(mail, forward_paths=(*mail.forward_paths, path))
        await self.say(refusal or say.RECIPIENT_OK, told=refusal is not None)

    async def smtp_RSET(self, arg: str | None) -> None:
        self._set_rset_state()
        await self.say(say.OK)

    async def smtp_NOOP(self, arg: str | None) -> None:
        await self.say(say.OK)

    async def smtp_QUIT(self, arg: str | None) -> None:
        self.why = "quit"
        self.hang_up(say.BYE)

    async def smtp_VRFY(self, arg: str | None) -> None:
        await self.say(say.NO_EXPANSION if arg else say.BAD_SYNTAX)

    async def smtp_EXPN(self, arg: str | None) -> None:
        await self.say(say.NO_LISTS)

    async def smtp_HELP(self, arg: str | None) -> None:
        await self.say(say.HELP)

    async def _not_mail(self, arg: str | None) -> None:
        """A browser was made to speak to us: nothing of what it sends may be taken for mail."""
        self.hang_up(say.NOT_MAIL)

    smtp_GET = smtp_POST = smtp_PUT = smtp_HEAD = smtp_OPTIONS = smtp_CONNECT = smtp_DELETE = _not_mail

    def no_data_now(self, arg: str | None) -> Reply | None:
        """Why DATA may not begin."""
        if (
            self.mail is None
            or self.mail_client is None
            or (not self.mail.forward_paths and not self.refused_recipients)
        ):
            return say.BAD_SEQUENCE
        if arg:
            return say.BAD_SYNTAX
        return None if self.mail.forward_paths else say.NO_RECIPIENT
