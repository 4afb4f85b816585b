"""Deliveries: when to try again, and what is final."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.delivery import Lease, RetryPolicy, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), jitter=0.2)


def test_the_wait_doubles_up_to_the_longest():
    waits = [(POLICY.retry_at(attempts, NOW, 0.0) - NOW) / timedelta(minutes=1) for attempts in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_dice_spread_a_burst():
    assert POLICY.retry_at(1, NOW, 0.5) - NOW == timedelta(seconds=66)


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_the_next_attempt_is_never_past_nor_further_than_the_longest_wait(attempts, dice):
    wait = POLICY.retry_at(attempts, NOW, dice) - NOW
    assert timedelta(minutes=1) <= wait <= timedelta(hours=1) * 1.2


def test_only_delivered_and_bounced_are_final():
    assert [state for state in State if state.final] == [State.DELIVERED, State.BOUNCED]


def test_a_lease_keeps_its_token_to_itself():
    assert "secret" not in repr(Lease("secret", NOW))
