"""Moving an installation from SQLite to PostgreSQL: all tables and spool files, in one transaction of the target.

Nothing is decrypted: rows and segments mean the same there, under the same master key. A copy that is cut short leaves
the target empty; one that is done marks the source, so that nobody starts it again and delivers every letter twice.
What is cut short between these two is told from the target: a second copy finds everything there, and only marks.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table, func, select, text

from mssgw.core.errors import Gone, StoreUnavailable, Undecryptable
from mssgw.edges.spool_disk import SEGMENT, open_whole, read_segments
from mssgw.edges.spool_folders import SpoolFolders
from mssgw.edges.sql.dialects import database
from mssgw.edges.sql.migrations import MOVED, migrate
from mssgw.edges.sql.postgres import OPEN, Postgres, lock_key
from mssgw.edges.sql.sqlite import Sqlite
from mssgw.edges.sql.tables import body_segments, deliveries, messages, metadata, store_secret

_AT_ONCE = 500
_ANALYZE_LIMIT = 60  # seconds; autovacuum does it otherwise

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
    migrate(source_url)
    try:
        migrate(target_url)
    except StoreUnavailable as error:  # the configuration may name another database, or the source
        raise StoreUnavailable(f"the target: {str(error).replace('store.url', 'its URL')}") from None
    try:
        with closing(target.connect()) as session:
            _take(session)
            with source.engine(writing=True).connect() as there, there.begin():  # the write lock: nothing changes now
                counts = None if keep_source else _copied_before(session, there)
                counts = counts or _copy_into(session, there, spool, advance)
                if not keep_source:
                    there.execute(text("UPDATE alembic_version SET version_num = :moved"), {"moved": MOVED})
            with suppress(*target.errors):  # all is done
                _analyze(session)
    except target.errors as error:
        raise target.failure(error) from None
    except source.errors as error:
        raise source.failure(error) from None
    return counts


def _take(session: "psycopg.Connection[Any]") -> None:
    locked = session.execute("SELECT pg_try_advisory_lock(%s)", (lock_key(OPEN),)).fetchone()
    if not locked or not locked[0]:
        raise StoreUnavailable("a node or a command has the target open: stop them all first")


def _copied_before(session: "psycopg.Connection[Any]", source: Connection) -> dict[str, int] | None:
    """The rows by table when the target holds just what this source does, else None. Bodies came with their rows."""
    secret = select(store_secret.c.key_id, store_secret.c.wrapped)
    ours, theirs = source.execute(secret).first(), session.execute(str(secret)).fetchone()
    if ours is None or tuple(ours) != theirs:
        return None
    counts = _count(session)
    for table in metadata.sorted_tables:
        if table is not body_segments:
            there = session.cursor().stream(_these("SELECT {columns} FROM {table}", table))
            if _digest(_rows(source, table)) != _digest(there):
                return None
    bodiless = (
        "SELECT count(*) FROM messages m WHERE m.inline IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM body_segments b WHERE b.spool_id = m.spool_id)"
    )
    (missing,) = session.execute(bodiless).fetchone() or (0,)
    return counts | {"missing": missing}


def _digest(rows: Iterable[Any]) -> tuple[int, int]:
    """Of rows in any order: the two databases do not sort alike."""
    count = total = 0
    for row in rows:
        count, total = count + 1, total + hash(tuple(row))
    return count, total


def _copy_into(session: "psycopg.Connection[Any]", source: Connection, spool: Path, advance: Advance) -> dict[str, int]:
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
    return counts


def _analyze(session: "psycopg.Connection[Any]") -> None:
    ours = sql.SQL(", ").join(sql.Identifier(table.name) for table in metadata.sorted_tables)
    session.execute(f"SET statement_timeout = '{_ANALYZE_LIMIT}s'")
    session.execute(sql.SQL("ANALYZE {}").format(ours))


def _require_empty(session: "psycopg.Connection[Any]") -> None:
    for table in metadata.sorted_tables:
        if session.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table.name))).fetchone():
            raise StoreUnavailable(f"the target is not empty: {table.name} has rows")


def _copy_table(session: "psycopg.Connection[Any]", source: Connection, table: Table, advance: Advance) -> int:
    total = source.execute(select(func.count()).select_from(table)).scalar_one()
    done = 0
    with session.cursor().copy(_copying(table)) as copy:
        for row in _rows(source, table):
            copy.write_row(tuple(row))
            done += 1
            if done % _AT_ONCE == 0:
                advance(table.name, done, total)
    advance(table.name, done, total)
    return done


def _rows(source: Connection, table: Table) -> Iterable[Any]:
    given: dict[str, Any] = {column.name: column for column in table.columns}
    if table is deliveries:  # nobody holds anything: the daemon is stopped
        given |= {name: text("NULL") for name in ("lease_token", "lease_until")}
    return source.execution_options(yield_per=_AT_ONCE).execute(select(*given.values()).select_from(table))


def _copying(table: Table) -> sql.Composed:
    return _these("COPY {table} ({columns}) FROM STDIN", table)


def _these(statement: LiteralString, table: Table) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    return sql.SQL(statement).format(table=sql.Identifier(table.name), columns=columns)


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
    for table, found in _count(session).items():
        if found != counts[table]:
            raise StoreUnavailable(f"{table} does not have as many rows as its source: nothing was copied")


def _count(session: "psycopg.Connection[Any]") -> dict[str, int]:
    counts = {}
    for table in metadata.sorted_tables:
        found = session.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.name))).fetchone()
        counts[table.name] = found[0] if found else 0
    return counts
