"""Collecting from mailboxes that others host: one session for each, as long as this node holds its lease.

A session looks through the folder, then waits in IDLE; it looks again when the store tells of news, and every ``poll``
besides, for a store may know no IDLE, or have dropped it without a word. Whatever fails, the session ends, and another
one begins after a pause: seconds for a lost connection, minutes for a refused login, lest the account be locked.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from mssgw.core.errors import StoreUnavailable
from mssgw.flow.fetching import Commits, Fetcher, Plan
from mssgw.flow.folder import FIRST, FolderLook, Memory
from mssgw.flow.live import Live
from mssgw.flow.mailbox_gate import ALARM_AT, LOST, SHUT, Pause
from mssgw.flow.reception import Reception
from mssgw.ports import Clock, CollectedLetters, Mailbox, Mailboxes, Telemetry
from mssgw.ports.mailbox import LoginRefused, MailboxDistrusted, MailboxTrouble, NoSuchFolder, Opened

AT_ONCE = 8  # mailboxes that are looked through at a time; any number may wait
LOOK_THROUGH = timedelta(hours=6)  # how often everything in the folder is looked at, not only what came since
OTHER = (60.0, 900.0)  # seconds until the next session after other trouble, first and longest


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectMeans:
    """What collecting needs. ``closed``: whether nothing can be taken now, for the disk is nearly full."""

    mailboxes: Mailboxes
    reception: Reception
    memory: CollectedLetters
    live: Live
    clock: Clock
    telemetry: Telemetry
    closed: Callable[[], bool] = lambda: False
    commits: Commits = field(default_factory=Commits)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


class Collector:
    """Collects from one mailbox until cancelled."""

    def __init__(self, plan: Plan, means: CollectMeans) -> None:
        self._plan, self._means, self._memory = plan, means, Memory()
        self._fetcher = Fetcher(
            plan,
            reception=means.reception,
            memory=means.memory,
            live=means.live,
            clock=means.clock,
            telemetry=means.telemetry,
            commits=means.commits,
        )
        self._looking = self._ending = False
        self._lost, self._shut, self._missing, self._unknown = Pause(), Pause(), Pause(), Pause()

    async def run(self, delay: float = 0) -> None:
        """Begin after so many seconds; until cancelled, or asked to end. Never raises."""
        while not self._ending:
            await asyncio.sleep(delay)
            delay = await self._session()

    def end(self) -> bool:
        """Take no further letter: run() ends when those that were taken are marked. Whether there is any such."""
        self._ending = True
        return self._looking

    async def _session(self) -> float:
        """One session, to its end; gives the pause after it."""
        try:
            async with self._means.mailboxes.open(self._plan.account) as mailbox:
                await self._stay(mailbox)
        except (LoginRefused, MailboxDistrusted) as error:
            kind = "login_refused" if isinstance(error, LoginRefused) else "distrusted"
            return self._failed(kind, self._shut.next(SHUT), error)
        except NoSuchFolder as error:
            return self._failed("folder_missing", self._missing.next(OTHER), error)
        except MailboxTrouble as error:
            return self._failed("unreachable", self._lost.next(LOST), error, alarm=self._lost.failures >= ALARM_AT)
        except StoreUnavailable as error:
            seconds = self._lost.next(LOST)
            return self._failed("waiting_for_store", seconds, error, alarm=self._lost.failures >= ALARM_AT)
        except Exception as error:
            self._means.telemetry.event("collector.failed", alarm=True, collector=self._plan.name, failure=error)
            return self._unknown.next(OTHER)
        return self._lost.next(LOST)

    async def _stay(self, mailbox: Mailbox) -> None:
        """Look and wait, look and wait. Raises what ends the session."""
        opened = await self._open(mailbox)
        self._memory.looked_through = None  # others may have been here meanwhile
        while not self._ending:
            await self._look(mailbox, opened)
            for pause in (self._lost, self._shut, self._missing, self._unknown):
                pause.failures = 0
            if self._ending:
                return
            if not await mailbox.wait(self._patience()):
                opened = await self._open(mailbox)  # it may have been removed, and made anew

    async def _open(self, mailbox: Mailbox) -> Opened:
        opened = await mailbox.open(self._plan.folder)
        if opened.uid_validity != self._memory.uid_validity:
            if self._memory.uid_validity:
                self._means.telemetry.event("collector.numbered_anew", collector=self._plan.name)
            self._memory.forget_numbers(opened.uid_validity)
        return opened

    async def _look(self, mailbox: Mailbox, opened: Opened) -> None:
        means, now = self._means, self._means.clock.now()
        look = FolderLook(
            self._plan,
            mailbox,
            opened,
            fetcher=self._fetcher,
            known=means.memory,
            memory=self._memory,
            clock=means.clock,
            telemetry=means.telemetry,
            hostname=means.live.settings.hostname,
        )
        through = self._memory.looked_through is None or now >= self._memory.looked_through + LOOK_THROUGH
        whole = False
        try:
            async with means.turns:
                self._looking = True
                if through:
                    self._memory.floor = 0
                    await look.remember()
                await look.look(may_take=lambda: not (self._ending or means.closed()))
            whole = True
        finally:
            self._looking = False
            self._tell(look, whole=whole)
        if through:
            self._memory.looked_through = now

    def _tell(self, look: FolderLook, *, whole: bool) -> None:
        counts = look.counts
        self._means.telemetry.event(
            "collector.looked",
            collector=self._plan.name,
            count=counts.total,
            collected=counts.collected,
            already=counts.already,
            refused=counts.refused,
            later=counts.later,
            broken_off=None if whole else 1,
        )

    def _patience(self) -> float:
        """Seconds until the next look, if nothing happens."""
        due, poll = self._memory.next_due(), self._plan.poll.total_seconds()
        left = poll if due is None else (due - self._means.clock.now()).total_seconds()
        if left <= 0:  # it was spared, for nothing can be taken now
            left = FIRST.total_seconds()
        return max(1.0, min(left, poll))

    def _failed(self, kind: str, seconds: float, error: Exception, *, alarm: bool = True) -> float:
        """Tell of it, and when the next session begins; gives the seconds until then."""
        name = f"collector.{kind}"
        self._means.telemetry.event(
            name, alarm=alarm, collector=self._plan.name, error=str(error), again_in=round(seconds)
        )
        return seconds
