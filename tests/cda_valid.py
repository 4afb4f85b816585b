"""Faultless documents to start from, and the conditions under which tests judge."""

from datetime import UTC, date, datetime, timedelta, timezone

from mssgw.core.clinical import Environment, Finding, Profile
from mssgw.core.ins import Matricule
from mssgw.formats import documents
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.cda.rulebook import Conditions, check
from mssgw.formats.safexml import Element

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
MATRICULE = Matricule.parse("279035121518989")
PATIENT = Patient(
    matricule=MATRICULE,
    family="PATRONYME",
    given=("JEANNE", "MARIE"),
    birth=date(1979, 3, 28),
    local=("2.25.999000018", "IPP-0042"),
)
AUTHOR = Author(rpps="99900000012", family="MARTIN", given="Claire", finess="999000018", organisation="Hôpital")


def root_of(*, kind: str = "biologie", structured: bool = False, patient: Patient = PATIENT) -> Element:
    """A document of ours: an N1, or sections with a PDF copy."""
    at = datetime(2025, 2, 4, 16, 5, tzinfo=timezone(timedelta(hours=1)))
    order = Order(kind=KINDS[kind], patient=patient, author=AUTHOR, at=at, structured=structured, copy=structured)
    document = documents.read(make(order))
    assert document is not None
    return document.root


def judge(
    root: Element, profile: Profile = Profile.STANDARD, environment: Environment | None = Environment.TEST
) -> tuple[Finding, ...]:
    """The findings about a document where test identities are at home."""
    return check(root, Conditions(profile=profile, now=NOW, environment=environment))


def rules(findings: tuple[Finding, ...] | list[Finding]) -> set[str]:
    """Their ids."""
    return {finding.rule for finding in findings}
