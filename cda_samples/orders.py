"""The documents that are right: each kind as a PDF in a CDA (N1) and structured, bare and in its archive."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from cda_samples import people
from cda_samples.letters import letter
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.xdm_making import archive

PATIENTS = "patient.mssante.fr"
_WINTER, _SUMMER = timezone(timedelta(hours=1)), timezone(timedelta(hours=2))


def _at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2025, month, day, hour, minute, tzinfo=_SUMMER if 4 <= month <= 9 else _WINTER)


def _order(kind: str, patient: Patient, author: Author, at: datetime, began: datetime | None = None) -> Order:
    return Order(kind=KINDS[kind], patient=patient, author=author, at=at, began=began)


ORDERS = {
    order.kind.name: order
    for order in (
        _order("lettre-de-liaison", people.JEANNE, people.HOSPITAL, _at(11, 3, 14, 30), _at(10, 28, 9)),
        _order("crh", people.ANDRE, people.HOSPITAL, _at(7, 11, 16), _at(7, 6, 22, 15)),
        _order("biologie", people.ANGE, people.LABORATORY, _at(2, 4, 16, 5), _at(2, 4, 7, 35)),
        _order("imagerie", people.LUCIE, people.RADIOLOGY, _at(12, 16, 11, 17), _at(12, 16, 10, 25)),
        _order("ordonnance", people.KARIM, people.SURGERY, _at(9, 1, 9, 10)),
        _order("consultation", people.JEANNE, people.SURGERY, _at(1, 20, 18, 45), _at(1, 20, 18)),
        _order("vaccination", people.HUGO, people.SURGERY, _at(10, 14, 15, 30)),
    )
}
REPLACEMENT = replace(ORDERS["lettre-de-liaison"], at=_at(11, 4, 9), replaces=ORDERS["lettre-de-liaison"])


def structured(order: Order) -> Order:
    """The same as sections; a prescription and a laboratory's report carry a copy as PDF too."""
    return replace(order, structured=True, copy=order.kind.name in ("ordonnance", "biologie"))


def valid() -> Iterator[tuple[str, bytes]]:
    """Every right file, by its name."""
    for name, order in ORDERS.items():
        yield f"{name}-n1.xml", make(order)
        yield f"{name}-structure.xml", make(structured(order))
        yield f"{name}-n1.zip", archive([order])
    yield "lettre-de-liaison-remplacement.zip", archive([REPLACEMENT])
    yield "lettre-de-liaison.eml", letter(ORDERS["lettre-de-liaison"], f"{people.JEANNE.matricule.value}@{PATIENTS}")
    yield "biologie-n1-et-structure.zip", archive([ORDERS["biologie"], structured(ORDERS["biologie"])])
