"""What a file on the command line holds of clinical documents, and how it is judged: alone, and as sent to somebody."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.clinical import DocumentPatient, Finding, Mark, Verdict, verdict_of
from mssgw.core.errors import GatewayError
from mssgw.core.ins import Matricule
from mssgw.formats import documents, xdm
from mssgw.formats.cda import coherence, hidden, ins
from mssgw.formats.cda.rulebook import Conditions, check
from mssgw.formats.documents import Document
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import Kind, kind_of
from mssgw.formats.mime import Scanner
from mssgw.formats.parts import Excerpt, Part
from mssgw.formats.wire import to_wire

SUFFIXES = (".xml", ".zip", ".eml")
_LIMIT = 32 * 1024 * 1024  # octets kept of one part of a letter


class UnreadableLetter(GatewayError):
    """The parts of a letter cannot be told apart: two readers may see two different letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """To whom a file would go."""

    patients: tuple[Matricule, ...] = ()
    professionals: bool = False

    @classmethod
    def of(cls, addresses: Iterable[str], space: PatientSpace) -> "Recipients":
        """By their addresses. Raises MalformedAddress or MalformedMatricule."""
        parsed = [Address.parse(text) for text in addresses]
        patients = [each for each in parsed if each.domain == space.domain and each.key not in space.exceptions]
        return cls(
            patients=tuple(Matricule.parse(each.local) for each in patients),
            professionals=len(patients) < len(parsed),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A document, an archive, or a whole file ("" for a name): what was found."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFile:
    """A file with all that it holds; nothing clinical: no ``documents``."""

    file: Path
    documents: tuple[Judged, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict_of(finding for each in self.documents for finding in each.findings)


def found_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are meant: those named, and in folders those that end as documents, archives and letters do."""
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
        else:
            yield path


def judge(file: Path, content: bytes, conditions: Conditions, sent_to: Recipients) -> JudgedFile:
    """All that a file holds, against every rule; as sent to somebody when ``sent_to`` names somebody."""
    judging = _Judging(conditions, sent_to)
    if file.suffix.lower() == ".eml":
        for name, part in _parts(content):
            judging.part(name, part)
    else:
        judging.only(file, content)
    return JudgedFile(file=file, documents=judging.all())


class _Judging:
    """One file while it is judged: documents so far, and whom they are about."""

    def __init__(self, conditions: Conditions, sent_to: Recipients) -> None:
        self._conditions = conditions
        self._sent_to = sent_to
        self._judged: list[Judged] = []
        self._patients: list[DocumentPatient] = []

    def only(self, file: Path, content: bytes) -> None:
        """A file of its own: whoever names a zip means it to be an archive of documents."""
        if kind_of(content) is Kind.ZIP or file.suffix.lower() == ".zip":
            self._archive("", content)
        else:
            self._xml("", content)

    def part(self, name: str, content: bytes) -> None:
        """An attachment of a letter: of zips only those that are IHE XDM (SD-14)."""
        if xdm.is_xdm(name, content):
            self._archive(name, content)
        else:
            self._xml(name, content)

    def all(self) -> tuple[Judged, ...]:
        """Everything judged, and what only all of it together tells."""
        if together := coherence.check_one_patient(self._patients, self._conditions.profile):
            self._add("", together)
        return tuple(self._judged)

    def _xml(self, name: str, content: bytes) -> None:
        try:
            document = documents.read(content, name=name)
        except Stopped as stopped:
            self._add(name, [stopped.finding(self._conditions.profile)])
        else:
            if document is not None:
                self._document(name, document)

    def _archive(self, name: str, content: bytes) -> None:
        package = xdm.read(content, self._conditions.profile)
        findings = [*package.findings, *self._hidden(package.marks)]
        if package.patients and not package.documents:  # else they are compared by way of the documents
            findings += self._addressed(package.patients)
        self._add(name or "IHE XDM", findings)
        self._patients += package.patients
        for document in package.documents:
            self._document(f"{name}/{document.name}" if name else document.name, document)

    def _document(self, name: str, document: Document) -> None:
        patients = ins.patients_of(document.root)
        self._patients += patients
        marked = self._hidden(hidden.marks_of(document.root))
        self._add(name, [*check(document.root, self._conditions), *marked, *self._addressed(patients)])

    def _addressed(self, patients: Sequence[DocumentPatient]) -> Iterator[Finding]:
        for matricule in self._sent_to.patients:
            yield from coherence.check_address(patients, matricule, self._conditions.profile)

    def _hidden(self, marks: Iterable[Mark]) -> list[Finding]:
        return hidden.check_hidden(
            frozenset(marks),
            self._conditions.profile,
            patients=self._sent_to.patients,
            to_professionals=self._sent_to.professionals,
            today=self._conditions.now.date(),
        )

    def _add(self, name: str, findings: Sequence[Finding]) -> None:
        self._judged.append(Judged(name=name, findings=tuple(findings)))


class _Attachments:
    """A keeper of every part of a letter."""

    def __init__(self) -> None:
        self.kept: list[Excerpt] = []

    def offer(self, part: Part) -> Excerpt:
        self.kept.append(Excerpt(part, _LIMIT))
        return self.kept[-1]


def _parts(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and octets of every part of a letter. Raises UnreadableLetter when its structure cannot be trusted."""
    attachments = _Attachments()
    scanner = Scanner(keepers=(attachments,))
    scanner.feed(to_wire(content))
    if scanner.finish().unreadable:
        raise UnreadableLetter("not a letter whose parts all readers would tell apart alike")
    for number, each in enumerate(attachments.kept, 1):
        names = each.part.disposition.parameters, each.part.kind.parameters
        name = names[0].get("filename") or names[1].get("name") or f"part {number}"
        yield name, each.content
