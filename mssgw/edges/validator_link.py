"""One validator process, as the gateway sees it: started, asked, and ended. What it says is believed as far as a letter
is: a compromised one can lie about letters, and do nothing else."""

import asyncio
import contextlib
import fcntl
import mmap
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import mssgw
from mssgw.core.report import Order, Report
from mssgw.edges.validator_frames import HEAD, MAX_ANSWER, ORDERS, REPORTS, SHARED, Kind, frame

_ROOT = Path(mssgw.__file__).parents[1]  # from there the process imports what this one did
_LEAVE = 2.0  # seconds that a process has to go when it is asked
_TOLD = re.compile(r"[A-Za-z]\w{0,60} (?:mssgw/[\w/]{1,100}\.py:[0-9]{1,6})?")
_WORD = re.compile(rb"[A-Za-z]{1,60}")
_PIPE = 1024 * 1024  # octets: what Linux lets anybody have
_PAGE = os.sysconf("SC_PAGE_SIZE")
# For glibc; other libraries pass over this. Up to 48 MB of freed memory is kept: fetching it from the kernel again
# would take half the time of judging a large PDF. Huge pages, because a tree is spread over thousands of small ones.
_MEMORY = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=50331648"


class Broken(Exception):
    """The process is gone, or says what makes no sense. The text may go into a log."""


class Defect(Broken):
    """The process met a defect of ours. The text is class and place of the exception."""


class Link:
    """A process, the pipes to it, and memory that it may read (``shared``).

    ``complained``: told how many octets it wrote to its standard error.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, shared: mmap.mmap, complained: Callable[[int], None]
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process, self._to, self._from = process, process.stdin, process.stdout
        self._shared, self._laid = shared, 0
        # Not written yet: a write wakes the process, so the order goes out with the first octets it can work on.
        self._order = b""
        self._hearing = asyncio.create_task(_hear(process.stderr, complained))
        self.documents = 0  # that it has judged
        self.letters = 0
        self.busy = False  # with a letter
        self.queue_id: str | None = None  # of that letter, where it is known
        self.dismissed = False  # by us: its end is no news
        self.pack = ""  # the version that it judges with

    @classmethod
    async def start(cls, state: Path | None, complained: Callable[[int], None]) -> "Link":
        """A process that begins to load what it needs, and the pack below ``state`` (absolute). Raises OSError."""
        room = os.memfd_create("mssgw-letter")
        try:
            os.ftruncate(room, SHARED)
            shared = mmap.mmap(room, SHARED)
            words = ["-m", "mssgw.edges.validator", "--parent", str(os.getpid()), "--shared", str(room)]
            if state is not None:
                words += ["--state", str(state)]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                cwd=_ROOT,
                env={"GLIBC_TUNABLES": _MEMORY},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(room,),
            )
        finally:
            os.close(room)
        link = cls(process, shared, complained)
        link._widen()
        return link

    def _widen(self) -> None:
        """Larger letters than most are fed with few turns of the event loop."""
        with contextlib.suppress(OSError, ValueError):  # more than this user may have, or it has died already
            fcntl.fcntl(self._to.get_extra_info("pipe"), fcntl.F_SETPIPE_SZ, _PIPE)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it may be asked."""
        return not (self.dismissed or self.ended)

    @property
    def ended(self) -> bool:
        """Whether it has closed its end of the pipe, as it does when it dies."""
        return self._from.at_eof()

    def resident(self) -> int:
        """Octets of memory that it holds; 0 when nobody knows."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb", buffering=0) as sizes:  # asked after each letter
                return int(sizes.read(200).split()[1]) * _PAGE
        except (OSError, ValueError, IndexError):
            return 0

    async def warm(self) -> str:
        """Wait until it can be asked; why it does without the pack, "" when it does not. Raises Broken."""
        kind, octets = await self._read()
        if kind is not Kind.WARM:
            raise _broken(kind, octets)
        return octets.decode("ascii", "replace") if _WORD.fullmatch(octets) else ""

    def ask(self, order: Order) -> None:
        """Begin a letter."""
        self._order, self._laid = frame(Kind.ORDER, ORDERS.encode(order)), 0

    async def pass_on(self, octets: bytes) -> None:
        """The next piece of it; waits while the process does not keep up. Raises Broken."""
        if self._order and (end := self._laid + len(octets)) <= SHARED:
            try:
                self._shared[self._laid : end] = octets
            except ValueError:  # gone() has closed it
                raise Broken("the process has ended") from None
            self._laid = end
            return
        self._say(frame(Kind.LETTER, octets))
        try:
            await self._to.drain()
        except (OSError, RuntimeError) as error:
            raise Broken("the pipe is closed") from error

    def conclude(self, *, whole: bool) -> None:
        """The letter has ended, or its rest will not come."""
        self._say(frame(Kind.END if whole else Kind.ABANDON))

    def _say(self, octets: bytes) -> None:
        if self._order:
            octets = self._order + HEAD.pack(Kind.LAID.value, self._laid) + octets
            self._order = b""
        if not self._to.is_closing():
            self._to.write(octets)

    async def answer(self) -> Report | None:
        """What it says of the letter, None of an abandoned one. Raises Broken."""
        kind, octets = await self._read()
        if kind is Kind.ABANDON:
            return None
        if kind is not Kind.REPORT:
            raise _broken(kind, octets)
        try:
            report = REPORTS.decode(octets)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Broken("the answer is no report") from None
        if not isinstance(report, Report):
            raise Broken("the answer is no report")
        return report

    def kill(self) -> None:
        """End it now, even when it is stopped; that is no news then."""
        self.dismissed = True
        self.bury()

    def bury(self) -> None:
        """Make sure that it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def dismiss(self) -> None:
        """Let it go; it has two seconds."""
        self.dismissed = True
        self._to.close()
        asyncio.get_running_loop().call_later(_LEAVE, self.kill)

    async def gone(self) -> int:
        """Wait until it has ended; its exit code."""
        code = await self._process.wait()
        self._shared.close()  # a dead link may wait long to be taken out of the queue
        self._to.close()
        with contextlib.suppress(OSError):
            await self._to.wait_closed()
        await self._hearing
        return code

    async def _read(self) -> tuple[Kind, bytes]:
        try:
            kind, length = HEAD.unpack(await self._from.readexactly(HEAD.size))
            if length > MAX_ANSWER:
                raise Broken("the answer is too long")
            return Kind(kind), await self._from.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            raise Broken("the process has ended") from None
        except ValueError:
            raise Broken("the answer is no frame") from None


def _broken(kind: Kind, octets: bytes) -> Broken:
    told = octets[:200].decode("ascii", "replace")
    if kind is Kind.FAILURE and _TOLD.fullmatch(told):
        return Defect(told)
    return Broken("the answer is out of turn")


async def _hear(errors: asyncio.StreamReader, complained: Callable[[int], None]) -> None:
    """What it complains of is counted, not repeated: it could quote a letter."""
    while octets := await errors.read(65_536):
        complained(len(octets))
