"""The white list kept on disk: for a restart, and when there is no room for it (WL-7)."""

import asyncio
import contextlib
from datetime import timedelta
from hashlib import sha256

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.memory.trust import MemorySource
from mssgw.flow import white_list as flow
from mssgw.flow.white_list import End
from mssgw.ports.white_list import Kept
from tests.unit.flow.white_list.node import START, FullDisk, Node, OftenFull, Stamp, domains, published


async def test_a_restart_needs_no_network_and_makes_a_list_no_younger(node: Node) -> None:
    """What is kept has the age it has."""
    node.source.file = published()
    await node.worker().look()
    node.clock.pass_(hours=30)
    again = node.worker(source=MemorySource())
    await again.start()
    assert domains(again) == {"x.fr"}
    assert again.age() == timedelta(hours=30)


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
