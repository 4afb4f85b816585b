"""Moving an installation from SQLite to PostgreSQL: all tables and spool files, in one transaction of the target.

Nothing is decrypted: rows and segments mean the same there, under the same master key. A copy that is cut short leaves
the target empty; one that is done marks the source, so that nobody starts it again and delivers every letter twice.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table, func, select, text

from mssgw.core.errors import Gone, StoreUnavailable, Undecryptable
from mssgw.edges.spool_disk import SEGMENT, open_whole, read_segments
from mssgw.edges.spool_folders import SpoolFolders
from mssgw.edges.sql.dialects import Sqlite, database
from mssgw.edges.sql.migrations import MOVED, migrate
from mssgw.edges.sql.postgres import OPEN, Postgres, lock_key
from mssgw.edges.sql.tables import body_segments, deliveries, messages, metadata

_AT_ONCE = 500

Advance = Callable[[str, int, int], None]  # table, rows so far, rows in all


def copy_store(
    source_url: str, target_url: str, spool: Path, advance: Advance, *, keep_source: bool = False
) -> dict[str, int]:
    """Copy everything; rows by table, with ``missing`` for bodies that were lost before. Blocks.

    The caller holds the source's store lock alone. ``keep_source``: leave the source fit for use, for a trial.
    Raises ValueError for URLs that are none, StoreUnavailable when the target is not empty or in use, or letters rest
    in a spool that is not there.
    """
    source, target = database(source_url), database(target_url)
    if not isinstance(source, Sqlite) or not isinstance(target, Postgres):
        raise ValueError("copies go from SQLite to PostgreSQL")
    if not source.path.exists():
        raise ValueError(f"there is no {source.path}")
    for url in (source_url, target_url):
        migrate(url)
    try:
        with source.engine(writing=True).connect() as there, there.begin():  # the write lock: nothing changes now
            counts = _copy_into(target, there, spool, advance)
            if not keep_source:
                there.execute(text("UPDATE alembic_version SET version_num = :moved"), {"moved": MOVED})
    except target.errors as error:
        raise target.failure(error) from None
    except source.errors as error:
        raise source.failure(error) from None
    return counts


def _copy_into(target: Postgres, source: Connection, spool: Path, advance: Advance) -> dict[str, int]:
    with closing(target.connect()) as session:
        locked = session.execute("SELECT pg_try_advisory_lock(%s)", (lock_key(OPEN),)).fetchone()
        if not locked or not locked[0]:
            raise StoreUnavailable("a node or a command has the target open: stop them all first")
        with session.transaction():
            _require_empty(session)
            counts = {
                table.name: _copy_table(session, source, table, advance)
                for table in metadata.sorted_tables
                if table is not body_segments
            }
            counts["body_segments"], counts["missing"] = _copy_bodies(session, source, spool, advance)
            _go_on_counting(session)
            _verify(session, counts)
        session.execute("ANALYZE")
        return counts


def _require_empty(session: "psycopg.Connection[Any]") -> None:
    for table in metadata.sorted_tables:
        if session.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table.name))).fetchone():
            raise StoreUnavailable(f"the target is not empty: {table.name} has rows")


def _copy_table(session: "psycopg.Connection[Any]", source: Connection, table: Table, advance: Advance) -> int:
    total = source.execute(select(func.count()).select_from(table)).scalar_one()
    given: dict[str, Any] = {column.name: column for column in table.columns}
    if table is deliveries:  # nobody holds anything: the daemon is stopped
        given |= {name: text("NULL") for name in ("lease_token", "lease_until")}
    rows = source.execution_options(yield_per=_AT_ONCE).execute(select(*given.values()).select_from(table))
    done = 0
    with session.cursor().copy(_copying(table)) as copy:
        for row in rows:
            copy.write_row(tuple(row))
            done += 1
            if done % _AT_ONCE == 0:
                advance(table.name, done, total)
    advance(table.name, done, total)
    return done


def _copying(table: Table) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    return sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)


def _copy_bodies(
    session: "psycopg.Connection[Any]", source: Connection, spool: Path, advance: Advance
) -> tuple[int, int]:
    """Segments of the letters that are not in their row, and how many letters have no whole file.

    Raises StoreUnavailable when the spool is elsewhere: what is missing is set aside for good.
    """
    large = source.execute(select(messages.c.spool_id, messages.c.wire_size).where(messages.c.inline.is_(None))).all()
    if not large:
        return 0, 0
    segments = missing = 0
    row = session.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    assert row is not None
    with closing(SpoolFolders(spool)) as folders, session.cursor().copy(_copying(body_segments)) as copy:
        for done, (spool_id, wire_size) in enumerate(large, 1):
            made = 0
            for number, segment in enumerate(_segments(folders, spool_id, wire_size)):
                copy.write_row((spool_id, number, row[0], segment))
                made += 1
            segments += made
            missing += not made
            advance("bodies", done, len(large))
    return segments, missing


def _segments(folders: SpoolFolders, spool_id: str, wire_size: int) -> Iterator[bytes]:
    """Sealed segments of one file; none when it is missing or has the wrong length: its letter is then set aside."""
    count = -(-wire_size // SEGMENT)
    try:
        file = open_whole(folders.path(spool_id), wire_size, count, folders.check)
    except (Gone, Undecryptable):
        return
    with file:
        for start in range(count):
            yield from read_segments(file, start, 1)


def _go_on_counting(session: "psycopg.Connection[Any]") -> None:
    for table in ("letters", "journal"):
        last = sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), greatest(1, (SELECT max(id) FROM {})))")
        session.execute(last.format(sql.Literal(table), sql.Identifier(table)))


def _verify(session: "psycopg.Connection[Any]", counts: dict[str, int]) -> None:
    for table in metadata.sorted_tables:
        found = session.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.name))).fetchone()
        if not found or found[0] != counts[table.name]:
            raise StoreUnavailable(f"{table.name} does not have as many rows as its source: nothing was copied")
