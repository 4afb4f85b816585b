"""What one node does for all: held by one of them, and taken over when it dies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.memory.store import MemoryStore
from mssgw.flow.posts import NamedLeases, Posts

BEGIN = datetime(2026, 11, 21, 19, 4, tzinfo=UTC)
LASTING = timedelta(seconds=60)


class Clock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.at = BEGIN

    def now(self) -> datetime:
        return self.at


class Work:
    """Until it is cancelled or asked to end; ``finishing``: it has something to finish first, once asked."""

    def __init__(self, node: "Node", plan: str) -> None:
        self.node, self.plan, self.asked = node, plan, asyncio.Event()

    async def run(self, delay: float = 0) -> None:
        self.node.at_work.append(self.plan)
        try:
            await self.asked.wait()
            self.node.finished.append(self.plan)
        finally:
            self.node.at_work.remove(self.plan)

    def end(self) -> bool:
        self.asked.set()
        return self.node.finishing


class Node:
    def __init__(self, name: str, store: MemoryStore, clock: Clock) -> None:
        self.at_work: list[str] = []
        self.finished: list[str] = []
        self.finishing = False
        self.told: list[tuple[str, bool]] = []
        self.leases = NamedLeases(store, clock=clock, node=name, lasting=LASTING)
        self.posts: Posts[str] = Posts(
            self.leases, lambda plan: Work(self, plan), told=lambda plan, begins: self.told.append((plan, begins))
        )
        self.task: asyncio.Task[None] | None = None

    def start(self, **plans: str) -> None:
        self.posts.follow(plans)
        self.task = asyncio.create_task(self.posts.run())

    async def settle(self) -> None:
        """Its next round, now."""
        self.posts._changed.set()
        for _ in range(20):
            await asyncio.sleep(0)

    async def leave(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Place:
    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), Clock()
        self.a, self.b = self.node("a"), self.node("b")

    def node(self, name: str) -> Node:
        return Node(name, self.store, self.clock)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    yield place
    for node in (place.a, place.b):
        if node.task is not None:
            await node.leave()


async def test_of_two_nodes_one_holds_a_post(place: Place) -> None:
    place.a.start(x="X", y="Y")
    await place.a.settle()
    place.b.start(x="X", y="Y", z="Z")
    await place.b.settle()
    assert (sorted(place.a.at_work), place.b.at_work) == (["X", "Y"], ["Z"])


async def test_another_takes_over_when_the_lease_of_one_that_died_has_lapsed(place: Place) -> None:
    place.a.start(x="X")
    await place.a.settle()
    place.b.start(x="X")
    await place.b.settle()
    assert place.b.at_work == []
    place.clock.at += LASTING  # "a" says nothing any more
    await place.b.settle()
    assert place.b.at_work == ["X"]
    await place.a.settle()  # it was only slow
    assert (place.a.at_work, place.a.told) == ([], [("X", True), ("X", False)])


async def test_one_that_leaves_is_followed_at_once(place: Place) -> None:
    place.a.start(x="X")
    await place.a.settle()
    await place.a.leave()
    place.b.start(x="X")
    await place.b.settle()
    assert place.b.at_work == ["X"]


async def test_a_node_that_was_killed_follows_itself_at_once(place: Place) -> None:
    """By its name: what its earlier life holds need not lapse."""
    place.a.start(x="X")
    await place.a.settle()
    again = place.node("a")
    again.start(x="X")
    await again.settle()
    assert again.at_work == ["X"]
    await again.leave()


async def test_without_a_store_it_goes_on_for_most_of_a_lease_and_then_stops(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have it by then."""
    place.a.start(x="X")
    await place.a.settle()

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(place.store, "take_leases", away)
    place.clock.at += LASTING / 2
    await place.a.settle()
    assert place.a.at_work == ["X"]
    place.clock.at += LASTING / 4
    await place.a.settle()
    assert place.a.at_work == []


async def test_what_changed_begins_anew_and_what_is_gone_ends(place: Place) -> None:
    place.a.finishing = True
    place.a.start(x="X", y="Y")
    await place.a.settle()
    place.a.posts.follow({"x": "X2"})
    await place.a.settle()
    assert place.a.at_work == ["X2"]
    assert sorted(place.a.finished) == ["X", "Y"]
