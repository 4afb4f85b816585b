"""Letters leave a mailbox that we put them into when their time is over (TRC-3): announced there, then deleted.

1. what was announced and is due is deleted: those very letters, if they were read and nobody has flagged them;
2. when nothing stands announced, what will be due next is, by a letter into the mailbox, and remembered after that;
3. the next announcement waits for the end of this one: so readers get one every ``notice`` days, at most.

Letters that we did not put there are left alone, and so are other folders.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from mssgw.core.addresses import Address
from mssgw.core.errors import StoreUnavailable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.retention import Announced, Retained
from mssgw.flow.ids import new_id
from mssgw.flow.live import Live
from mssgw.flow.unjournalled import Place, Unjournalled
from mssgw.formats.purge_notice import PurgeNotice, write_purge_notice
from mssgw.ports import Account, Clock, Mailbox, Mailboxes, Purges, Store, Telemetry
from mssgw.ports.mailbox import (
    FLAGGED,
    SEEN,
    Described,
    LoginRefused,
    MailboxDistrusted,
    MailboxRefused,
    MailboxTrouble,
    NoSuchFolder,
    Opened,
)

EVERY = 6 * 3_600.0  # seconds between looks
AT_ONCE = 200  # letters
MOST = 5_000  # letters that one announcement holds, and that one look deletes
# What readers mark a letter with that they want to keep. Those of Thunderbird have a label called "Important" as well,
# those of Evolution and of webmails too (RFC 8457): all of it is what the notice calls important. In lower case.
_KEEPING = frozenset({FLAGGED.lower(), "$important", "$label1", "$labelimportant"})
_LOST, _SHUT = 1_800.0, 3 * 3_600.0  # seconds until the next look after trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder; ``done``: the flags of a letter that its readers have dealt with, none where it lies there for that."""

    folder: str = field(repr=False)
    done: tuple[str, ...] = (SEEN,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A mailbox whose letters go after a time. ``account.name`` stands for it in the log."""

    account: Account
    term: Retained
    shelves: tuple[Shelf, ...]


class Retention:
    """Looks after one mailbox. ``unjournalled``: left by those before it, who may have lost their lease over it."""

    def __init__(
        self,
        kept: Kept,
        *,
        mailboxes: Mailboxes,
        purges: Purges,
        store: Store,
        live: Live,
        clock: Clock,
        telemetry: Telemetry,
        unjournalled: Unjournalled,
    ) -> None:
        self._kept, self._mailboxes, self._purges, self._store = kept, mailboxes, purges, store
        self._live, self._clock, self._telemetry = live, clock, telemetry
        self._deleting = self._ending = False
        self._unjournalled = unjournalled

    async def run(self, delay: float = 0) -> None:
        """Begin after so many seconds. Never raises but when cancelled."""
        while not self._ending:
            await asyncio.sleep(delay)
            delay = await self._session() * random.uniform(0.9, 1.1)  # noqa: S311 - so that many do not come at once

    def end(self) -> bool:
        """Delete no more; whether a deletion is under way, which the journal has to hear of."""
        self._ending = True
        return self._deleting

    async def _session(self) -> float:
        """One look; seconds until the next."""
        name = self._kept.account.name
        try:
            async with self._mailboxes.open(self._kept.account) as mailbox:
                await self.look(mailbox)
        except (LoginRefused, MailboxDistrusted) as error:
            self._telemetry.event("retention.shut_out", alarm=True, route=name, error=str(error))
            return _SHUT
        except (MailboxTrouble, StoreUnavailable) as error:
            self._telemetry.event("retention.put_off", alarm=True, route=name, error=str(error))
            return _LOST
        except Exception as error:
            self._telemetry.event("retention.failed", alarm=True, route=name, failure=error)
            return _LOST
        return EVERY

    async def look(self, mailbox: Mailbox) -> None:
        """Delete what is due, and announce what is next. Raises MailboxTrouble, StoreUnavailable."""
        await self._unjournalled.note(self._store)
        standing = False
        for shelf in self._kept.shelves:
            try:
                opened = await mailbox.open(shelf.folder)
            except NoSuchFolder:
                continue
            if not opened.deletes:  # to announce what cannot be done would be a false alarm every time
                self._telemetry.event("retention.cannot_delete", alarm=True, route=self._kept.account.name)
                return
            standing |= await self._follow(mailbox, shelf, opened)
        if not standing and not self._ending:
            await self._announce(mailbox)

    async def _follow(self, mailbox: Mailbox, shelf: Shelf, opened: Opened) -> bool:
        """Do as was announced, if its day has come; whether an announcement still stands."""
        announced = await self._purges.announced(self._kept.term.mailbox, shelf.folder)
        if announced is None:
            return False
        now = self._clock.now()
        if announced.holds(self._kept.term, opened.uid_validity, now):
            if not announced.is_due(now) or not await self._purge(mailbox, shelf, announced):
                return True
        else:
            self._telemetry.event("retention.withdrawn", route=self._kept.account.name, count=announced.letters)
        await self._purges.call_off(announced)
        return False

    # --- deleting ----------------------------------------------------------------------------------------------

    async def _purge(self, mailbox: Mailbox, shelf: Shelf, announced: Announced) -> bool:
        """Whether all of it is done: at most MOST at once, and none when asked to end."""
        gone, due = 0, sorted(announced.uids)
        try:
            for start in range(0, len(due), AT_ONCE):
                # By their numbers, and not by a search, which leaves out what is marked as deleted: so a look leaves
                # letters whose connection was lost before they were expunged, and nobody would journal their end.
                some = due[start : start + AT_ONCE]
                known = await mailbox.describe(some)
                await self._note_gone(announced, some, known)
                those = [each for each in known.values() if announced.covers(each.uid, each.received_at)]
                those = [each for each in those if _is_over(each, shelf.done, announced.before)]
                if self._ending or gone + len(those) > MOST:
                    return False
                await self._delete(mailbox, announced, those)
                gone += len(those)
        finally:
            self._telemetry.event("retention.purged", route=self._kept.account.name, count=gone)
        return True

    async def _delete(self, mailbox: Mailbox, announced: Announced, those: Sequence[Described]) -> None:
        if not those:
            return
        uids = [each.uid for each in those]
        begun = {_place(announced, each.uid): each.letter_id or "" for each in those}
        self._unjournalled.begun |= begun
        self._deleting = True
        try:
            try:
                await mailbox.delete(uids)
            except MailboxRefused:  # all are left: of one that goes later its reader made an end
                for place in begun:
                    del self._unjournalled.begun[place]
                raise
            left = (await mailbox.describe(uids)).keys()  # a server may say OK and do nothing, for lack of rights
            await self._note_gone(announced, uids, left)
        finally:
            self._deleting = False
        if left:
            raise MailboxRefused(f"{self._kept.account.host}: letters that were deleted are still there")

    async def _note_gone(self, announced: Announced, uids: Collection[int], left: Collection[int]) -> None:
        """Of these letters those whose deletion was begun, and that are not left, are gone."""
        now = self._clock.now()
        for uid in uids:
            letter_id = self._unjournalled.begun.pop(_place(announced, uid), None)
            if letter_id is not None and uid not in left:
                self._unjournalled.lines.append(self._line(JournalEvent.PURGED, now, letter_id))
        await self._unjournalled.note(self._store)

    def _line(self, event: JournalEvent, now: datetime, letter_id: str = "", detail: str = "") -> Entry:  # req: TRC-1
        about = letter_id.partition(".")[0]
        return Entry(at=now, event=event, spool_id=about, recipient=self._kept.term.mailbox, detail=detail)

    async def _over(self, mailbox: Mailbox, shelf: Shelf, before: datetime) -> AsyncIterator[Sequence[Described]]:
        """Letters of ours that arrived before, and that its readers have done with, some at a time, none of them []."""
        above = 0
        # Not for labels, which _is_over sees: not every server takes a keyword that it does not know in a SEARCH.
        while uids := await mailbox.search(
            above=above, flagged=shelf.done, unflagged=(FLAGGED,), before=before, limit=AT_ONCE
        ):
            above = uids[-1]
            known = await mailbox.describe(uids)
            some = [known[uid] for uid in uids if uid in known and _is_over(known[uid], shelf.done, before)]
            if some:
                yield some

    # --- announcing --------------------------------------------------------------------------------------------

    async def _announce(self, mailbox: Mailbox) -> None:
        now, term = self._clock.now(), self._kept.term
        due_at = now + term.notice
        before = term.arrived_before(due_at)
        found = [each for shelf in self._kept.shelves async for each in self._next(mailbox, shelf, before, due_at)]
        if not found:
            return
        letters = sum(each.letters for each in found)
        await self._tell(mailbox, letters, before, due_at, now)
        # After the letter lies there: what nobody could read about is never deleted.
        detail = f"{letters} due {due_at:%Y-%m-%d}"
        await self._purges.announce(found, self._line(JournalEvent.ANNOUNCED, now, detail=detail))
        name, due = self._kept.account.name, f"{due_at:%Y-%m-%d}"
        self._telemetry.event("retention.announced", route=name, count=letters, due=due)

    async def _next(
        self, mailbox: Mailbox, shelf: Shelf, before: datetime, due_at: datetime
    ) -> AsyncIterator[Announced]:
        """What there is to announce of a folder, if anything."""
        try:
            opened = await mailbox.open(shelf.folder)
        except NoSuchFolder:
            return
        uids: list[int] = []
        async for some in self._over(mailbox, shelf, before):
            uids += [each.uid for each in some]
            if len(uids) >= MOST:
                break
        if uids:
            yield Announced(
                mailbox=self._kept.term.mailbox,
                folder=shelf.folder,
                uid_validity=opened.uid_validity,
                uids=frozenset(uids[:MOST]),
                before=before,
                due_at=due_at,
            )

    async def _tell(self, mailbox: Mailbox, letters: int, before: datetime, due_at: datetime, now: datetime) -> None:
        """Once a day at most: a crash before it is remembered announces the same again, not by a second letter."""
        term, hostname, folder = self._kept.term, self._live.settings.hostname, self._kept.shelves[0].folder
        letter_id = notice_id(term.mailbox, due_at)
        if await mailbox.find((folder,), letter_id, since=now) is not None:
            return
        written = write_purge_notice(
            PurgeNotice(
                mailbox=term.mailbox,
                folders=[shelf.folder for shelf in self._kept.shelves],
                letters=letters,
                before=before,
                due_at=due_at,
                message_id=f"<{new_id(now)}@{hostname}>",
                written_at=now,
                hostname=hostname,
            )
        )
        content = written.content
        await mailbox.append(folder, letter_id, _once(content), size=len(content), received_at=now)


def _place(announced: Announced, uid: int) -> Place:
    return announced.mailbox, announced.folder, announced.uid_validity, uid


def notice_id(mailbox: Address, due_at: datetime) -> str:
    """By what the announcement of that day is known again in its mailbox."""
    return f"purge-{due_at:%Y%m%d}-{sha256(mailbox.key.encode()).hexdigest()[:16]}"


def _is_over(letter: Described, done: Collection[str], before: datetime) -> bool:
    """As the search said, to the second; flags may have changed since. Their case means nothing."""
    arrived = letter.received_at is not None and letter.received_at < before
    flags = set(map(str.lower, letter.flags))
    return arrived and letter.letter_id is not None and flags.issuperset(map(str.lower, done)) and not flags & _KEEPING


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
