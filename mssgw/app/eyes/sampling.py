"""What has to be looked at from time to time: the queue, the event loop's lag, the line for systemd."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from mssgw.app.eyes.health import Health
from mssgw.app.telemetry import log
from mssgw.app.telemetry.metrics import AGES, Metrics
from mssgw.core.errors import GatewayError
from mssgw.edges import systemd
from mssgw.ports import Census, Clock, Desk, Vitals

COUNT_EVERY = 5.0  # seconds, or longer: counting takes a twentieth of one reader's time at most
UNREAD_EVERY = 600.0  # seconds
_SHARE = 20
TICK = 0.05  # seconds: a stall of that length or more is never missed
_STATUS_EVERY = 1.0
_CATCH_UP_EVERY = 1.0


async def count_queue(vitals: Vitals, clock: Clock, metrics: Metrics) -> None:
    """Until cancelled: depth and ages of the queue, by one query of a reader of its own."""
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        with contextlib.suppress(GatewayError):  # the readiness check says so
            metrics.census.latest = await vitals.census(now=clock.now(), ages=AGES)
        await asyncio.sleep(max(COUNT_EVERY, _SHARE * (loop.time() - started)))


async def count_unread(desk: Desk, clock: Clock, metrics: Metrics, after: Callable[[], timedelta]) -> None:
    """Until cancelled: how many letters asked to be acknowledged and are not read ``after`` so long (MDN-2)."""
    while True:
        with contextlib.suppress(GatewayError):  # the readiness check says so
            before = clock.now() - after()
            metrics.unread.set((await desk.count_unread(before=before, fresh_since=before)).total)
        await asyncio.sleep(UNREAD_EVERY)


async def count_receipts(vitals: Vitals, metrics: Metrics) -> None:
    """Until cancelled: how many letters of patients whose mailboxes we keep wait to be opened (SD-13)."""
    while True:
        with contextlib.suppress(GatewayError):  # the readiness check says so
            metrics.receipts_waiting.set(await vitals.receipts_waiting())
        await asyncio.sleep(UNREAD_EVERY)


async def measure_lag(metrics: Metrics) -> None:
    """Until cancelled: how late the event loop wakes a sleeper."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK
        await asyncio.sleep(TICK)
        metrics.observe("loop.lag", max(0.0, loop.time() - due))


async def catch_up_with_the_log() -> None:
    """Until cancelled: what whoever reads the log has missed is told as soon as he reads again."""
    while True:
        await asyncio.sleep(_CATCH_UP_EVERY)
        log.catch_up()


async def tell_systemd(health: Health, metrics: Metrics, say: Callable[[str], object]) -> None:
    """Until cancelled: the STATUS line. ``say`` hands it on."""
    told = ""
    while True:
        if (line := status_line(health, metrics.census.latest)) != told:
            told = line
            say(systemd.status(line))
        await asyncio.sleep(_STATUS_EVERY)


def status_line(health: Health, census: Census) -> str:
    """``ready: 3 waiting, 1 sending, 0 held, oldest 12 s``, or which checks fail."""
    failing = ", ".join(check.name.replace("_", " ") for check in health.checks() if not check.ok)
    queue = f"{census.waiting} waiting, {census.sending} sending, {census.held} held, oldest {census.oldest:.0f} s"
    return f"NOT READY ({failing}): {queue}" if failing else f"ready: {queue}"
