"""A deliverer over the in-memory twins, next hops that answer what they are told to, and what was told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from mssgw.app.composition import Flow, assemble
from mssgw.core.addresses import Address
from mssgw.core.delivery import Deferred, Delivered, Delivery, Outcome
from mssgw.core.message import MessageHead
from mssgw.core.replies import Reply
from mssgw.core.routes import Route, RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.edges.memory.validators import MemoryValidators
from mssgw.flow.live import Live
from mssgw.ports import StillOurs, Stored, always
from tests.contract.letters import PATIENT, acceptance

OK, NO = Reply(250, "2.0.0", "OK"), Reply(550, "5.1.1", "no such user")


COLLEAGUE = Address.parse("dr.durand@ch-test.mssante.fr")


DOCTOR = Address.parse("dr.martin@chu-exemple.mssante.fr")


TO_PATIENTS, TO_HOSPITAL = Route(name="patients", host="mx.patient"), Route(name="hospital", host="mx.hospital")


DOMAINS = {PATIENT.domain: TO_PATIENTS, COLLEAGUE.domain: TO_PATIENTS, DOCTOR.domain: TO_HOSPITAL}


class Hop:
    """ports.Transport: answers what it is told to, and remembers which recipient came over which route."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.answer: Callable[[], Outcome] = lambda: Delivered(reply=OK, next_hop="mx", dsn_passed_on=True)

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        self.seen += [(route.name, each.forward_path.address.key) for each in deliveries]
        await self.free.wait()
        return {each.number: self.answer() for each in deliveries}


class Events:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.alarms: list[str] = []

    def event(self, name: str, *, alarm: bool = False, **_: Any) -> None:
        self.seen.append(name)
        if alarm:
            self.alarms.append(name)


@dataclass
class Office:
    """A deliverer over the in-memory twins."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FixedClock = field(default_factory=FixedClock)
    events: Events = field(default_factory=Events)
    hop: Hop = field(default_factory=Hop)

    def __post_init__(self) -> None:
        async def nobody(*_: object) -> None:
            return None

        self.live = Live(Settings(hostname="mssgw.test", routes=RouteTable(DOMAINS)), lambda *_: None, nobody)

    def flow(self, **given: Any) -> Flow:
        return assemble(
            validators=MemoryValidators(),
            store=self.store,
            transport=self.hop,
            clock=self.clock,
            telemetry=self.events,
            live=self.live,
            **{"spool": MemorySpool(), **given},
        )

    async def keep(self, *spool_ids: str, recipients: tuple[Address, ...] = (PATIENT,)) -> None:
        for spool_id in spool_ids:
            kept = acceptance(spool_id, self.clock, recipients=recipients)
            head = MessageHead(message_id="<1@chu>")  # an ordinary letter: its sender may be told
            await self.store.accept(replace(kept, facts=replace(kept.facts, head=head)))

    async def keep_asked_about(self, spool_id: str, recipients: tuple[Address, ...] = (PATIENT,)) -> None:
        """A letter whose sender is told of failures and delays, as by default."""
        kept = acceptance(spool_id, self.clock, recipients=recipients)
        paths = [replace(each.forward_path, notify=None) for each in kept.deliveries]
        deliveries = tuple(replace(each, forward_path=path) for each, path in zip(kept.deliveries, paths, strict=True))
        facts = replace(kept.facts, head=MessageHead(message_id="<1@chu>"))
        await self.store.accept(replace(kept, facts=facts, deliveries=deliveries))

    async def states(self) -> list[str]:
        rows = [
            row for state in ("queued", "delivered", "bounced") for row in await self.store.queue(limit=9, state=state)
        ]
        return [f"{row.delivery.spool_id} {row.delivery.state}" for row in rows]


@asynccontextmanager
async def running(flow: Flow) -> AsyncIterator[None]:
    task = asyncio.create_task(flow.deliverer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await flow.deliverer.stop(1.0)


async def until(condition: Callable[[], object], flow: Flow) -> None:
    async with asyncio.timeout(5):
        while not condition():
            flow.deliverer.wake()
            await asyncio.sleep(0)


class ByTurns(Hop):
    """Answers one letter for each turn; ``hospital``: a letter came for it."""

    def __init__(self) -> None:
        super().__init__()
        self.turns, self.hospital = asyncio.Semaphore(1), asyncio.Event()

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        if route is TO_HOSPITAL:
            self.hospital.set()
        await self.turns.acquire()
        return await super().send(route, stored, deliveries)


def broken() -> Outcome:
    raise RuntimeError("ours")


def away() -> Outcome:
    return Deferred(reply=Reply(451, "4.4.1", "Connexion au serveur suivant impossible"), next_hop="mx", down=True)
