"""Damage at rest: what cannot be read is set aside with an alarm, and everything else goes on."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.crash.bench import Bench, prepare, running
from tests.crash.judge import judge
from tests.crash.letters import LARGE, SMALL

ROWS = {
    "envelope and facts overwritten": "UPDATE messages SET sealed = x'00' WHERE spool_id = :id",
    "envelope and facts zeroed": "UPDATE messages SET sealed = zeroblob(length(sealed)) WHERE spool_id = :id",
    "envelope and facts empty": "UPDATE messages SET sealed = x'' WHERE spool_id = :id",
    "body cut off": "UPDATE messages SET inline = substr(inline, 1, 1000) WHERE spool_id = :id",
    "body of another letter": "UPDATE messages SET inline = (SELECT inline FROM messages WHERE spool_id <> :id"
    " AND inline IS NOT NULL ORDER BY length(inline) LIMIT 1) WHERE spool_id = :id",
    "a time that is none": "UPDATE messages SET created_at = 'x' WHERE spool_id = :id",
    "a time beyond all time": "UPDATE messages SET created_at = 9000000000000000000 WHERE spool_id = :id",
    "data key overwritten": "UPDATE data_keys SET wrapped = randomblob(60) WHERE spool_id = :id",
    "data key gone": "DELETE FROM data_keys WHERE spool_id = :id",
    "message row gone": "DELETE FROM messages WHERE spool_id = :id",
    "last reply overwritten": "UPDATE deliveries SET last_reply = x'0102' WHERE spool_id = :id",
    "recipient number unknown": "UPDATE deliveries SET number = 7 WHERE spool_id = :id",
    "delivery created beyond all time": "UPDATE deliveries SET created_at = 9000000000000000000 WHERE spool_id = :id",
}


def missing(body: Path) -> None:
    body.unlink()


def cut_off(body: Path) -> None:
    body.write_bytes(body.read_bytes()[:-100])


def one_bit(body: Path) -> None:
    octets = bytearray(body.read_bytes())
    octets[200_000] ^= 1
    body.write_bytes(octets)


def zeroed(body: Path) -> None:
    body.write_bytes(bytes(body.stat().st_size))


BODIES: list[Callable[[Path], None]] = [missing, cut_off, one_bit, zeroed]


async def test_what_cannot_be_read_is_set_aside_with_an_alarm_and_the_rest_goes_on(seed: int) -> None:
    """Rows and spool files, each damaged in another way, between letters that are whole."""
    bed = prepare(seed)
    with bed.gateway:
        for size in (SMALL, LARGE):
            await bed.accepted(size)
        rows = {await bed.accepted(SMALL): why for why in ROWS}
        bodies = {await bed.accepted(LARGE): damage for damage in BODIES}
        for size in (SMALL, LARGE):
            await bed.accepted(size)
        await bed.kill()
        damage_all(bed, rows, bodies)
        damaged = rows | {queue_id: damage.__name__ for queue_id, damage in bodies.items()}
        promised = bed.promises.accepted
        bed.promises.accepted = {each: queue_id for each, queue_id in promised.items() if queue_id not in damaged}
        async with bed.hop.listening():
            await bed.start()
            await bed.accepted(SMALL)
            await bed.hop.wait_for(set(bed.promises.accepted), limit=60)
            alarms = {
                event["queue_id"] for event in await bed.event("letter.set_aside", len(damaged)) if event["alarm"]
            }
            assert {why for queue_id, why in damaged.items() if queue_id not in alarms} == set()
            assert judge(bed.promises, bed.hop.arrivals, kills=bed.kills, log=bed.gateway.log()) == 0
            listed = await asyncio.to_thread(bed.gateway.command, "queue", "list", "--json")
            waiting = {row["id"]: row["state"] for row in map(json.loads, listed.stdout.splitlines())}
            assert {damaged[queue_id]: waiting.get(queue_id) for queue_id in damaged} == dict.fromkeys(
                damaged.values(), "held"
            )


async def test_a_damaged_page_of_the_database_costs_the_letters_on_it_and_no_others(seed: int) -> None:
    """The disk gave back zeros for 4 kB in the middle of the table of messages."""
    bed = prepare(seed)
    with bed.gateway:
        for _ in range(25):
            await bed.accepted(SMALL)
        await bed.kill()
        lost = zero_a_page(bed.gateway.state_dir / "mssgw.db")
        assert 0 < len(lost) < 10
        promised = bed.promises.accepted
        bed.promises.accepted = {each: queue_id for each, queue_id in promised.items() if queue_id not in lost}
        async with bed.hop.listening():
            await bed.start()
            await bed.accepted(SMALL)
            await bed.hop.wait_for(set(bed.promises.accepted), limit=60)
            seen = await bed.event("letter.set_aside", len(lost))
            assert {event["queue_id"] for event in seen if event["alarm"]} == lost
            assert judge(bed.promises, bed.hop.arrivals, kills=bed.kills, log=bed.gateway.log()) == 0


LEAVES = (0x0A, 0x0D)  # first octets of pages that hold rows


def zero_a_page(file: Path) -> set[str]:
    """Overwrite a page that holds messages; returns the queue ids of those that cannot be read any more."""
    with closing(sqlite3.connect(file)) as database:
        rows = dict(database.execute("SELECT spool_id, substr(sealed, 1, 32) FROM messages ORDER BY spool_id"))
        (size,) = database.execute("PRAGMA page_size").fetchone()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    middle = rows[list(rows)[len(rows) // 2]]
    octets = bytearray(file.read_bytes())
    starts = [at for at in range(0, len(octets), size) if octets[at] in LEAVES and middle in octets[at : at + size]]
    octets[starts[0] : starts[0] + size] = bytes(size)
    file.write_bytes(octets)
    with closing(sqlite3.connect(file)) as database:
        return {queue_id for queue_id in rows if not readable(database, queue_id)}


def readable(database: sqlite3.Connection, queue_id: str) -> bool:
    try:
        database.execute("SELECT * FROM messages WHERE spool_id = ?", (queue_id,)).fetchall()
    except sqlite3.DatabaseError:
        return False
    return True


def damage_all(bed: Bench, rows: dict[str, str], bodies: dict[str, Callable[[Path], None]]) -> None:
    """Each of these letters in its own way."""
    with closing(sqlite3.connect(bed.gateway.state_dir / "mssgw.db")) as database, database:
        for queue_id, why in rows.items():
            assert database.execute(ROWS[why], {"id": queue_id}).rowcount == 1
    for body in bed.spool_files():
        if body.name in bodies:
            bodies[body.name](body)


async def test_another_master_key_is_refused_at_start(seed: int) -> None:
    """With a line that says why, and without a change: with its own key the store goes on."""
    async with running(prepare(seed)) as bed:
        bed.hop.open.clear()
        await bed.accepted(LARGE)
        await bed.kill()
        key = bed.gateway.home / "master.key"
        own = key.read_bytes()
        key.write_bytes(bytes(32))
        refused = await asyncio.to_thread(bed.gateway.command, "serve")
        assert refused.returncode == 69, refused
        assert refused.stderr.splitlines()[-1].startswith("mssgw: the master key is not the one"), refused.stderr
        key.write_bytes(own)
        bed.hop.open.set()
        await bed.start()
        await bed.verdict(copies=1)
