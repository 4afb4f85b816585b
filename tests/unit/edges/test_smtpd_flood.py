"""A stranger who fails a thousand handshakes a second fills no disk, and hides nobody else's lines."""

import pytest

from mssgw.edges.smtpd_flood import PERIOD, TOLD, Flood


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_lines_of_a_minute_are_told_and_the_others_counted(clock: Clock) -> None:
    flood = Flood(clock)
    assert [flood.tell("tls", "192.0.2.1") for _ in range(TOLD)] == [0] * TOLD
    assert [flood.tell("tls", "192.0.2.1") for _ in range(1_000)] == [None] * 1_000
    clock.now += PERIOD
    assert [flood.tell("tls", "192.0.2.1") for _ in range(2)] == [1_000, 0]


def test_each_address_and_each_kind_counts_alone(clock: Clock) -> None:
    flood = Flood(clock)
    for _ in range(TOLD + 1):
        flood.tell("tls", "192.0.2.1")
    assert (flood.tell("tls", "192.0.2.2"), flood.tell("certificate", "192.0.2.1")) == (0, 0)


def test_it_remembers_so_many_addresses_and_no_more(clock: Clock) -> None:
    flood = Flood(clock)
    for number in range(10_000):
        flood.tell("tls", str(number))
    assert len(flood._heard) < 5_000
