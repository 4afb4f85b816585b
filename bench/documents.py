"""How fast documents are judged: warm validators over folders of documents, and the largest PDF that a letter takes.

    python -m bench.documents                                    the project's own samples
    python -m bench.documents --folder DIR --material DIR        and other documents; XSD and value sets from there

In the suite, the environment says so: MSSGW_DOCUMENTS and MSSGW_MATERIAL. Each file (.xml, .zip, .eml) goes as a letter
to one of two processes, as in the gateway; two letters are on their way at any time. What is timed is judge(), from
the first octet handed over to the report read. Of a folder that is given, bench/bare_documents.py measures
beside it what no implementation can save.
"""

import asyncio
import base64
import itertools
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import bare_documents, latency
from bench.floor import floor
from bench.letters import real_shaped
from bench.numbers import percentile
from bench.part import Figures, Missing, parser, say, show
from bench.sinks import timing_sink
from mssgw.app.telemetry.events import Silence
from mssgw.core.clinical import Profile
from mssgw.core.report import Order, Report
from mssgw.edges.validators import ProcessValidators
from mssgw.formats.cda.making import make
from mssgw.formats.wire import stuffed, to_wire
from tests import clinical_letters
from tests.canaries import MATRICULES

OWN = Path(__file__).resolve().parent.parent / "cda_samples" / "valid"
PROCESSES = 2
DIALOGUE = 30.0  # letters a second
PDF = 7_000_000  # octets
_PIECE = 65_536
_HEAD = "From: a@b.example\r\nTo: c@d.example\r\nSubject: s\r\nMIME-Version: 1.0\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One letter: what was said of it, and how many seconds that took."""

    report: Report
    seconds: float


def letters_in(folder: Path) -> list[bytes]:
    """Every document, archive and letter of a folder, as a letter in wire form. Raises Missing."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".xml", ".zip", ".eml"))
    if not files:
        raise Missing(f"no document in {folder}")
    return [_letter(path) for path in files]


def _letter(path: Path) -> bytes:
    content = path.read_bytes()
    match path.suffix.lower():
        case ".eml":
            return to_wire(content)
        case ".zip":
            return _around(content, 'application/zip; name="IHE_XDM.zip"')
        case _:
            return _bare(content)


def _bare(document: bytes) -> bytes:
    """A letter that is a document, as octets: what is measured is judging it, not undoing base64."""
    return f"{_HEAD}Content-Type: text/xml\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode() + stuffed(document)


def _around(content: bytes, kind: str) -> bytes:
    coded = base64.encodebytes(content).replace(b"\n", b"\r\n")
    part = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
    text = b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBonjour\r\n"
    head = f'{_HEAD}Content-Type: multipart/mixed; boundary="b"\r\n\r\n'.encode()
    return head + text + b"--b\r\n" + part + coded + b"--b--\r\n"


def large() -> bytes:
    """A letter that is a document with 7 MB of PDF in it."""
    pdf = clinical_letters.order(MATRICULES[0]).shown()
    made = clinical_letters.order(MATRICULES[0], pdf=pdf[:-6] + b"%" * (PDF - len(pdf)) + pdf[-6:])
    document = make(made).replace(b"\n", b"\r\n")
    return _bare(document)


async def judged(validators: ProcessValidators, letters: Iterator[bytes], at_once: int) -> list[Judged]:
    """All of them, so many at once."""
    done: list[Judged] = []
    order = Order(profile=Profile.STANDARD, now=datetime.now(UTC), professionals=True)

    async def send() -> None:
        for letter in letters:
            begin = time.perf_counter()
            report = await validators.judge(_pieces(letter), order)
            done.append(Judged(report=report, seconds=time.perf_counter() - begin))

    async with asyncio.TaskGroup() as clients:
        for _ in range(at_once):
            clients.create_task(send())
    if not all(each.report.complete for each in done):
        raise Missing("a validator did not answer in time: is the machine busy?")
    return done


async def _pieces(letter: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(letter), _PIECE):
        yield letter[start : start + _PIECE]


async def measured(letters: Sequence[bytes], state_dir: Path | None, *, rounds: int) -> Figures:
    """Rates and times over so many rounds of all letters, after one that does not count."""
    async with ProcessValidators(
        count=PROCESSES, telemetry=Silence(), deadline=60, patience=120, most=10**9, memory=10**10, state_dir=state_dir
    ) as validators:
        await judged(validators, iter(letters), PROCESSES)
        begin = time.perf_counter()
        done = await judged(validators, itertools.chain.from_iterable([letters] * rounds), PROCESSES)
        seconds = time.perf_counter() - begin
        resident = max(validators.processes.values())
        big = await judged(validators, iter([large()] * (2 + rounds)), 1)
        resident_after = max(validators.processes.values())
    documents = sum(each.cda for one in done for each in one.report.documents)
    times = [each.seconds for each in done]
    return {
        "letters": len(done),
        "documents": documents,
        "mean_kb": round(sum(map(len, letters)) / len(letters) / 1000),
        "per_second": round(documents / seconds, 1),
        "ms": {name: round(1000 * percentile(times, share), 2) for name, share in _SHARES.items()},
        "pdf_ms": round(1000 * percentile([each.seconds for each in big[2:]], 0.5), 1),
        "worker_mb": round(resident / 1e6, 1),
        "worker_after_pdf_mb": round(resident_after / 1e6, 1),
    }


_SHARES = {"p50": 0.5, "p95": 0.95, "max": 1.0}


@contextmanager
def installed(material: Path | None) -> Iterator[Path | None]:
    """A state folder with the pack that is in some material."""
    if material is None:
        yield None
        return
    from mssgw.edges.material_files import read_material
    from mssgw.edges.pack_files import PackFiles
    from mssgw.formats.cda.material import pack_from
    from mssgw.formats.cda.pack import Label

    found = pack_from(read_material(material))
    with tempfile.TemporaryDirectory() as folder:
        label = Label(digest=found.pack.digest, installed_at=datetime.now(UTC), source="benchmark", schema=found.schema)
        PackFiles(Path(folder)).install(found.pack, label)
        yield Path(folder)


def figures(*, quick: bool, folder: Path | None = None, material: Path | None = None) -> Figures:
    """Documents a second, times and memory: of our own samples, and of a folder that is given."""
    folder, material = folder or _told("MSSGW_DOCUMENTS"), material or _told("MSSGW_MATERIAL")
    found: Figures = {"xsd": material is not None}
    with installed(material) as state_dir:
        for name, each in (("own", OWN), ("given", folder)):
            if each is not None:
                letters = letters_in(each)
                say(f"  {name}: {len(letters)} files{' with XSD' if material else ''}")
                rounds = 2 if quick else max(3, 2_000 // len(letters))
                found[name] = asyncio.run(measured(letters, state_dir, rounds=rounds))
                if name == "given":
                    bare = bare_documents.rate(each, state_dir, processes=PROCESSES, rounds=rounds)
                    found[name]["bare_per_second"] = bare
    seconds = 8.0 if quick else 30.0
    disk = floor(seconds=seconds, rate=DIALOGUE)
    found["dialogue"] = asyncio.run(dialogue(seconds=seconds)) | {"disk_ms": disk}
    return found


async def dialogue(*, seconds: float) -> Figures:
    """Letters with a document of 300 kB over STARTTLS through a gateway, as in bench.latency: times and loop lag."""
    whole = real_shaped()
    say(f"  {DIALOGUE:g} letters of {len(whole)} octets a second through a gateway")
    async with timing_sink() as arrivals:
        with latency.running(arrivals.port) as gateway:

            def make(number: int, _octets: int) -> bytes:
                return b"X-Bench-Number: %d\r\n" % number + whole

            return await latency.measure(
                gateway, arrivals, seconds=seconds, rate=DIALOGUE, octets=len(whole), make=make
            )


def _told(variable: str) -> Path | None:
    told = os.environ.get(variable)
    return Path(told) if told else None


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--folder", type=Path, help="documents, besides cda_samples/valid")
    arguments.add_argument("--material", type=Path, help="folder or zip with the ANS's XSD and value sets")
    given = arguments.parse_args()
    show(figures(quick=given.quick, folder=given.folder, material=given.material))


if __name__ == "__main__":
    main()
