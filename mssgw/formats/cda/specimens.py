"""Documents to try a schema on: right ones of our own making, of an invented patient, and an empty one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from mssgw.core.ins import Matricule
from mssgw.formats import documents, safexml
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.safexml import Element

EMPTY = safexml.parse(b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', limit=100)

_PATIENT = Patient(
    matricule=Matricule.parse("279035121518989"), family="EXEMPLE", given=("JEANNE", "MARIE"), birth=date(1979, 3, 28)
)
_AUTHOR = Author(rpps="99900000012", family="MARTIN", given="CLAIRE", finess="999000018", organisation="CH EXEMPLE")


def specimens() -> Iterator[tuple[str, Element]]:
    """A PDF in a CDA and a body of sections, of every kind that we make, each with its name."""
    for kind in KINDS.values():
        for structured in (False, True):
            order = Order(
                kind=kind, patient=_PATIENT, author=_AUTHOR, at=datetime(2025, 1, 2, tzinfo=UTC), structured=structured
            )
            if (document := documents.read(make(order))) is not None:
                yield f"{kind.name} {'structured' if structured else 'N1'}", document.root
