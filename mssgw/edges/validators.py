"""ports.Validators for real: warm processes of our own, each with one letter at a time.

A process that crashes, hangs or answers nonsense costs the letter that it had its verdict (Report.complete is False),
and nobody else anything: it is killed and replaced. One that cannot even start is tried again ever more rarely, and
while none can be had nobody waits for one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

from mssgw.core.errors import StoreUnavailable
from mssgw.core.report import UNVERIFIED, Order, Report
from mssgw.edges.pack_files import PackFiles
from mssgw.edges.rationing import Rationed
from mssgw.edges.validator_link import Broken, Defect, Link
from mssgw.ports import Telemetry

_WARM_UP = 30.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds before a process that could not start is tried again
_ALARM_EVERY = 60.0  # seconds between two alarms of one kind
_GRACE = 1.0  # seconds that a process has to forget a letter whose rest will not come


class ProcessValidators:
    """``count`` processes. Own it in the process whose event loop asks: start() after a fork.

    ``deadline``: seconds that one letter may take; ``patience``: seconds that judge() takes in all, waiting for a
    free process included. ``state_dir``: below it lies the pack, if one is installed; each letter is judged by
    the one in force when it comes. A process is replaced after ``most`` documents, or when it holds more than
    ``memory`` octets.
    """

    def __init__(
        self,
        *,
        count: int,
        telemetry: Telemetry,
        deadline: float = 2.0,
        patience: float = 4.0,
        state_dir: Path | None = None,
        most: int = 20_000,
        memory: int = 200 * 1024 * 1024,
    ) -> None:
        if count < 1:
            raise ValueError("without a process nobody judges")
        self._count, self._deadline, self._patience = count, deadline, patience
        self._state_dir, self._most, self._memory = state_dir and state_dir.absolute(), most, memory
        self._pack = PackFiles(state_dir) if state_dir is not None else None
        self._told = Rationed(telemetry, every=_ALARM_EVERY)
        self._free: asyncio.LifoQueue[Link | None] = asyncio.LifoQueue()  # the last one used has the warmest caches
        self._links: dict[int, Link] = {}  # by seat: those that are warm
        self._hopeless: set[int] = set()  # seats whose process could not start
        self._seats: list[asyncio.Task[None]] = []
        self._settling: set[asyncio.Task[Report]] = set()
        self._closed = False

    async def start(self) -> None:
        """Begin to start the processes; judge() waits for one. Does nothing when that was done."""
        if not self._seats and not self._closed:
            self._seats = [asyncio.create_task(self._keep(number)) for number in range(self._count)]

    async def close(self) -> None:
        """End all processes and wait until they are gone. Letters that are being judged stay unverified."""
        self._closed = True
        self._free.put_nowait(None)  # whoever waits need not
        for task in (*self._settling, *self._seats):
            task.cancel()
        await asyncio.gather(*self._settling, *self._seats, return_exceptions=True)
        self._seats.clear()

    async def __aenter__(self) -> "ProcessValidators":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def processes(self) -> dict[int, int]:
        """Process ids of those that are warm, and how many octets of memory each holds."""
        return {link.pid: link.resident() for link in self._links.values() if link.alive}

    @property
    def free(self) -> tuple[int, ...]:
        """Process ids of those that have no letter at hand."""
        return tuple(link.pid for link in self._links.values() if link.alive and not link.busy)

    @property
    def hopeless(self) -> frozenset[int]:
        """The seats whose process could not start, or died before its first letter; each is tried again."""
        return frozenset(self._hopeless)

    @property
    def _none_to_be_had(self) -> bool:
        return len(self._hopeless) == self._count

    # --- letters ------------------------------------------------------------------------------------------------

    async def judge(self, letter: AsyncIterator[bytes], order: Order, *, queue_id: str | None = None) -> Report:
        """See ports.Validators. Starts the processes when nobody did."""
        await self.start()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        link = await self._free_one(end)
        if link is None:
            return UNVERIFIED
        link.busy, link.queue_id = True, queue_id
        end = min(end, loop.time() + self._deadline)
        fed = False
        try:
            fed = await _feed(link, letter, order, end)
        finally:
            # Whatever happened, and whoever lost interest: the process comes back to where it takes the next letter.
            settling = asyncio.create_task(self._settle(link, end if fed else loop.time() + _GRACE, whole=fed))
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)
        if not fed:
            return UNVERIFIED
        try:
            return await asyncio.shield(settling)
        except asyncio.CancelledError:
            if settling.cancelled() and self._closed:
                return UNVERIFIED
            raise

    async def _free_one(self, end: float) -> Link | None:
        """A process that waits for a letter; None when there is none in time, or will be none."""
        while not (self._closed or self._none_to_be_had):
            try:
                link = await self._next_free(end)
            except TimeoutError:
                self._told.event("validator.none_free", alarm=True, processes=self._count)
                return None
            if link is None:
                if self._closed or self._none_to_be_had:
                    self._free.put_nowait(None)  # nor need the others who wait
            elif link.alive:
                if link.pack == self._version():
                    return link
                self._recycle(link)  # another pack was installed since: the letter waits for one that knows it
        return None

    async def _next_free(self, end: float) -> Link | None:
        """Raises TimeoutError."""
        with contextlib.suppress(asyncio.QueueEmpty):
            return self._free.get_nowait()
        async with asyncio.timeout_at(end):
            return await self._free.get()

    async def _settle(self, link: Link, end: float, *, whole: bool) -> Report:
        """The answer to a letter, and what becomes of the process."""
        link.letters += 1
        try:
            link.conclude(whole=whole)
            async with asyncio.timeout_at(end):
                report = await link.answer() or UNVERIFIED
        except TimeoutError:
            self._killed(link, "deadline")
        except Defect as defect:
            self._told.event("validator.defect", alarm=True, failed=str(defect), queue_id=link.queue_id)
            link.dismiss()
        except Broken as broken:
            if link.ended:  # whoever keeps the seat tells
                link.bury()
            else:
                self._killed(link, str(broken))
        except Exception as failure:  # ours: the process would be busy for ever
            self._killed(link, type(failure).__name__)
        else:
            link.documents += len(report.documents) or 1
            self._give_back(link)
            return report
        return UNVERIFIED

    def _killed(self, link: Link, why: str) -> None:
        self._told.event("validator.killed", alarm=True, why=why, queue_id=link.queue_id)
        link.kill()

    def _give_back(self, link: Link) -> None:
        link.busy, link.queue_id = False, None
        if link.documents < self._most and link.resident() <= self._memory and link.pack == self._version():
            self._free.put_nowait(link)
        else:
            self._recycle(link)

    def _recycle(self, link: Link) -> None:
        self._told.event("validator.recycled", documents=link.documents)
        link.dismiss()

    def _version(self) -> str:
        """Which pack is in force. A look at one file: some microseconds."""
        try:
            return self._pack.version() if self._pack is not None else ""
        except StoreUnavailable:
            return ""

    # --- processes ----------------------------------------------------------------------------------------------

    async def _keep(self, seat: int) -> None:
        """A process on this seat, and another one when it is gone."""
        pause = _FIRST_PAUSE
        while True:
            try:
                useful = await self._occupy(seat)
            except Exception as failure:  # whatever it is, the seat must not be lost
                why = str(failure) if isinstance(failure, Broken) else type(failure).__name__
                self._told.event("validator.cannot_start", alarm=True, why=why)
                useful = False
            if useful:
                pause = _FIRST_PAUSE
                self._hopeless.discard(seat)
            else:
                self._despair_of(seat)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _despair_of(self, seat: int) -> None:
        """There is no process on it, nor soon. With the last such seat, whoever waits need not."""
        self._hopeless.add(seat)
        if self._none_to_be_had:
            while not self._free.empty():  # they are dead
                self._free.get_nowait()
            self._free.put_nowait(None)

    async def _occupy(self, seat: int) -> bool:
        """One process, as long as it lives; whether it did anything. Raises what goes wrong when it starts or ends."""
        link = None
        try:
            version = self._version()  # first: a pack that is installed meanwhile is another one
            link = await Link.start(self._state_dir, self._complained)
            async with asyncio.timeout(_WARM_UP):
                lacking = await link.warm()
            link.pack = version
            if lacking:
                self._told.event("validator.without_pack", alarm=True, why=lacking)
            self._hopeless.discard(seat)
            self._links[seat] = link
            self._free.put_nowait(link)
            code = await link.gone()
            if not link.dismissed:
                self._told.event(
                    "validator.crashed", alarm=True, exit_code=code, letters=link.letters, queue_id=link.queue_id
                )
            return link.letters > 0 or link.dismissed
        finally:
            self._links.pop(seat, None)
            if link is not None:
                link.bury()
                await link.gone()

    def _complained(self, octets: int) -> None:
        self._told.event("validator.complained", octets=octets)


async def _feed(link: Link, letter: AsyncIterator[bytes], order: Order, end: float) -> bool:
    """Hand a letter to a process; False when the one or the other does not keep up. Raises what reading raises."""
    try:
        async with asyncio.timeout_at(end) as limit:
            link.ask(order)
            async for octets in letter:
                await link.pass_on(octets)
        return True
    except TimeoutError:
        if not limit.expired():
            raise
    except Broken:
        pass
    return False
