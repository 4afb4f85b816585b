"""The folder that a collector looks through: what is new in it, and where what is done with goes.

A message is settled when it was taken, by us now or by anybody before, or refused. What was taken is marked or moved
after its commit, some at once; a crash in between leaves it unmarked, and the store knows it again by its number.
"""

from collections.abc import AsyncIterator, Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mssgw.core.replies import Reply
from mssgw.flow.fetching import Fate, Fetcher, Plan, Taken
from mssgw.formats.refusal_note import refusal_note
from mssgw.ports import Clock, CollectedLetters, Mailbox, Telemetry
from mssgw.ports.mailbox import MailboxLost, MailboxRefused, MailboxTrouble, Opened

PAGE = 1_000  # messages that are looked up at once
MARK_AT = 100  # taken messages that are marked or moved at once
FIRST, LONGEST = timedelta(minutes=1), timedelta(hours=1)  # until a letter that was deferred is tried again
STUCK = 5  # attempts after which somebody should look
IN_A_ROW = 3  # letters deferred for our own trouble, or the mailbox's, after which the others are spared
TELL_AGAIN = timedelta(hours=1)
LOOK_BACK = timedelta(days=30)  # for a note that was put there before a crash


@dataclass(slots=True)
class Counts:
    """What one look brought."""

    collected: int = 0
    already: int = 0
    refused: int = 0
    later: int = 0

    @property
    def total(self) -> int:
        return self.collected + self.already + self.refused + self.later


@dataclass(slots=True)
class _Later:
    tries: int
    due: datetime


@dataclass(slots=True)
class Memory:
    """What a collector knows of its folder from one session to the next; it is all in the store or the folder, too.

    ``floor``: up to this number everything is settled.
    """

    uid_validity: int = 0
    floor: int = 0
    looked_through: datetime | None = None
    refused: dict[int, Taken] = field(default_factory=dict)  # and not moved yet
    unmarked: set[int] = field(default_factory=set)  # taken, but the store refused the mark or the move
    later: dict[int, _Later] = field(default_factory=dict)
    _told: dict[str, datetime] = field(default_factory=dict)

    def forget_numbers(self, uid_validity: int) -> None:
        """The folder was numbered anew: what was known by number is another message's now."""
        self.uid_validity, self.floor, self.looked_through = uid_validity, 0, None
        for known in (self.refused, self.unmarked, self.later):
            known.clear()

    def may_tell(self, event: str, now: datetime) -> bool:
        """Whether it is time to tell of this: once, and again when it lasts."""
        if event in self._told and now < self._told[event] + TELL_AGAIN:
            return False
        self._told[event] = now
        return True

    def next_due(self) -> datetime | None:
        return min((each.due for each in self.later.values()), default=None)


class FolderLook:
    """Looks through the open folder of one session."""

    def __init__(
        self,
        plan: Plan,
        mailbox: Mailbox,
        opened: Opened,
        *,
        fetcher: Fetcher,
        known: CollectedLetters,
        memory: Memory,
        clock: Clock,
        telemetry: Telemetry,
        hostname: str,
    ) -> None:
        self._plan, self._mailbox, self._opened, self._fetcher = plan, mailbox, opened, fetcher
        self._known, self._memory, self._clock, self._telemetry = known, memory, clock, telemetry
        self._hostname = hostname
        self._marks = plan.done_folder is None and opened.keywords
        self._done: list[int] = []
        self._in_trouble = 0  # letters in a row that were deferred for our own trouble
        self.counts = Counts()

    async def look(self, *, may_take: Callable[[], bool]) -> None:
        """Take all that is new, as long as ``may_take``. Raises MailboxTrouble, StoreUnavailable."""
        unsettled: int | None = None
        last, waiting = self._memory.floor, dict[int, _Later]()
        try:
            async for page in self._pages(self._memory.floor, unflagged=(self._plan.mark,) if self._marks else ()):
                known = await self._settled_before(page)
                for uid in sorted(page, key=self._memory.later.__contains__):  # last those with which it may end here
                    settled = uid in known and self._to_be_marked(uid)
                    if not settled and may_take() and self._in_trouble < IN_A_ROW:
                        settled = await self._try(uid)
                    if not settled:
                        unsettled = min(unsettled or uid, uid)
                    if uid in self._memory.later:
                        waiting[uid] = self._memory.later[uid]
                    if len(self._done) >= MARK_AT:
                        await self._mark()
                last = page[-1]
        except MailboxLost:
            raise
        except Exception:
            await self._mark()
            raise
        await self._mark()
        self._memory.floor = unsettled - 1 if unsettled else last
        self._memory.later = waiting  # what somebody took away is not waited for

    async def _settled_before(self, page: Sequence[int]) -> Set[int]:
        """Which of these were taken. Where all that was taken is marked or moved, what is not is read once more.

        A folder that was given back from a backup may use a number a second time, for a letter that nobody has seen.
        """
        if self._marks or self._plan.done_folder is not None:
            return self._memory.unmarked & frozenset(page)
        return await self._known.already_collected(
            self._plan.place, self._opened.uid_validity, page, now=self._clock.now()
        )

    async def remember(self) -> None:
        """Have the store remember what is in the folder for longer, so that it is never taken for new."""
        if self._marks:
            async for page in self._pages(0, flagged=(self._plan.mark,)):
                await self._known.already_collected(
                    self._plan.place, self._opened.uid_validity, page, now=self._clock.now()
                )

    async def _pages(
        self, above: int, *, flagged: Sequence[str] = (), unflagged: Sequence[str] = ()
    ) -> AsyncIterator[Sequence[int]]:
        while True:
            page = await self._mailbox.search(above=above, flagged=flagged, unflagged=unflagged, limit=PAGE)
            if page:
                yield page
            if len(page) < PAGE:
                return
            above = page[-1]

    # --- one message ---------------------------------------------------------------------------------------------

    async def _try(self, uid: int) -> bool:
        """Whether it is settled now. One that the store does not give waits: the others do not wait for it."""
        now = self._clock.now()
        if (waits := self._memory.later.get(uid)) is not None and waits.due > now:
            return False
        if waits is not None:
            await self._mark()  # what was taken before it need not be read again if the session ends here
        try:
            return await self._take(uid, now)
        except MailboxTrouble as error:
            self._defer(uid, error.reply, now)
            if isinstance(error, MailboxLost):
                raise
            return False

    async def _take(self, uid: int, now: datetime) -> bool:
        """Whether it is settled now."""
        memory = self._memory
        taken = memory.refused.get(uid) or await self._fetcher.take(self._mailbox, self._opened.uid_validity, uid)
        if taken.fate is Fate.GONE and await self._mailbox.search(among=[uid]):
            raise MailboxRefused(f"{self._plan.account.host}: a message that is listed is not given")
        if taken.fate is not Fate.LATER:
            memory.later.pop(uid, None)
            self._in_trouble = 0
        match taken.fate:
            case Fate.KEPT:
                self.counts.collected += 1
                return self._to_be_marked(uid)
            case Fate.ALREADY:
                self.counts.already += 1
                return self._to_be_marked(uid)
            case Fate.REFUSED:
                assert taken.reply is not None
                return await self._put_aside(uid, taken, taken.reply)
            case Fate.LATER:
                assert taken.reply is not None
                self._defer(uid, taken.reply, now)
                return False
            case Fate.GONE:
                return True

    def _to_be_marked(self, uid: int) -> bool:
        if self._marks or self._plan.done_folder is not None:
            self._done.append(uid)
        return True

    def _defer(self, uid: int, reply: Reply, now: datetime) -> None:
        tries = self._memory.later[uid].tries + 1 if uid in self._memory.later else 1
        wait: timedelta = min(FIRST * 2 ** min(tries - 1, 10), LONGEST)
        self._memory.later[uid] = _Later(tries, now + wait)
        self.counts.later += 1
        self._in_trouble += reply.status.startswith(("4.2.", "4.3."))
        if tries == STUCK:
            self._telemetry.event(
                "collector.stuck",
                alarm=True,
                collector=self._plan.name,
                uid=uid,
                code=reply.code,
                status=reply.status,
            )

    # --- what is done with ---------------------------------------------------------------------------------------

    async def _mark(self) -> None:
        """Mark or move what was taken. What cannot be is not taken again: the store knows it."""
        done, self._done = self._done, []
        if not done:
            return
        plan = self._plan
        try:
            if plan.done_folder is not None:
                await self._mailbox.move(done, plan.done_folder)
            else:
                await self._mailbox.mark(done, add=(plan.mark,))
        except MailboxLost:
            raise
        except MailboxTrouble as error:
            self._memory.unmarked.update(done)
            if self._memory.may_tell("collector.not_marked", self._clock.now()):
                self._telemetry.event(
                    "collector.not_marked", alarm=True, collector=plan.name, letters=len(done), error=str(error)
                )

    async def _put_aside(self, uid: int, taken: Taken, reply: Reply) -> bool:
        """Move a refused message to its folder, with a note beside it that says why; nothing is ever deleted."""
        plan, now = self._plan, self._clock.now()
        if uid not in self._memory.refused:
            self._memory.refused[uid] = taken
            self.counts.refused += 1
            self._telemetry.event(
                "collector.refused",
                alarm=True,
                collector=plan.name,
                queue_id=taken.spool_id or None,
                code=reply.code,
                status=reply.status,
            )
        try:
            await self._note(uid, taken, reply, now)
            await self._mailbox.move([uid], plan.refused_folder)
        except MailboxLost:
            raise
        except MailboxTrouble as error:
            if self._memory.may_tell("collector.not_put_aside", now):
                self._telemetry.event("collector.not_put_aside", alarm=True, collector=plan.name, error=str(error))
            return False
        del self._memory.refused[uid]
        return True

    async def _note(self, uid: int, taken: Taken, reply: Reply, now: datetime) -> None:
        """Once: a crash may have come between the note and the move."""
        plan, letter_id = self._plan, f"refus-{self._opened.uid_validity}-{uid}"
        try:
            there = await self._mailbox.find([plan.refused_folder], letter_id, since=now - LOOK_BACK)
        except MailboxRefused:  # as for a name that the store does not allow: no folder is open now
            await self._return()
            raise
        await self._return()
        if there is not None:
            return
        note = refusal_note(
            letter_id,
            reply=reply,
            spool_id=taken.spool_id,
            message_id=taken.message_id,
            folder=plan.folder,
            hostname=self._hostname,
            at=now,
        )
        await self._mailbox.append(plan.refused_folder, letter_id, _whole(note), size=len(note), received_at=now)

    async def _return(self) -> None:
        """Open the folder again. Raises MailboxLost when it is another one now."""
        if (await self._mailbox.open(self._plan.folder)).uid_validity != self._opened.uid_validity:
            raise MailboxLost(f"{self._plan.account.host}: the folder was made anew")


async def _whole(octets: bytes) -> AsyncIterator[bytes]:
    yield octets
