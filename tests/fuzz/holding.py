"""What holds of any octets: they are read, left alone or stopped, at once, in little memory, and nothing says whose
they are."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mssgw.core.clinical import Environment, Finding, Profile
from mssgw.core.document_patients import DocumentPatient
from mssgw.core.ins import Matricule
from mssgw.core.report import Order
from mssgw.formats import documents, xdm
from mssgw.formats.archive import safe_unzip
from mssgw.formats.cda import coherence, hidden, ins
from mssgw.formats.cda.rulebook import Conditions, check
from mssgw.formats.cda.survey import survey
from mssgw.formats.cda.value_sets import ValueSets
from mssgw.formats.documents import Document
from mssgw.formats.guard import Stopped
from mssgw.formats.judging import judge_file
from tests.fuzz.seeds import CANARIES
from tests.watchdog import watchdog

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
CPU = 3.0  # seconds for all of one input; it takes some ms
MEMORY = 100 * 1024  # kB above what there was before: 200,000 elements, which are admitted, in a sheet: 85 MB
MATRICULE = Matricule.parse("146026322000196")  # of somebody else
_ORDER = Order(profile=Profile.STANDARD, now=NOW, patients=(MATRICULE,), professionals=True)
_SETS = ValueSets({f"JDV_J{name}": frozenset({("1", "1.2")}) for name in ("01", "02", "04", "07", "47")})
_CONDITIONS = tuple(
    Conditions(profile=profile, now=NOW, environment=environment, value_sets=_SETS)
    for profile, environment in zip(Profile, (None, *Environment), strict=True)
)


def judge(content: bytes) -> None:
    """Everything that may happen to some octets, by whatever name they come. Fails the test when it should not."""
    with _bounded():
        told = [*_as_document(content), *_as_archive(content), *_as_letter(content)]
    for text in told:
        found = [canary for canary in CANARIES if canary in text.lower()]
        assert not found, f"a finding tells of the patient: {text}"


def _as_document(content: bytes) -> Iterator[str]:
    try:
        document = documents.read(content)
    except Stopped as stopped:
        yield from _texts([stopped.finding(Profile.OBSERVE)])
        yield f"{stopped} {stopped!r} {stopped.reply}"
        return
    if document is not None:
        yield from _of(document)


def _as_archive(content: bytes) -> Iterator[str]:
    assert isinstance(xdm.is_xdm("LETTER.ZIP", content), bool)
    try:
        safe_unzip(content)
    except Stopped as stopped:
        yield f"{stopped} {stopped!r} {stopped.reply}"
    for profile in Profile:
        package = xdm.read(content, profile)
        yield from _texts(package.findings)
        yield repr(package)
    yield from _texts(_sent(package.patients))
    for document in package.documents:
        yield from _of(document)


def _as_letter(content: bytes) -> Iterator[str]:
    report = judge_file(content, _ORDER, name="A.EML")
    yield from _texts(report.findings)
    yield f"{report.weighty()!r} {report.codes}"


def _of(document: Document) -> Iterator[str]:
    for conditions in _CONDITIONS:
        yield from _texts(check(document.root, conditions))
    yield from _texts(_sent(ins.patients_of(document.root)))
    marks = hidden.marks_among(survey(document.root).secrets)
    refusals = hidden.check_hidden(
        marks, Profile.STANDARD, patients=[MATRICULE], to_professionals=True, today=NOW.date()
    )
    yield from _texts(refusals)
    yield repr(document)


def _sent(patients: Sequence[DocumentPatient]) -> Iterable[Finding]:
    return itertools.chain(
        coherence.check_address(patients, MATRICULE, Profile.STANDARD),
        coherence.check_one_patient(patients, Profile.STANDARD),
    )


def _texts(findings: Iterable[Finding]) -> Iterator[str]:
    for each in findings:
        assert each.line is None or each.line >= 0
        yield f"{each.rule} {each.sentence} {each.xpath} {each.found} {each.expected} {each.source}"


@contextmanager
def _bounded() -> Iterator[None]:
    """Processor time and memory: the kernel counts the most that there ever was, libxml2's own included."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _most()
    with watchdog("judging", CPU):
        yield
    taken = _most() - before
    assert taken < MEMORY, f"{taken} kB"


def _most() -> int:
    """kB resident at the most since clear_refs."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])
