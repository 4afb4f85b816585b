"""Revocation lists kept on disk: for a restart, and for the other processes (TLS-5)."""

import asyncio
import stat
from pathlib import Path

import pytest

from mssgw.core.errors import StoreFull
from mssgw.core.trust import REVOCATION_UNKNOWN, REVOKED
from mssgw.edges.crl_files import CrlFiles
from mssgw.edges.crl_reading import Crl
from tests.pki import TrustSpace
from tests.unit.edges.crls.node import NOW, Given, World


async def test_a_restart_without_network_keeps_the_lists(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOKED
    folder = world.folder / "trust"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def test_what_was_kept_is_verified_again(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    world.heard.take()
    for file in (world.folder / "trust").glob("*.der"):
        file.write_bytes(TrustSpace().intermediate.crl())
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOCATION_UNKNOWN
    assert world.heard.take() == [("trust.crl_refused", True)] * 2


async def test_status_tells_other_processes_where_lists_come_from(world, space):
    reader = world.another()
    reader.load()
    (one,) = [each for each in reader.status() if "ORGANISATIONS" in each.issuer]
    assert (one.source, one.fetched_at, one.entries) == ("intermediate", NOW, 0)
    assert one.usable_until == one.next_update


@pytest.mark.parametrize("published", [b"<html>closed</html>", b"another's"])
async def test_status_tells_since_when_what_is_published_is_refused(world, space, published):
    """The list in force is not what its source has by then; "asked a moment ago" would say that all is well."""
    world.clock.pass_(minutes=20)
    world.intermediate.content = TrustSpace().intermediate.crl() if published == b"another's" else published
    for _ in range(2):
        await world.poll()
    reader = world.another()
    reader.load()
    asked = {each.source: each.fetched_at for each in reader.status()}
    assert asked == {"root": world.clock.now(), "intermediate": NOW}


async def test_what_could_not_be_kept_is_told_and_tried_again(world, space):
    leaf = space.operator("a.exemple.fr")
    folder = world.folder / "trust"
    folder.rename(world.folder / "gone")
    folder.write_bytes(b"in the way")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    assert ("trust.crl_failed", True) in world.heard.take()
    assert world.reply(leaf) is REVOKED  # here at once
    folder.unlink()
    await world.poll()  # the source has nothing new, and yet
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOKED


async def test_a_kept_file_that_cannot_be_read_holds_up_no_other(world, space):
    """Somebody restored it as another user, or what stands there is no file: the daemon starts, and tells."""
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    world.heard.take()
    folder = world.folder / "trust"
    (folder / "crl-0.der").mkdir()  # the first of all
    (folder / "crl-1.der").symlink_to("crl-1.der")
    (folder / "crl-2.der").symlink_to("gone")
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOKED
    assert world.heard.take() == [("trust.crl_failed", True)] * 2
    for _ in range(2):
        for path, content in after._changed():
            after._take_kept(path, after._read_kept(content))
    assert world.heard.take() == []  # each once
    world.root.content = space.root.crl(space.intermediate.serial)
    await world.poll()
    after.load()
    assert world.reply(space.operator("b.exemple.fr"), after) is REVOKED  # it still follows the others


async def test_a_folder_that_cannot_be_read_is_told(world, monkeypatch):
    """The published lists make good for it."""

    def broken(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    after = world.another()
    monkeypatch.setattr(Path, "glob", broken)
    after.load()
    assert world.heard.take() == [("trust.crl_failed", True)]


async def test_a_file_in_the_place_of_a_list_is_replaced(world, space, monkeypatch):
    """Though it is another user's and not ours to read: the folder is ours."""
    leaf = space.operator("a.exemple.fr")

    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", denied)
        world.intermediate.content = space.intermediate.crl(leaf.serial)
        await world.poll()
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOKED


async def test_of_several_lists_in_one_file_all_are_taken_though_the_disk_is_full(space, tmp_path, monkeypatch):
    """And as many kept as can be; the rest when there is room."""
    both = Given("both", space.root.crl(pem=True) + space.intermediate.crl(pem=True))
    world = World(space, tmp_path)
    crls, keep, full = world.another(both), CrlFiles.keep, [True]

    def keeps(files: CrlFiles, crl: Crl) -> None:
        if full and "RACINE" in crl.text:
            raise StoreFull("the disk of the trust folder is full")
        keep(files, crl)

    monkeypatch.setattr(CrlFiles, "keep", keeps)
    await world.poll(crls)
    assert world.heard.take() == [("trust.crl_taken", False)] * 2 + [("trust.crl_failed", True)]
    assert world.reply(space.operator("a.exemple.fr"), crls) is None
    folder = tmp_path / "trust"
    assert len(list(folder.glob("*.der"))) == 1
    full.clear()
    await world.poll(crls)
    assert len(list(folder.glob("*.der"))) == 2


async def test_sources_that_answer_at_the_same_moment_do_not_meet_on_disk(world):
    """They write to one file; once in a start that was an alarm about a folder that is in order."""
    for _ in range(200):
        await asyncio.gather(*(world.crls._ask_if_it_is_us(feed) for feed in world.crls._feeds))
    assert world.heard.take() == []


async def test_a_gateway_that_starts_waits_for_the_first_turn_of_each_source(space, tmp_path):
    """One list of two is not enough to be ready by: the mail of the other's operators would get 451 (TLS-5)."""
    world, slow = World(space, tmp_path), asyncio.Event()

    class Slow(Given):
        async def fetch(self, *, limit: int) -> bytes | None:
            await slow.wait()
            return await super().fetch(limit=limit)

    crls = world.another(world.root, Slow("intermediate", space.intermediate.crl()))
    task = asyncio.create_task(crls.run())
    async with asyncio.timeout(10):
        while not crls.ends():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    assert not crls.settled
    slow.set()
    async with asyncio.timeout(10):
        while len(list((tmp_path / "trust").glob("crl-*.der"))) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    assert crls.settled
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    again = world.another(Slow("root"), Slow("intermediate"))
    assert not again.settled
    again.load()
    assert again.settled, "what was kept needs no network"


async def test_a_source_that_is_down_does_not_keep_a_gateway_from_starting(space, tmp_path):
    world = World(space, tmp_path)
    world.intermediate.down = True
    task = asyncio.create_task(world.crls.run())
    async with asyncio.timeout(10):
        while not world.crls.settled:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    assert len(world.crls.ends()) <= 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
