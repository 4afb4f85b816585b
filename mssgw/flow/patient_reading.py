"""Looking into a patient's mailbox: the letters that he has opened since, and the receipts that they are due (MDN-2).

Only letters whose opening is waited for are looked at (ports.UnopenedLetters); wherever they were moved to, they are
found by their id. Once: the receipt is counted in the commit that keeps it, as one that comes by SMTP is (SD-4); so it
goes to whom that letter, as we relayed it, named, whatever the patient may have put into his mailbox himself.
A letter that is gone unopened is waited for no more, and nobody is told anything.
"""

import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair
from mssgw.core.errors import StoreUnavailable
from mssgw.core.message import MessageHead
from mssgw.core.receipts import told_of_opening
from mssgw.core.unopened import Unopened
from mssgw.flow.ids import made_at
from mssgw.flow.live import Live
from mssgw.flow.opened_letter import OpenedLetter, own_receipt, read_letter
from mssgw.flow.own_letters import OwnLetters
from mssgw.formats.headers import comparable
from mssgw.formats.mdn_making import Disposition
from mssgw.ports import (
    Account,
    Clock,
    Conflict,
    Mailbox,
    Question,
    ReceiptSeen,
    Store,
    Telemetry,
    UnopenedLetters,
)
from mssgw.ports.mailbox import INBOX, MDN_SENT, SEEN, MailboxRefused, MailboxTrouble, NoSuchFolder, NoSuchMessage

# Since it was first missed: a store may not show it to every session yet, be repairing its folder, or show it in
# neither of two that it is moved between while we look.
GONE_AFTER = timedelta(minutes=2)
# The same where the inbox is another one than the letter was put into: its disk may not be mounted, or it is being
# given back from a backup, and the letter comes back with it.
GONE_AFTER_ANEW = timedelta(hours=12)
_LONG_AGO = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class _Place:
    folder: str = field(repr=False)
    uid_validity: int
    uid: int

    def is_where(self, letter: Unopened) -> bool:
        """Whether we put this letter there, under this number."""
        return self.folder == INBOX and (self.uid_validity, self.uid) == letter.place


@dataclass(slots=True, eq=False)
class Case:
    """A patient's mailbox, with the letters in it that are waited for, by their ids.

    ``missed``: whether in the inbox that it was put into, and since when.
    """

    address: Address
    account: Account
    letters: dict[str, Unopened] = field(default_factory=dict)
    places: dict[str, _Place] = field(default_factory=dict)
    missed: dict[str, tuple[bool, datetime]] = field(default_factory=dict)

    @property
    def latest(self) -> datetime:
        """When the last of them was delivered. There is one at least."""
        return max(each.delivered_at for each in self.letters.values())

    def miss(self, letter: Unopened, uid_validity: int, now: datetime) -> bool:
        """Remember that it was not found, the inbox having that number; whether that is so for long enough: it is gone.

        All inboxes but the one that it was put into are one: a store that numbers its inbox anew for each session would
        else begin the wait with each.
        """
        same = letter.place is None or letter.place[0] == uid_validity
        if self.missed.get(letter.letter_id, (not same, now))[0] != same:
            self.missed[letter.letter_id] = same, now
        return now >= self.missed[letter.letter_id][1] + (GONE_AFTER if same else GONE_AFTER_ANEW)

    def forget(self, letter_id: str) -> None:
        self.letters.pop(letter_id, None)
        self.places.pop(letter_id, None)
        self.missed.pop(letter_id, None)


class PatientReading:
    """Looks, and writes the receipts that are due."""

    def __init__(
        self, *, own: OwnLetters, store: Store, memory: UnopenedLetters, live: Live, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._own, self._store, self._memory = own, store, memory
        self._live, self._clock, self._telemetry = live, clock, telemetry

    async def look(self, mailbox: Mailbox, case: Case) -> None:
        """Leaves the inbox open. Raises as Mailbox does, and StoreUnavailable."""
        for _ in range(2):  # what was moved between two looks is looked for at once
            await self._locate(mailbox, case)
            if await self._all_in_place(mailbox, case):
                return

    async def _locate(self, mailbox: Mailbox, case: Case) -> None:
        """Find letters whose place is not known: in the inbox, else wherever the patient put them."""
        lost = [each for letter_id, each in case.letters.items() if letter_id not in case.places]
        if not lost:
            return
        opened = await mailbox.open(INBOX)  # else nobody is looked for: a store in trouble shows none, and has them all
        for letter in lost:
            place, now = await self._find(mailbox, letter), self._clock.now()
            if place is not None:
                case.places[letter.letter_id] = place
                case.missed.pop(letter.letter_id, None)
            elif case.miss(letter, opened.uid_validity, now):
                await self._done(case, letter)
                self._telemetry.event("receipts.letter_gone", queue_id=letter.spool_id, route=case.account.name)

    async def _find(self, mailbox: Mailbox, letter: Unopened) -> _Place | None:
        if (place := await self._in(mailbox, INBOX, letter)) is not None:
            return place
        for name in await mailbox.folders():
            if name != INBOX and (place := await self._in(mailbox, name, letter)) is not None:
                return place
        return None

    async def _in(self, mailbox: Mailbox, folder: str, letter: Unopened) -> _Place | None:
        since = made_at(letter.spool_id) or letter.delivered_at - _LONG_AGO
        try:
            placed = await mailbox.find([folder], letter.letter_id, since=since)
        except MailboxRefused:
            if folder == INBOX:
                raise
            return None  # not for us to look into
        return _Place(folder, placed.uid_validity, placed.uid) if placed is not None else None

    async def _all_in_place(self, mailbox: Mailbox, case: Case) -> bool:
        """Look at the letters where they were last; whether all of them are still there."""
        known = len(case.places)
        for name in sorted({place.folder for place in case.places.values()} | {INBOX}, key=lambda each: each == INBOX):
            await self._look_in(mailbox, case, name)
        return len(case.places) == known or not case.letters.keys() - case.places.keys()

    async def _look_in(self, mailbox: Mailbox, case: Case, folder: str) -> None:
        here = {letter_id: place for letter_id, place in case.places.items() if place.folder == folder}
        try:
            validity = (await mailbox.open(folder)).uid_validity
        except (NoSuchFolder, MailboxRefused):
            if folder == INBOX:
                raise
            validity = 0  # no folder's
        there = {letter_id: place.uid for letter_id, place in here.items() if place.uid_validity == validity}
        described = await mailbox.describe(there.values()) if there else {}
        failed: Exception | None = None
        for letter_id in here:
            found, letter = described.get(there.get(letter_id, 0)), case.letters.get(letter_id)
            if found is None or found.letter_id != letter_id:
                case.places.pop(letter_id, None)
            elif SEEN in found.flags and letter is not None:
                try:
                    await self._opened(mailbox, case, letter, here[letter_id])
                except (MailboxTrouble, StoreUnavailable):
                    raise
                except Exception as error:  # about that letter: the others first
                    failed = error
        if failed is not None:
            raise failed

    async def _opened(self, mailbox: Mailbox, case: Case, letter: Unopened, place: _Place) -> None:
        uid = place.uid
        try:
            found = await read_letter(mailbox, uid)
        except NoSuchMessage:
            case.places.pop(letter.letter_id, None)
            return
        written = await self._write(case, found, as_put=place.is_where(letter))
        await self._done(case, letter)
        if written is None:
            self._telemetry.event("receipts.not_due", queue_id=letter.spool_id, route=case.account.name)
            return
        self._telemetry.event("receipts.written", queue_id=letter.spool_id, receipt=written, route=case.account.name)
        with contextlib.suppress(MailboxTrouble):  # our own memory is what counts
            await mailbox.mark([uid], add=(MDN_SENT,))

    async def _write(self, case: Case, letter: OpenedLetter, *, as_put: bool) -> str | None:
        """Keep the receipt; its queue id, or None when there is none to write.

        ``as_put``: it is the very message that we put there. Any other could say what the patient wants to write to
        a doctor past a [FIN], under the name of a receipt: of such a one nothing is repeated.
        """  # req: FIN-7
        to, now = await self._told(case.address, letter.head), self._clock.now()
        if to is None or letter.head.message_id is None:
            return None
        seen = ReceiptSeen(
            patient=case.address,
            original_message_id=comparable(letter.head.message_id),
            disposition="displayed",
            told=(to,),
        )
        own = own_receipt(
            letter,
            Disposition.DISPLAYED,
            reader=case.address,
            to=to,
            now=now,
            settings=self._live.settings,
            seen=seen,
            quotes=as_put,
        )
        try:
            await self._own.keep(own, now)
        except Conflict:  # the patient's own program was faster, or another node
            return None
        return own.spool_id

    async def _told(self, patient: Address, head: MessageHead) -> Address | None:  # req: SD-4, SD-13
        """Who asked and is not told yet, by what we remember of the letter that we relayed."""
        (asked,) = head.receipt_to if len(head.receipt_to) == 1 else (None,)
        to = told_of_opening(head, asked)
        if to is None or head.message_id is None or self._live.settings.routes.to(to) is None:
            return None
        question = Question(pairs=(Pair(patient, to),), receipt_for=comparable(head.message_id))
        (known,) = await self._store.know(question)
        return to if known.receipt_due else None

    async def _done(self, case: Case, letter: Unopened) -> None:
        await self._memory.opened(letter)
        case.forget(letter.letter_id)
