"""The white list in force: taken, refused, kept, followed, grown old (WL-7)."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.list_signature import BadSignature
from mssgw.edges.memory.trust import MemoryShelf, MemorySource
from mssgw.flow import white_list as flow
from mssgw.flow.white_list import End, WhiteListKeeper
from mssgw.ports.white_list import Kept
from tests.white_lists import dn, white_list

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def published(domains: Iterable[str] = ("x.fr",), *, hours: float = 0) -> bytes:
    """A list generated so many hours after START."""
    generated = START + timedelta(hours=hours)
    return white_list([(each, dn("a.example")) for each in domains], generated=f"{generated:%Y-%m-%dT%H:%M:%SZ}")


TEN = [f"d{number}.fr" for number in range(10)]


class Events:
    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.alarms: list[str] = []

    def event(self, name: str, *, alarm: bool = False, **fields: Any) -> None:
        self.seen.append((name, fields))
        if alarm:
            self.alarms.append(name)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [fields for each, fields in self.seen if each == name]


class Stamp:
    """A seal: what begins with it is signed."""

    def __init__(self) -> None:
        self.ends = START + timedelta(days=9)

    def signed_part(self, file: bytes, *, at: datetime) -> bytes:
        if not file.startswith(b"SIGNED") or at > self.ends:
            raise BadSignature("not signed")
        return file[6:]


@dataclass
class Node:
    source: MemorySource = field(default_factory=MemorySource)
    shelf: Any = field(default_factory=MemoryShelf)
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    events: Events = field(default_factory=Events)
    seal: Stamp | None = None

    def worker(self, source: MemorySource | None = None) -> WhiteListKeeper:
        return WhiteListKeeper(
            source=source or self.source, seal=self.seal, shelf=self.shelf, clock=self.clock, telemetry=self.events
        )


@pytest.fixture
def node() -> Node:
    return Node()


def domains(keeper: WhiteListKeeper) -> set[str]:
    found = keeper.usable()
    return set(found.operators) if found is not None else set()


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


async def test_a_restart_needs_no_network_and_makes_a_list_no_younger(node: Node) -> None:
    """What is kept has the age it has."""
    node.source.file = published()
    await node.worker().look()
    node.clock.pass_(hours=30)
    again = node.worker(source=MemorySource())
    await again.start()
    assert domains(again) == {"x.fr"}
    assert again.age() == timedelta(hours=30)


async def test_a_clock_that_went_back_keeps_no_list_for_ever(node: Node) -> None:
    """What was verified in the future was verified now at the latest."""
    node.source.file = published()
    await node.worker().look()
    node.clock.pass_(days=-400)
    again = node.worker(source=MemorySource())
    await again.start()
    assert again.age() == timedelta(0)


async def test_a_kept_list_is_verified_again_at_start(node: Node) -> None:
    """Whoever can write to our folder cannot write a list. How old the next may not be is still known."""
    node.seal = Stamp()
    node.source.file = b"SIGNED" + published(hours=-1)
    await node.worker().look()
    forged = published(["evil.fr"])
    node.shelf.kept = Kept(
        file=forged, fingerprint=sha256(forged).hexdigest(), generated_at=START, verified_at=node.clock.now()
    )
    again = node.worker(source=MemorySource(b"SIGNED" + published(hours=-1)))
    await again.start()
    assert (again.usable(), node.events.alarms) == (None, ["trust.list_lost"])
    await again.look(eager=True)
    assert again.usable() is None
    assert node.events.of("trust.list_refused")[0]["reason"] == "older"
    again._source.file = b"SIGNED" + published(hours=1)  # type: ignore[attr-defined]
    assert (await again.refresh()).end is End.TAKEN
    assert domains(again) == {"x.fr"}


async def test_a_kept_file_that_is_another_is_lost_and_fetched_anew(node: Node) -> None:
    """A worker that already has the list goes on with it."""
    node.source.file = published()
    living = node.worker()
    await living.look()
    kept = node.shelf.kept
    changed = {"fingerprint": "f" * 64, "generated_at": kept.generated_at, "verified_at": kept.verified_at}
    await node.shelf.keep(Kept(file=kept.file + b" ", **changed))
    await living.look()
    assert domains(living) == {"x.fr"}
    again = node.worker(source=MemorySource(published()))
    await again.start()
    assert again.usable() is None
    await again.look(eager=True)
    assert domains(again) == {"x.fr"}


async def test_a_signer_that_ended_verifies_nothing_even_if_nothing_changed(node: Node) -> None:
    """The list in force grows old; a restart does not cut it off at once."""
    node.seal = Stamp()
    node.seal.ends = START + timedelta(minutes=30)
    node.source.file = b"SIGNED" + published()
    keeper = node.worker()
    await keeper.look()
    node.source.file = bytes(bytearray(node.source.file))
    node.clock.pass_(hours=1)
    await keeper.look()
    assert keeper.age() == timedelta(hours=1)
    assert node.events.alarms == ["trust.list_refused"]
    again = node.worker(source=MemorySource())
    await again.start()
    assert domains(again) == {"x.fr"}


class FullDisk(MemoryShelf):
    async def keep(self, kept: Kept) -> None:
        raise StoreUnavailable("the disk is full")


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


class OftenFull(MemoryShelf):
    full = False

    async def keep(self, kept: Kept) -> None:
        if self.full:
            raise StoreUnavailable("the disk is full")
        await super().keep(kept)


async def test_a_list_that_could_not_be_kept_is_kept_when_there_is_room(node: Node) -> None:
    """Its server may be gone meanwhile, or say that nothing changed; the other workers follow then."""
    shelf = node.shelf = OftenFull()
    node.source.file = published()
    first, second = node.worker(), node.worker(source=MemorySource())
    await first.look()
    await second.look()
    shelf.full = True
    node.source.file = new = published(["x.fr", "y.fr"], hours=1)
    for minutes in (60, 6, 2):
        node.clock.pass_(minutes=minutes)
        with pytest.raises(StoreUnavailable):
            await first.look()
    await first.look()  # not at every look
    assert (domains(first), domains(second)) == ({"x.fr", "y.fr"}, {"x.fr"})
    shelf.full, node.source.file = False, None
    node.clock.pass_(minutes=1)
    await first.look()
    await second.look()
    assert (domains(second), shelf.kept.file) == ({"x.fr", "y.fr"}, new)
    assert first._unkept is None


async def test_nobody_goes_back_while_a_list_cannot_be_kept(node: Node) -> None:
    """Another worker verifies the one before, over a mirror that lags."""
    shelf = node.shelf = OftenFull()
    node.source.file = published()
    first, second = node.worker(), node.worker(source=MemorySource(published()))
    await first.look()
    shelf.full = True
    node.source.file = published(["x.fr", "y.fr"], hours=1)
    with pytest.raises(StoreUnavailable):
        await first.refresh()
    shelf.full = False
    await second.refresh()
    await first.look()
    assert domains(first) == {"x.fr", "y.fr"}
    node.clock.pass_(minutes=2)
    await first.look()
    await second.look()
    assert domains(second) == {"x.fr", "y.fr"}


@pytest.mark.parametrize("left", [None, b"half"])
async def test_a_kept_list_that_was_lost_is_fetched_again(node: Node, left: bytes | None) -> None:
    """Although its server would say that nothing changed."""
    keeper = node.worker()
    node.source.file = published()
    await keeper.look()
    kept = node.shelf.kept
    node.shelf.kept = left and Kept(
        file=left, fingerprint=kept.fingerprint, generated_at=kept.generated_at, verified_at=kept.verified_at
    )
    node.clock.pass_(hours=1)
    with pytest.raises(StoreUnavailable):
        await keeper.look()
    node.clock.pass_(minutes=5)
    await keeper.look()
    assert node.shelf.kept.file == node.source.file


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


async def test_a_list_that_cannot_be_kept_is_in_force_all_the_same(node: Node, monkeypatch) -> None:
    """With an alarm: a restart would go without it. The loop goes on whatever fails."""
    monkeypatch.setattr(flow, "LOOK", 0.0)
    node.shelf = FullDisk()
    node.source.file = published()
    keeper = node.worker()
    task = asyncio.create_task(keeper.run())
    async with asyncio.timeout(5):
        while "trust.list_not_kept" not in node.events.alarms:
            assert not task.done()
            await asyncio.sleep(0)
    assert domains(keeper) == {"x.fr"}
    monkeypatch.setattr(node.shelf, "version", None)
    async with asyncio.timeout(5):
        while "trust.list_failed" not in node.events.alarms:
            assert not task.done()
            await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
