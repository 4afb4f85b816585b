"""Which revocation list is in force, when somebody is told, and the task that sees to it (TLS-5)."""

import asyncio
import ssl
from datetime import timedelta
from typing import Any

import pytest

from mssgw.core.trust import REVOCATION_UNKNOWN, REVOKED
from mssgw.edges.sources import PathSource, source
from tests.pki import TrustSpace
from tests.unit.edges.crls.node import DAY, NOW, Given, World
from tests.web import Server, ok, served, status


async def test_a_foreign_list_is_refused_aloud_and_changes_nothing(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = TrustSpace().intermediate.crl(leaf.serial)
    await world.poll()
    assert world.heard.take() == [("trust.crl_refused", True)]
    assert world.reply(leaf) is None
    await world.poll()
    assert world.heard.take() == []  # said once
    world.clock.pass_(hours=1)
    await world.poll()
    assert world.heard.take() == [("trust.crl_refused", True)]  # and again while it lasts


async def test_a_list_from_tomorrow_is_taken_tomorrow(world, space):
    """The server does not send again what it sent, so it is kept until our clock agrees."""
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial, this_update=NOW + DAY)
    await world.poll()
    assert world.reply(leaf) is None
    world.clock.pass_(hours=23)
    await world.poll()
    assert world.reply(leaf) is REVOKED


async def test_an_older_list_never_replaces_a_newer_one(world, space):
    leaf = space.operator("a.exemple.fr")
    old = space.intermediate.crl(this_update=NOW - timedelta(minutes=30))
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    world.heard.take()
    world.intermediate.content = old  # replayed by whoever stands between
    await world.poll()
    assert world.reply(leaf) is REVOKED
    assert world.heard.take() == [("trust.crl_overtaken", False)]


async def test_a_list_of_an_authority_that_counts_anew_is_taken(world, space):
    """Restored from a backup, say: by its numbers the list in force would have been the last, and all mail waited."""
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(number=500, this_update=NOW - timedelta(seconds=30))
    await world.poll()
    world.intermediate.content = space.intermediate.crl(leaf.serial, number=1, this_update=NOW)
    await world.poll()
    assert world.heard.take() == [("trust.crl_taken", False)] * 2
    assert world.reply(leaf) is REVOKED


async def test_no_list_from_before_an_authority_counted_anew_comes_back(world, space):
    """A mirror that lags still has it, or whoever stands between: its number is higher, and it knows less."""
    leaf = space.operator("a.exemple.fr")
    before = space.intermediate.crl(number=500, this_update=NOW - timedelta(hours=1))
    world.intermediate.content = before
    await world.poll()
    world.heard.take()
    for content in (space.intermediate.crl(leaf.serial, number=1, this_update=NOW), before):
        world.intermediate.content = content
        await world.poll()
    assert world.reply(leaf) is REVOKED
    assert world.heard.take() == [("trust.crl_taken", False), ("trust.crl_overtaken", False)]
    world.intermediate.content = space.intermediate.crl(number=2, this_update=NOW + timedelta(minutes=1))
    await world.poll()
    assert world.heard.take() == [("trust.crl_taken", False)]


async def test_nor_does_one_from_long_before_after_a_restart(world, space):
    """Nobody remembers then that the authority counted anew; its clock cannot have been wrong by so much."""
    leaf = space.operator("a.exemple.fr")
    anew = world.crls.status()[-1].this_update + timedelta(minutes=1)
    world.intermediate.content = space.intermediate.crl(leaf.serial, number=1, this_update=anew)
    await world.poll()
    world.crls._files.leave()
    source = Given("intermediate", space.intermediate.crl(number=500, this_update=anew - timedelta(hours=3)))
    restarted = world.another(source)
    restarted.load()
    await world.poll(restarted)
    assert world.reply(leaf, restarted) is REVOKED


@pytest.mark.parametrize("minutes", [0, 30])
async def test_a_list_with_a_higher_number_is_newer_though_dated_a_little_earlier(world, space, minutes):
    """Two of one second, or a clock of the authority that was put right."""
    leaf = space.operator("a.exemple.fr")
    held = world.crls.status()[-1].this_update
    world.intermediate.content = space.intermediate.crl(
        leaf.serial, number=10**6, this_update=held - timedelta(minutes=minutes)
    )
    await world.poll()
    assert world.reply(leaf) is REVOKED


async def test_an_expired_list_does_not_replace_one_that_holds(world, space):
    end = NOW - timedelta(seconds=1)
    world.intermediate.content = space.intermediate.crl(this_update=NOW - timedelta(seconds=30), next_update=end)
    await world.poll()
    assert world.heard.take() == [("trust.crl_refused", True)]
    assert world.reply(space.operator("a.exemple.fr")) is None


async def test_it_is_told_before_a_list_ends_and_when_it_has(space, tmp_path):
    world = World(space, tmp_path)
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(this_update=NOW, next_update=NOW + 8 * DAY)
    world.root.content = space.root.crl(this_update=NOW, next_update=NOW + 300 * DAY)
    await world.poll()
    world.heard.take()
    world.clock.pass_(days=6, hours=23)
    await world.poll()
    assert world.heard.take() == []
    world.clock.pass_(hours=2)  # less than a day
    await world.poll()
    assert world.heard.take() == [("trust.crl_expiring", True)]
    assert world.reply(leaf) is None
    world.clock.pass_(days=1)
    await world.poll()
    assert world.heard.take() == [("trust.crl_expired", True)]
    assert world.reply(leaf) is REVOCATION_UNKNOWN
    follower = world.another()
    follower.load()
    follower._look_at_the_time()
    assert world.heard.take() == []  # of all workers one tells


async def test_a_short_list_is_told_of_in_its_last_quarter(world, space):
    world.intermediate.content = space.intermediate.crl(this_update=NOW, next_update=NOW + timedelta(hours=4))
    world.clock.pass_(hours=2, minutes=59)
    await world.poll()
    assert ("trust.crl_expiring", True) not in world.heard.take()
    world.clock.pass_(minutes=2)
    await world.poll()
    assert world.heard.take() == [("trust.crl_expiring", True)]


async def test_grace_is_what_was_configured_and_no_more(space, tmp_path):
    world = World(space, tmp_path, grace=timedelta(hours=6))
    good, bad = space.operator("a.exemple.fr"), space.operator("b.exemple.fr")
    world.intermediate.content = space.intermediate.crl(bad.serial, this_update=NOW, next_update=NOW + DAY)
    await world.poll()
    world.clock.pass_(hours=29)
    assert world.reply(good) is None
    assert world.reply(bad) is REVOKED
    world.clock.pass_(hours=1, minutes=1)
    assert world.reply(good) is REVOCATION_UNKNOWN
    assert world.reply(bad) is REVOKED  # for good, list or no list


# Sources that fail.


async def test_a_source_that_is_down_changes_nothing_and_becomes_an_alarm(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.down = True
    await world.poll()
    assert world.heard.take() == [("trust.crl_unreachable", False)]
    world.clock.pass_(minutes=5)
    await world.poll()
    assert world.heard.take() == []
    world.clock.pass_(minutes=11)
    await world.poll()
    assert world.heard.take() == [("trust.crl_unreachable", True)]
    assert world.reply(leaf) is None
    world.intermediate.down = False
    await world.poll()
    assert world.heard.take() == [("trust.crl_reached", False)]


async def test_a_clock_that_went_back_keeps_no_silence_from_being_an_alarm(world):
    """It began in a future that was none."""
    world.intermediate.down = True
    await world.poll()
    world.heard.take()
    for span in ({"days": -1}, {"minutes": 16}):
        world.clock.pass_(**span)
        await world.poll()
    assert ("trust.crl_unreachable", True) in world.heard.take()


@pytest.mark.parametrize("page", [b"<html>closed</html>", b"-----BEGIN", b"half"])
async def test_a_page_that_stood_in_the_place_of_a_list_does_not_hide_it(world, space, page):
    """A proxy's, say, with a date: of a list from before that date its server says that it did not change."""
    leaf, sites = space.operator("a.exemple.fr"), list[Server]()
    der = space.intermediate.crl(leaf.serial)

    async def is_back(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = sites[0].requests[-1]
        writer.write(status("304 Not Modified") if "If-Modified-Since" in asked else ok(der))

    shown = der[:-9] if page == b"half" else page
    async with served(ok(shown, "Last-Modified: Mon, 23 Nov 2026 10:04:00 GMT"), is_back) as (url, site):
        sites.append(site)
        crls = world.another(source(url, tls=ssl.create_default_context(), clear=True))
        crls.load()
        world.crls._files.leave()
        for _ in range(2):
            await world.poll(crls)
    assert world.heard.take() == [("trust.crl_refused", True), ("trust.crl_taken", False)]
    assert world.reply(leaf, crls) is REVOKED


async def test_a_list_that_is_sent_again_unchanged_is_not_verified_again(world, space, monkeypatch):
    """A server without ETag sends it at each poll; that of a large authority would cost a tenth of a second each."""
    der = space.intermediate.crl()
    world.intermediate.content = der
    await world.poll()
    monkeypatch.setattr("mssgw.edges.crls.read_crl", None)
    world.heard.take()
    world.intermediate.content = bytes(bytearray(der))
    await world.poll()
    assert world.heard.take() == []
    (one,) = [each for each in world.crls.status() if "ORGANISATIONS" in each.issuer]
    assert one.source == "intermediate"


# The task.


async def _until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - it waits for what no event tells
            await asyncio.sleep(0.01)


async def test_one_process_fetches_and_the_others_follow(space, tmp_path, monkeypatch):
    """A revocation published as a file is in force in every worker, and the task ends when it is told to."""
    monkeypatch.setattr("mssgw.edges.crls.FOLLOW", 0.02)
    world = World(space, tmp_path)
    leaf = space.operator("a.exemple.fr")
    files = space.write_crls(tmp_path)
    first, second = (world.another(*(PathSource(file) for file in files), poll=0.02) for _ in range(2))
    tasks = [asyncio.create_task(each.run()) for each in (first, second)]
    await _until(lambda: world.reply(leaf, first) is None is world.reply(leaf, second))
    assert [name for name, _ in world.heard.take() if name == "trust.crl_taken"] == ["trust.crl_taken"] * 2
    space.write_crls(tmp_path, leaf.serial)
    await _until(lambda: world.reply(leaf, first) is REVOKED is world.reply(leaf, second))
    tasks[0].cancel()  # it had the lock
    await asyncio.gather(tasks[0], return_exceptions=True)
    space.write_crls(tmp_path)
    await _until(lambda: world.reply(leaf, second) is None)
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert {name for name, _ in world.heard.take()} <= {"trust.crl_taken", "trust.crl_missing"}
