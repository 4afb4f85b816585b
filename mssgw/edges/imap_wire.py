"""An open IMAP connection: one command at a time, every wait bounded, every octet counted.

aioimaplib makes the commands (its Command refuses CR, LF and NUL in arguments), their tags and the table of states.
What it does not do safely is done here instead. It reads by one recursion a line, so that 3 000 lines end it; it counts
parentheses inside texts and drops "* " from them; it bounds neither lines, nor literals, nor waits; a lost connection
fails no command; STARTTLS is missing; a letter to append has to be in memory whole; and it logs what it reads.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterable, Awaitable, Iterator
from typing import cast

from aioimaplib.aioimaplib import AUTH, CONNECTED, LOGOUT, NONAUTH, SELECTED, Command, Commands, IMAP4ClientProtocol

from mssgw.core.errors import Undecryptable
from mssgw.edges.imap_answers import Answer
from mssgw.edges.imap_limits import BUDGET, Limits
from mssgw.formats.imap_reading import Data, Garbled, GoOn, Responses, Status, read
from mssgw.ports.mailbox import MailboxDistrusted, MailboxLost, MailboxTrouble

__all__ = ["AUTH", "SELECTED", "Wire"]

HIGH_WATER = 262_144


class Wire(IMAP4ClientProtocol):
    """``name``: the host, for errors. ``greeting`` is done when the server has greeted, or will not."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport | None  # type: ignore[assignment]  # the library only ever says None of these two
    pending_sync_command: Command | None  # type: ignore[assignment]

    def __init__(self, name: str, limits: Limits) -> None:
        super().__init__(asyncio.get_running_loop())
        self.name, self.limits = name, limits
        self.news = asyncio.Event()  # something changed in the open folder, or the connection is lost
        self.listening = False  # so that changes of flags are news too: they are not when we make them
        self.exists = 0  # messages in the open folder
        self.greeting: asyncio.Future[Status] = self.loop.create_future()
        self._responses = Responses(BUDGET)
        self._answer = Answer()
        self._done: asyncio.Future[None] | None = None  # of the command that is out
        self._go_on: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._sealed = False  # STARTTLS was agreed on: nothing in clear counts any more
        self._lost: MailboxTrouble | None = None

    @property
    def usable(self) -> bool:
        return self._lost is None

    # --- what sessions call --------------------------------------------------------------------------------------

    async def ask(
        self, name: str, *args: str, prefix: str | None = None, budget: int = BUDGET, limit: float | None = None
    ) -> Answer:
        """Say one command and wait for its end, whatever that is. Raises MailboxLost."""
        with self._in_order():
            self.begin(name, *args, prefix=prefix, budget=budget)
            return await self.end(limit or self.limits.command)

    async def ask_with(self, name: str, *args: str, rest: bytes) -> Answer:
        """A command whose rest, a line, the server has to ask for. Raises MailboxLost."""
        with self._in_order():
            self.begin(name, *args)
            if await self.may_go_on(self.limits.command):
                self.say(rest + b"\r\n")
            return await self.end(self.limits.command)

    async def ask_with_literal(self, name: str, *args: str, literal: AsyncIterable[bytes], size: int) -> Answer:
        """A command that ends with a literal of that size. Raises MailboxLost, and whatever reading it raises:

        then, and when it has another size, the connection is cut, so that no server takes a part for the whole.
        """
        with self._in_order():
            self.begin(name, *args, f"{{{size}}}")
            if not await self.may_go_on(self.limits.command):
                return await self.end(self.limits.command)
            sent = 0
            async for piece in literal:
                sent += len(piece)
                if sent > size:
                    break
                self.say(piece)
                await self._bounded(self._room.wait(), self.limits.progress)
                self.check()
            if sent != size:
                raise Undecryptable("the letter does not have the size that was said")
            self.say(b"\r\n")
            return await self.end(self.limits.store)

    def begin(self, name: str, *args: str, prefix: str | None = None, budget: int = BUDGET) -> None:
        """Send a command; end() waits for it. Raises MailboxLost."""
        self.check()
        if self.state not in Commands[name].valid_states or self._done is not None:
            raise self.fail("a command at the wrong moment")
        command = Command(name, self.new_tag(), *args, prefix=prefix or "", loop=self.loop)
        self.pending_sync_command = command
        self._answer, self._responses.budget = Answer(), budget
        self._done, self._go_on = self.loop.create_future(), self.loop.create_future()
        self.say(f"{command}\r\n".encode("ascii"))

    async def may_go_on(self, limit: float) -> bool:
        """Wait until the server asks for the rest; False when it ended the command instead. Raises MailboxLost."""
        assert self._done is not None
        assert self._go_on is not None
        await self._bounded(asyncio.wait((self._done, self._go_on), return_when=asyncio.FIRST_COMPLETED), limit)
        return self._go_on.done() and not self._done.done()

    async def end(self, limit: float) -> Answer:
        """Wait for the end of the command that is out. Raises MailboxLost."""
        assert self._done is not None
        await self._bounded(self._done, limit)
        answer, self._done, self._answer = self._answer, None, Answer()  # which may hold a piece of a letter
        return answer

    def check(self) -> None:
        """Raises MailboxLost when the connection is of no more use."""
        if self._lost is not None:
            raise self._lost

    def say(self, octets: bytes) -> None:
        """Send octets that belong to the command that is out."""
        if self.transport is not None:
            self.transport.write(octets)

    async def greeted(self) -> Status:
        """The greeting. Raises MailboxLost."""
        await self._bounded(asyncio.wait((self.greeting,)), self.limits.connect)
        self.check()
        return self.greeting.result()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """STARTTLS, from the agreement to the end of the handshake. Raises MailboxLost, MailboxDistrusted, SSLError.

        An answer injected in clear behind the server's is never read: with the OK the connection is sealed and no
        longer read from, and a single octet behind it ends it.
        """
        answer = await self.ask("STARTTLS", limit=self.limits.connect)
        if answer.status.kind != "OK":
            raise MailboxDistrusted(f"{self.name}: STARTTLS is refused")
        self.check()
        plain = cast(asyncio.Transport, self.transport)
        self._sealed = False
        try:
            upgraded = await self.loop.start_tls(
                plain, self, context, server_hostname=self.name, ssl_handshake_timeout=self.limits.connect
            )
            if upgraded is None:
                raise self.fail("the connection is lost")
            self.transport = upgraded
        except BaseException:
            plain.abort()  # asyncio leaves it open
            raise
        self.capabilities = set()

    def fail(self, why: str) -> MailboxTrouble:
        """End the connection at once; what anybody waits for, or asks from now on, is this error."""
        if self._lost is None:
            self._lost = MailboxLost(f"{self.name}: {why}")
            self.state = LOGOUT
            if self.transport is not None:
                self.transport.abort()
            self._wake()
        return self._lost

    # --- what the transport calls --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self.state = CONNECTED

    def data_received(self, d: bytes) -> None:
        if self._lost is not None:
            return
        try:
            if self._sealed:
                raise Garbled("octets in clear behind the agreement on TLS")
            for raw in self._responses.feed(d):
                if self._sealed:
                    raise Garbled("octets in clear behind the agreement on TLS")
                self._take(read(raw))
                if self._lost is not None:
                    return
            if self._sealed and self._responses.pending:
                raise Garbled("octets in clear behind the agreement on TLS")
        except Garbled as garbled:
            self.fail(str(garbled))

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail("the connection is lost")

    def eof_received(self) -> None:
        return None  # the transport closes itself

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    # --- ours ----------------------------------------------------------------------------------------------------

    def _take(self, said: Status | Data | GoOn) -> None:
        match said:
            case GoOn():
                if self._go_on is not None and not self._go_on.done():
                    self._go_on.set_result(None)
            case Data():
                if self._done is not None:
                    self._answer.data.append(said)
                self._hear(said)
            case Status(tag="*"):
                self._take_untagged(said)
            case Status():
                self._take_end(said)

    def _hear(self, said: Data) -> None:
        if said.name == "EXISTS":
            known, self.exists = self.exists, said.number or 0
            if self.exists != known:  # some servers say it in every answer
                self.news.set()
        elif said.name == "EXPUNGE":
            self.exists -= 1
        if self.listening and said.name in ("EXPUNGE", "FETCH"):
            self.news.set()

    def _take_untagged(self, said: Status) -> None:
        if self.state == CONNECTED:
            self._greet(said)
        elif said.kind == "BYE":
            if self.pending_sync_command is None or self.pending_sync_command.name != "LOGOUT":
                self.fail("the server said BYE")
        elif self._done is not None:
            self._answer.notes.append(said)

    def _greet(self, said: Status) -> None:
        if said.kind not in ("OK", "PREAUTH"):
            self.fail("the server greeted with BYE")
            return
        self.state = NONAUTH  # PREAUTH, too: imap_dial goes no further then
        self.greeting.set_result(said)

    def _take_end(self, said: Status) -> None:
        command = self.pending_sync_command
        if command is None or self._done is None or said.tag != command.tag:
            raise Garbled("the end of a command that was not said")
        self.pending_sync_command = None
        self._answer.status = said
        if command.name == "STARTTLS" and said.kind == "OK":
            self._sealed = True
            cast(asyncio.Transport, self.transport).pause_reading()
        self._responses.budget = BUDGET
        if not self._done.done():  # else whoever waited was cancelled just now: he has not come to end it yet
            self._done.set_result(None)

    @contextlib.contextmanager
    def _in_order(self) -> Iterator[None]:
        """A command that is not waited for to its end leaves nothing that could be told apart: the session is over."""
        try:
            yield
        except BaseException:
            self.fail("a command was given up")
            raise

    async def _bounded(self, what: Awaitable[object], limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await what
        except TimeoutError:
            raise self.fail("no answer in time") from None

    def _wake(self) -> None:
        assert self._lost is not None
        self._room.set()
        self.news.set()
        for each in (self._done, self._go_on):
            if each is not None and not each.done():
                each.set_exception(self._lost)
                each.exception()  # seen: nobody may wait for it
        if not self.greeting.done():
            self.greeting.cancel()
