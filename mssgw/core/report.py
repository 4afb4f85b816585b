"""What judging the clinical documents of one letter gave: pure values that cross from a validator process to the rules.

A letter is judged as a whole: by itself, as sent to its recipients, and its documents against each other.
"""

from collections.abc import Container
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from mssgw.core.clinical import Environment, Finding, Profile, Severity, Verdict, verdict_of
from mssgw.core.ins import Matricule


class Carried(StrEnum):
    """What a letter carries, for counting and for the rules about the letter around its documents."""

    CDA = "cda"  # at least one, alone or in an archive
    XDM = "xdm"
    PDF = "pdf"  # as an attachment of the letter itself
    IMAGE = "image"
    OPAQUE = "opaque"  # encrypted (S/MIME, PGP): delivered, counted, never unverified (SD-14)
    ARCHIVE = "archive"  # a zip that is no IHE XDM, gzip, 7z, rar: nobody looks for documents in it (SD-14)
    LOCKED_ZIP = "locked-zip"  # protected by a password, and no IHE XDM (SD-14)
    WINMAIL = "winmail"  # winmail.dat: delivered with a warning (SD-14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Under what the documents of a letter are judged. ``now`` with a zone.

    ``patients``: those among the recipients; ``professionals``: whether there are others.
    """

    profile: Profile
    now: datetime
    environment: Environment | None = None
    patients: tuple[Matricule, ...] = field(default=(), repr=False)
    professionals: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A document, an archive, or "" for what only all of them together tell.

    ``name``: where it is met. For letters the number of the part from 1, and of the document in its archive: "3/1";
    for files on a command line their names. ``code``: of a CDA, what it is (CDA-3); "" when it has none.
    ``qualified``: it names its patient as X-MSS-INS asks (FMT-10). ``unchecked``: it has no INS to compare with the
    address of a patient that it is sent to (SD-11).
    """

    name: str = field(repr=False)
    findings: tuple[Finding, ...] = ()
    cda: bool = False
    code: str = ""
    qualified: bool = False
    unchecked: bool = False

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything about the documents of one letter; without any, ``documents`` is ().

    ``complete`` is False when the validator crashed or ran out of time: nobody can tell (SD-10).
    """

    documents: tuple[Judged, ...] = ()
    carried: frozenset[Carried] = frozenset()
    complete: bool = True

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for each in self.documents for finding in each.findings)

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings, complete=self.complete)

    @property
    def codes(self) -> tuple[str, ...]:
        """What its documents are, as X-MSS-CODECDA tells it: each once, in their order (FMT-11)."""
        return tuple(dict.fromkeys(each.code for each in self.documents if each.code))

    @property
    def is_qualified(self) -> bool:
        """Whether X-MSS-INS is O: one document that qualifies suffices (FMT-10)."""
        return any(each.qualified for each in self.documents)

    def weighty(self, at_most: int = 40) -> "Report":
        """What decides on a letter and is kept with it: without notes, and of very many findings the gravest.

        Every document stays, however many: one that is left out could be the one that was sent to the wrong patient.
        """
        kept = [finding for finding in self.findings if finding.severity > Severity.INFO]
        if len(kept) > at_most:
            kept = sorted(kept, key=lambda finding: (finding.danger, finding.severity), reverse=True)[:at_most]
        keep = {id(finding) for finding in kept}
        return replace(self, documents=tuple(_only(each, keep) for each in self.documents))


def _only(judged: Judged, keep: Container[int]) -> Judged:
    """A document with no findings but those of these ids; as a rule they are all of them."""
    kept = tuple(finding for finding in judged.findings if id(finding) in keep)
    return judged if len(kept) == len(judged.findings) else replace(judged, findings=kept)


UNVERIFIED = Report(complete=False)
