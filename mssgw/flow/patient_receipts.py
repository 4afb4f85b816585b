"""Receipts of patients for the letters that they open (MDN-2): whose mailbox is watched, and how.

1. only mailboxes of active patients are watched, and only while letters wait there whose opening somebody asked to hear
   of: a space of many thousands of patients has few of them at a time;
2. those where a letter came last are held in a session each, which waits in IDLE and looks every LOOK seconds besides,
   for a store may not know IDLE, or tell of no flags: a receipt goes out within ten seconds;
3. all others are looked at in turn, by TURNS sessions at a time: each mailbox every LOOK seconds while they are few,
   with LOOKS a second in all when more, and once in EVERY seconds, or as often as that comes to, when very many.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mssgw.core.addresses import Address
from mssgw.core.errors import StoreUnavailable
from mssgw.core.ins import Matricule
from mssgw.core.patients import mailbox_of
from mssgw.core.routes import Route
from mssgw.core.unopened import Unopened
from mssgw.flow.live import Live
from mssgw.flow.mailbox_delivery import account
from mssgw.flow.mailbox_gate import ALARM_AT, LOST, SHUT, Gate, Pause
from mssgw.flow.patient_reading import Case, PatientReading
from mssgw.ports import Clock, Mailbox, Mailboxes, Telemetry, UnopenedLetters
from mssgw.ports.mailbox import LoginBroken, LoginRefused, MailboxDistrusted, MailboxLost, MailboxTrouble

LOOK = 6.0  # seconds between looks into a mailbox that is held, whatever the store tells
REFRESH = 2.0  # seconds until a letter that was delivered is waited for
EVERY = 60.0  # seconds between looks in turn at the same mailbox, when there are very many; LOOK, when there are few
LOOKS = 25.0  # a second in turn, at the most: half of what two cores shared with Dovecot can do
TURNS = 4  # mailboxes that are looked at in turn at a time
OPENING = 8  # sessions that begin at a time
WHOLE = timedelta(minutes=5)  # how often all letters are asked for, not only the new ones
OVERLAP = timedelta(minutes=2)  # commits come a little later than the time they bear


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientWatch:
    """``route``: to the patients' mailboxes. ``held``: sessions that may wait in IDLE at a time."""

    route: Route
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds, see above."""

    look: float = LOOK
    refresh: float = REFRESH
    every: float = EVERY


DEFAULT_PACE = Pace()


@dataclass(slots=True, eq=False)
class _Watched:
    """A case and who sees to it: its holder, or its turn comes (``queued``)."""

    case: Case
    pause: Pause = field(default_factory=Pause)
    holder: "asyncio.Task[None] | None" = None
    queued: bool = False


class PatientReceipts:
    """Watches all mailboxes of patients. A posts.Holder: one node does it for all."""

    def __init__(
        self,
        watch: PatientWatch,
        *,
        mailboxes: Mailboxes,
        reading: PatientReading,
        memory: UnopenedLetters,
        alias: Callable[[Address], str],
        live: Live,
        clock: Clock,
        telemetry: Telemetry,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        """``alias``: what stands for an address in the log."""
        self._watch, self._mailboxes, self._reading, self._memory = watch, mailboxes, reading, memory
        self._alias, self._live, self._clock, self._telemetry, self._pace = alias, live, clock, telemetry, pace
        self._watched: dict[Matricule, _Watched] = {}
        self._turns: list[tuple[float, int, _Watched]] = []  # a heap, by when each is due
        self._numbers = itertools.count()
        self._gate, self._opening = Gate(watch.route.name, telemetry), asyncio.Semaphore(OPENING)
        self._ending: set[asyncio.Task[None]] = set()
        self._asked: datetime | None = None
        self._asked_for_all: datetime | None = None

    async def run(self, delay: float = 0) -> None:
        """Begin after so many seconds. Never raises but when cancelled."""
        await asyncio.sleep(delay)
        tasks = [asyncio.create_task(self._take_turns(), name="patients in turn") for _ in range(TURNS)]
        try:
            while True:
                await self._refresh()
                self._share_out()
                await asyncio.sleep(self._pace.refresh)
        finally:
            tasks += [each.holder for each in self._watched.values() if each.holder is not None] + [*self._ending]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def end(self) -> bool:
        """Whether to wait for its end: never, for what is broken off is done by the next watch."""
        return False

    # --- whose mailboxes -----------------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        """Take in what is waited for now."""
        now = self._clock.now()
        of_all = self._asked_for_all is None or now >= self._asked_for_all + WHOLE
        since = None if of_all or self._asked is None else self._asked - OVERLAP
        try:
            found = await self._memory.unopened(since=since)
        except StoreUnavailable:  # told by all who need it more
            return
        except Exception as error:
            self._telemetry.event("receipts.failed", alarm=True, route=self._watch.route.name, failure=error)
            return
        self._asked = now
        for letter in found:
            self._of(letter.patient).case.letters.setdefault(letter.letter_id, letter)
        if of_all:
            self._asked_for_all = now
            self._keep_only(found)

    def _of(self, patient: Matricule) -> _Watched:
        if patient not in self._watched:
            address = mailbox_of(patient, self._live.settings.space.domain)
            self._watched[patient] = _Watched(Case(address, account(self._watch.route, address)))
        return self._watched[patient]

    def _keep_only(self, letters: Collection[Unopened]) -> None:
        """Others did away with the rest, or their patients closed their profiles."""
        waited_for = {letter.letter_id for letter in letters}
        for each in self._watched.values():
            for letter_id in each.case.letters.keys() - waited_for:
                each.case.forget(letter_id)

    def _share_out(self) -> None:
        """Who is held, and who has to wait for his turn."""
        self._watched = {who: each for who, each in self._watched.items() if each.case.letters or each.holder}
        waiting = [each for each in self._watched.values() if each.case.letters]
        waiting.sort(key=lambda each: each.case.latest, reverse=True)
        held = set(map(id, waiting[: self._watch.held]))
        for each in self._watched.values():
            if each.holder is not None and (each.holder.done() or id(each) not in held):
                self._end(each.holder)
                each.holder = None
        for each in waiting:
            if id(each) in held and each.holder is None:
                each.holder = asyncio.create_task(self._hold(each), name="patient's mailbox")
            elif id(each) not in held and not each.queued:
                self._queue(each, 0)

    def _end(self, holder: "asyncio.Task[None]") -> None:
        """Its farewell to the store may take a moment."""
        holder.cancel()
        self._ending.add(holder)
        holder.add_done_callback(self._ending.discard)

    # --- looking -------------------------------------------------------------------------------------------------

    async def _hold(self, each: _Watched) -> None:
        """Stay in the mailbox as long as letters wait there."""
        while each.case.letters:
            pause = await self._session(each, stay=True)
            if pause is not None:
                await asyncio.sleep(pause)

    def _queue(self, each: _Watched, seconds: float) -> None:
        each.queued = True
        due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._turns, (due, next(self._numbers), each))

    async def _take_turns(self) -> None:
        while True:
            if not self._turns or self._turns[0][0] > asyncio.get_running_loop().time():
                await asyncio.sleep(self._pace.refresh / 2)
                continue
            each = heapq.heappop(self._turns)[2]
            each.queued = False
            if each.holder is None and each.case.letters:
                each.queued = True  # by us
                pause = await self._session(each, stay=False)
                self._queue(each, max(pause or 0, self._between_turns()))

    def _between_turns(self) -> float:
        return min(self._pace.every, max(self._pace.look, len(self._turns) / LOOKS))

    async def _session(self, each: _Watched, *, stay: bool) -> float | None:
        """One session, to its end; seconds until the next, None when nothing was wrong."""
        case, name = each.case, self._watch.route.name
        try:
            async with AsyncExitStack() as stack:
                mailbox = await self._open(stack, case)
                while case.letters:
                    await self._reading.look(mailbox, case)
                    each.pause.failures = 0
                    if not stay or not case.letters:
                        break
                    await mailbox.wait(self._pace.look)
            return None
        except (LoginRefused, LoginBroken) as error:
            pause, who = each.pause.next(SHUT), self._alias(case.address)
            self._telemetry.event(
                "receipts.shut_out", alarm=True, route=name, recipient=who, error=str(error), again_in=round(pause)
            )
            return pause
        except (MailboxLost, MailboxDistrusted):  # the gate knows, if it was while opening
            return each.pause.next((1.0, 60.0))
        except (MailboxTrouble, StoreUnavailable) as error:
            pause, who = each.pause.next(LOST), self._alias(case.address)
            alarm = each.pause.failures >= ALARM_AT
            self._telemetry.event(
                "receipts.unreachable", alarm=alarm, route=name, recipient=who, error=str(error), again_in=round(pause)
            )
            return pause
        except Exception as error:
            self._telemetry.event("receipts.failed", alarm=True, route=name, failure=error)
            return each.pause.next(LOST)

    async def _open(self, stack: AsyncExitStack, case: Case) -> Mailbox:
        async with self._opening:
            await self._gate.passed()
            try:
                mailbox = await stack.enter_async_context(self._mailboxes.open(case.account))
            except (LoginRefused, LoginBroken) as error:
                self._gate.refused(error)
                raise
            except MailboxLost as error:
                self._gate.lost(error)
                raise
            except MailboxDistrusted as error:
                self._gate.distrusted(error)
                raise
            self._gate.entered()
            return mailbox
