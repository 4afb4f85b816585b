"""Letters for validators, and what tests of them do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime

from mssgw.core.clinical import Environment, Profile
from mssgw.core.ins import Matricule
from mssgw.core.report import Order
from mssgw.edges.validators import ProcessValidators
from mssgw.formats.wire import to_wire
from tests import clinical_letters
from tests.canaries import MATRICULES

FIELDS = "From: a@b.example\nTo: c@d.example\nSubject: s\n"
JEANNE, LUCIE = (Matricule.parse(each) for each in ("279035121518989", "288112B98765431"))
PIECE = 65_536


class Told:
    """ports.Telemetry that remembers the names of alarms and events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self.alarms: list[str] = []

    def event(
        self, name: str, *, alarm: bool = False, failure: BaseException | None = None, **fields: str | float | None
    ) -> None:
        self.events.append((name, fields))
        if alarm:
            self.alarms.append(name)


def order(profile: Profile = Profile.STANDARD, *patients: Matricule) -> Order:
    return Order(
        profile=profile,
        now=datetime(2026, 1, 1, tzinfo=UTC),
        environment=Environment.TEST,
        patients=patients,
        professionals=not patients,
    )


async def pieces(wire: bytes, size: int = PIECE) -> AsyncIterator[bytes]:
    for start in range(0, len(wire), size):
        yield wire[start : start + size]


def letter(about: str = MATRICULES[0], kind: str = "crh") -> bytes:
    return to_wire(clinical_letters.letter(about, fields=FIELDS, kind=kind).encode())


LETTER = letter()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.02)


async def warm(validators: ProcessValidators, count: int = 2) -> None:
    await eventually(lambda: len(validators.processes) == count)
