"""Whether a message may come in now: what all listeners of a process share, above all its memory.

A letter in DATA takes a place from before the 354 until its fate is known. Without a free place the peer waits for its
354, so that a flood makes senders slower instead of the process bigger. Whoever waits is served in order of arrival.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mssgw.core.replies import Reply

# What one letter in DATA may hold at once besides its hot copy: the buffer that the transport fills, the chunk and
# its decoded form, and the segments on their way to the disk.
PLACE = 1_572_864
PATIENCE = 60.0  # seconds; RFC 5321 section 4.5.3.2.4: clients wait two minutes for the 354
MEMORY_IS_SHORT = Reply(451, "4.3.2", "Passerelle tres chargee, reessayez plus tard")


class Refused(Exception):
    """No message may come in now; ``reply`` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class Intake:
    """``refusal``: what DATA is answered while nothing can be taken (disk reserve), None as a rule."""

    def __init__(self, *, memory: int = 128 * 1024 * 1024, patience: float = PATIENCE) -> None:
        """``memory``: octets for letters in DATA, all listeners together; one letter always fits."""
        self.refusal: Reply | None = None
        self.places = max(1, memory // PLACE)
        self.taken = 0
        self._patience = patience
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many peers wait for their 354."""
        return len(self._waiting)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place while the block runs. Raises Refused when there is none for too long, or for any letter."""
        if self.refusal is not None:
            raise Refused(self.refusal)
        if self.taken >= self.places or self._waiting:
            await self._turn()
        else:
            self.taken += 1
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self) -> None:
        """Wait until somebody passes a place on; ``taken`` counts it as ours then."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the place came in the moment we gave up
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise Refused(MEMORY_IS_SHORT) from None
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1
