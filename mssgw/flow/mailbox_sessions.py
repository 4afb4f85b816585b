"""Sessions on mailboxes, kept for the next letter: else 500 letters would log in 500 times.

Few at a time on one account, for stores count them. Who was refused is spared: a store that is asked again and again
with a wrong password locks the account for everybody.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from mssgw.ports.mailbox import Account, LoginRefused, Mailbox, Mailboxes

FAREWELL = 5.0  # seconds for a session to end
MASTER_REFUSED = 3  # mailboxes that a master login was refused in a row, before it is spared itself


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """``each``: sessions on one account. ``idle``: seconds that one waits for the next letter; ``kept``: idle ones.

    ``refused`` and ``refused_longest``: seconds that an account is spared after its login was refused; doubled each
    time.
    """

    each: int = 3
    idle: float = 10.0
    kept: int = 50
    refused: float = 300.0
    refused_longest: float = 3_600.0


DEFAULT_LIMITS = SessionLimits()


@dataclass(slots=True, eq=False)
class Session:
    """``kept``: it served before, so it may have died since."""

    mailbox: Mailbox
    stack: AsyncExitStack = field(repr=False)
    kept: bool = False
    idle_since: float = 0.0

    async def end(self) -> None:
        with contextlib.suppress(Exception):  # what it was for is done
            async with asyncio.timeout(FAREWELL):
                await self.stack.aclose()


@dataclass(slots=True, eq=False)
class _Door:
    slots: asyncio.Semaphore
    login: asyncio.Lock = field(default_factory=asyncio.Lock)  # one at a time: ten wrong ones at once are ten
    users: int = 0
    idle: list[Session] = field(default_factory=list)  # the latest last


@dataclass(frozen=True, slots=True)
class _Shut:
    until: float
    times: int
    why: str


class Sessions:
    """All sessions of one process that letters are delivered over."""

    def __init__(self, mailboxes: Mailboxes, limits: SessionLimits = DEFAULT_LIMITS) -> None:
        self._mailboxes, self._limits = mailboxes, limits
        self._doors: dict[Account, _Door] = {}
        self._shut: dict[Account, _Shut] = {}  # at most one for each mailbox that we know of
        self._refused: dict[Account, int] = {}  # of a master login, mailboxes in a row
        self._sweep: asyncio.Task[None] | None = None
        self._closed = False

    @asynccontextmanager
    async def use(self, account: Account, *, fresh: bool = False, keep: bool = True) -> AsyncIterator[Session]:
        """A session of one's own while the block runs; what the block raises ends it. ``fresh``: a new one.

        ``keep``: it waits for the next letter, where one is likely. Raises as Mailboxes.open does.
        """
        door = self._doors.get(account) or self._doors.setdefault(account, _Door(asyncio.Semaphore(self._limits.each)))
        door.users += 1
        try:
            async with door.slots:
                session = await self._take(account, door, fresh=fresh)
                try:
                    yield session
                except BaseException:
                    await session.end()
                    raise
                await (self._keep(door, session) if keep else session.end())
        finally:
            door.users -= 1
            self._forget(account, door)

    async def close(self) -> None:
        """End those that are idle; those in use end when they are done."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        await asyncio.gather(*(session.end() for door in self._doors.values() for session in _emptied(door)))

    async def _take(self, account: Account, door: _Door, *, fresh: bool) -> Session:
        if fresh:  # the idle ones have probably died too
            await asyncio.gather(*(session.end() for session in _emptied(door)))
        async with door.login:
            if door.idle:
                return door.idle.pop()
            return await self._open(account)

    async def _open(self, account: Account) -> Session:
        now, master = asyncio.get_running_loop().time(), _master(account)
        for shut in (self._shut.get(account), self._shut.get(master)):
            if shut is not None and now < shut.until:
                raise LoginRefused(shut.why)
        stack = AsyncExitStack()
        try:
            mailbox = await stack.enter_async_context(self._mailboxes.open(account))
        except LoginRefused as error:
            self._spare(account, str(error))
            if master != account:
                self._count_refused(master, str(error))
            raise
        for opened in (account, master):
            self._shut.pop(opened, None)
            self._refused.pop(opened, None)
        return Session(mailbox, stack)

    def _spare(self, account: Account, why: str) -> None:
        """Leave it alone for a while, twice as long each time."""
        now, before = asyncio.get_running_loop().time(), self._shut.get(account)
        times = before.times if before is not None else 0
        pause = min(self._limits.refused * 2 ** min(times, 20), self._limits.refused_longest)
        self._shut[account] = _Shut(now + pause, times + 1, why)

    def _count_refused(self, master: Account, why: str) -> None:
        """It may be about one mailbox, which is not there. Several in a row: spare all, though never for long."""
        self._refused[master] = self._refused.get(master, 0) + 1
        if self._refused[master] >= MASTER_REFUSED:
            until = asyncio.get_running_loop().time() + self._limits.refused
            self._refused[master], self._shut[master] = 0, _Shut(until, 0, why)

    async def _keep(self, door: _Door, session: Session) -> None:
        idle = [each for other in self._doors.values() for each in other.idle]
        if self._closed or len(idle) >= self._limits.kept:
            await session.end()
            return
        session.kept, session.idle_since = True, asyncio.get_running_loop().time()
        door.idle.append(session)
        if self._sweep is None or self._sweep.done():
            self._sweep = asyncio.create_task(self._expire(), name="idle mailbox sessions")

    async def _expire(self) -> None:
        """End what has been idle for long, until nothing is."""
        while any(door.idle for door in self._doors.values()):
            await asyncio.sleep(self._limits.idle / 2)
            oldest = asyncio.get_running_loop().time() - self._limits.idle
            for account, door in list(self._doors.items()):
                old = [session for session in door.idle if session.idle_since <= oldest]
                door.idle = [session for session in door.idle if session not in old]
                self._forget(account, door)
                await asyncio.gather(*(session.end() for session in old))

    def _forget(self, account: Account, door: _Door) -> None:
        if not door.users and not door.idle:
            self._doors.pop(account, None)


def _master(account: Account) -> Account:
    """Who opens it, whichever mailbox it is: the same for all that a master login opens."""
    return replace(account, name="", authorize_as="") if account.authorize_as else account


def _emptied(door: _Door) -> list[Session]:
    idle, door.idle = door.idle, []
    return idle
