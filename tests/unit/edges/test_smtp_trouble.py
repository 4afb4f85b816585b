"""What is said of a next hop of whose servers none would do."""

import errno

import pytest

from mssgw.core.delivery import Deferred
from mssgw.core.replies import Reply
from mssgw.edges.resolver import Unreachable
from mssgw.edges.smtp_trouble import NO_CONNECTION, of_all

DISTRUST = Deferred(reply=Reply(454, "4.7.5", "x"), alarm=True, distrust=True)
AWAY = Deferred(reply=NO_CONNECTION, down=True)


def no_way(number: int = errno.ENETUNREACH) -> Unreachable:
    trouble = Unreachable(AWAY, try_next=True)
    trouble.__cause__ = OSError(number, "no way")
    return trouble


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_an_address_without_a_way_from_here_is_nobody(number) -> None:
    """A gateway without IPv6 would wait two days for each server that has it."""
    for troubles in ([no_way(number), Unreachable(DISTRUST)], [Unreachable(DISTRUST), no_way(number)]):
        assert of_all(troubles).outcome == DISTRUST
    assert of_all([no_way(number)]).outcome == AWAY


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ETIMEDOUT])
def test_who_is_away_may_come_back_and_be_trusted(number) -> None:
    """With an alarm, and in any order; "down" would say that nobody answered at all."""
    expected = Deferred(reply=NO_CONNECTION, alarm=True, down=False)
    for troubles in (
        [no_way(number), Unreachable(DISTRUST)],
        [Unreachable(DISTRUST), no_way(number)],
        [Unreachable(DISTRUST), no_way(number), Unreachable(DISTRUST)],
        [no_way(), Unreachable(DISTRUST), no_way(number)],
    ):
        assert of_all(troubles).outcome == expected


def test_of_one_kind_the_last_is_said() -> None:
    last = Unreachable(DISTRUST)
    assert of_all([Unreachable(DISTRUST), last]) is last
