"""The white list in force: which is taken, which refused, and by whom (WL-7)."""

import asyncio
from datetime import timedelta
from hashlib import sha256

import pytest

from mssgw.edges.memory.trust import MemorySource
from mssgw.flow.white_list import End, WhiteListKeeper
from tests.unit.flow.white_list.node import TEN, Events, Node, domains, published
from tests.white_lists import white_list


async def test_the_published_list_is_taken_and_asked_for_again_every_hour(node: Node) -> None:
    """In between nobody is asked."""
    keeper = node.worker()
    node.source.file = published(["x.fr"])
    await keeper.look()
    assert domains(keeper) == {"x.fr"}
    node.source.file = published(["x.fr", "y.fr"], hours=1)
    node.clock.pass_(minutes=59)
    await keeper.look()
    assert (domains(keeper), node.source.fetched) == ({"x.fr"}, 1)
    node.clock.pass_(minutes=1)
    await keeper.look()
    assert domains(keeper) == {"x.fr", "y.fr"}
    assert [each["added"] for each in node.events.of("trust.list_taken")] == [None, 1]
    assert node.events.alarms == []


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "unusable"),
        (published(TEN, hours=2)[:-9], "unusable"),
        (white_list([]), "unusable"),
        (published(TEN, hours=-1), "older"),
        (published(TEN, hours=40), "future"),
        (published(TEN[:7], hours=1), "shrunk"),
    ],
)
async def test_a_bad_list_is_refused_with_an_alarm_and_the_old_one_goes_on(node: Node, file: bytes, why: str) -> None:
    """Also when the server says that nothing changed since: what was refused is not verified by that."""
    keeper = node.worker()
    node.source.file = published(TEN)
    await keeper.look()
    node.source.file = file
    for _ in range(2):
        node.clock.pass_(minutes=60)
        await keeper.look()
    assert domains(keeper) == set(TEN)
    assert [each["reason"] for each in node.events.of("trust.list_refused")] == [why, why]
    assert node.events.of("trust.list_refused")[0]["fingerprint"] == sha256(file).hexdigest()
    assert node.events.alarms == ["trust.list_refused"] * 2
    assert keeper.age() == timedelta(hours=2)
    node.source.file = published([*TEN, "new.fr"], hours=3)
    node.clock.pass_(minutes=60)
    await keeper.look()
    assert domains(keeper) == {*TEN, "new.fr"}


class ByDate(MemorySource):
    """A server that goes by dates: what it has now is older than what it gave."""

    async def fetch(self, *, limit: int) -> bytes | None:
        if self._given is not None:
            return None
        return await super().fetch(limit=limit)


async def test_a_page_that_stood_in_the_place_of_the_list_does_not_hide_it(node: Node) -> None:
    """It was made when the server was closed; the list is from before, and did not change since."""
    source = ByDate(b"<html>closed</html>")
    keeper = node.worker(source=source)
    await keeper.look()
    source.file = published()
    node.clock.pass_(hours=1)
    await keeper.look()
    assert domains(keeper) == {"x.fr"}
    node.clock.pass_(hours=1)
    await keeper.look()
    assert (keeper.age(), len(node.events.alarms)) == (timedelta(0), 1)


async def test_a_list_that_was_ahead_of_its_time_is_taken_when_its_time_has_come(node: Node) -> None:
    """Although the server then says that nothing changed."""
    keeper = node.worker()
    node.source.file = published(hours=25)
    await keeper.look()
    assert domains(keeper) == set()
    node.clock.pass_(hours=2)
    await keeper.look()
    assert domains(keeper) == {"x.fr"}


async def test_a_smaller_list_is_taken_by_hand_with_its_fingerprint(node: Node) -> None:
    """By a command beside the daemon, whose workers follow."""
    daemon, command = node.worker(), node.worker(source=MemorySource())
    node.source.file = published(TEN)
    await daemon.look()
    command._source.file = small = published(TEN[:2], hours=1)  # type: ignore[attr-defined]
    assert (await command.refresh()).end is End.REFUSED
    assert (await command.refresh(accepted="0" * 64)).end is End.REFUSED
    assert (await command.refresh(accepted=sha256(small).hexdigest())).end is End.TAKEN
    await daemon.look()
    assert domains(daemon) == domains(command) == set(TEN[:2])


async def test_an_unchanged_list_counts_as_verified_now(node: Node) -> None:
    """Whether the server says so, or sends it once more (WL-8)."""
    node.source.file = published()
    first, second = node.worker(), node.worker(source=MemorySource(bytes(node.source.file)))
    await first.look()
    for keeper in (first, second, first):
        node.clock.pass_(hours=2)
        await keeper.look()
        assert keeper.age() == timedelta(0)
    await second.look()
    assert second.age() == timedelta(0)
    assert node.shelf.kept.verified_at == node.clock.now()
    assert len(node.events.of("trust.list_verified")) == 3


async def test_a_source_that_goes_back_verifies_nothing(node: Node) -> None:
    """One worker fetched A, another the newer B; then the server offers A again and tells the first: nothing new."""
    old, new = published(), published(["x.fr", "y.fr"], hours=1)
    node.source.file = old
    first, second = node.worker(), node.worker(source=MemorySource(new))
    await first.look()
    node.clock.pass_(hours=1)
    await second.look()
    node.clock.pass_(hours=1)
    await first.look()
    assert domains(first) == {"x.fr", "y.fr"}
    assert first.age() == timedelta(hours=1)
    assert node.events.alarms == ["trust.list_refused"]


async def test_of_several_workers_one_asks_and_all_follow(node: Node) -> None:
    """Each over its own source: one download an hour for the node."""
    node.source.file = published()
    workers = [node.worker() for _ in range(4)]
    await asyncio.gather(*(each.look(eager=True) for each in workers))
    await asyncio.gather(*(each.look() for each in workers))
    assert [domains(each) for each in workers] == [{"x.fr"}] * 4
    assert node.source.fetched == 1
    node.shelf.taken = True  # by one that hangs: the others go on with what they have
    node.clock.pass_(hours=1)
    await asyncio.gather(*(each.look() for each in workers))
    assert node.source.fetched == 1


async def test_a_list_out_of_reach_is_asked_for_again_in_minutes(node: Node) -> None:
    """And serves on meanwhile."""
    keeper = node.worker()
    node.source.file = published()
    await keeper.look()
    node.source.file = None
    node.clock.pass_(hours=1)
    await keeper.look()
    node.source.file = published(hours=1)
    node.clock.pass_(minutes=4)
    await keeper.look()
    assert keeper.age() == timedelta(minutes=64)
    node.clock.pass_(minutes=1)
    await keeper.look()
    assert keeper.age() == timedelta(0)
    assert len(node.events.of("trust.list_unreachable")) == 1
    assert node.events.alarms == []


async def test_a_list_that_another_process_took_is_told(node: Node) -> None:
    """By the one worker that tells what all see; not after a restart, which changes nothing."""
    quiet, aloud = Events(), Events()
    daemon = WhiteListKeeper(
        source=MemorySource(), seal=None, shelf=node.shelf, clock=node.clock, telemetry=quiet, aloud=aloud
    )
    command = node.worker()
    for file in (published(), published(["x.fr", "y.fr"], hours=1)):
        node.source.file = file
        await command.refresh()
        await daemon.look()
        await daemon.look()
    assert [(each["domains"], each["added"]) for each in aloud.of("trust.list_followed")] == [(1, None), (2, 1)]
    assert [name for name, _ in quiet.seen] == []
    again = node.worker()
    await again.start()
    await again.look()
    assert node.events.of("trust.list_followed") == []


async def test_somebody_elses_turn_is_waited_for_no_longer_than_said(node: Node) -> None:
    """What follows has its own time."""
    node.shelf.taken = True
    with pytest.raises(TimeoutError):
        await node.worker().refresh(patience=0.01)
    assert node.source.fetched == 0
