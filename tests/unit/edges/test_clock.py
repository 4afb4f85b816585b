"""Leases go by a clock that never jumps."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.edges.clock import SteadyClock

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVERY = 15.0  # seconds between two looks at the reference: a renewal of leases


class Ticks:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_living_nodes_stay_together_when_the_clock_they_follow_jumps(jump):
    """One asks it with every commit, the other with its renewals only: no lease of 60 s looks lapsed to either."""
    ticks = Ticks()
    busy, idle = SteadyClock(START, tick=ticks), SteadyClock(START, tick=ticks)
    for second in range(1, 7200):
        ticks.now += 1.0
        told = START + timedelta(seconds=second) + jump
        busy.heed(told)
        if second % EVERY == 0:
            idle.heed(told)
        assert abs(busy.now() - idle.now()) < timedelta(seconds=1)
    assert abs(busy.now() - START - timedelta(seconds=7199)) < timedelta(minutes=3), "and it is approached slowly"


@given(jumps=st.lists(st.floats(min_value=-1e6, max_value=1e6), max_size=20))
def test_it_never_runs_back_by_more_than_a_second_nor_ahead(jumps):
    ticks = Ticks()
    clock = SteadyClock(START, tick=ticks)
    for jump in jumps:
        ticks.now += EVERY
        before = clock.now()
        clock.heed(START + timedelta(seconds=jump))
        assert abs(clock.now() - before) <= timedelta(seconds=1)


def test_a_small_difference_is_made_up_for():
    ticks = Ticks()
    clock = SteadyClock(START, tick=ticks)
    for second in range(1, 121):
        ticks.now += 1.0
        clock.heed(START + timedelta(seconds=second + 2))
    assert clock.now() == START + timedelta(seconds=122)
    assert clock.now().tzinfo is UTC


def test_a_process_that_is_forked_later_lives_at_the_same_time():
    """Though the machine's clock was set meanwhile: else it would take its brothers' leases for lapsed."""
    code = """
import os, sys, mssgw.edges.clock as clock
from datetime import datetime, timedelta, UTC
before = clock.machine_clock()
class Later(datetime):
    @classmethod
    def now(cls, zone=None):
        return datetime.now(zone) + timedelta(hours=2)
clock.datetime = Later
before.keep_up()
if os.fork() == 0:
    os._exit(abs(clock.machine_clock().now() - datetime.now(UTC)) > timedelta(seconds=5))
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
