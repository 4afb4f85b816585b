"""Read receipts from mailboxes: one, when the reader's sign is there, and never before; on the twin of a mail store."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from mssgw.core.addresses import Address
from mssgw.core.journal import JournalEvent
from mssgw.core.routes import Route, RouteTable, TlsPolicy
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory.mailbox import MemoryMailbox, MemoryMailStore, Message
from mssgw.edges.memory.spool import MemorySpool
from mssgw.edges.memory.store import MemoryStore
from mssgw.flow.leases import LEASE
from mssgw.flow.live import Live, nobody_fits
from mssgw.flow.own_letters import OwnLetter, OwnLetters
from mssgw.flow.posts import NamedLeases
from mssgw.flow.receipt_posts import ReceiptPosts
from mssgw.flow.receipts_watch import ReceiptWatch, Watched
from mssgw.ports import Account, Mailbox
from mssgw.ports.mailbox import MDN_SENT, SEEN, Described, MailboxLost

LOGIN, PASSWORD = "bal@x.example", "secret"
NOW = datetime(2026, 11, 21, 19, 4, tzinfo=UTC)
APP = Address.parse("labo@ch-test.mssante.fr")
DONE, KEYWORD = "Integres", "$Integre"
ACCOUNT = Account(name="store:s:1", host="x", port=1, tls=TlsPolicy.REQUIRE, login=LOGIN, password=PASSWORD)
MOVED = Watched(account=ACCOUNT, mailbox=APP, folder=DONE)
DATE = "Sat, 21 Nov 2026 10:00:00 +0100"
LETTER = (
    "X-Mssgw-Id: {id}\r\nReturn-Path: <{back}>\r\nFrom: <dr.alpha@liberal.mssante.fr>\r\n"
    "To: <labo@ch-test.mssante.fr>\r\n"
    "Subject: essai\r\nDate: {date}\r\nMessage-ID: <{id}@liberal.mssante.fr>\r\n"
    "{asks}\r\n\r\nBonjour\r\n"
)
DOCTOR = "dr.alpha@liberal.mssante.fr"


class Clock:
    def now(self) -> datetime:
        return NOW


class Heard:
    def __init__(self) -> None:
        self.names: list[str] = []

    def event(self, name: str, **fields: object) -> None:
        self.names.append(name)


@dataclass
class Place:
    """A mailbox, and the gateway's store."""

    mail: MemoryMailStore = field(default_factory=MemoryMailStore)
    store: MemoryStore = field(default_factory=MemoryStore)
    heard: Heard = field(default_factory=Heard)
    watched: Watched = MOVED

    def __post_init__(self) -> None:
        self.mail.add(LOGIN, PASSWORD)
        out = Route(name="out", host="mx", tls=TlsPolicy.NONE)
        settings = Settings(hostname="gw.example", routes=RouteTable({"liberal.mssante.fr": out}))
        self.live = Live(settings, lambda *_: None, nobody_fits)  # type: ignore[arg-type]

    def watch(self) -> ReceiptWatch:
        """Of a process that begins."""
        return ReceiptWatch(
            self.watched,
            mailboxes=self.mail,
            own=OwnLetters(store=self.store, spool=MemorySpool(), live=self.live),
            memory=self.store,
            live=self.live,
            clock=Clock(),
            telemetry=self.heard,
            look=0.02,
        )

    def watches(self, node: str, clock: FixedClock) -> ReceiptPosts:
        """Those of one node."""
        leases = NamedLeases(self.store, clock=clock, node=node)
        watches = ReceiptPosts(leases, lambda _: self.watch(), alias=self.store.alias)
        watches.follow([self.watched])
        return watches

    async def until(self, count: int) -> None:
        """Until so many receipts are written."""
        async with asyncio.timeout(10):
            while len(await self.receipts()) < count:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)

    async def put(
        self,
        letter_id: str = "Q1.0",
        *,
        folder: str,
        back: str = DOCTOR,
        asks: str = "",
        date: str = DATE,
        **flags: object,
    ) -> int:
        asks = asks or f"Disposition-Notification-To: <{DOCTOR}>"
        content = LETTER.format(id=letter_id, back=back, asks=asks, date=date).encode()
        placed = await self.mail.put(LOGIN, folder, Message(content, NOW, set(flags.get("flags", ()))))  # type: ignore[call-overload]
        return placed.uid

    async def look(self) -> None:
        async with self.mail.open(ACCOUNT) as mailbox:
            await self.watch().look(mailbox)

    async def receipts(self) -> list[bytes]:
        """All that were ever written and are still there."""
        loaded = [await self.store.load(spool_id) for spool_id in dict(self.store._has.messages)]
        return [each.body.inline or b"" for each in loaded]

    def flags(self, folder: str, uid: int) -> set[str]:
        return self.mail.boxes[LOGIN].folders[folder].messages[uid].flags


@pytest.fixture
def place() -> Place:
    return Place()


async def test_a_letter_that_its_program_has_moved_is_confirmed_once(place: Place) -> None:
    """The receipt is a letter of our own to who asked; the journal of the letter says so; $MDNSent is set."""
    uid = await place.put(folder=DONE)
    for _ in range(3):
        await place.look()  # each time by a process that remembers nothing
    (receipt,) = await place.receipts()
    assert b"To: <dr.alpha@liberal.mssante.fr>" in receipt
    assert b"Disposition: automatic-action/MDN-sent-automatically; processed" in receipt
    assert MDN_SENT in place.flags(DONE, uid)
    (line,) = [each for each in place.store._has.journal if each.event is JournalEvent.READ]
    assert (line.spool_id, line.recipient, line.detail) == ("Q1", APP, "processed")


async def test_delivery_confirms_nothing(place: Place) -> None:
    """A letter that lies where we put it (SD-13), in whatever state."""
    await place.put(folder="INBOX", flags={SEEN})
    place.mail.make(LOGIN, DONE)
    await place.look()
    assert await place.receipts() == []


async def test_no_receipt_is_doubled_when_the_folder_forgets_its_flags(place: Place) -> None:
    """Nor when the letter is moved on, and comes again under another number."""
    await place.put(folder=DONE)
    await place.look()
    await place.put(folder=DONE)
    await place.look()
    assert len(await place.receipts()) == 1


async def test_a_store_without_keywords_is_remembered_for(place: Place) -> None:
    place.mail.keywords = False
    await place.put(folder=DONE)
    await place.look()
    await place.look()
    assert len(await place.receipts()) == 1


async def test_a_keyword_may_be_the_sign(place: Place) -> None:
    place.watched = replace(MOVED, folder="INBOX", flags=(KEYWORD,))
    uid = await place.put(folder="INBOX")
    await place.look()
    assert await place.receipts() == []
    place.flags("INBOX", uid).add(KEYWORD)
    await place.look()
    assert len(await place.receipts()) == 1


async def test_a_keyword_that_the_store_cannot_keep_is_an_alarm(place: Place) -> None:
    place.mail.keywords = False
    place.watched = replace(MOVED, folder="INBOX", flags=(KEYWORD,))
    await place.put(folder="INBOX")
    await place.look()
    assert (await place.receipts(), place.heard.names) == ([], ["receipts.no_keywords"])


@pytest.mark.parametrize(
    ("back", "asks"),
    [
        (DOCTOR, "X-Nothing: asked"),
        ("", ""),
        ("secretariat@liberal.mssante.fr", ""),
        (DOCTOR, f"Disposition-Notification-To: <{DOCTOR}>, <other@liberal.mssante.fr>"),
        ("x@nowhere.example", "Disposition-Notification-To: <x@nowhere.example>"),
    ],
    ids=["not asked for", "null path", "another path", "two", "no route"],
)
async def test_some_letters_are_never_confirmed(place: Place, back: str, asks: str) -> None:
    """MDN-4: nothing that was not asked for, nothing to somebody else than it came from."""
    await place.put(folder=DONE, back=back, asks=asks)
    await place.look()
    assert await place.receipts() == []


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -1200", "1 Jan 2020 00:00:00 +99999999999999", "hier", ""])
async def test_a_date_that_no_calendar_holds_stops_no_receipt(place: Place, date: str) -> None:
    """A sender may write anything there: neither his letter nor those behind it wait for ever."""
    await place.put("Q1.0", folder=DONE, date=date)
    await place.put("Q2.0", folder=DONE)
    await place.look()
    told = [receipt.replace(b"=\r\n", b"") for receipt in await place.receipts()]
    assert sorted(b"21 novembre =C3=A0 20:04 a" in each for each in told) == [False, True], (
        "the time of the receipt, else"
    )


async def test_a_letter_that_cannot_be_dealt_with_is_told_of_after_all_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is tried again: a full disk ends some day."""
    for number in (1, 2, 3):
        await place.put(f"Q{number}.0", folder=DONE)
    write, watch = OwnLetters.keep, place.watch()

    async def keep(self: OwnLetters, letter: OwnLetter, now: datetime) -> None:
        if b"<Q2.0@" in letter.written.content:
            raise OSError
        await write(self, letter, now)

    async with place.mail.open(ACCOUNT) as mailbox:
        with monkeypatch.context() as trouble:
            trouble.setattr(OwnLetters, "keep", keep)
            with pytest.raises(OSError):
                await watch.look(mailbox)
        assert len(await place.receipts()) == 2
        await watch.look(mailbox)
    assert len(await place.receipts()) == 3


@pytest.mark.parametrize("command", ["fetch", "describe"])
async def test_a_letter_that_its_store_hangs_up_over_keeps_no_other_receipt_waiting(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """As Dovecot does over what it cannot read, whoever asks: that one is left alone for longer and longer."""
    for number in (1, 2, 3):
        await place.put(f"Q{number}.0", folder=DONE)
    fetch, describe, time = MemoryMailbox.fetch, MemoryMailbox.describe, FixedClock(NOW)
    watch, hung_up = place.watch(), 0
    watch._clock = time

    def ill(uids: object) -> bool:
        nonlocal hung_up
        hung_up += (found := 2 in uids)  # type: ignore[operator]
        return found

    async def fetched(self: MemoryMailbox, uid: int) -> AsyncIterator[bytes]:
        if ill([uid]):
            raise MailboxLost("memory: BYE")
        async for piece in fetch(self, uid):
            yield piece

    async def described(self: MemoryMailbox, uids: Collection[int]) -> Mapping[int, Described]:
        if ill(uids):
            raise MailboxLost("memory: BYE")
        return await describe(self, uids)

    async def look() -> None:
        async with place.mail.open(ACCOUNT) as mailbox:
            with contextlib.suppress(MailboxLost):
                await watch.look(mailbox)

    with monkeypatch.context() as damaged:
        damaged.setattr(MemoryMailbox, command, fetched if command == "fetch" else described)
        for _ in range(6):
            await look()
        assert (len(await place.receipts()), hung_up) == (2, 2 if command == "fetch" else 3)
        for minutes in (1, 2, 4, 8):
            time.pass_(minutes=minutes)
            await look()
            await look()
        assert place.heard.names.count("receipts.stuck") == 1
    time.pass_(hours=1)
    await look()
    assert len(await place.receipts()) == 3


async def test_letters_that_their_store_hangs_up_over_come_after_all_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged mailbox may have many: with each a session ends, and one of them is always due again."""
    for number in range(1, 6):
        await place.put(f"Q{number}.0", folder=DONE)
    describe, time, watch = MemoryMailbox.describe, FixedClock(NOW), place.watch()
    watch._clock = time

    async def damaged(self: MemoryMailbox, uids: Collection[int]) -> Mapping[int, Described]:
        if {1, 2, 3, 4} & set(uids):
            raise MailboxLost("memory: BYE")
        return await describe(self, uids)

    monkeypatch.setattr(MemoryMailbox, "describe", damaged)
    for _ in range(6):
        async with place.mail.open(ACCOUNT) as mailbox:
            with contextlib.suppress(MailboxLost):
                await watch.look(mailbox)
        time.pass_(hours=1)
    assert len(await place.receipts()) == 1


async def test_very_many_letters_without_a_receipt_to_write_are_listed_in_few_searches(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lie there for years: to page through them by the hundred every few seconds would keep both sides busy."""
    for number in range(1_000):
        await place.put(f"Q{number}.0", folder=DONE, asks="X-Nothing: asked")
    watch, searches, search = place.watch(), 0, MemoryMailbox.search

    async def counted(self: MemoryMailbox, **asked: object) -> object:
        nonlocal searches
        searches += 1
        return await search(self, **asked)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryMailbox, "search", counted)
    async with place.mail.open(ACCOUNT) as mailbox:
        for _ in range(2):
            await watch.look(mailbox)
    assert searches == 4


async def test_letters_of_others_in_that_folder_are_left_alone(place: Place) -> None:
    await place.mail.put(LOGIN, DONE, Message(b"Disposition-Notification-To: <a@liberal.mssante.fr>\r\n\r\n", NOW))
    await place.look()
    assert await place.receipts() == []


async def test_a_folder_that_is_not_there_yet_is_waited_for(place: Place) -> None:
    """And sees at once what moves while it waits."""
    async with running(place.watch()):
        await asyncio.sleep(0.05)
        place.mail.make(LOGIN, DONE)
        await place.put(folder=DONE)
        for _ in range(200):
            await asyncio.sleep(0.01)
            if await place.receipts():
                break
    assert len(await place.receipts()) == 1


async def test_of_two_nodes_one_watches_and_the_other_takes_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One session on the mailbox; when its node dies, the letters since are confirmed by the other, none twice."""
    time = FixedClock(NOW)
    one, two = place.watches("a", time), place.watches("b", time)
    sessions = counted_sessions(place)
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(going(one))
        await stack.enter_async_context(going(two))
        await place.put(folder=DONE)
        await place.until(1)
        (lease,) = place.store._has.leases
        assert APP.text not in lease
        with monkeypatch.context() as dying:  # without a word: its lease has to lapse
            dying.setattr(place.store, "leave_leases", nothing)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        await place.put("Q2.0", folder=DONE)
        for passed in (LEASE / 2, LEASE / 2):
            assert sessions == [LOGIN]
            time.at += passed
            two.follow([place.watched])  # the next round, now
            await asyncio.sleep(0.02)
        await place.until(2)
    assert sessions == [LOGIN] * 2


async def nothing(*_: object) -> None:
    pass


@contextlib.asynccontextmanager
async def going(watches: ReceiptPosts) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(watches.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def counted_sessions(place: Place) -> list[str]:
    """The logins of sessions that begin from now on."""
    logins, really = list[str](), place.mail.open

    def opened(account: Account) -> contextlib.AbstractAsyncContextManager[Mailbox]:
        logins.append(account.login)
        return really(account)

    place.mail.open = opened  # type: ignore[method-assign,assignment]
    return logins


@contextlib.asynccontextmanager
async def running(watch: ReceiptWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
