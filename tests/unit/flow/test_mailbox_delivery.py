"""Letters into mailboxes, on the twin of a mail store: each is put there once, and who refused us is left alone."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.errors import NoLongerOurs, Undecryptable
from mssgw.core.routes import Route, RouteKind, TlsPolicy
from mssgw.edges.memory.mailbox import MemoryMailStore
from mssgw.flow.mailbox_delivery import MailboxTransport
from mssgw.flow.mailbox_sessions import SessionLimits, Sessions
from mssgw.ports import Mailbox
from mssgw.ports.mailbox import Account, LetterTooBig, LoginBroken, LoginRefused, MailboxDistrusted, MailboxLost
from tests.wire.outbound import NOW, SENDER, TRACE, Shelf, hot, letter, spooled, to

LOGIN, PASSWORD = "bal@x.example", "secret"
ABOVE = b"Return-Path: <" + SENDER.text.encode() + b">\r\n" + TRACE
BODY = b"Subject: essai\r\n\r\n..\r\nBonjour\r\n"
PLAIN = b"Subject: essai\r\n\r\n.\r\nBonjour\r\n"
BOX = Route(
    name="store:s:1",
    kind=RouteKind.IMAP,
    host="imap.x.example",
    tls=TlsPolicy.REQUIRE,
    inward=True,
    login=LOGIN,
    password=PASSWORD,
    folders=("Recus", "Traites"),
    mailbox=LOGIN,
)


@dataclass
class Store(MemoryMailStore):
    """Counts who comes, and may break at the worst moment."""

    def __init__(self) -> None:
        super().__init__()
        self.add(LOGIN, PASSWORD)
        self.opened: list[Account] = []
        self.lose_the_next_answer = False
        self.open_now = self.most_open = 0

    @asynccontextmanager
    async def open(self, account: Account) -> AsyncIterator[Mailbox]:
        self.opened.append(account)
        await asyncio.sleep(0)
        async with super().open(account) as mailbox:
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            try:
                yield mailbox
            finally:
                self.open_now -= 1

    async def put(self, login: str, folder: str, message: object) -> object:  # type: ignore[override]
        placed = await super().put(login, folder, message)  # type: ignore[arg-type]
        if self.lose_the_next_answer:
            self.lose_the_next_answer = False
            raise MailboxLost("x: the connection is lost")
        return placed

    def contents(self, folder: str = "Recus") -> list[bytes]:
        found = self.boxes[LOGIN].folders.get(folder)
        return [each.content for each in found.messages.values()] if found else []


class Heard:
    """The events that were told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fields: list[dict[str, object]] = []

    def event(self, name: str, **fields: object) -> None:
        self.names.append(name)
        self.fields.append(fields)


@dataclass
class Place:
    store: Store = field(default_factory=Store)
    heard: Heard = field(default_factory=Heard)
    limits: SessionLimits = SessionLimits()
    shelf: Shelf = field(default_factory=Shelf)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.store, self.limits)
        self.transport = MailboxTransport(
            self.sessions,
            hostname="gw.example",
            spool=self.shelf,
            telemetry=self.heard,  # type: ignore[arg-type]
        )

    async def send(self, *deliveries: Delivery, route: Route = BOX, body: bytes = BODY) -> list[Outcome]:
        outcomes = await self.transport.send(route, letter(body), deliveries or first())
        return [outcomes[each.number] for each in deliveries or first()]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    yield made
    await made.transport.close()
    assert made.store.open_now == 0, "a session was left open"


def first(*addresses: str) -> list[Delivery]:
    """Accepted by this process just now."""
    return [replace(each, fresh=True) for each in to(*addresses or (LOGIN,))]


def again() -> list[Delivery]:
    """As claimed from the queue: nobody knows what became of an attempt before."""
    return to(LOGIN)


async def test_a_letter_that_is_no_longer_ours_is_not_put_there(place: Place) -> None:
    """Looked for and not found, then the process stood still for longer than a lease: another one has put it there."""
    answers = iter([True, False])
    with pytest.raises(NoLongerOurs):
        await place.transport.send(BOX, letter(BODY), first(), lambda: next(answers))
    assert place.store.contents() == []
    assert isinstance((await place.send(*again()))[0], Delivered)


async def test_a_letter_lies_in_its_folder_as_it_came(place: Place) -> None:
    """Below its id, the way it came; dots as the sender wrote them; unseen, dated when it was accepted."""
    (outcome,) = await place.send()
    assert isinstance(outcome, Delivered)
    assert place.store.contents() == [b"X-Mssgw-Id: Q1.0\r\n" + ABOVE + PLAIN]
    (message,) = place.store.boxes[LOGIN].folders["Recus"].messages.values()
    assert (message.flags, message.received_at) == (set(), NOW)


@pytest.mark.parametrize("cut", range(1, len(BODY), 5))
async def test_a_body_in_segments_is_the_same_letter(place: Place, cut: int) -> None:
    """Wherever they part: at a stuffed dot, inside a line end."""
    await place.transport.send(BOX, letter(hot(BODY[:cut], BODY[cut:])), first())
    assert place.store.contents() == [b"X-Mssgw-Id: Q1.0\r\n" + ABOVE + PLAIN]


async def test_a_body_that_is_cut_short_leaves_nothing() -> None:
    """Never a part for the whole; and the next letter does not meet the session that broke."""
    place = Place(shelf=Shelf(BODY[:-9]))
    with pytest.raises(Undecryptable):
        await place.transport.send(BOX, letter(spooled(len(BODY) - 1)), first())
    assert place.store.contents() == []
    assert [type(each) for each in await place.send()] == [Delivered]
    await place.transport.close()


async def test_a_letter_from_the_queue_is_looked_for_first(place: Place) -> None:
    """A crash between the store's word and our commit."""
    await place.send()
    (outcome,) = await place.send(*again())
    assert isinstance(outcome, Delivered)
    assert len(place.store.contents()) == 1
    assert place.heard.names == ["delivery.found_again"]


async def test_it_is_found_where_the_program_has_moved_it_since(place: Place) -> None:
    await place.send()
    folders = place.store.boxes[LOGIN].folders
    place.store.make(LOGIN, "Traites").messages, folders["Recus"].messages = folders["Recus"].messages, {}
    await place.send(*again())
    assert (len(place.store.contents()), len(place.store.contents("Traites"))) == (0, 1)


async def test_an_answer_that_is_lost_does_not_double_the_letter(place: Place) -> None:
    """On a session that served before, it is looked for at once; else with the next attempt."""
    await place.send()
    place.store.boxes[LOGIN].folders["Recus"].messages.clear()
    place.store.lose_the_next_answer = True
    assert [type(each) for each in await place.send()] == [Delivered]
    assert len(place.store.contents()) == 1


async def test_a_lost_answer_on_a_new_session_waits_for_the_next_attempt(place: Place) -> None:
    place.store.lose_the_next_answer = True
    (outcome,) = await place.send()
    assert isinstance(outcome, Deferred)
    assert not outcome.down, "the store is there: only this letter is in doubt"
    assert [type(each) for each in await place.send(*again())] == [Delivered]
    assert len(place.store.contents()) == 1


async def test_two_letters_of_one_message_are_two(place: Place) -> None:
    """Two recipients, one mailbox: each is a delivery of its own."""
    assert [type(each) for each in await place.send(*first(LOGIN, "alias@x.example"))] == [Delivered] * 2
    ids = [re.match(rb"X-Mssgw-Id: (\S+)", each)[1] for each in place.store.contents()]  # type: ignore[index]
    assert ids == [b"Q1.0", b"Q1.1"]


async def test_a_full_mailbox_waits(place: Place) -> None:
    """The session goes on; others are not touched."""
    place.store.boxes[LOGIN].quota = 10
    (outcome,) = await place.send()
    assert isinstance(outcome, Deferred)
    assert (outcome.reply.code, outcome.reply.status, outcome.down) == (452, "4.2.2", False)
    assert "delivery.refused_by_store" in place.heard.names
    place.store.boxes[LOGIN].quota = None
    await place.send()
    assert len(place.store.opened) == 1


async def test_a_letter_that_the_store_never_takes_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_big(*_: object) -> None:
        raise LetterTooBig

    monkeypatch.setattr(place.store, "put", too_big)
    (outcome,) = await place.send()
    assert isinstance(outcome, Bounced)
    assert outcome.reply.status == "5.3.4"


async def test_a_store_that_is_down_is_asked_once_for_all_recipients(place: Place) -> None:
    """And its lane is spared."""
    place.store.down = True
    outcomes = await place.send(*first(LOGIN, "alias@x.example"))
    assert [isinstance(each, Deferred) and each.down for each in outcomes] == [True, True]
    assert outcomes[1].collective, "nobody asked for that mailbox: perhaps the first one is the trouble"
    assert len(place.store.opened) == 1


@pytest.mark.parametrize(
    ("trouble", "status"),
    [(MailboxLost, "4.4.1"), (LoginBroken, "4.4.2"), (MailboxDistrusted, "4.7.5")],
)
async def test_why_a_store_could_not_be_reached_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, trouble: type[MailboxLost], status: str
) -> None:
    """As of a server that takes letters by SMTP: the hints of a letter that waits send an administrator there."""

    def fails(account: Account) -> None:
        raise trouble(f"{account.host}: certificate has expired")

    monkeypatch.setattr(place.store, "open", fails)
    await place.send()
    assert place.heard.names == ["delivery.connection_failed"]
    told = place.heard.fields[0]
    assert (told["route"], told["host"], told["status"]) == ("store:s:1", "imap.x.example", status)
    assert told["why"] == "certificate has expired"


async def test_a_wrong_password_is_tried_once_and_then_rarely() -> None:
    """Ten letters at a time: one login. An alarm each, and the account is not locked; a new password goes at once."""
    place = Place(limits=SessionLimits(each=5, refused=0.05, refused_longest=0.05))
    wrong = replace(BOX, password="false")
    outcomes = [each for (each,) in await asyncio.gather(*(place.send(route=wrong) for _ in range(10)))]
    assert all(isinstance(each, Deferred) and each.alarm and each.reply == LoginRefused.reply for each in outcomes)
    assert len(place.store.opened) == 1
    assert [type(each) for each in await place.send()] == [Delivered]
    await asyncio.sleep(0.1)
    await place.send(route=wrong)
    assert len(place.store.opened) == 3
    await place.transport.close()


async def test_a_wrong_password_of_a_master_is_not_tried_for_every_mailbox() -> None:
    """Three, and then none for a while: it would be locked for all."""
    place = Place(limits=SessionLimits(refused=0.2, refused_longest=60))
    master = replace(BOX, login="master", password="false", master=True)
    boxes = [replace(master, name=f"store:s:{each}", mailbox=f"bal{each}@x.example") for each in range(10)]
    for box in boxes:
        (outcome,) = await place.send(route=box)
        assert isinstance(outcome, Deferred)
    assert len(place.store.opened) == 3
    place.store.add("master", "false")  # the twin knows no masters: it takes this one for the mailbox
    await asyncio.sleep(0.3)
    (outcome,) = await place.send(route=boxes[9])
    assert isinstance(outcome, Delivered)
    await place.transport.close()


async def test_many_letters_log_in_few_times(place: Place) -> None:
    """At most ``each`` at a time, kept for the next."""
    await asyncio.gather(*(place.send() for _ in range(60)))
    assert len(place.store.contents()) == 60
    assert len(place.store.opened) == place.store.most_open <= 3


async def test_a_session_ends_when_nothing_more_comes() -> None:
    place = Place(limits=SessionLimits(idle=0.02))
    await place.send()
    for _ in range(200):
        await asyncio.sleep(0.01)
        if not place.store.open_now:
            break
    assert place.store.open_now == 0
    assert [type(each) for each in await place.send()] == [Delivered]
    await place.transport.close()


async def test_a_patients_mailbox_is_left_at_once(place: Place) -> None:
    """Thousands of them get a letter each, and the store allows so many connections."""
    (outcome,) = await place.send(route=replace(BOX, patients=True))
    assert isinstance(outcome, Delivered)
    assert place.store.open_now == 0


async def test_a_mailbox_that_its_store_hangs_up_over_holds_up_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may not be there; the store is, so the lane is not spared. Told aloud when it goes on."""

    @asynccontextmanager
    async def hangs_up(account: Account) -> AsyncIterator[Mailbox]:
        raise LoginBroken("x: the connection is lost")
        yield

    monkeypatch.setattr(place.store, "open", hangs_up)
    (once,) = await place.send()
    (again_,) = await place.send(*(replace(each, attempts=1) for each in again()))
    assert [(each.down, each.alarm) for each in (once, again_) if isinstance(each, Deferred)] == [
        (False, False),
        (False, True),
    ]


async def test_only_so_many_idle_sessions_are_kept() -> None:
    place = Place(limits=SessionLimits(kept=1))
    place.store.add("other@x.example", PASSWORD)
    await place.send()
    await place.send(route=replace(BOX, login="other@x.example"))
    assert place.store.open_now == 1
    await place.transport.close()
    assert place.store.open_now == 0


async def test_a_master_opens_the_mailbox_of_each_recipient(place: Place) -> None:
    """Or the one that the configuration names."""
    everybodys = replace(BOX, login=LOGIN, master=True, mailbox="")
    await place.send(*first("a@x.example", "b@x.example"), route=everybodys)
    await place.send(route=replace(everybodys, mailbox="c"))
    assert [(each.login, each.authorize_as) for each in place.store.opened] == [
        (LOGIN, "a@x.example"),
        (LOGIN, "b@x.example"),
        (LOGIN, "c"),
    ]
