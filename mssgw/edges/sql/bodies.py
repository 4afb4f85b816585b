"""Large message bodies in the database that all nodes share: sealed exactly as the spool files are.

They are written while DATA runs, a MiB a transaction, each durable before the commit that accepts the letter: bodies
without a row are garbage of a crash. A few threads with a connection each, so that no body waits for another's.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, local
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, delete, event, func, select, text

from mssgw.core.errors import Gone, StoreUnavailable, Undecryptable
from mssgw.edges.metering import UNMETERED
from mssgw.edges.spool_disk import SEGMENT
from mssgw.edges.spool_files import FileSink
from mssgw.edges.spool_garbage import Stamp, Suspects
from mssgw.edges.spool_memory import Arrivals, MemoryBudget
from mssgw.edges.sql.dialects import Database
from mssgw.edges.sql.tables import body_segments, deliveries, messages
from mssgw.edges.sql.waiting import FINAL
from mssgw.edges.sql.writer import NO_STANDBY
from mssgw.edges.vault import SEGMENT_OVERHEAD, MessageCipher
from mssgw.ports import Body, Meter, Store

CONNECTIONS = 4
_AT_ONCE = 4  # segments that one look-up reads

_NOW = text("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint")  # the one clock that all nodes share
_OF = body_segments.c.spool_id == bindparam("of")
_ANY = select(body_segments.c.number).limit(1)
_WHOLE = select(func.count(), func.coalesce(func.sum(func.octet_length(body_segments.c.sealed)), 0)).where(_OF)
_SOME = (
    select(body_segments.c.sealed)
    .where(_OF, body_segments.c.number >= bindparam("start"), body_segments.c.number < bindparam("end"))
    .order_by(body_segments.c.number)
)
# Not while a delivery is open: a commit may have succeeded although its answer was lost with the connection. Nor while
# one that waits for a standby holds them (Accepting._require_body): its deliveries are seen only when that is back.
# What is locked first is not held any more, so the look at the deliveries, after it, sees all of a letter or none.
_FREE = select(body_segments.c.number).where(_OF).with_for_update(skip_locked=True)
_REMOVE = delete(body_segments).where(
    _OF,
    ~select(deliveries.c.spool_id)
    .where(deliveries.c.spool_id == bindparam("of"), deliveries.c.state.not_in(FINAL))
    .exists(),
)
_GARBAGE = (
    select(
        body_segments.c.spool_id,
        func.max(body_segments.c.written_at).label("written_at"),
        func.count().label("segments"),
    )
    .where(~select(messages.c.spool_id).where(messages.c.spool_id == body_segments.c.spool_id).exists())
    .group_by(body_segments.c.spool_id)
    .having(func.max(body_segments.c.written_at) < _NOW - bindparam("age"))
)

T = TypeVar("T")


class SpoolSql(Arrivals):
    """The Spool port over the table ``body_segments``. ``hot_budget``: as of SpoolFiles. ``clock``: see Suspects."""

    def __init__(
        self,
        database: Database,
        *,
        hot_budget: int | MemoryBudget = 32 * 1024 * 1024,
        meter: Meter = UNMETERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``meter`` hears whether bodies can be kept and read."""
        self._database, self._meter = database, meter
        self._engine = database.engine(writing=True)
        event.listen(self._engine, "connect", _wait_for_no_standby)
        self._budget = MemoryBudget(hot_budget) if isinstance(hot_budget, int) else hot_budget
        self._suspects = Suspects(clock)
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="mssgw-bodies")
        self._own = local()
        self._open: list[Connection] = []

    def create(self, spool_id: str) -> FileSink:
        return FileSink(self, spool_id, self._budget)

    def segments(self, spool_id: str) -> "SegmentRows":
        return SegmentRows(self, spool_id)

    async def read(self, body: Body) -> AsyncIterator[bytes]:
        if (held := body.at_hand) is not None:
            for segment in held:
                yield segment
        else:
            async for segment in self._read_rows(body):
                yield segment

    async def remove(self, *spool_ids: str) -> None:
        if spool_ids:
            await self.in_thread(self._tried, lambda connection: _remove(connection, spool_ids))

    async def sweep(self, known: Store, *, older_than: float) -> int:
        """As of SpoolFiles: the database's clock can be set, too, or be another one after a switch to a standby."""
        old = await self.in_thread(self._tried, lambda connection: self._garbage(connection, older_than))
        return await self._suspects.remove(self, known, old, after=older_than) if old is not None else 0

    async def probe(self) -> None:
        """Ask the table something. Raises StoreUnavailable."""
        await self.in_thread(self.within, lambda connection: connection.execute(_ANY).scalar())

    async def close(self) -> None:
        """End threads and connections, after what they are at."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._open:
            with contextlib.suppress(*self._database.errors):
                connection.close()

    async def in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run in one of the threads. Raises StoreFull or StoreUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    def within(self, work: Callable[[Connection], T]) -> T:
        """One transaction on this thread's connection; tried again on a new one when the old one turns out broken.

        So ``work`` must be harmless to do twice. Raises StoreFull or StoreUnavailable.
        """
        self._database.under_way.begin()
        try:
            done = self._tried(work)
        except StoreUnavailable:
            self._meter.count("body", "failed")
            raise
        finally:
            self._database.under_way.end()
        self._meter.count("body", "kept")
        return done

    def refuse_unconfirmed(self) -> None:
        """Raise StoreUnavailable while no letter is kept: each attempt would swell the WAL that a standby lacks.

        The writer asks again with the next commit that is wanted, a lease's within seconds.
        """
        if self._database.unconfirmed:
            raise StoreUnavailable(NO_STANDBY)

    def _tried(self, work: Callable[[Connection], T]) -> T:
        """The same for what no letter waits for."""
        stale = getattr(self._own, "connection", None) is not None
        try:
            try:
                return self._transaction(work)
            except self._database.errors as error:
                if stale or self._database.conflicted(error):
                    return self._transaction(work)
                raise
        except self._database.errors as error:
            raise self._database.failure(error) from None

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._engine.connect()
            self._open.append(connection)
        try:
            with connection.begin():
                return work(connection)
        except BaseException:
            self._own.connection = None
            self._open.remove(connection)
            with contextlib.suppress(Exception):  # it had failed already
                connection.close()
            raise

    def _garbage(self, connection: Connection, older_than: float) -> dict[str, Stamp] | None:
        """None while another node looks."""
        if not self._database.leads_briefly(connection):
            return None
        rows = connection.execute(_GARBAGE, {"age": int(older_than * 1_000_000)})
        return {row.spool_id: (row.written_at, row.segments) for row in rows}

    async def _read_rows(self, body: Body) -> AsyncIterator[bytes]:
        cipher = MessageCipher(body.key, body.spool_id)
        count = -(-body.wire_size // SEGMENT)
        await self.in_thread(self.within, lambda connection: _check_whole(connection, body, count))
        for start in range(0, count, _AT_ONCE):
            sealed = await self.in_thread(self.within, _reading(body.spool_id, start))
            if len(sealed) != min(_AT_ONCE, count - start):
                raise Gone("the body was removed while it was read")
            for index, segment in enumerate(sealed, start):
                yield cipher.unseal_segment(index, index == count - 1, segment)


class SegmentRows:
    """A body that is being written: what SpoolFile is for files. Its methods run in threads, one at a time."""

    def __init__(self, spool: SpoolSql, spool_id: str) -> None:
        self._spool = spool
        self._id = spool_id
        self._lock = Lock()  # a cancelled sink no longer waits for its thread
        self._next = 0
        self._over = False

    def append(self, sealed: Sequence[bytes]) -> None:
        with self._lock:
            if self._over or not sealed:
                return
            self._spool.refuse_unconfirmed()
            insert = body_segments.insert().values(written_at=_NOW)
            rows = [
                {"spool_id": self._id, "number": number, "sealed": segment}
                for number, segment in enumerate(sealed, self._next)
            ]
            self._spool.within(lambda connection: _insert(connection, insert, rows, self._id, self._next))
            self._next += len(sealed)

    def finish(self, sealed: Sequence[bytes]) -> None:
        """Durable: every commit waits for the disk, see postgres._DURABLE; for standbys, the letter's own."""
        self.append(sealed)

    def undo(self) -> None:
        with self._lock:
            self._over = True
            if self._next:
                self._spool.within(lambda connection: _remove(connection, [self._id]))


def _wait_for_no_standby(driver: Any, _record: object) -> None:
    """The commit that accepts the letter waits for them, and they have by then what was committed before.

    While they are away each piece of a letter would else wait for them, in a process of the server that nothing ends.
    """
    driver.execute("SET synchronous_commit = local")
    driver.commit()


def _remove(connection: Connection, spool_ids: Sequence[str]) -> None:
    for spool_id in spool_ids:  # no executemany: NOT IN has as many parameters as it has values
        if connection.execute(_FREE, {"of": spool_id}).first() is not None:
            connection.execute(_REMOVE, {"of": spool_id})


def _insert(connection: Connection, insert: Any, rows: list[dict[str, Any]], spool_id: str, start: int) -> None:
    """Rows that an attempt before this one may have left are replaced: they are the same."""
    again = delete(body_segments).where(body_segments.c.spool_id == spool_id, body_segments.c.number >= start)
    connection.execute(again)
    for row in rows:
        connection.execute(insert, row)


def _check_whole(connection: Connection, body: Body, count: int) -> None:
    """A cut is seen before the first octet goes out."""
    there, octets = connection.execute(_WHOLE, {"of": body.spool_id}).one()
    if not there:
        raise Gone("the body is missing")
    if (there, octets) != (count, body.wire_size + count * SEGMENT_OVERHEAD):
        raise Undecryptable("a stored body has the wrong length: it was changed")


def _reading(spool_id: str, start: int) -> Callable[[Connection], list[bytes]]:
    wanted = {"of": spool_id, "start": start, "end": start + _AT_ONCE}
    return lambda connection: list(connection.execute(_SOME, wanted).scalars())
