"""DATA: bytes stream from the socket through the decoder into the letter; the reply stands for a durable commit."""

import asyncio

from mssgw.core.clients import Client
from mssgw.core.replies import Reply
from mssgw.core.rules.content import too_big
from mssgw.core.trust import Distrust
from mssgw.edges import smtpd_replies as say
from mssgw.edges.smtpd_intake import Place, Refused
from mssgw.edges.smtpd_mail import MailDialogue
from mssgw.edges.smtpd_receiver import DataReceiver, TooSlow
from mssgw.formats.data_phase import DataDecoder, Problem
from mssgw.ports import LetterIn

_GO_AHEAD = b"354 Terminez par <CR><LF>.<CR><LF>\r\n"
_MOST_DISCARDED = 268_435_456  # octets of a refused message that are read before the connection is closed
_ENOUGH = Reply(421, "4.7.0", "Message refuse et beaucoup trop long, connexion fermee")


class DataDialogue(MailDialogue):
    """The whole inbound dialogue."""

    async def smtp_DATA(self, arg: str | None) -> None:
        refusal = self.no_data_now(arg)
        if refusal is not None:
            await self.say(refusal)
            return
        assert self.mail_client is not None
        self.pause_timer()
        try:
            async with self.door.intake.place(self.mail_client.name, self.peer) as place:
                reply = await self._in_data(place)
        except Refused as refused:
            self._reset_timeout()
            await self.say(refused.reply)
            return
        except ConnectionError:
            raise
        except Exception as error:
            # The rest of the message is still to come: read on, and it would be taken for commands.
            failed = self.reply_to(error)
            self.hang_up(Reply(421, failed.status if failed.transient else "4.3.0", failed.text))
            return
        if reply.ok:
            self.accepted, self.refusals = self.accepted + 1, 0
        if self.transport is None:
            raise ConnectionResetError  # gone right after the final dot: what was committed stays
        self._reset_timeout()
        if reply.code == 421:
            self.hang_up(reply)
            return
        await self.say(reply, told=True)
        if self.door.closing:
            self.hang_up(say.GOING_DOWN)

    async def _in_data(self, place: Place) -> Reply:
        self.in_data = True
        try:
            return await self._message(place)
        finally:
            self.in_data = False
            self._set_rset_state()

    async def _message(self, place: Place) -> Reply:
        """Receive one message and decide it."""
        assert self.mail is not None
        assert self.mail_client is not None
        incoming = _Incoming(self, self.reception.letter(self.mail_client, self.mail))
        decoder = DataDecoder(self.listener.size_limit)
        try:
            await self._receive(incoming, decoder, place)
        except TooSlow as slow:
            await incoming.refuse(slow.reply)
            return slow.reply
        except BaseException:  # the peer is gone, or the gateway stops
            await incoming.abandon()
            raise
        if decoder.discarded > _MOST_DISCARDED:
            return _ENOUGH
        operator = self.standing()  # again, for DATA may last half an hour.  req: TLS-5, TLS-6, TLS-7
        if isinstance(operator, Distrust):
            self.log.distrusted(operator)
            await incoming.refuse(operator.reply)
            return operator.reply
        return incoming.refusal or await incoming.end(decoder.size, operator)

    async def _receive(self, incoming: "_Incoming", decoder: DataDecoder, place: Place) -> None:
        """Take bytes up to the final dot. Raises PeerGone or TooSlow."""
        transport = self.transport
        assert isinstance(transport, asyncio.Transport)
        listener = self.listener
        receiver = DataReceiver(self, transport, idle=listener.idle, rate=listener.data_rate, total=listener.data_total)
        place.transfer = receiver
        try:
            chunk = self.lines.take_all()  # bytes that did not wait for our 354 belong to the message
            self._out.append(_GO_AHEAD)
            self.flush()
            while True:
                await incoming.take(decoder.feed(chunk), decoder.problem)
                if decoder.done or decoder.discarded > _MOST_DISCARDED:
                    break
                chunk = await receiver.chunk()
        finally:
            place.transfer = None  # what is complete is decided and kept, whoever waits
            rest = receiver.close()
        self.lines.give_back(decoder.leftover + rest)  # commands pipelined behind the message


class _Incoming:
    """A letter in DATA: whatever happens, it is ended once and by nothing that the peer does."""

    def __init__(self, dialogue: DataDialogue, letter: LetterIn) -> None:
        self._dialogue, self._letter, self._end_within = dialogue, letter, dialogue.listener.end_within
        self._over = False
        self.refusal: Reply | None = None

    async def take(self, content: bytes, problem: Problem | None) -> None:
        """Store content; on a problem, or when it cannot be stored, give the letter up and note the refusal."""
        if self._over:
            return
        if problem is not None:
            limit = self._dialogue.listener.size_limit
            await self.refuse(too_big(limit) if problem is Problem.TOO_BIG else problem.value)
        elif content:
            try:
                async with asyncio.timeout(self._end_within):
                    await self._letter.write(content)
            except Exception as error:
                await self.refuse(self._dialogue.reply_to(error))

    async def refuse(self, reply: Reply) -> None:
        self.refusal = reply
        await self.abandon(reply)

    async def abandon(self, reply: Reply | None = None) -> None:
        if not self._over:
            self._over = True
            await asyncio.shield(self._dialogue.door.keep(self._letter.abort(reply)))

    async def end(self, size: int, operator: Client | None) -> Reply:
        """Decide and commit. The commit outlives this connection, and this wait (threats finding 12).

        ``operator``: whose certificate the peer has shown, as it is listed now.
        """
        self._over = True
        commit = self._dialogue.door.keep(self._letter.end(size=size, client=operator))
        try:
            async with asyncio.timeout(self._end_within):
                return await asyncio.shield(commit)
        except Exception as error:
            return self._dialogue.reply_to(error)
        finally:
            if not commit.done():
                commit.add_done_callback(self._dialogue.log.late)
