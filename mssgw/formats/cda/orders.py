"""What the maker is asked for: a patient, an author, a kind of document, and when."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

from mssgw.core.ins import InsAuthority, Matricule
from mssgw.formats import pdf
from mssgw.formats.cda.kinds import Kind

_NAMESPACE = UUID("6d737367-7700-4cda-8000-000000000001")  # our own, for identifiers that the same order gets again


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The traits of an identity, as the INS service gives them. ``local``: OID and number of another identifier."""

    matricule: Matricule = field(repr=False)
    authority: InsAuthority = InsAuthority.TEST_NIR
    family: str = field(repr=False)
    given: Sequence[str] = field(repr=False)  # all given names at birth, first one first
    birth: date = field(repr=False)
    local: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def gender(self) -> str:
        """By the matricule's first digit: 1 is male."""
        return "M" if self.matricule.value[0] in "1357" else "F"

    @property
    def birthplace(self) -> str:
        """COG code of the commune or country, as the matricule holds it (INS-2)."""
        return self.matricule.value[5:10]


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """A professional and the establishment he writes for. ``rpps``: 11 digits; ``finess``: 9 digits."""

    rpps: str
    family: str = field(repr=False)
    given: str = field(repr=False)
    finess: str
    organisation: str
    prefix: str = "M"
    suffix: str = "DR"
    address: tuple[str, str, str, str] = ("1", "Rue de l'Exemple", "75000", "PARIS")  # number, street, code, city
    telecom: str = "tel:0199000000"  # in the range kept for fiction


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One document. ``at``: when it was written, with its zone; ``began``: when the act did, else at the same time.

    ``structured``: a body of sections in place of a PDF (N1). ``pdf``: the PDF to carry, else one is made.
    ``copy``: a structured body carries that PDF too. ``replaces``: the order whose document this one replaces (RPLC).
    """

    kind: Kind
    patient: Patient
    author: Author
    at: datetime
    began: datetime | None = None
    title: str = ""
    structured: bool = False
    copy: bool = False
    pdf: bytes | None = field(default=None, repr=False)
    replaces: "Order | None" = None

    def __post_init__(self) -> None:
        """Raises ValueError for a moment without a zone: its metadata in UTC could not be told."""
        if any(moment.tzinfo is None for moment in (self.at, self.begins)):
            raise ValueError("a moment without a time zone")

    @property
    def heading(self) -> str:
        return self.title or self.kind.title

    @property
    def begins(self) -> datetime:
        return self.began or self.at

    @property
    def version(self) -> int:
        return self.replaces.version + 1 if self.replaces else 1

    @property
    def set_id(self) -> str:
        """The OID that all versions share."""
        return self.replaces.set_id if self.replaces else self.oid("set")

    def uuid(self, what: str) -> UUID:
        """An identifier for one thing of this order: the same order, the same identifier."""
        patient = self.patient
        told = (
            *(self.kind.name, patient.matricule.value, patient.family, *patient.given, str(patient.birth)),
            *(self.author.rpps, self.author.finess, self.heading, self.at.isoformat(), self.begins.isoformat()),
            *(str(self.structured), str(self.copy), str(self.version), what),
        )
        return uuid5(_NAMESPACE, "\0".join(told))

    def oid(self, what: str) -> str:
        """The same as an OID, under 2.25 (X.667)."""
        return f"2.25.{self.uuid(what).int}"

    def shown(self) -> bytes:
        """The PDF: the one given, else one that says what a structured body would."""
        patient, author = self.patient, self.author
        who = f"Patient : {patient.family} {' '.join(patient.given)}, {patient.gender}"
        lines = [
            f"{who}, né(e) le {patient.birth:%d/%m/%Y}, INS {patient.matricule.value}",
            f"Auteur : {author.given} {author.family}, {author.organisation}",
            f"Le {self.at:%d/%m/%Y}",
        ]
        for section in self.kind.sections:
            lines += ["", section.title, *section.paragraphs]
        return self.pdf if self.pdf is not None else pdf.letter(self.heading, lines)


def stamp(moment: datetime) -> str:
    """A moment as HL7 writes it, with its zone."""
    return moment.strftime("%Y%m%d%H%M%S%z")


def utc_stamp(moment: datetime) -> str:
    """A moment as XDS metadata have it: in UTC, without saying so."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")
