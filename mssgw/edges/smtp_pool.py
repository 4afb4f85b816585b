"""Open connections, kept for the next letter to the same route.

A route is a whole value: after a reload that changes its TLS policy or login, old connections no longer match it.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from mssgw.core.delivery import Deferred
from mssgw.core.replies import Reply
from mssgw.core.routes import Route
from mssgw.edges.resolver import Unreachable
from mssgw.edges.smtp_dial import Connection
from mssgw.edges.smtp_limits import PoolLimits, Timeouts

CLOSING = Reply(451, "4.3.2", "La passerelle s'arrete")


class Dials(Protocol):
    """Who opens the connections."""

    async def dial(self, route: Route) -> Connection:
        """Raises Unreachable."""

    def avoid(self, host: str) -> None:
        """It took no letter for now: another one of its domain may."""

    def still_trusts(self, route: Route, connection: Connection) -> bool:
        """Whether a letter may go out on a kept connection."""


@dataclass(slots=True, eq=False)
class _Hop:
    slots: asyncio.Semaphore
    users: int = 0  # that hold a slot or wait for one
    idle: list[Connection] = field(default_factory=list)  # the latest last


class Pool:
    """All connections to next hops, in use or idle, a bounded number to each route."""

    def __init__(self, dialer: Dials, limits: PoolLimits, timeouts: Timeouts) -> None:
        self._dialer, self._limits, self._timeouts = dialer, limits, timeouts
        self._hops: dict[Route, _Hop] = {}
        self._leaving: set[asyncio.Future[None]] = set()  # connections that said QUIT
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self, route: Route, *, fresh: bool = False) -> Connection:
        """A connection of one's own, until give_back() or drop(): idle if one is, or new.

        Waits while all are in use. ``fresh``: a new one; the idle ones have probably died too, and go.
        Raises Unreachable.
        """
        hop = self._hops.get(route) or self._hops.setdefault(route, _Hop(asyncio.Semaphore(self._limits.connections)))
        hop.users += 1
        try:
            await hop.slots.acquire()
        except BaseException:
            self._leave(route, hop)
            raise
        try:
            if self._closed:
                raise Unreachable(Deferred(reply=CLOSING, next_hop=route.host))
            while hop.idle:
                connection = hop.idle.pop()
                if fresh or not connection.wire.usable:
                    self._quit(connection)
                elif self._dialer.still_trusts(route, connection):  # req: TLS-5
                    return connection
                else:
                    connection.wire.abort()
            return await self._dialer.dial(route)
        except BaseException:
            self._release(route, hop)
            raise

    def give_back(self, route: Route, connection: Connection, *, keep: bool = True) -> None:
        """The connection is in order and can serve again, unless there may be a better one."""
        hop = self._hops[route]
        if self._closed or not keep or connection.used >= self._limits.messages or not connection.wire.usable:
            self._quit(connection)
        else:
            loop = asyncio.get_running_loop()
            connection.idle_since = loop.time()
            hop.idle.append(connection)
            if self._sweep is None:
                self._sweep = loop.call_later(self._limits.idle, self._expire)
        self._release(route, hop)

    def drop(self, route: Route, connection: Connection) -> None:
        """The connection is of no more use: closed at once, without another byte."""
        connection.wire.abort()
        self._release(route, self._hops[route])

    async def close(self) -> None:
        """Quit idle connections and wait shortly for the peers' farewell; those in use quit when given back."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for hop in self._hops.values():
            while hop.idle:
                self._quit(hop.idle.pop())
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=self._timeouts.quit + 1)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._limits.idle
        for route, hop in list(self._hops.items()):
            keep = [one for one in hop.idle if one.idle_since > oldest and one.wire.usable]
            for connection in hop.idle:
                if connection not in keep:
                    self._quit(connection)
            hop.idle = keep
            self._forget(route, hop)
        first = min((one.idle_since for hop in self._hops.values() for one in hop.idle), default=None)
        self._sweep = loop.call_at(first + self._limits.idle, self._expire) if first is not None else None

    def _quit(self, connection: Connection) -> None:
        connection.wire.quit(self._timeouts.quit)
        closed = connection.wire.closed
        if not closed.done():
            self._leaving.add(closed)
            closed.add_done_callback(self._leaving.discard)

    def _release(self, route: Route, hop: _Hop) -> None:
        hop.slots.release()
        self._leave(route, hop)

    def _leave(self, route: Route, hop: _Hop) -> None:
        hop.users -= 1
        self._forget(route, hop)

    def _forget(self, route: Route, hop: _Hop) -> None:
        if not hop.users and not hop.idle:
            self._hops.pop(route, None)
