"""A node's standing connection to PostgreSQL: the locks that say who is here, and ears for work that waits.

The thread connects again by itself when the server was restarted. Until then mail goes on without it: what must hold
in every transaction is locked in that transaction, and what is not heard of is found by polling.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import psycopg

from mssgw.core.errors import NameTaken, StoreBusy, StoreUnavailable
from mssgw.edges.sql.postgres import OPEN, Postgres, lock_key

CHANNEL = "mssgw_work"
_LISTEN = 1.0  # seconds: so long leaving waits at most
_AGAIN = 1.0
_ASK_EVERY = 5.0  # seconds: a server that hangs is not heard otherwise
_PREDECESSOR = 20.0  # seconds for the session of an earlier incarnation to be noticed dead

_OURSELVES = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"


class Presence:
    """Who has the store open; see store_lock. ``node`` None: a command, which no node has to tell from another."""

    def __init__(self, database: Postgres, *, node: str | None, alone: bool) -> None:
        self._database, self._node, self._alone = database, node, alone
        self._loop = asyncio.get_running_loop()
        self._heard: Callable[[], None] = lambda: None
        self._lost: Callable[[], None] = lambda: None
        self._is_lost = False
        self._former: tuple[Any, ...] | None = None  # our session on the server, or the one before
        self._over = Event()
        self._thread: Thread | None = None

    def on_work(self, heard: Callable[[], None]) -> None:
        """What to call, on the event loop, when another node left work that it does not hold."""
        self._heard = heard

    def on_name_taken(self, lost: Callable[[], None]) -> None:
        """What to call, on the event loop, when another node has taken our name while we were away."""
        self._lost = lost
        if self._is_lost:
            lost()

    async def enter(self) -> None:
        """Raises StoreBusy or StoreUnavailable."""
        session = await asyncio.to_thread(self._enter)
        self._thread = Thread(target=self._stay, args=(session,), name="mssgw-presence", daemon=True)
        self._thread.start()

    async def leave(self) -> None:
        self._over.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _enter(self) -> "psycopg.Connection[Any]":
        try:
            session = self._database.connect(patient=False)
        except self._database.errors as error:
            raise self._database.failure(error) from None
        try:
            self._end_former(session)
            ourselves = session.execute(_OURSELVES).fetchone()
            self._lock(session)
            self._former = ourselves
        except BaseException as error:
            session.close()
            if isinstance(error, self._database.errors):
                raise self._database.failure(error) from None
            raise
        return session

    def _end_former(self, session: "psycopg.Connection[Any]") -> None:
        """A server that did not notice its end would keep our name from us, perhaps for hours."""
        if self._former is not None:
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                session.execute(_END, self._former)

    def _lock(self, session: "psycopg.Connection[Any]") -> None:
        mode = "" if self._alone else "_shared"
        if not _taken(session, f"SELECT pg_try_advisory_lock{mode}(%s)", lock_key(OPEN)):
            raise StoreBusy(
                "a node or a command has the store open: stop them all first"
                if self._alone
                else "somebody works alone on the store: try again when that has ended"
            )
        if self._node is not None:
            end = time.monotonic() + _PREDECESSOR
            own = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
            while not _taken(session, own, f"mssgw node {self._node}"):
                if time.monotonic() > end or self._over.wait(0.2):
                    raise NameTaken(self._node)
            session.execute(f"LISTEN {CHANNEL}")

    def _stay(self, session: "psycopg.Connection[Any]") -> None:
        if self._node is None:  # a command is over soon, and nobody calls it
            self._over.wait()
        asked = time.monotonic()
        while not self._over.is_set():
            try:
                for _ in session.notifies(timeout=_LISTEN):
                    self._loop.call_soon_threadsafe(self._heard)
                if time.monotonic() > asked + _ASK_EVERY:
                    session.execute("SELECT 1")
                    asked = time.monotonic()
            except psycopg.Error:
                session.close()
                self._over.wait(_AGAIN)
                try:
                    session = self._enter()
                except NameTaken:
                    if not self._over.is_set():  # or we leave, and only stopped waiting for it
                        self._loop.call_soon_threadsafe(self._lose)
                        break
                except StoreUnavailable:
                    pass  # again in a moment
        session.close()

    def _lose(self) -> None:
        self._is_lost = True
        self._lost()


def _taken(session: "psycopg.Connection[Any]", lock: str, key: int | str) -> bool:
    row = session.execute(lock, (key,)).fetchone()
    return bool(row and row[0])
