"""The white list of one node: a source and a shelf that the test fills, a clock of its own, and what was told."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.list_signature import BadSignature
from mssgw.edges.memory.trust import MemoryShelf, MemorySource
from mssgw.flow.white_list import WhiteListKeeper
from mssgw.ports.white_list import Kept
from tests.white_lists import dn, white_list

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def published(domains: Iterable[str] = ("x.fr",), *, hours: float = 0) -> bytes:
    """A list generated so many hours after START."""
    generated = START + timedelta(hours=hours)
    return white_list([(each, dn("a.example")) for each in domains], generated=f"{generated:%Y-%m-%dT%H:%M:%SZ}")


TEN = [f"d{number}.fr" for number in range(10)]


class Events:
    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.alarms: list[str] = []

    def event(self, name: str, *, alarm: bool = False, **fields: Any) -> None:
        self.seen.append((name, fields))
        if alarm:
            self.alarms.append(name)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [fields for each, fields in self.seen if each == name]


class Stamp:
    """A seal: what begins with it is signed."""

    def __init__(self) -> None:
        self.ends = START + timedelta(days=9)

    def signed_part(self, file: bytes, *, at: datetime) -> bytes:
        if not file.startswith(b"SIGNED") or at > self.ends:
            raise BadSignature("not signed")
        return file[6:]


@dataclass
class Node:
    source: MemorySource = field(default_factory=MemorySource)
    shelf: Any = field(default_factory=MemoryShelf)
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    events: Events = field(default_factory=Events)
    seal: Stamp | None = None

    def worker(self, source: MemorySource | None = None) -> WhiteListKeeper:
        return WhiteListKeeper(
            source=source or self.source, seal=self.seal, shelf=self.shelf, clock=self.clock, telemetry=self.events
        )


def domains(keeper: WhiteListKeeper) -> set[str]:
    found = keeper.usable()
    return set(found.operators) if found is not None else set()


class FullDisk(MemoryShelf):
    async def keep(self, kept: Kept) -> None:
        raise StoreUnavailable("the disk is full")


class OftenFull(MemoryShelf):
    full = False

    async def keep(self, kept: Kept) -> None:
        if self.full:
            raise StoreUnavailable("the disk is full")
        await super().keep(kept)
