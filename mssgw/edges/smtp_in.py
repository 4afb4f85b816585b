"""Inbound SMTP listeners: who is let in, how many at a time, and how they are shown out."""

import asyncio
import socket
from collections import Counter
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from mssgw.edges import smtpd_replies as say
from mssgw.edges.metering import UNMETERED
from mssgw.edges.smtpd_data import DataDialogue
from mssgw.edges.smtpd_dialogue import Dialogue
from mssgw.edges.smtpd_intake import Intake
from mssgw.edges.smtpd_listener import Listener
from mssgw.edges.smtpd_logins import Logins, Turn, neighbourhood
from mssgw.ports import Meter, Reception

__all__ = ["Listener", "SmtpIn"]

_BACKLOG = 1_024
_AT_ONCE = 1  # connections taken in a turn of the loop: the rest is left to whichever worker has less to do
_COMMIT_GRACE = 10.0
Kept = TypeVar("Kept")


class SmtpIn:
    """One listener on one or more sockets. ``async with`` stops it cleanly.

    ``listener`` may be replaced while it runs (reload: limits, certificate); new connections follow the new one.
    """

    def __init__(
        self,
        reception: Reception,
        listener: Listener,
        *,
        intake: Intake | None = None,
        logins: Logins | None = None,
        meter: Meter = UNMETERED,
    ) -> None:
        """``intake`` and ``logins``: shared by all listeners of the process; None: one of its own."""
        self.reception, self.listener, self.meter = reception, listener, meter
        self.intake, self.logins = intake or Intake(), logins or Logins()
        self.closing = False
        self._servers: list[asyncio.Server] = []
        self._dialogues: set[Dialogue] = set()
        self._strangers: dict[Dialogue, float] = {}  # who has not shown who it is, and since when; longest first
        self._at: Counter[str] = Counter()  # connections by IP address, and by neighbourhood
        self._kept: set[asyncio.Task[Any]] = set()

    async def listen(self, host: str, port: int) -> int:
        """Listen on host and port, 0 for any; returns the port. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family)
        await self.listen_on(bound)
        return int(bound.getsockname()[1])

    async def listen_on(self, inherited: socket.socket) -> None:
        """Listen on a socket that somebody else has bound; it is closed with the others.

        Other processes may share it: asyncio accepts ``backlog`` connections in one go (and, out of descriptors,
        complains as often), so a small number spreads a burst over all of them. The kernel's own queue stays long.
        """
        loop = asyncio.get_running_loop()
        inherited.setblocking(False)
        # What it accepts inherits this. asyncio sets it only on sockets that name TCP as their protocol, which a socket
        # made by socket.create_server does not: the second EHLO after STARTTLS then waits 40 ms for an ACK.
        inherited.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = await loop.create_server(lambda: DataDialogue(self, loop), sock=inherited, backlog=_AT_ONCE)
        inherited.listen(_BACKLOG)
        self._servers.append(server)

    @property
    def connections(self) -> int:
        return len(self._dialogues)

    @property
    def up(self) -> bool:
        """Whether new connections are taken."""
        return not self.closing and bool(self._servers) and all(server.is_serving() for server in self._servers)

    async def stop(self, *, within: float = 20.0) -> None:
        """Stop accepting, let messages in DATA finish for ``within`` seconds, say 421 to the rest.

        A message that is not complete by then is given up: its sender still has it. A commit that has begun is never
        cancelled; it has ten seconds more. One that takes longer got no 250, so its sender tries again.
        """
        self.closing = True
        for server in self._servers:
            server.close()
        for dialogue in tuple(self._dialogues):
            if not dialogue.in_data:
                dialogue.hang_up(say.GOING_DOWN)
        await self._gone(within)
        for dialogue in tuple(self._dialogues):
            dialogue.cut()
        await self._gone(1.0)
        if self._kept:
            await asyncio.wait(self._kept, timeout=_COMMIT_GRACE)

    async def _gone(self, within: float) -> None:
        tasks = [dialogue.task for dialogue in self._dialogues if dialogue.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=within)

    async def __aenter__(self) -> "SmtpIn":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    # What a dialogue asks (smtpd_dialogue.Door)

    def enter(self, dialogue: Dialogue) -> bool:
        peer = dialogue.peer
        known = self.reception.client_at(self.listener.role, peer) is not None or self.logins.knows(peer)
        if self.closing or not self._has_room_for(peer, known=known):
            return False
        self._dialogues.add(dialogue)
        self._at.update({peer, neighbourhood(peer)})
        if not known:
            self._strangers[dialogue] = asyncio.get_running_loop().time()
        return True

    def recognised(self, dialogue: Dialogue) -> None:
        self._strangers.pop(dialogue, None)
        self.logins.remember(dialogue.peer, right=True)

    def _has_room_for(self, peer: str, *, known: bool) -> bool:
        """A quarter is kept for networks that we know, and for addresses that somebody has logged in from lately.

        Else twenty strangers with fifty idle connections each would shut out every hospital and operator. Of the rest
        no neighbourhood of strangers gets more than a quarter, or what one address may have. Where all is taken, a
        stranger may have to give way.
        """
        most, at_one = self.listener.max_connections, self.listener.max_connections_per_ip
        rest = most - most // 4
        if self._at[peer] >= at_one:
            return False
        if not known and self._at[neighbourhood(peer)] >= max(at_one, rest // 4):
            return False
        return len(self._dialogues) < (most if known else rest) or self._shown_out_a_stranger()

    def _shown_out_a_stranger(self) -> bool:
        """The one that has been here longest, if it had time enough to say who it is.

        Else idle connections from five neighbourhoods would keep out every operator that is not known yet.
        """
        too_new = asyncio.get_running_loop().time() - self.listener.handshake
        while self._strangers:
            oldest, since = next(iter(self._strangers.items()))
            if since > too_new:
                return False
            del self._strangers[oldest]
            if not oldest.in_data:  # a reload may have made a client of it
                self.leave(oldest)
                oldest.give_way()
                return True
        return False

    def leave(self, dialogue: Dialogue) -> None:
        if dialogue not in self._dialogues:
            return
        self._dialogues.remove(dialogue)
        self._strangers.pop(dialogue, None)
        for place in {dialogue.peer, neighbourhood(dialogue.peer)}:
            self._at[place] -= 1
            if not self._at[place]:
                del self._at[place]

    def turn_to_log_in(self, peer: str) -> AbstractAsyncContextManager[Turn]:
        return self.logins.turn(peer)

    def keep(self, work: Coroutine[Any, Any, Kept]) -> asyncio.Task[Kept]:
        """Run what must outlive its connection."""
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task
