"""Housekeeping goes on, whatever fails."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.flow import sweep
from mssgw.flow.sweep import Sweeper
from tests.unit.flow.test_deliver import Events


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
