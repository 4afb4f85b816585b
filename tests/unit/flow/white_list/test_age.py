"""The white list as it grows old: since when, and until when it serves (WL-7)."""

from datetime import timedelta

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.memory.trust import MemorySource
from tests.unit.flow.white_list.node import START, Node, OftenFull, domains, published


@pytest.mark.parametrize(
    ("hours", "usable", "alarm"),
    [
        (24, True, []),
        (24.01, True, ["trust.list_stale"]),
        (72, True, ["trust.list_stale"]),
        (72.01, False, ["trust.list_expired"]),
    ],
)
async def test_an_old_list_serves_72_hours_with_an_alarm_from_24_on(
    node: Node, hours: float, usable: bool, alarm: list[str]
) -> None:
    """Counted from the last time it was verified."""
    keeper = node.worker()
    node.source.file = published()
    await keeper.look()
    node.source.file = None
    node.clock.pass_(hours=hours)
    for _ in range(3):
        await keeper.look()
    assert (keeper.usable() is not None) is usable
    assert node.events.alarms == alarm
    node.clock.pass_(hours=1)
    await keeper.look()
    assert len(node.events.alarms) == len(alarm) + 1


async def test_without_any_list_there_is_an_alarm_after_a_minute(node: Node) -> None:
    """At the first start it takes a moment to come."""
    keeper = node.worker()
    await keeper.look()
    assert node.events.alarms == []
    node.clock.pass_(minutes=2)
    await keeper.look()
    assert node.events.alarms == ["trust.list_missing"]
    assert keeper.usable() is None


async def test_nor_does_a_clock_that_went_back_keep_that_alarm(node: Node) -> None:
    """The gateway began in a future that was none."""
    keeper = node.worker()
    for span in ({"days": -1}, {"minutes": 2}):
        node.clock.pass_(**span)
        await keeper.look()
    assert node.events.alarms == ["trust.list_missing"]


async def test_a_clock_that_went_back_keeps_no_list_for_ever(node: Node) -> None:
    """What was verified in the future was verified now at the latest."""
    node.source.file = published()
    await node.worker().look()
    node.clock.pass_(days=-400)
    again = node.worker(source=MemorySource())
    await again.start()
    assert again.age() == timedelta(0)


async def test_a_file_that_nobody_renews_grows_old(node: Node) -> None:
    """It can be read for ever: its age runs from when it was written, whether it is given anew or unchanged (WL-7)."""
    keeper = node.worker()
    node.source.file, node.source.as_of = published(), START - timedelta(hours=1)
    await keeper.look()
    assert keeper.age() == timedelta(hours=1)
    for hours in (24, 47.5):
        node.clock.pass_(hours=hours)
        node.source.forget()
        await keeper.look()
        await keeper.refresh()
    assert (keeper.usable(), keeper.age()) == (None, timedelta(hours=72.5))
    assert node.events.alarms == ["trust.list_stale", "trust.list_expired"]
    assert node.events.of("trust.list_verified") == []
    again = node.worker()
    await again.start()
    assert again.usable() is None
    node.source.as_of = node.clock.now() + timedelta(hours=1)  # touched, by a clock ahead of ours
    await keeper.refresh()
    assert (domains(keeper), keeper.age()) == ({"x.fr"}, timedelta(0))
    assert len(node.events.of("trust.list_verified")) == 1


async def test_an_old_file_makes_a_list_no_older_than_it_was(node: Node) -> None:
    """It was verified by its server yesterday; today the configuration names a copy from before."""
    node.source.file = published()
    await node.worker().look()
    node.clock.pass_(hours=2)
    keeper = node.worker(source=MemorySource(published()))
    keeper._source.as_of = START - timedelta(days=9)  # type: ignore[attr-defined]
    await keeper.look()
    assert keeper.age() == timedelta(hours=2)


async def test_a_clock_that_went_back_keeps_no_list_for_ever_while_it_runs(node: Node) -> None:
    """Nor when the list is verified then."""
    keeper = node.worker()
    node.source.file = published()
    await keeper.look()
    node.clock.pass_(days=-1)
    await keeper.refresh()
    node.clock.pass_(hours=1)
    assert keeper.age() == timedelta(hours=1)


async def test_a_clock_that_went_back_keeps_no_list_for_ever_when_nobody_answers(node: Node) -> None:
    """Verified in a year that was none: it grows old from now on, and that is told."""
    keeper = node.worker()
    node.source.file = published()
    await keeper.look()
    node.clock.pass_(days=400)
    await keeper.refresh()
    node.source.file = None
    node.clock.pass_(days=-400)
    for _ in range(4):
        await keeper.look()
        node.clock.pass_(hours=25)
    await keeper.look()
    assert keeper.usable() is None
    assert node.events.alarms[-1] == "trust.list_expired"


async def test_the_age_is_watched_with_a_full_disk_too(node: Node) -> None:
    """It grows old all the same."""
    node.shelf = OftenFull()
    node.source.file = published()
    keeper = node.worker()
    await keeper.look()
    node.shelf.full = True
    node.source.as_of = START
    node.clock.pass_(hours=25)
    with pytest.raises(StoreUnavailable):
        await keeper.look()
    assert node.events.alarms == ["trust.list_stale"]
