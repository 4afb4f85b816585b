"""Letters leave a mailbox when their time is over (TRC-3), on the twin of a mail store, on Dovecot and on pymap."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mssgw.core.addresses import Address
from mssgw.core.errors import StoreUnavailable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.retention import Retained
from mssgw.core.routes import RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.imap import ImapMailbox
from mssgw.edges.memory.mailbox import MemoryMailbox
from mssgw.edges.memory.store import MemoryStore
from mssgw.flow import retention
from mssgw.flow.live import Live, nobody_fits
from mssgw.flow.retention import Kept, Retention, Shelf
from mssgw.flow.unjournalled import Unjournalled
from mssgw.ports import Mailbox
from mssgw.ports.mailbox import FLAGGED, SEEN, MailboxLost, MailboxRefused
from tests.contract.mailboxes import ImapOwner, MemoryOwner, Owner, pieces

BAL = Address.parse("radiologie@chu-exemple.mssante.fr")
DAY = timedelta(days=1)
DONE, ARCHIVE = "Integres", "Archives"
LETTER = b"From: cardiologie@hopital.example\r\nSubject: essai\r\n\r\nBonjour\r\n"


class Heard:
    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def event(self, name: str, *, count: object = None, **fields: object) -> None:
        self.told.append((name, count))


@dataclass
class Place:
    """A mailbox whose letters stay 90 days, and are announced 14 days before."""

    owner: Owner
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FixedClock = field(default_factory=lambda: FixedClock(datetime.now(UTC).replace(microsecond=0)))
    heard: Heard = field(default_factory=Heard)
    unjournalled: Unjournalled = field(default_factory=Unjournalled)

    def __post_init__(self) -> None:
        settings = Settings(hostname="gw.example", routes=RouteTable({}))
        self.live = Live(settings, lambda *_: None, nobody_fits)  # type: ignore[arg-type]
        term = Retained(mailbox=BAL, folders=("INBOX", DONE), after=90 * DAY, notice=14 * DAY)
        shelves = (Shelf(folder="INBOX"), Shelf(folder=DONE, done=()))
        self.kept = Kept(account=self.owner.account, term=term, shelves=shelves)

    def retention(self) -> Retention:
        """Whoever looks after it next, in the same process."""
        return Retention(
            self.kept,
            mailboxes=self.owner.mailboxes,
            purges=self.store,
            store=self.store,
            live=self.live,
            clock=self.clock,
            telemetry=self.heard,
            unjournalled=self.unjournalled,
        )

    @asynccontextmanager
    async def mailbox(self) -> AsyncIterator[Mailbox]:
        async with self.owner.mailboxes.open(self.owner.account) as mailbox:
            yield mailbox

    async def put(self, name: str, *flags: str, days: float, folder: str = "INBOX") -> None:
        """A letter of ours that arrived so many days ago."""
        received = self.clock.now() - days * DAY
        async with self.mailbox() as mailbox:
            await mailbox.append(
                folder, name, pieces(LETTER), size=len(LETTER), received_at=received, flags=flags or (SEEN,)
            )

    async def look(self, *, later: float = 0) -> list[tuple[str, object]]:
        """What the next look tells, of a process that begins then."""
        self.clock.pass_(days=later)
        self.heard.told.clear()
        async with self.mailbox() as mailbox:
            await self.retention().look(mailbox)
        return list(self.heard.told)

    async def letters(self, folder: str = "INBOX") -> list[str]:
        """Their names; "notice" for each letter that announces."""
        found = []
        for octets in await self.owner.letters(folder):
            name = str(email.message_from_bytes(octets)["X-Mssgw-Id"] or "another's")
            found.append("notice" if name.startswith("purge-") else name.partition(".")[0])
        return sorted(found)

    async def notice(self) -> str:
        """The text of the only one."""
        found = [octets for octets in await self.owner.letters() if b"X-Mssgw-Id: purge-" in octets]
        (one,) = (email.message_from_bytes(each, policy=email.policy.default) for each in found)
        return f"{one['Subject']}\n{one.get_content()}"

    @property
    def journal(self) -> list[Entry]:
        return self.store._has.journal


@pytest.fixture(params=["memory", "dovecot", "pymap"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "memory":
        return Place(MemoryOwner())
    return Place(ImapOwner(request.getfixturevalue(f"{request.param}_store")))


@pytest.fixture
def twin() -> Place:
    """Where no server makes a difference."""
    return Place(MemoryOwner())


async def test_letters_go_when_it_was_announced_and_their_day_has_come(place: Place) -> None:
    """And no others: unread, flagged, young, another's, moved away, arrived or come back since."""
    await place.put("Q1.0", days=100)
    await place.put("Q2.0", days=77)  # of age by then
    await place.put("Q3.0", days=80, folder=DONE)
    await place.put("UNREAD.0", FLAGGED, days=200)
    await place.put("FLAGGED.0", SEEN, FLAGGED, days=200)
    await place.put("YOUNG.0", days=62)
    await place.put("ARCHIVED.0", days=200, folder=ARCHIVE)
    await place.owner.put(LETTER)  # by somebody else
    assert await place.look() == [("retention.announced", 3)]
    assert await place.look(later=7) == []
    await place.put("BACK.0", days=300)  # nobody was told of this one
    before = await place.letters(), await place.letters(DONE)
    assert before == (
        ["BACK", "FLAGGED", "Q1", "Q2", "UNREAD", "YOUNG", "another's", "notice"],
        ["Q3"],
    )
    told = await place.look(later=8)
    assert told[:2] == [("retention.purged", 2), ("retention.purged", 1)]
    assert told[2:] == [("retention.announced", 2)], "what came back, and what is of age 14 days later"
    after = await place.letters(), await place.letters(DONE), await place.letters(ARCHIVE)
    assert after == (
        ["BACK", "FLAGGED", "UNREAD", "YOUNG", "another's", "notice", "notice"],
        [],
        ["ARCHIVED"],
    )


async def test_the_readers_are_told_what_goes_when_and_how_to_keep_it(twin: Place) -> None:
    twin.clock = FixedClock(datetime(2026, 11, 21, 19, 4, tzinfo=UTC))
    await twin.put("Q1.0", days=100)
    await twin.look()
    text = await twin.notice()
    assert text.startswith("Suppression le 5 décembre 2026 : 1 message\n")
    assert "1 message reçu dans cette boîte avant le 6 septembre 2026 sera supprimé définitivement" in text
    assert "« Boîte de réception » ou « Integres »" in text
    assert "rangez-le dans un autre dossier" in text


async def test_the_journal_tells_of_each_letter(twin: Place) -> None:  # req: TRC-1
    await twin.put("Q1.0", days=100)
    await twin.look()
    await twin.look(later=15)
    announced, purged = twin.journal
    assert (announced.event, announced.recipient, announced.spool_id) == (JournalEvent.ANNOUNCED, BAL, "")
    assert (purged.event, purged.recipient, purged.spool_id) == (JournalEvent.PURGED, BAL, "Q1")


async def test_what_its_readers_keep_in_time_stays(place: Place) -> None:
    """By a flag, or by moving it elsewhere and even back again."""
    await place.put("Q1.0", days=100)
    await place.put("Q2.0", days=100)
    await place.look()
    async with place.mailbox() as mailbox:
        await mailbox.open("INBOX")
        flagged, moved, *_ = await mailbox.search()
        await mailbox.mark([flagged], add=(FLAGGED,))
        await mailbox.move([moved], ARCHIVE)
        await mailbox.open(ARCHIVE)
        await mailbox.move(await mailbox.search(), "INBOX")
    told = await place.look(later=15)
    assert told == [("retention.purged", 0), ("retention.announced", 1)]
    assert await place.letters() == ["Q1", "Q2", "notice", "notice"]


@pytest.mark.parametrize("place", ["memory", "dovecot"], indirect=True)  # pymap keeps no keywords
@pytest.mark.parametrize("label", ["$label1", "$LABEL1", "$Important", "$Labelimportant"])
async def test_what_a_mail_program_labels_important_stays(place: Place, label: str) -> None:
    """The notice says so. Thunderbird, Evolution and some webmails have a keyword for it, beside the star."""
    await place.put("LABELLED.0", SEEN, label, days=200)
    await place.put("Q1.0", days=100)
    await place.put("Q2.0", days=100)
    assert await place.look() == [("retention.announced", 2)]
    async with place.mailbox() as mailbox:
        await mailbox.open("INBOX")
        _, labelled, *_ = await mailbox.search()
        await mailbox.mark([labelled], add=(label,))
    assert ("retention.purged", 1) in await place.look(later=15)
    assert await place.letters() == ["LABELLED", "Q1", "notice"]


@pytest.mark.parametrize("place", ["memory", "dovecot"], indirect=True)  # pymap keeps no keywords
async def test_a_keyword_in_another_case_is_the_same(place: Place) -> None:
    """A server shows it as it was first written, and finds it in any (RFC 3501 section 2.3.2)."""
    shelves = (Shelf(folder="INBOX", done=("$integre",)),)
    place.kept = replace(place.kept, shelves=shelves)
    await place.put("Q1.0", "$Integre", days=100)
    assert await place.look() == [("retention.announced", 1)]
    assert ("retention.purged", 1) in await place.look(later=15)
    assert await place.letters() == ["notice"]


async def test_a_server_that_searches_for_no_label_is_looked_into_as_well(
    twin: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all that keep keywords, or do not say whether they do, know them in a SEARCH."""
    really = MemoryMailbox.search

    async def by_standard_flags(self: MemoryMailbox, **keys: Any) -> Sequence[int]:
        if not all(each.startswith("\\") for each in (*keys.get("flagged", ()), *keys.get("unflagged", ()))):
            raise MailboxRefused("memory: BAD")
        return await really(self, **keys)

    monkeypatch.setattr(MemoryMailbox, "search", by_standard_flags)
    await twin.put("LABELLED.0", SEEN, "$label1", days=200)
    await twin.put("Q1.0", days=100)
    assert await twin.look() == [("retention.announced", 1)]
    assert ("retention.purged", 1) in await twin.look(later=15)
    assert await twin.letters() == ["LABELLED", "notice"]


async def test_what_was_unread_or_flagged_when_it_was_announced_does_not_go(place: Place) -> None:
    """Nobody was told of it: who opens a letter the day before does not lose it the day after."""
    await place.put("UNREAD.0", "$Other", days=200)
    await place.put("FLAGGED.0", SEEN, FLAGGED, days=200)
    await place.put("Q1.0", days=100)
    assert await place.look() == [("retention.announced", 1)]
    async with place.mailbox() as mailbox:
        await mailbox.open("INBOX")
        unread, flagged, *_ = await mailbox.search()
        await mailbox.mark([unread], add=(SEEN,))
        await mailbox.mark([flagged], remove=(FLAGGED,))
    assert await place.look(later=15) == [("retention.purged", 1), ("retention.announced", 2)]
    assert await place.letters() == ["FLAGGED", "UNREAD", "notice", "notice"]


@pytest.mark.parametrize("place", ["memory", "dovecot"], indirect=True)
async def test_what_a_lost_connection_left_marked_goes_with_the_next_look(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marked as deleted and not expunged: somebody's next EXPUNGE would remove it, and no journal would say so."""
    await place.put("Q1.0", days=100)
    await place.look()

    async def half_way(self: Mailbox, uids: list[int]) -> None:
        await self.mark(uids, add=(r"\Deleted",))
        raise MailboxLost("the connection is lost")

    with monkeypatch.context() as broken:
        broken.setattr(MemoryMailbox, "delete", half_way)
        broken.setattr(ImapMailbox, "delete", half_way)
        with pytest.raises(MailboxLost):
            await place.look(later=15)
    assert [line.event for line in place.journal] == [JournalEvent.ANNOUNCED]
    assert await place.look() == [("retention.purged", 1)]
    assert await place.letters() == ["notice"]
    assert [line.spool_id for line in place.journal] == ["", "Q1"]


async def test_the_journal_hears_of_what_went_while_the_store_was_away(
    twin: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it deletes no more until then. Who looked lost its lease over it: another one of this process goes on."""
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    await twin.put("Q1.0", days=100)
    await twin.put("Q2.0", days=100)
    await twin.look()
    twin.clock.pass_(days=15)

    async def away(*_: object) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(MemoryStore, "note", away)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await twin.look()
    assert await twin.letters() == ["Q2", "notice"]
    for _ in range(2):
        await twin.look()
    assert [line.spool_id for line in twin.journal] == ["", "Q1", "Q2"]


@pytest.mark.parametrize("place", ["memory", "dovecot"], indirect=True)
async def test_the_journal_hears_of_what_went_though_the_answer_was_lost(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow server goes on with what it was told, after we have given up waiting."""
    await place.put("Q1.0", days=100)
    await place.put("Q2.0", days=100)
    await place.look()
    really = {each: each.delete for each in (MemoryMailbox, ImapMailbox)}

    async def unanswered(self: MemoryMailbox | ImapMailbox, uids: list[int]) -> None:
        await really[type(self)](self, uids[:1])
        raise MailboxLost("no answer in time")

    with monkeypatch.context() as broken:
        for each in really:
            broken.setattr(each, "delete", unanswered)
        with pytest.raises(MailboxLost):
            await place.look(later=15)
    assert await place.letters() == ["Q2", "notice"]
    assert await place.look() == [("retention.purged", 1)]
    assert await place.letters() == ["notice"]
    assert [line.spool_id for line in place.journal] == ["", "Q1", "Q2"]


async def test_the_journal_hears_of_what_went_though_the_server_would_not_say_so(
    twin: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await twin.put("Q1.0", days=100)
    await twin.look()
    really = MemoryMailbox.delete

    async def refused(*_: object) -> None:
        raise MailboxRefused("memory: NO")

    with monkeypatch.context() as broken:

        async def deleted(self: MemoryMailbox, uids: list[int]) -> None:
            await really(self, uids)
            broken.setattr(MemoryMailbox, "describe", refused)

        broken.setattr(MemoryMailbox, "delete", deleted)
        with pytest.raises(MailboxRefused):
            await twin.look(later=15)
    await twin.look()
    assert [line.spool_id for line in twin.journal] == ["", "Q1"]


async def test_what_the_server_refused_to_delete_is_no_deletion_when_it_goes_later(
    twin: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader did that."""
    await twin.put("Q1.0", days=100)
    await twin.look()

    async def refused(*_: object) -> None:
        raise MailboxRefused("memory: NO")

    with monkeypatch.context() as broken:
        broken.setattr(MemoryMailbox, "delete", refused)
        with pytest.raises(MailboxRefused):
            await twin.look(later=15)
    async with twin.mailbox() as mailbox:
        await mailbox.open("INBOX")
        await mailbox.delete([min(await mailbox.search())])
    await twin.look()
    assert [line.event for line in twin.journal] == [JournalEvent.ANNOUNCED]


async def test_the_notice_need_not_stay(twin: Place) -> None:
    """Who has read and deleted it was told."""
    await twin.put("Q1.0", days=100)
    await twin.look()
    async with twin.mailbox() as mailbox:
        await mailbox.open("INBOX")
        await mailbox.delete([max(await mailbox.search())])
    await twin.look(later=15)
    assert await twin.letters() == []


async def test_nothing_goes_when_the_notice_could_not_be_put_there(
    twin: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await twin.put("Q1.0", days=100)

    async def full(*_: object, **__: object) -> None:
        raise MailboxLost("the connection is lost")

    with monkeypatch.context() as broken:
        broken.setattr(MemoryMailbox, "append", full)
        for _ in range(2):
            with pytest.raises(MailboxLost):
                await twin.look(later=15)
    assert await twin.letters() == ["Q1"]
    assert await twin.look() == [("retention.announced", 1)]


async def test_a_crash_before_it_is_remembered_brings_no_second_notice(place: Place) -> None:
    await place.put("Q1.0", days=100)
    await place.look()
    place.store._has.announced.clear()
    assert await place.look() == [("retention.announced", 1)]
    assert await place.letters() == ["Q1", "notice"]


async def test_what_the_server_does_not_delete_is_not_journalled(twin: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It said OK, and did nothing: an alarm, tried again."""
    await twin.put("Q1.0", days=100)
    await twin.look()

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(MemoryMailbox, "delete", nothing)
    with pytest.raises(MailboxRefused):
        await twin.look(later=15)
    assert [line.event for line in twin.journal] == [JournalEvent.ANNOUNCED]
    monkeypatch.undo()
    assert ("retention.purged", 1) in await twin.look()


async def test_without_uidplus_nothing_is_announced_or_deleted(twin: Place) -> None:
    """A plain EXPUNGE would remove what others have marked."""
    assert isinstance(twin.owner, MemoryOwner)
    twin.owner.store.deletes = False
    await twin.put("Q1.0", days=100)
    assert await twin.look() == [("retention.cannot_delete", None)]
    assert await twin.letters() == ["Q1"]


@pytest.mark.parametrize("why", ["numbered anew", "longer", "long ago"])
async def test_an_announcement_that_holds_no_more_is_made_again(twin: Place, why: str) -> None:
    await twin.put("Q1.0", days=200)
    await twin.look()
    if why == "numbered anew":
        assert isinstance(twin.owner, MemoryOwner)
        twin.owner.store.boxes[twin.owner.account.login].folders["INBOX"].uid_validity += 100
    elif why == "longer":
        twin.kept = replace(twin.kept, term=replace(twin.kept.term, after=150 * DAY))
    told = await twin.look(later=60 if why == "long ago" else 15)
    assert told == [("retention.withdrawn", 1), ("retention.announced", 1)]
    assert "Q1" in await twin.letters()


async def test_of_many_letters_some_are_announced_at_a_time(twin: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of those are deleted on their day, and the rest is announced then."""
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    monkeypatch.setattr(retention, "MOST", 10)
    for number in range(25):
        await twin.put(f"Q{number:02}.0", days=200)
    left = []
    for _ in range(4):
        await twin.look(later=15)
        left.append(len([name for name in await twin.letters() if name != "notice"]))
    assert left == [25, 15, 5, 0]


async def test_when_it_is_told_to_end_it_finishes_what_it_has_begun(
    twin: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each letter that is gone has its line in the journal; the others wait for the next look."""
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for number in range(6):
        await twin.put(f"Q{number}.0", days=200)
    await twin.look()
    twin.clock.pass_(days=15)
    begun, retaining, really = asyncio.Event(), twin.retention(), MemoryMailbox.delete

    async def slowly(self: MemoryMailbox, uids: list[int]) -> None:
        begun.set()
        await asyncio.sleep(0.01)
        await really(self, uids)

    monkeypatch.setattr(MemoryMailbox, "delete", slowly)
    task = asyncio.create_task(retaining.run())
    await begun.wait()
    assert retaining.end()
    await asyncio.wait([task], timeout=10)
    purged = [line.spool_id for line in twin.journal if line.event is JournalEvent.PURGED]
    assert purged == ["Q0", "Q1"]
    assert await twin.letters() == ["Q2", "Q3", "Q4", "Q5", "notice"]
    monkeypatch.undo()
    assert ("retention.purged", 4) in await twin.look()
