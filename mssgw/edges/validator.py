"""The validator process: ``python -m mssgw.edges.validator``, started by the gateway only (edges/validators.py).

It loads everything that it will ever need, judges a letter of its own, gives up files and connections (sandbox.py) and
then judges letter after letter, until the gateway closes its end of the pipe or dies.
"""

import argparse
import contextlib
import gc
import mmap
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from mssgw.core.clinical import Profile
from mssgw.core.errors import GatewayError
from mssgw.core.report import Order
from mssgw.edges import sandbox
from mssgw.edges.pack_files import PackFiles
from mssgw.edges.validator_frames import HEAD, MAX_FRAME, ORDERS, REPORTS, SHARED, Kind, frame
from mssgw.formats import charsets
from mssgw.formats.cda.installed import Installed
from mssgw.formats.judging import judge_letter

MEMORY = 1024 * 1024 * 1024  # octets of address space
_PLACE = os.path.join("mssgw", "")

# Words for the first time through: parts of all sorts, a document, and an archive that is none.
_WARM_UP = b"""\
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
Bonjour=2C\r
--b\r
Content-Type: text/xml\r
\r
<?xml version="1.0" encoding="ISO-8859-1"?>\r
<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id root="1.2.250.1.213.1.4.10"\r
extension="279035121518989"/></patientRole></recordTarget><component><nonXMLBody><text mediaType="application/pdf"\r
representation="B64">JVBERi0xLjQKJSVFT0YK</text></nonXMLBody></component></ClinicalDocument>\r
--b\r
Content-Type: application/zip; name="IHE_XDM.zip"\r
Content-Transfer-Encoding: base64\r
\r
UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==\r
--b--\r
"""


class Abandoned(Exception):
    """The rest of the letter will not come."""


class GatewayLeft(Exception):
    """The gateway has closed its end."""


class Pipes:
    """Frames in on descriptor 0, out on 1; letters also in memory (``shared``)."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._shared = memoryview(shared)
        self._in = open(0, "rb", buffering=65_536, closefd=False)  # noqa: SIM115 - as long as the process

    def read(self) -> tuple[Kind, bytes]:
        """The next frame. Raises GatewayLeft."""
        head = self._exactly(HEAD.size)
        kind, length = HEAD.unpack(head)
        if length > MAX_FRAME:
            raise GatewayLeft
        if kind == Kind.LAID.value:
            return Kind.LETTER, bytes(self._shared[:length])
        return Kind(kind), self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        octets = self._in.read(length)
        if len(octets) < length:
            raise GatewayLeft
        return octets

    def write(self, kind: Kind, octets: bytes = b"") -> None:
        whole = memoryview(frame(kind, octets))
        while whole:
            whole = whole[os.write(1, whole) :]


class _Letter:
    """The pieces of one letter as they come."""

    def __init__(self, read: Callable[[], tuple[Kind, bytes]]) -> None:
        self._read = read
        self._ended = False

    def pieces(self) -> Iterator[bytes]:
        """Raises Abandoned."""
        while not self._ended:
            kind, octets = self._read()
            self._ended = kind is not Kind.LETTER
            if kind is Kind.ABANDON:
                raise Abandoned
            if not self._ended:
                yield octets

    def skip(self) -> None:
        """What nobody wanted. Raises Abandoned."""
        for _ in self.pieces():
            pass


def answer(order: bytes, letter: _Letter, installed: Installed) -> tuple[Kind, bytes]:
    """What to say of a letter; a defect of ours is an answer too."""
    try:
        report = judge_letter(letter.pieces(), ORDERS.decode(order), installed)
        letter.skip()
        return Kind.REPORT, REPORTS.encode(report)
    except Abandoned:
        return Kind.ABANDON, b""
    except (GatewayLeft, KeyboardInterrupt):
        raise
    except Exception as error:
        told = f"{type(error).__name__} {_where(error.__traceback__)}".encode()
    try:
        letter.skip()
    except Abandoned:
        return Kind.ABANDON, b""
    return Kind.FAILURE, told


def _where(trace: TracebackType | None) -> str:
    """The innermost line of ours that an exception came through: never its text, which may hold a name."""
    where = ""
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if _PLACE in path:
            where = f"{path[path.rindex(_PLACE) :]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where


def warm_up(installed: Installed) -> None:
    """Everything that is done for the first time, while files may still be opened."""
    charsets.preload()
    order = Order(profile=Profile.STRICT, now=datetime.now(UTC))
    report = judge_letter([_WARM_UP], ORDERS.decode(ORDERS.encode(order)), installed)
    if len(REPORTS.decode(REPORTS.encode(report)).documents) < 2:
        raise RuntimeError("the built-in letter was not judged")


def _installed(state: Path | None) -> tuple[Installed, bytes]:
    """What an administrator installed, and what kept us from using it: without it the rules that protect still hold."""
    try:
        pack = PackFiles(state).read() if state is not None else None
        return (pack.opened() if pack is not None else Installed()), b""
    except GatewayError as error:
        return Installed(), type(error).__name__.encode()


def _roam() -> None:
    """The worker of the gateway that started us stays on one core; we take whatever is idle."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def _spare_the_collector() -> None:
    """Judging leaves few cycles behind: they are collected between letters, not while one waits."""
    gc.collect()
    gc.freeze()
    gc.disable()


def main() -> int:
    """Judge until the gateway leaves."""
    given = argparse.ArgumentParser(description="For the gateway only.")
    given.add_argument("--parent", type=int, required=True)
    given.add_argument("--shared", type=int, required=True, help="descriptor of the memory where letters lie")
    given.add_argument("--state", type=Path)
    arguments = given.parse_args()
    # The gateway says when: a stop of the whole service reaches it first, and letters on their way are still judged.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    sandbox.end_with(arguments.parent)
    os.environ.clear()
    _roam()
    installed, trouble = _installed(arguments.state)
    pipes = Pipes(mmap.mmap(arguments.shared, SHARED, prot=mmap.PROT_READ))
    warm_up(installed)
    _spare_the_collector()
    sandbox.seal(memory=MEMORY)
    pipes.write(Kind.WARM, trouble)
    try:
        while True:
            kind, octets = pipes.read()
            if kind is Kind.ORDER:
                pipes.write(*answer(octets, _Letter(pipes.read), installed))
                gc.collect(0)
    except (GatewayLeft, BrokenPipeError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
