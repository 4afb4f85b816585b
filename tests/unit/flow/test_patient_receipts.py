"""Receipts of patients: one for each letter that asked for it, when he opens it, and never before; on twins."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair
from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.patients import PatientState, Wish
from mssgw.core.routes import Route, RouteKind, RouteTable, TlsPolicy
from mssgw.core.settings import Settings
from mssgw.core.unopened import Unopened
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory.mailbox import MemoryMailbox, MemoryMailStore, Message
from mssgw.edges.memory.spool import MemorySpool
from mssgw.edges.memory.store import MemoryStore
from mssgw.flow import patient_receipts as flow_receipts
from mssgw.flow.live import Live, nobody_fits
from mssgw.flow.own_letters import OwnLetter, OwnLetters
from mssgw.flow.patient_reading import PatientReading
from mssgw.flow.patient_receipts import Pace, PatientReceipts, PatientWatch
from mssgw.ports import Account, Letter
from mssgw.ports.mailbox import (
    INBOX,
    SEEN,
    LoginRefused,
    MailboxLost,
    MailboxRefused,
    MailboxTrouble,
    NoSuchFolder,
    Opened,
)
from tests.contract.letters import Place as Kept

PATIENT, CORSICAN = Matricule.parse("279035121518989"), Matricule.parse("177012A12345670")
DOCTOR = "dr.alpha@liberal.mssante.fr"
MASTER, PASSWORD = "passerelle", "secret"
STORE = Route(
    name="store:bals:patients",
    kind=RouteKind.IMAP,
    host="imap.x.example",
    tls=TlsPolicy.REQUIRE,
    inward=True,
    patients=True,
    login=MASTER,
    password=PASSWORD,
    folders=(INBOX,),
    master=True,
    mailbox="{address}",
)
LETTER = (
    "X-Mssgw-Id: {id}.0\r\nReturn-Path: <{sender}>\r\nX-Mssgw-Fin: subject\r\n"
    "From: <{sender}>\r\nTo: Mme Odile EXEMPLE <{to}>\r\nSubject: [FIN] essai\r\n"
    "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{id}@liberal.mssante.fr>\r\n"
    "Disposition-Notification-To: <{asks}>\r\n\r\nBonjour\r\n"
)
AT_ONCE = Pace(look=0.02, refresh=0.01, every=0.02)


class Doors(MemoryMailStore):
    """Opened by a master login, as our accounts ask; counts who is in, and may shut."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.open_now = self.most_open = 0
        self.refuses: set[str] = set()

    @contextlib.asynccontextmanager
    async def open(self, account: Account) -> AsyncIterator[MemoryMailbox]:
        self.opened.append(account.authorize_as)
        await asyncio.sleep(0)
        if account.authorize_as in self.refuses or (account.login, account.password) != (MASTER, PASSWORD):
            raise LoginRefused("x: login refused")
        own = replace(account, login=account.authorize_as, password=PASSWORD)
        async with super().open(own) as mailbox:
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            try:
                yield mailbox
            finally:
                self.open_now -= 1


class Heard:
    def __init__(self) -> None:
        self.alarms: list[str] = []
        self.names: list[str] = []

    def event(self, name: str, *, alarm: bool = False, **fields: object) -> None:
        assert "279035121518989" not in str(fields)
        self.names.append(name)
        self.alarms += [name] if alarm else []


def login_of(patient: Matricule) -> str:
    return f"{patient.value.lower()}@patient.mssante.fr"


@dataclass
class Place:
    """The patients' mail store, and the gateway's."""

    mail: Doors = field(default_factory=Doors)
    clock: FixedClock = field(default_factory=FixedClock)
    heard: Heard = field(default_factory=Heard)
    pace: Pace = AT_ONCE
    held: int = 50

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.kept = Kept(self.store, self.store, self.clock)
        out = Route(name="out", host="mx", tls=TlsPolicy.NONE)
        routes = RouteTable({"liberal.mssante.fr": out, "patient.mssante.fr": STORE})
        self.live = Live(Settings(hostname="gw.example", routes=routes), lambda *_: None, nobody_fits)  # type: ignore[arg-type]

    def watch(self) -> PatientReceipts:
        """Of a process that begins."""
        own = OwnLetters(store=self.store, spool=MemorySpool(), live=self.live)
        return PatientReceipts(
            PatientWatch(route=STORE, held=self.held),
            mailboxes=self.mail,
            reading=PatientReading(
                own=own,
                store=self.store,
                memory=self.store,
                live=self.live,
                clock=self.clock,
                telemetry=self.heard,
            ),
            memory=self.store,
            alias=self.store.alias,
            live=self.live,
            clock=self.clock,
            telemetry=self.heard,
            pace=self.pace,
        )

    async def patient(self, patient: Matricule = PATIENT, state: PatientState = PatientState.ACTIVE) -> None:
        entry = Entry(at=self.clock.now(), event=JournalEvent.PATIENT)
        await self.store.patients.put([Wish(matricule=patient, state=state)], entry)
        if login_of(patient) not in self.mail.boxes:
            self.mail.add(login_of(patient), PASSWORD)

    async def deliver(
        self, name: str = "Q1", patient: Matricule = PATIENT, *, asks: str = DOCTOR, flags: tuple[str, ...] = ()
    ) -> int:
        """A letter that lies in the mailbox, and is remembered as a delivery leaves it."""
        to = Address.parse(login_of(patient))
        remembered = Letter(
            pair=Pair(to, Address.parse(DOCTOR)),
            message_id=f"<{name}@liberal.mssante.fr>",
            receipt_to=(asks,),
        )
        await self.kept.keep(name, letters=(remembered,))
        content = LETTER.format(id=name, sender=DOCTOR, to=to.text, asks=asks).encode()
        placed = await self.mail.put(login_of(patient), INBOX, Message(content, self.clock.now(), set(flags)))
        letter = Unopened(
            spool_id=name,
            number=0,
            patient=patient,
            delivered_at=self.clock.now(),
            place=(placed.uid_validity, placed.uid),
        )
        self.store._has.unopened[letter.letter_id] = letter
        return placed.uid

    async def open_letter(self, uid: int, patient: Matricule = PATIENT) -> None:
        self.mail.boxes[login_of(patient)].folders[INBOX].messages[uid].flags.add(SEEN)
        await self.mail.tell(login_of(patient))

    @property
    def receipts(self) -> list[bytes]:
        mine = [each for each in self.store._has.messages.values() if each.facts.client.name == "mssgw"]
        return [each.body.inline or b"" for each in mine]

    @property
    def waiting(self) -> int:
        return len(self.store._has.unopened)


@pytest.fixture
def place() -> Place:
    return Place()


@contextlib.asynccontextmanager
async def running(watch: PatientReceipts) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_a_letter_is_confirmed_when_the_patient_opens_it(place: Place) -> None:
    """In Mon espace santé's words, to who asked; the letter's trace says so, and it counts as read (MDN-3, SD-13)."""
    await place.patient()
    uid = await place.deliver()
    async with running(place.watch()):
        await until(lambda: place.mail.open_now)
        await asyncio.sleep(0.1)
        assert place.receipts == [], "it lies there unopened"
        await place.open_letter(uid)
        await until(lambda: place.receipts)
        await until(lambda: place.mail.open_now == 0)
    (receipt,) = place.receipts
    assert b"To: <dr.alpha@liberal.mssante.fr>" in receipt
    assert b"Disposition: manual-action/MDN-sent-automatically; displayed" in receipt
    assert b"le 21 novembre 10:00 a bien =C3=A9t=C3=A9 ouvert" in receipt.replace(b"=\r\n", b"")
    assert b"279035121518989@patient.mssante.fr Mme Odile EXEMPLE." in receipt.replace(b"=\r\n", b"")
    assert b"Subject: essai\r\n" in receipt, "the letter as it was sent, not as it was shown"
    assert b"X-Mssgw" not in receipt
    (line,) = [each for each in place.store._has.journal if each.event is JournalEvent.READ]
    assert (line.spool_id, line.detail) == ("Q1", "displayed")
    assert place.waiting == 0


async def test_what_was_opened_while_nobody_looked_is_confirmed_once(place: Place) -> None:
    """By each process that begins: the first writes it; also when it died before it forgot the letter."""
    await place.patient()
    await place.deliver(flags=(SEEN,))
    letter = place.store._has.unopened["Q1.0"]
    for _ in range(3):
        place.store._has.unopened["Q1.0"] = letter
        async with running(place.watch()):
            await until(lambda: not place.waiting)
    assert len(place.receipts) == 1


async def test_two_nodes_at_once_write_one(place: Place) -> None:
    """As when one has lost its lease and does not know yet: the commit decides."""
    await place.patient()
    uid = await place.deliver()
    async with running(place.watch()), running(place.watch()):
        await until(lambda: place.mail.open_now == 2)
        await place.open_letter(uid)
        await until(lambda: not place.waiting)
    assert len(place.receipts) == 1


@pytest.mark.parametrize("state", [PatientState.CREATED, PatientState.CLOSED])
async def test_a_mailbox_that_nobody_reads_is_not_watched(place: Place, state: PatientState) -> None:
    """Activated, it is, and what was opened meanwhile is confirmed."""
    await place.patient(state=state)
    await place.deliver(flags=(SEEN,))
    async with running(place.watch()):
        await asyncio.sleep(0.1)
        assert place.mail.opened == []
        place.clock.pass_(seconds=600)
        await place.patient()
        await until(lambda: place.receipts)


async def test_without_letters_nobody_is_there(place: Place) -> None:
    for patient in (PATIENT, CORSICAN):
        await place.patient(patient)
    async with running(place.watch()):
        await asyncio.sleep(0.1)
    assert place.mail.opened == []


async def test_a_corsican_has_one_mailbox_however_he_is_written(place: Place) -> None:
    await place.patient(CORSICAN)
    await place.deliver(patient=CORSICAN, flags=(SEEN,))
    async with running(place.watch()):
        await until(lambda: place.receipts)
    assert set(place.mail.opened) == {"177012a12345670@patient.mssante.fr"}


async def test_a_letter_that_was_moved_is_found(place: Place) -> None:
    """Opened there later, or moved as soon as it was opened."""
    await place.patient()
    one, two = await place.deliver("Q1"), await place.deliver("Q2")
    messages = place.mail.boxes[login_of(PATIENT)].folders[INBOX].messages
    async with running(place.watch()):
        await until(lambda: place.mail.open_now)
        await asyncio.sleep(0.05)
        archive = place.mail.make(login_of(PATIENT), "Archives")
        archive.messages = {7: messages.pop(one), 8: messages.pop(two)}
        archive.messages[8].flags.add(SEEN)
        await place.mail.tell(login_of(PATIENT))
        await until(lambda: len(place.receipts) == 1)
        archive.messages[7].flags.add(SEEN)
        await until(lambda: len(place.receipts) == 2)


async def test_a_letter_that_is_removed_unopened_is_forgotten(place: Place) -> None:
    """No receipt: nobody opened it. Not at once: a store may be slow to show what was just delivered."""
    await place.patient()
    uid = await place.deliver()
    del place.mail.boxes[login_of(PATIENT)].folders[INBOX].messages[uid]
    async with running(place.watch()):
        await until(lambda: place.mail.open_now)
        await asyncio.sleep(0.1)
        assert place.waiting == 1
        place.clock.pass_(minutes=3)
        await until(lambda: not place.waiting)
    assert (place.receipts, place.heard.names) == ([], ["receipts.letter_gone"])


async def test_no_letter_is_taken_for_gone_while_another_inbox_stands_in_its_place(place: Place) -> None:
    """An empty one that the store made, for its disk is not mounted: hours later the letters may be back."""
    await place.patient()
    uid = await place.deliver("Q1")
    await place.deliver("Q2")
    folders = place.mail.boxes[login_of(PATIENT)].folders
    away = folders.pop(INBOX)
    place.mail.make(login_of(PATIENT), INBOX)
    async with running(place.watch()):
        await until(lambda: place.mail.open_now)
        await asyncio.sleep(0.1)
        place.clock.pass_(hours=11)
        await asyncio.sleep(0.1)
        assert place.waiting == 2
        away.messages = {uid: away.messages[uid]}
        folders[INBOX] = away
        await place.open_letter(uid)
        await until(lambda: len(place.receipts) == 1)
        await asyncio.sleep(0.1)
        assert place.waiting == 1, "the other one is missed in the inbox that it was put into only now"
        place.clock.pass_(minutes=3)
        await until(lambda: not place.waiting)
    assert place.heard.names.count("receipts.letter_gone") == 1


async def test_a_letter_is_gone_in_the_end_where_each_look_finds_another_inbox(place: Place) -> None:
    """As of a server that cannot write its index down: a letter that was removed would be looked for for ever."""
    await place.patient()
    await place.deliver("Q1")
    inbox = place.mail.boxes[login_of(PATIENT)].folders[INBOX]
    inbox.messages.clear()
    async with running(place.watch()):
        for hours in (0, 5, 5, 5):
            inbox.uid_validity += 1
            place.clock.pass_(hours=hours)
            await until(lambda: place.mail.open_now)
            await asyncio.sleep(0.1)
    assert place.heard.names == ["receipts.letter_gone"]


@pytest.mark.parametrize("trouble", [MailboxRefused, NoSuchFolder])
async def test_no_letter_is_taken_for_gone_while_the_inbox_cannot_be_opened(
    place: Place, monkeypatch: pytest.MonkeyPatch, trouble: type[MailboxTrouble]
) -> None:
    """As a store does whose index is being repaired: its receipts wait, and go out when it is well again."""
    await place.patient()
    await place.deliver(flags=(SEEN,))
    place.clock.pass_(days=1)

    async def ill(self: MemoryMailbox, folder: str) -> Opened:
        raise trouble("x: NO UNAVAILABLE") if folder == INBOX else NoSuchFolder

    monkeypatch.setattr(flow_receipts, "LOST", (0.02, 0.02))
    with monkeypatch.context() as broken:
        broken.setattr(MemoryMailbox, "open", ill)
        async with running(place.watch()):
            await until(lambda: "receipts.unreachable" in place.heard.names)
    assert (place.receipts, place.waiting) == ([], 1)
    async with running(place.watch()):
        await until(lambda: place.receipts)


async def test_no_letter_is_taken_for_gone_that_is_missed_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is being repaired for a moment, or it was put back into the inbox just when we looked elsewhere."""
    await place.patient()
    uid = await place.deliver()
    archive = place.mail.make(login_of(PATIENT), "Archives")
    archive.messages = {7: place.mail.boxes[login_of(PATIENT)].folders[INBOX].messages.pop(uid)}
    place.clock.pass_(days=1)
    real, missed = MemoryMailbox.open, asyncio.Event()

    async def ill(self: MemoryMailbox, folder: str) -> Opened:
        if folder == "Archives":
            missed.set()
            raise MailboxRefused("x: NO INUSE")
        return await real(self, folder)

    async with running(place.watch()):
        with monkeypatch.context() as broken:
            broken.setattr(MemoryMailbox, "open", ill)
            await asyncio.wait_for(missed.wait(), 5)
            await asyncio.sleep(0.1)
        archive.messages[7].flags.add(SEEN)
        await until(lambda: place.receipts)
    assert "receipts.letter_gone" not in place.heard.names


async def test_a_letter_that_the_patient_forged_tells_nobody(place: Place) -> None:
    """Its id is known, what it asks is not what we relayed."""
    await place.patient()
    uid = await place.deliver()
    messages = place.mail.boxes[login_of(PATIENT)].folders[INBOX].messages
    forged = LETTER.format(id="Q1", sender=DOCTOR, to=login_of(PATIENT), asks="boss@liberal.mssante.fr")
    messages[uid] = Message(forged.encode(), place.clock.now(), {SEEN})
    async with running(place.watch()):
        await until(lambda: not place.waiting)
    assert (place.receipts, place.heard.names) == ([], ["receipts.not_due"])


async def test_of_what_a_patient_put_in_place_of_a_letter_nothing_is_repeated(place: Place) -> None:
    """Its receipt would carry his words and files to a doctor past a [FIN], judged by nobody (FIN-7)."""
    await place.patient()
    uid = await place.deliver()
    inbox = place.mail.boxes[login_of(PATIENT)].folders[INBOX]
    forged = inbox.messages.pop(uid).content.replace(b"Bonjour", b"Repondez-moi").replace(b"essai", b"urgent")
    assert b"Repondez-moi" in forged
    assert b"urgent" in forged
    await place.mail.put(login_of(PATIENT), INBOX, Message(forged, place.clock.now(), {SEEN}))
    async with running(place.watch()):
        await until(lambda: place.receipts)
    (receipt,) = place.receipts
    assert b"; displayed" in receipt
    assert b"Original-Message-ID: <Q1@liberal.mssante.fr>" in receipt
    for word in (b"Repondez-moi", b"urgent", b"EXEMPLE", b"message/rfc822"):
        assert word not in receipt


@pytest.mark.parametrize(("waiting", "seconds"), [(1, 6.0), (150, 6.0), (500, 20.0), (1_500, 60.0), (50_000, 60.0)])
async def test_few_mailboxes_are_looked_at_within_ten_seconds_and_many_load_no_store(
    place: Place, waiting: int, seconds: float
) -> None:
    place.pace = Pace()
    watch = place.watch()
    watch._turns = [(0.0, number, None) for number in range(waiting)]  # type: ignore[misc]
    assert watch._between_turns() == seconds


async def test_a_letter_that_cannot_be_dealt_with_holds_up_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its sender wrote: the receipts of the same patient's other letters go out, and it is an alarm."""
    await place.patient()
    for name in ("Q1", "Q2", "Q3"):
        await place.deliver(name, flags=(SEEN,))
    write = OwnLetters.keep

    async def keep(self: OwnLetters, letter: OwnLetter, now: datetime) -> None:
        if b"<Q1@" in letter.written.content:
            raise OverflowError
        await write(self, letter, now)

    monkeypatch.setattr(OwnLetters, "keep", keep)
    async with running(place.watch()):
        await until(lambda: len(place.receipts) == 2)
        await until(lambda: place.heard.alarms)
    assert (place.waiting, place.heard.alarms) == (1, ["receipts.failed"])


async def test_few_sessions_for_many_mailboxes(place: Place) -> None:
    """Those where a letter came last are held; every other one is looked at in its turn."""
    place.held = 2
    numbers = [Matricule.parse(patient_number(each)) for each in range(30)]
    uids = {}
    for each, patient in enumerate(numbers):
        await place.patient(patient)
        uids[patient] = await place.deliver(f"Q{each}", patient)
        place.clock.pass_(seconds=1)
    async with running(place.watch()):
        await until(lambda: len(set(place.mail.opened)) == 30)
        for patient in numbers:
            await place.open_letter(uids[patient], patient)
        await until(lambda: len(place.receipts) == 30)
    assert place.mail.most_open <= 2 + 4
    held = {login_of(each) for each in numbers[-2:]}
    assert {place.mail.opened.count(each) for each in held} == {1}


async def test_a_store_that_is_down_is_not_asked_by_all(place: Place) -> None:
    """And who was opened meanwhile is confirmed when it is back."""
    numbers = [Matricule.parse(patient_number(each)) for each in range(30)]
    for each, patient in enumerate(numbers):
        await place.patient(patient)
        await place.deliver(f"Q{each}", patient, flags=(SEEN,))
    place.mail.down = True
    async with running(place.watch()):
        await until(lambda: place.heard.names)
        await asyncio.sleep(0.1)
        assert len(place.mail.opened) <= 8
        assert place.heard.names == ["receipts.unreachable"]


async def test_a_refused_master_is_not_tried_for_every_patient(place: Place) -> None:
    """Lest it be locked; one patient without a mailbox there shuts out no other."""
    numbers = [Matricule.parse(patient_number(each)) for each in range(30)]
    for each, patient in enumerate(numbers):
        await place.patient(patient)
        await place.deliver(f"Q{each}", patient, flags=(SEEN,))
    place.mail.refuses = {login_of(numbers[3])}
    async with running(place.watch()):
        await until(lambda: len(place.receipts) == 29)
    assert place.heard.alarms == ["receipts.shut_out"]
    place.mail.refuses = set(map(login_of, numbers))
    place.mail.opened.clear()
    for each, patient in enumerate(numbers):
        await place.deliver(f"R{each}", patient, flags=(SEEN,))
    async with running(place.watch()):
        await until(lambda: len(place.heard.alarms) > 1)
        await asyncio.sleep(0.1)
    assert len(place.mail.opened) <= 8


async def test_a_session_that_is_lost_begins_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.patient()
    uid = await place.deliver()
    waits = 0

    async def wait(self: MemoryMailbox, limit: float) -> bool:
        nonlocal waits
        waits += 1
        raise MailboxLost("x: the connection is lost")

    monkeypatch.setattr(MemoryMailbox, "wait", wait)
    async with running(place.watch()):
        await until(lambda: waits == 1)
        await place.open_letter(uid)
        await until(lambda: place.receipts)
    assert place.heard.alarms == []


async def test_what_others_did_away_with_is_dropped(place: Place) -> None:
    """Within five minutes: a patient who closed his profile, a letter whose receipt another node wrote."""
    await place.patient()
    await place.deliver()
    async with running(place.watch()):
        await until(lambda: place.mail.open_now)
        await place.patient(state=PatientState.CLOSED)
        place.clock.pass_(minutes=6)
        await until(lambda: not place.mail.open_now)


def patient_number(each: int) -> str:
    thirteen = f"2790351215{each:03}"
    return f"{thirteen}{97 - int(thirteen) % 97:02}"


def test_times_are_kept_within_the_promise() -> None:
    """Ten seconds from opening, of mailboxes that are held: the next refresh and the next look."""
    pace = Pace()
    assert timedelta(seconds=pace.look + pace.refresh) < timedelta(seconds=10)
