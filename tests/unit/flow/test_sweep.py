"""Housekeeping goes on, whatever fails."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.core.routes import RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.flow import sweep
from mssgw.flow.live import Live
from mssgw.flow.sweep import Sweeper
from tests.contract.letters import DOCTOR, Place, letter
from tests.unit.flow.delivering.office import Events


@pytest.mark.parametrize("error", [StoreUnavailable(), FileNotFoundError()], ids=["store", "file system"])
async def test_a_sweep_that_fails_is_an_alarm_and_tried_again(monkeypatch, error):
    """A task that fell would stop the gateway: for a directory that somebody removed, mail would stop."""
    monkeypatch.setattr(sweep, "GARBAGE_EVERY", 0.0)
    spool, events = MemorySpool(), Events()
    outcomes = [error]

    async def sweep_files(*_: Any, **__: Any) -> int:
        if outcomes:
            raise outcomes.pop()
        return 1

    monkeypatch.setattr(spool, "sweep", sweep_files)
    sweeper = Sweeper(store=MemoryStore(), spool=spool, clock=FixedClock(), telemetry=events, trace=timedelta(days=365))
    task = asyncio.create_task(sweeper.run())
    async with asyncio.timeout(5):
        while "sweep.garbage" not in events.seen:
            assert not task.done()
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    seen = [name for name in events.seen if name.startswith("sweep.garbage")]
    assert seen[:2] == ["sweep.garbage_failed", "sweep.garbage"]


class Told:
    """Events with their fields."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def event(self, name: str, **fields: Any) -> None:
        self.seen.append((name, fields))


async def unread_after_days(*days: int, alarm: bool) -> list[dict[str, Any]]:
    """What the daily report says after so many days of a letter, and then of another, that nobody reads."""
    clock, told = FixedClock(), Told()
    store = MemoryStore(clock)
    place = Place(store, store, clock)

    async def nobody(*_: object) -> None:
        return None

    settings = Settings(hostname="gw", routes=RouteTable({}), unread_alarm=alarm)
    sweeper = Sweeper(
        store=store,
        spool=MemorySpool(),
        clock=clock,
        telemetry=told,
        trace=timedelta(days=365),
        live=Live(settings, lambda *_: None, nobody),
        desk=store,
    )
    for number, some in enumerate(days):
        await place.keep(f"A{number}", letters=(letter(f"<{number}>", receipt_to=(DOCTOR.key,)),))
        clock.pass_(days=some, seconds=1)
        await sweeper.report()
    assert {name for name, _ in told.seen} == {"report.unread"}
    return [fields for _, fields in told.seen]


async def test_the_daily_report_rings_for_letters_that_came_of_age_since_yesterday_where_it_is_wanted():
    """Those of before rang before: an alarm that rings for a year is heard by nobody (MDN-2)."""
    young, fresh, older = await unread_after_days(6, 1, 1, alarm=True)
    assert young == {"alarm": False, "count": 0, "fresh": 0}
    assert fresh == {"alarm": True, "count": 1, "fresh": 1}
    assert older == {"alarm": False, "count": 1, "fresh": 0}
    (_, later) = await unread_after_days(1, 6, alarm=True)
    assert later == {"alarm": True, "count": 1, "fresh": 1}


async def test_unless_it_is_wanted_it_only_tells():
    _, fresh = await unread_after_days(6, 1, alarm=False)
    assert fresh == {"alarm": False, "count": 1, "fresh": 1}
