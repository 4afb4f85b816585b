"""Receipts of programs for letters in their APP mailboxes: watch the mailbox, and write what the program's act says.

A session looks, then waits in IDLE, at most LOOK seconds: a store may not know IDLE, or tell of no flags. Once: the
receipt and the memory that it was written are one commit; $MDNSent (RFC 3503) is for others who look there.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from mssgw.core.addresses import Address
from mssgw.core.errors import MalformedAddress, StoreUnavailable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import Content
from mssgw.flow.live import Live
from mssgw.flow.mailbox_gate import ALARM_AT, LOST, SHUT, Pause
from mssgw.flow.opened_letter import OpenedLetter, own_receipt, read_letter
from mssgw.flow.own_letters import OwnLetters
from mssgw.formats.mdn_making import Disposition
from mssgw.ports import Account, AlreadyCollected, Clock, Collected, CollectedLetters, Mailbox, Mailboxes, Telemetry
from mssgw.ports.mailbox import (
    MDN_SENT,
    SEEN,
    LoginRefused,
    MailboxDistrusted,
    MailboxTrouble,
    NoSuchFolder,
    NoSuchMessage,
    Opened,
)

LOOK = 8.0  # seconds between looks, whatever the store tells; the promise is ten
LISTED = 20_000  # letters that are asked for at once: those without a receipt to write may be very many
AT_ONCE = 200  # letters that are looked at
AGAIN, LONGEST = timedelta(minutes=1), timedelta(hours=1)  # until one is read again that its store hung up over
STUCK = 5  # such attempts after which somebody should look
_MEMORY = "receipts"  # what stands for a collector's name in the memory of what was done


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An APP mailbox and the sign that its program gives (MDN-7). ``account.name`` stands for it in the log.

    ``folder``: where the sign is looked for. ``flags``: those that a letter has by then; none: to lie in the folder is
    the sign.
    """

    account: Account
    mailbox: Address
    folder: str = field(repr=False)
    flags: tuple[str, ...] = ()


@dataclass(slots=True)
class _Folder:
    """What is known of the folder as it is numbered now.

    ``hard``: letters over which a session was lost, with how often, and until when they are left alone. ``at_once``:
    letters that are looked at together; one by one until it is known over which it was lost.
    """

    uid_validity: int
    done: set[int] = field(default_factory=set)
    hard: dict[int, tuple[int, datetime]] = field(default_factory=dict)
    at_once: int = AT_ONCE


class ReceiptWatch:
    """Watches one mailbox until cancelled."""

    def __init__(
        self,
        watched: Watched,
        *,
        mailboxes: Mailboxes,
        own: OwnLetters,
        memory: CollectedLetters,
        live: Live,
        clock: Clock,
        telemetry: Telemetry,
        look: float = LOOK,
    ) -> None:
        self._watched, self._mailboxes, self._own, self._memory = watched, mailboxes, own, memory
        self._live, self._clock, self._telemetry, self._look = live, clock, telemetry, look
        self._pause = Pause()
        self._folder = _Folder(0)

    async def run(self, delay: float = 0) -> None:
        """Begin after so many seconds. Never raises but when cancelled."""
        while True:
            await asyncio.sleep(delay)
            delay = await self._session()

    def end(self) -> bool:
        """Whether to wait for its end: never, for what is broken off is done by the next watch."""
        return False

    async def _session(self) -> float:
        """One session, to its end; seconds until the next."""
        name = self._watched.account.name
        try:
            async with self._mailboxes.open(self._watched.account) as mailbox:
                while True:
                    is_there = await self.look(mailbox)
                    self._pause.failures = 0
                    await (mailbox.wait(self._look) if is_there else asyncio.sleep(self._look))
        except (LoginRefused, MailboxDistrusted) as error:
            pause = self._pause.next(SHUT)
            self._telemetry.event("receipts.shut_out", alarm=True, route=name, error=str(error), again_in=round(pause))
            return pause
        except (MailboxTrouble, StoreUnavailable) as error:
            pause = self._pause.next(LOST)
            loud = self._pause.failures >= ALARM_AT
            self._telemetry.event(
                "receipts.unreachable", alarm=loud, route=name, error=str(error), again_in=round(pause)
            )
            return pause
        except Exception as error:
            self._telemetry.event("receipts.failed", alarm=True, route=name, failure=error)
            return self._pause.next(LOST)

    async def look(self, mailbox: Mailbox) -> bool:
        """Write the receipts that are due now; whether there is such a folder yet.

        A letter that cannot be dealt with is told of when all others have been: nobody stops their receipts by it.
        """
        try:
            opened = await mailbox.open(self._watched.folder)
        except NoSuchFolder:
            return False
        if self._folder.uid_validity != opened.uid_validity:
            self._folder = _Folder(opened.uid_validity)
        folder, above, failed = self._folder, 0, None
        while uids := await self._signed(mailbox, opened, above):
            above = uids[-1]
            new = [uid for uid in uids if uid not in folder.done and not self._is_left_alone(uid)]
            new.sort(key=folder.hard.__contains__)  # last those with which the session may end
            for start in range(0, len(new), folder.at_once):
                failed = await self._confirm(mailbox, new[start : start + folder.at_once], opened) or failed
        folder.at_once = AT_ONCE
        if failed is not None:
            raise failed
        return True

    async def _confirm(self, mailbox: Mailbox, new: Sequence[int], opened: Opened) -> Exception | None:
        """Write the receipts of some letters; what failed, when it is about one of them."""
        failed, at, done = None, new, set(new)
        try:
            for uid, letter_id in (await self._ours(mailbox, new)).items():
                at = [uid]
                try:
                    await self._receive(mailbox, uid, letter_id, opened)
                except (MailboxTrouble, StoreUnavailable):
                    raise
                except Exception as error:
                    failed = error
                    done.remove(uid)
        except MailboxTrouble:
            self._leave_alone(at)
            raise
        self._folder.done |= done
        for uid in done & self._folder.hard.keys():
            del self._folder.hard[uid]
        return failed

    def _is_left_alone(self, uid: int) -> bool:
        return uid in self._folder.hard and self._clock.now() < self._folder.hard[uid][1]

    def _leave_alone(self, uids: Sequence[int]) -> None:
        """The session is lost over one of these. Dovecot hangs up over what it cannot read, again and again: the
        others do not wait for it. Once may be by chance.
        """
        if len(uids) > 1:
            self._folder.at_once = 1
            return
        (uid,), now = uids, self._clock.now()
        tries = self._folder.hard[uid][0] + 1 if uid in self._folder.hard else 1
        wait: timedelta = min(AGAIN * 2 ** min(tries - 2, 10), LONGEST) if tries > 1 else timedelta()
        self._folder.hard[uid] = (tries, now + wait)
        if tries == STUCK:
            self._telemetry.event("receipts.stuck", alarm=True, route=self._watched.account.name, uid=uid)

    async def _signed(self, mailbox: Mailbox, opened: Opened, above: int) -> Sequence[int]:
        """Letters with the sign, and without a receipt as far as the folder knows."""
        flags = tuple(flag for flag in self._watched.flags if opened.keywords or flag == SEEN)
        if len(flags) < len(self._watched.flags):
            self._telemetry.event("receipts.no_keywords", alarm=True, route=self._watched.account.name)
            return ()
        unsent = (MDN_SENT,) if opened.keywords else ()
        return await mailbox.search(above=above, flagged=flags, unflagged=unsent, limit=LISTED)

    async def _ours(self, mailbox: Mailbox, uids: Sequence[int]) -> dict[int, str]:
        """Those that we put there, and that nothing was decided of yet, with their ids."""
        if not uids:
            return {}
        found = {uid: each.letter_id for uid, each in (await mailbox.describe(uids)).items()}
        ours = {uid: letter_id for uid, letter_id in found.items() if letter_id is not None}
        numbers = {uid: _number(self._watched, letter_id) for uid, letter_id in ours.items()}
        known = await self._memory.already_collected(_MEMORY, 0, numbers.values(), now=self._clock.now())
        return {uid: letter_id for uid, letter_id in ours.items() if numbers[uid] not in known}

    async def _receive(self, mailbox: Mailbox, uid: int, letter_id: str, opened: Opened) -> None:
        try:
            letter = await read_letter(mailbox, uid)
        except NoSuchMessage:
            return
        to, remembered = self._asked_by(letter), self._remembered(letter_id)
        if to is None or letter.head.message_id is None:
            await self._memory.recognise(remembered, now=self._clock.now())
            return
        with contextlib.suppress(AlreadyCollected):  # by another node, a moment ago
            await self._write(letter, to, letter_id, remembered)
        if opened.keywords:
            with contextlib.suppress(MailboxTrouble):  # our own memory is what counts
                await mailbox.mark([uid], add=(MDN_SENT,))

    def _asked_by(self, letter: OpenedLetter) -> Address | None:  # req: MDN-4
        """Who is to be told: one address, which the letter also returns to."""
        if letter.head.content is not Content.ORDINARY or len(letter.head.receipt_to) != 1:
            return None
        (to,) = letter.head.receipt_to
        try:
            back = Address.parse(letter.header.first("return-path").strip().removeprefix("<").removesuffix(">"))
        except MalformedAddress:
            return None
        return to if to == back and self._live.settings.routes.to(to) is not None else None

    async def _write(self, letter: OpenedLetter, to: Address, letter_id: str, remembered: Collected) -> None:
        now, head = self._clock.now(), letter.head
        about = letter_id.partition(".")[0]
        entry = Entry(
            at=now,
            event=JournalEvent.READ,
            spool_id=about,
            message_id=head.message_id,
            sender=head.from_[0] if head.from_ else None,
            recipient=self._watched.mailbox,
            detail="processed",
        )
        own = own_receipt(
            letter,
            Disposition.PROCESSED,
            reader=self._watched.mailbox,
            to=to,
            now=now,
            settings=self._live.settings,
            entries=(entry,),
            collected=remembered,
        )
        await self._own.keep(own, now)
        name = self._watched.account.name
        self._telemetry.event("receipts.written", queue_id=about, receipt=own.spool_id, route=name)

    def _remembered(self, letter_id: str) -> Collected:
        """Whatever number the folder gives it, and wherever it is moved."""
        digest = sha256(f"{self._watched.mailbox.key} {letter_id}".encode()).digest()
        number = _number(self._watched, letter_id)
        return Collected(collector=_MEMORY, uid_validity=0, uid=number, message_id=letter_id, digest=digest)


def _number(watched: Watched, letter_id: str) -> int:
    return int.from_bytes(sha256(f"{watched.mailbox.key} {letter_id}".encode()).digest()[:7])
