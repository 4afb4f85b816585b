"""One SMTP transaction on an open connection: MAIL, RCPT for each recipient, DATA, the body, the final dot.

1. What cannot fit the peer is bounced before MAIL: size, 8-bit bytes, SMTPUTF8.  req: SD-1
2. The body is begun to be read before MAIL, so that an unreadable one troubles nobody.
3. MAIL, all RCPT and DATA go out in one write when the peer offers PIPELINING (RFC 2920), else one by one.
4. Each recipient gets its own reply; those accepted share the reply to the final dot.
5. Trace header and body go out as they are, while the peer is trusted: a reply may be an hour in coming, and a
   revocation counts within a minute (TLS-5). Without the final dot the peer has nothing.
6. The final dot goes out while the letter is ours to send: a process that stood still may have lost its lease.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from mssgw.core.delivery import DISTRUSTED, Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.envelope import Envelope
from mssgw.core.errors import MalformedAddress, NoLongerOurs
from mssgw.core.replies import Reply
from mssgw.edges.smtp_body import Outgoing
from mssgw.edges.smtp_commands import mail, rcpt
from mssgw.edges.smtp_dial import Connection
from mssgw.edges.smtp_limits import Timeouts
from mssgw.edges.smtp_replies import GARBLED, LOST, Lost
from mssgw.ports import StillOurs, always

TOO_BIG = Reply(552, "5.3.4", "Message plus gros que ce que le serveur suivant accepte")
NO_EIGHT_BIT = Reply(554, "5.6.3", "Message en 8 bits, que le serveur suivant n'accepte pas")
NO_SMTPUTF8 = Reply(553, "5.6.7", "Adresse ou message internationalise, que le serveur suivant n'accepte pas")

NO_LONGER_TRUSTED = Reply(454, DISTRUSTED, "Le serveur suivant n'est plus de confiance")  # req: TLS-5, TLS-6

# Said to MAIL, these are about the trust between the two servers, not about the letter.
_MISTRUST = frozenset({530, 534, 535, 538})


class Transaction:
    """``outcomes`` fills as recipients' fates are known; ``heard``: the peer answered, so it is not stale.

    ``put_off``: it refused the letter as a whole, for now.
    """

    def __init__(
        self,
        connection: Connection,
        envelope: Envelope,
        letter: Outgoing,
        deliveries: Sequence[Delivery],
        outcomes: dict[int, Outcome],
        timeouts: Timeouts,
        still_trusted: Callable[[], bool] = lambda: True,
        still_ours: StillOurs = always,
    ) -> None:
        self._connection = connection
        self._wire, self._offer = connection.wire, connection.offer
        self._envelope, self._letter = envelope, letter
        self._waiting = {one.number: one for one in deliveries if one.number not in outcomes}  # ordered as their RCPT
        self._outcomes = outcomes
        self._timeouts, self._still_trusted, self._still_ours = timeouts, still_trusted, still_ours
        self._eight_bit = self._smtputf8 = False
        self._asked: Delivery | None = None  # whose RCPT waits for its answer
        self._taken: list[Delivery] = []  # at RCPT
        self._refused: list[Delivery] = []
        self.heard = self.put_off = False
        self._sending = False
        self.dot_sent = False

    async def run(self) -> None:
        """Settle every delivery. Raises Lost for the connection, NoLongerOurs, and whatever reading the body raises.

        After any exception the connection is not in order; after Lost, settle_rest() says what it means.
        """
        await self._fit()
        commands = self._commands()
        if not self._waiting:
            return
        self._connection.used += 1
        if (whole := self._letter.whole()) is not None:
            if await self._say(commands):
                self._end(whole)
        else:
            async with aclosing(self._letter.segments()) as segments:
                first = await anext(segments, b"")
                if await self._say(commands):
                    await self._stream(first, segments)
        if self.dot_sent:
            await self._hear_fate()
            self._connection.in_transaction = False

    async def _hear_fate(self) -> None:
        """The reply to the final dot: one for all who were accepted."""
        self._settle_all(await self._final_reply(), collective=True)

    async def _final_reply(self) -> Reply:
        reply = self._checked(await self._wire.reply(self._timeouts.final))
        if reply.ok and reply.code >= 300:  # it waits for more: the next letter would become a part of this one
            raise Lost(GARBLED)
        return reply

    @property
    def at_a_recipient(self) -> bool:
        """Whether the connection was lost while the answer about one recipient was awaited."""
        return self._asked is not None and self._asked.number in self._waiting

    def settle_asked(self, lost: Lost) -> None:
        """The loss at a recipient is that one's: the others, of whom nothing was accepted, are without an outcome."""
        assert self._asked is not None
        self._settle(self._asked, self._meaning(lost), collective=True)
        for number in self._waiting:
            self._outcomes.pop(number, None)

    def settle_but_those_taken(self, lost: Lost) -> list[Delivery]:
        """The same where nobody can be left out any more: only those that the peer took before it broke off go on."""
        reply = self._meaning(lost)
        taken = [each for each in self._taken if each.number in self._waiting]
        for delivery in list(self._waiting.values()):
            if delivery not in taken:
                self._settle(delivery, reply, collective=True)
        return taken

    def settle_rest(self, lost: Lost) -> None:
        """What the loss of the connection means for those without an outcome."""
        self._settle_all(self._meaning(lost), collective=True)

    def _meaning(self, lost: Lost) -> Reply:
        reply = lost.reply
        # A refusal in the middle of the body is the peer's answer to it. At any other moment it answers nothing.
        if reply.permanent and not self._sending:
            reply = GARBLED
        if reply is GARBLED:  # the refusals may have been matched to the wrong recipients
            self._waiting |= {delivery.number: delivery for delivery in self._refused}
        return reply

    async def _fit(self) -> None:
        """Bounce what the peer cannot take. What the bytes are, when we can see them, counts more than BODY= (*).

        (*) Exchange says BODY=8BITMIME for everything: an all-ASCII letter is a 7-bit one, and passes to any hop.
        8-bit bytes without a declaration pass as they are, declared, where the hop offers 8BITMIME: changing them
        would break signatures, and bouncing them would help nobody. Nor does SMTPUTF8, which some programs always
        say where it is offered, make anything of a letter with addresses and header in ASCII.
        """
        envelope, offer, letter = self._envelope, self._offer, self._letter
        eight_bit = letter.seen_eight_bit()
        if eight_bit is None and not offer.eight_bit:
            eight_bit = await letter.holds_eight_bit()
        utf8 = not (envelope.reverse_path is None or envelope.reverse_path.ascii_only)
        if envelope.smtputf8 and not utf8:
            utf8 = offer.smtputf8 or await letter.header_holds_eight_bit()
        if offer.size is not None and letter.size > offer.size:
            self._settle_all(TOO_BIG)
        elif eight_bit and not offer.eight_bit:
            self._settle_all(NO_EIGHT_BIT)
        elif not offer.smtputf8:
            for delivery in list(self._waiting.values()):
                if utf8 or not delivery.forward_path.address.ascii_only:
                    self._settle(delivery, NO_SMTPUTF8)
        self._eight_bit = envelope.eight_bit or bool(eight_bit)
        self._smtputf8 = utf8 or any(not one.forward_path.address.ascii_only for one in self._waiting.values())

    def _commands(self) -> list[bytes]:
        """MAIL and one RCPT for each delivery that waits."""
        commands = []
        for delivery in list(self._waiting.values()):
            try:
                commands.append(rcpt(delivery.forward_path, self._offer))
            except MalformedAddress as exc:
                self._settle(delivery, exc.reply)
        try:
            sender = mail(
                self._envelope,
                self._offer,
                size=self._letter.size,
                eight_bit=self._eight_bit,
                smtputf8=self._smtputf8,
            )
        except MalformedAddress as exc:
            self._settle_all(exc.reply)
            return []
        return [sender, *commands]

    async def _say(self, commands: list[bytes]) -> bool:
        """Speak up to DATA; True when the peer waits for the body and at least one recipient was accepted."""
        wire, connection, pipelined = self._wire, self._connection, self._offer.pipelining
        deliveries = tuple(self._waiting.values())
        if connection.in_transaction:
            commands = [b"RSET\r\n", *commands]
        if pipelined:
            wire.write(b"".join(commands) + b"DATA\r\n", replies=len(commands) + 1)
            await wire.gather(len(commands) + 1, self._timeouts.command)
        following = iter(commands)
        if connection.in_transaction and not (await self._ask(next(following))).ok:
            raise Lost(GARBLED)
        answer = await self._ask(next(following))
        if not answer.ok:
            self._settle_all(answer, about_us=answer.code in _MISTRUST)
            if not pipelined:
                connection.in_transaction = False
                return False
        connection.in_transaction = True
        for delivery, command in zip(deliveries, following, strict=True):
            self._asked = delivery
            answer = await self._ask(command)
            if answer.ok:
                self._taken.append(delivery)
            elif delivery.number in self._waiting:
                self._settle(delivery, _too_many(answer))
                self._refused.append(delivery)
        self._asked = None
        if not self._waiting and not pipelined:
            return False
        answer = await self._ask(b"DATA\r\n", expected=354)
        if answer.code == 354 and not self._waiting:
            raise Lost(LOST)  # not even a dot: it would be a message, if an empty one (RFC 2920 section 3.1)
        if answer.code != 354:
            if answer.permanent and self._waiting:
                await self._check_step()
            self._settle_all(answer, collective=True)
            return False
        self._check_trust()
        return True

    async def _check_step(self) -> None:
        """Raises Lost(GARBLED) when a reply too many made the refusal of the last recipient that of the letter.

        What DATA was answered then, 354, stands where the answer to RSET should. Who closes behind a refusal meant it.
        """
        try:
            self._wire.write(b"RSET\r\n", replies=1)
            in_step = (await self._wire.reply(self._timeouts.command)).code // 100 != 3
        except Lost as lost:
            in_step = lost.reply is not GARBLED
        if not in_step:
            raise Lost(GARBLED)

    def _check_trust(self) -> None:
        """Raises Lost: not one octet more."""
        if not self._still_trusted():
            raise Lost(NO_LONGER_TRUSTED)

    async def _ask(self, command: bytes, *, expected: int = 250) -> Reply:
        """The answer to one command, written now or earlier: 4xx, 5xx, or of the class that is expected."""
        if not self._offer.pipelining:
            self._wire.write(command, replies=1)
        reply = self._checked(await self._wire.reply(self._timeouts.command))
        if reply.ok and reply.code // 100 != expected // 100:
            raise Lost(GARBLED)
        self.heard = True
        return reply

    @staticmethod
    def _checked(reply: Reply) -> Reply:
        if reply.code == 421:  # the peer closes; whatever else we asked goes unanswered
            raise Lost(reply, peer_said=True)
        return reply

    async def _stream(self, first: bytes, segments: AsyncGenerator[bytes, None]) -> None:
        self._sending = True
        self._wire.write(self._letter.trace + first)
        async for segment in segments:
            await self._wire.drain(self._timeouts.data)
            self._check_trust()
            self._wire.write(segment)
        await self._wire.drain(self._timeouts.data)
        self._end(b".\r\n")

    def _end(self, data: bytes) -> None:
        if not self._still_ours():
            raise NoLongerOurs
        self._sending = self.dot_sent = True
        self._wire.write(data, replies=self._final_replies)

    @property
    def _final_replies(self) -> int:
        return 1

    def _settle_all(self, reply: Reply, *, about_us: bool = False, collective: bool = False) -> None:
        self.put_off = self.put_off or (reply.transient and bool(self._waiting))
        for delivery in list(self._waiting.values()):
            self._settle(delivery, reply, about_us=about_us, collective=collective)

    def _settle(self, delivery: Delivery, reply: Reply, *, about_us: bool = False, collective: bool = False) -> None:
        host = self._connection.host
        outcome: Outcome
        if reply.ok and self.dot_sent and reply.code < 300:
            outcome = Delivered(reply=reply, next_hop=host, dsn_passed_on=self._offer.dsn)
        elif about_us:
            outcome = Deferred(reply=reply, next_hop=host, alarm=True)
        elif reply.permanent:
            outcome = Bounced(reply=reply, next_hop=host)
        else:
            outcome = Deferred(reply=GARBLED if reply.ok else reply, next_hop=host, collective=collective)
        self._outcomes[delivery.number] = outcome
        del self._waiting[delivery.number]


def _too_many(reply: Reply) -> Reply:
    """RFC 5321 section 4.5.3.1.10: 552 for too many recipients was a mistake of RFC 821 and means 452."""
    return Reply(452, "4.5.3", reply.text) if (reply.code, reply.status) == (552, "5.5.3") else reply
