"""The contract of ports.Mailbox: the twin, Dovecot and pymap keep it alike."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mssgw.core.errors import Gone, Undecryptable
from mssgw.ports import Mailbox
from mssgw.ports.mailbox import (
    INBOX,
    PIECE,
    SEEN,
    LoginRefused,
    MailboxLost,
    MailboxRefused,
    NoSuchFolder,
    NoSuchMessage,
    OverQuota,
    Placed,
)
from tests.contract.mailboxes import SMALL_QUOTA, ImapOwner, MemoryOwner, Owner, pieces

NOW = datetime(2026, 11, 21, 19, 4, 5, tzinfo=UTC)
LETTER = b"From: cardiologie@hopital.example\r\nSubject: essai\r\n\r\nBonjour (\r\n* ) {12}\r\n.\r\n"
FIELD = b"X-Mssgw-Id: Q1.0\r\n"


@pytest.fixture(params=["memory", "dovecot", "pymap"])
def owner(request: pytest.FixtureRequest) -> Owner:
    if request.param == "memory":
        return MemoryOwner()
    return ImapOwner(request.getfixturevalue(f"{request.param}_store"))


@pytest.fixture
async def mailbox(owner: Owner) -> AsyncIterator[Mailbox]:
    async with owner.mailboxes.open(owner.account) as session:
        yield session


async def append(mailbox: Mailbox, content: bytes = LETTER, *, folder: str = INBOX, letter_id: str = "Q1.0") -> Placed:
    placed = await mailbox.append(folder, letter_id, pieces(content), size=len(content), received_at=NOW)
    assert placed is not None
    return placed


async def whole(mailbox: Mailbox, uid: int) -> bytes:
    return b"".join([piece async for piece in mailbox.fetch(uid)])


class TestAppend:
    async def test_a_letter_lies_unseen_in_its_folder_to_the_octet(self, owner: Owner, mailbox: Mailbox) -> None:
        """Below our header, and with the date at which we accepted it."""
        placed = await append(mailbox)
        assert await owner.letters() == [FIELD + LETTER]
        assert await owner.flags() == [frozenset()]
        assert (await mailbox.open(INBOX)).uid_validity == placed.uid_validity
        described = (await mailbox.describe([placed.uid]))[placed.uid]
        assert described.received_at == NOW
        assert described.letter_id == "Q1.0"

    async def test_a_folder_is_made_when_missing(self, owner: Owner, mailbox: Mailbox) -> None:
        """Whatever its language; the second letter finds it there, and so does the next session."""
        await append(mailbox, folder="Reçus & traités")
        await append(mailbox, folder="Reçus & traités", letter_id="Q2.0")
        async with owner.mailboxes.open(owner.account) as another:
            await append(another, folder="Reçus & traités", letter_id="Q3.0")
            assert (await another.open("Reçus & traités")).messages == 3

    async def test_flags_may_come_with_it(self, owner: Owner, mailbox: Mailbox) -> None:
        """Of our own sent mail, for one."""
        await mailbox.append(INBOX, "Q1.0", pieces(LETTER), size=len(LETTER), received_at=NOW, flags=[SEEN])
        assert await owner.flags() == [{SEEN}]

    async def test_a_letter_that_cannot_be_read_to_its_end_is_not_there_at_all(
        self, owner: Owner, mailbox: Mailbox
    ) -> None:
        """The store must not take a part for the whole; the session is over."""

        async def broken() -> AsyncIterator[bytes]:
            yield LETTER[:20]
            raise Gone

        with pytest.raises(Gone):
            await mailbox.append(INBOX, "Q1.0", broken(), size=len(LETTER), received_at=NOW)
        with pytest.raises(MailboxLost):
            await mailbox.open(INBOX)
        assert await owner.letters() == []

    @pytest.mark.parametrize("off", [-1, 1])
    async def test_nor_is_one_of_another_size(self, owner: Owner, mailbox: Mailbox, off: int) -> None:
        """Too short or too long."""
        with pytest.raises(Undecryptable):
            await mailbox.append(INBOX, "Q1.0", pieces(LETTER), size=len(LETTER) + off, received_at=NOW)
        assert await owner.letters() == []

    @pytest.mark.parametrize("owner", ["memory", "dovecot"], indirect=True)
    async def test_a_full_mailbox_says_so_and_the_session_goes_on(self, owner: Owner) -> None:
        """A smaller letter may still fit. (pymap knows no quotas.)"""
        async with owner.mailboxes.open(owner.small()) as mailbox:
            with pytest.raises(OverQuota):
                await append(mailbox, LETTER + b"x" * SMALL_QUOTA)
            await append(mailbox)


class TestFind:
    async def test_a_letter_is_found_by_its_id_alone(self, mailbox: Mailbox) -> None:
        """Not by a part of it, and not by a letter that only quotes it."""
        await append(mailbox, letter_id="Q1.10")
        await append(mailbox, LETTER + b"\r\nX-Mssgw-Id: Q1.1\r\n", letter_id="Q2.0")
        assert await mailbox.find([INBOX], "Q1.1", since=NOW) is None
        placed = await append(mailbox, letter_id="Q1.1")
        assert await mailbox.find([INBOX], "Q1.1", since=NOW) == placed

    async def test_wherever_its_owner_has_put_it_since(self, mailbox: Mailbox) -> None:
        """Of several folders, some of which may not exist."""
        placed = await append(mailbox)
        await mailbox.open(INBOX)
        await mailbox.move([placed.uid], "Traites")
        found = await mailbox.find([INBOX, "Absent", "Traites"], "Q1.0", since=NOW)
        assert found is not None
        assert (await mailbox.describe([found.uid]))[found.uid].letter_id == "Q1.0"

    async def test_from_the_day_of_its_acceptance_on(self, mailbox: Mailbox) -> None:
        """A few days later it is not looked at any more: the search stays small."""
        await append(mailbox)
        assert await mailbox.find([INBOX], "Q1.0", since=NOW + timedelta(hours=20)) is not None
        assert await mailbox.find([INBOX], "Q1.0", since=NOW + timedelta(days=5)) is None


class TestFolders:
    async def test_a_folder_that_is_not_there(self, mailbox: Mailbox) -> None:
        """The session goes on."""
        with pytest.raises(NoSuchFolder):
            await mailbox.open("Absent")
        assert (await mailbox.open(INBOX)).messages == 0

    async def test_which_folders_there_are(self, mailbox: Mailbox) -> None:
        """INBOX first; names in any language can be opened again."""
        for name in ("Archives", "Lettres lues à l'été & après"):
            await append(mailbox, folder=name)
        first, *others = await mailbox.folders()
        assert first == INBOX
        assert {"Archives", "Lettres lues à l'été & après"} <= set(others)
        assert [(await mailbox.open(each)).messages for each in sorted(others)[:2]] == [1, 1]

    async def test_a_folder_made_anew_has_another_uid_validity(self, owner: Owner, mailbox: Mailbox) -> None:
        """So that no UID of the old one is taken for one of the new."""
        await append(mailbox, folder="Traites")
        before = await mailbox.open("Traites")
        await mailbox.open(INBOX)
        await owner.forget("Traites")
        async with owner.mailboxes.open(owner.account) as another:
            await append(another, folder="Traites")
            assert (await another.open("Traites")).uid_validity != before.uid_validity


class TestSearch:
    async def test_new_messages_are_those_above_the_last_one_known(self, owner: Owner, mailbox: Mailbox) -> None:
        """Oldest first, so many at once as one asks for; also those that came since the folder was opened."""
        await mailbox.open(INBOX)
        assert await mailbox.search() == []
        await owner.put(LETTER, LETTER, LETTER)
        first, *rest = await mailbox.search()
        assert await mailbox.search(above=first) == rest
        assert await mailbox.search(above=rest[-1]) == []
        assert await mailbox.search(limit=2) == [first, rest[0]]

    async def test_by_flags(self, owner: Owner, mailbox: Mailbox) -> None:
        """Set, not set, and of some messages only: how a receipt learns that a letter was opened."""
        await owner.put(LETTER, LETTER, LETTER)
        await mailbox.open(INBOX)
        one, two, three = await mailbox.search()
        await owner.see(two)
        assert await mailbox.search(flagged=[SEEN]) == [two]
        assert await mailbox.search(unflagged=[SEEN]) == [one, three]
        assert await mailbox.search(among=[one, two], flagged=[SEEN]) == [two]
        assert await mailbox.search(among=[three], flagged=[SEEN]) == []
        assert await mailbox.search(among=[]) == []

    @pytest.mark.parametrize("owner", ["memory", "dovecot"], indirect=True)  # by a session that keeps keywords
    async def test_not_what_is_marked_as_deleted(self, owner: Owner, mailbox: Mailbox) -> None:
        """It is described all the same, as long as it is there."""
        await owner.put(LETTER, LETTER)
        await mailbox.open(INBOX)
        first, second = await mailbox.search()
        await mailbox.mark([first], add=(r"\Deleted",))
        assert list(await mailbox.search()) == [second]
        assert list(await mailbox.describe([first, second])) == [first, second]

    async def test_by_age(self, mailbox: Mailbox) -> None:
        """What retention asks; whole days."""
        placed = await append(mailbox)
        await mailbox.open(INBOX)
        assert await mailbox.search(before=NOW) == []
        assert await mailbox.search(before=NOW + timedelta(days=1)) == [placed.uid]


class TestFetch:
    async def test_ten_megabytes_come_in_bounded_pieces_and_stay_unseen(self, owner: Owner, mailbox: Mailbox) -> None:
        """To the octet."""
        content = LETTER + b"".join(b"%07d " % n + b"x" * 70 + b"\r\n" for n in range(131_000))
        placed = await append(mailbox, content)
        await mailbox.open(INBOX)
        got = [piece async for piece in mailbox.fetch(placed.uid)]
        assert max(map(len, got)) <= PIECE
        assert b"".join(got) == FIELD + content
        assert await owner.flags() == [frozenset()]

    @pytest.mark.parametrize("over", [-1, 0, 1])
    async def test_a_letter_about_as_large_as_a_piece(self, mailbox: Mailbox, over: int) -> None:
        """The last piece may be full."""
        content = LETTER + b"x" * (PIECE - len(FIELD + LETTER) + over)
        placed = await append(mailbox, content)
        await mailbox.open(INBOX)
        assert await whole(mailbox, placed.uid) == FIELD + content

    async def test_eight_bit_and_what_looks_like_imap(self, mailbox: Mailbox) -> None:
        """Octets are octets."""
        content = LETTER + bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"") + b"\r\nA1 OK {3}\r\n)\r\n"
        placed = await append(mailbox, content)
        await mailbox.open(INBOX)
        assert await whole(mailbox, placed.uid) == FIELD + content

    async def test_a_message_that_is_removed_while_it_is_read(self, owner: Owner, mailbox: Mailbox) -> None:
        """It is whole or not there: the pieces that came are no letter."""
        letter = LETTER + b"y" * PIECE * 2
        placed, read = await append(mailbox, letter), b""
        await mailbox.open(INBOX)
        with contextlib.suppress(NoSuchMessage):
            async for piece in mailbox.fetch(placed.uid):
                if not read:
                    async with owner.mailboxes.open(owner.account) as other:
                        await other.open(INBOX)
                        await other.delete([placed.uid])
                read += piece
            assert read == FIELD + letter

    async def test_a_message_that_is_removed_before_it_is_read(self, owner: Owner, mailbox: Mailbox) -> None:
        """By somebody else, and this session has not heard of it yet."""
        placed = await append(mailbox)
        await mailbox.open(INBOX)
        async with owner.mailboxes.open(owner.account) as other:
            await other.open(INBOX)
            await other.delete([placed.uid])
        with contextlib.suppress(NoSuchMessage):
            assert await whole(mailbox, placed.uid) == FIELD + LETTER

    async def test_a_message_that_is_gone(self, mailbox: Mailbox) -> None:
        """The session goes on."""
        await mailbox.open(INBOX)
        with pytest.raises(NoSuchMessage):
            await whole(mailbox, 4_711)
        assert await mailbox.describe([4_711]) == {}
        assert await mailbox.search() == []


class TestChanges:
    async def test_flags_are_set_and_taken_away(self, owner: Owner, mailbox: Mailbox) -> None:
        """On many messages at once."""
        await owner.put(*[LETTER] * 3)
        await mailbox.open(INBOX)
        one, two, three = await mailbox.search()
        await mailbox.mark([one, two, three], add=[SEEN, r"\Flagged"])
        await mailbox.mark([two], remove=[SEEN])
        assert await owner.flags() == [{SEEN, r"\Flagged"}, {r"\Flagged"}, {SEEN, r"\Flagged"}]

    async def test_keywords_where_the_folder_keeps_them(self, owner: Owner, mailbox: Mailbox) -> None:
        """Elsewhere they are refused, rather than lost; what has none is found all the same."""
        await owner.put(LETTER, LETTER)
        opened = await mailbox.open(INBOX)
        one, two = await mailbox.search(unflagged=["$Collected"])
        if opened.keywords:
            await mailbox.mark([one], add=["$Collected"])
            assert await mailbox.search(unflagged=["$Collected"]) == [two]
            assert await mailbox.search(flagged=["$Collected"]) == await mailbox.search(flagged=["$COLLECTED"]) == [one]
        else:
            with pytest.raises(MailboxRefused):
                await mailbox.mark([one], add=["$Collected"])
            assert not await mailbox.search(flagged=["$Collected"])

    async def test_messages_move_to_a_folder_that_is_made(self, owner: Owner, mailbox: Mailbox) -> None:
        """The others stay; what has moved counts no more here."""
        await owner.put(LETTER, b"Subject: deux\r\n\r\n", LETTER)
        await mailbox.open(INBOX)
        one, two, three = await mailbox.search()
        await mailbox.move([two], "Refuses")
        assert await owner.letters("Refuses") == [b"Subject: deux\r\n\r\n"]
        assert await mailbox.search() == [one, three]

    async def test_some_are_deleted_and_no_others(self, owner: Owner, mailbox: Mailbox) -> None:
        """Not even those that their owner has marked."""
        await owner.put(LETTER, LETTER, LETTER)
        await mailbox.open(INBOX)
        one, two, three = await mailbox.search()
        await mailbox.delete([one])
        assert len(await owner.letters()) == 2
        assert await mailbox.search() == [two, three]

    async def test_two_hundred_and_fifty_at_once(self, owner: Owner, mailbox: Mailbox) -> None:
        """More than one command takes."""
        await owner.put(*[LETTER] * 250)
        await mailbox.open(INBOX)
        uids = await mailbox.search()
        assert len(uids) == len(await mailbox.describe(uids)) == 250
        await mailbox.mark(uids, add=[SEEN])
        assert await mailbox.search(unflagged=[SEEN]) == []


class TestWait:
    async def test_a_letter_that_arrives_is_told(self, owner: Owner, mailbox: Mailbox) -> None:
        """By IDLE, long before the limit."""
        await mailbox.open(INBOX)
        async with asyncio.TaskGroup() as tasks:
            told = tasks.create_task(mailbox.wait(30))
            await asyncio.sleep(0.1)
            await owner.put(LETTER)
        assert told.result()
        assert len(await mailbox.search()) == 1

    async def test_a_letter_that_is_opened_is_told(self, owner: Owner, mailbox: Mailbox) -> None:
        """So that a receipt goes out within seconds."""
        await owner.put(LETTER)
        await mailbox.open(INBOX)
        (uid,) = await mailbox.search()
        async with asyncio.TaskGroup() as tasks:
            told = tasks.create_task(mailbox.wait(30))
            await asyncio.sleep(0.1)
            await owner.see(uid)
        assert told.result()
        assert await mailbox.search(flagged=[SEEN]) == [uid]

    async def test_what_came_while_nobody_waited_is_told_at_once(self, owner: Owner, mailbox: Mailbox) -> None:
        """Between the search and the wait."""
        await mailbox.open(INBOX)
        await mailbox.search()
        await owner.put(LETTER)
        assert await mailbox.wait(30)

    async def test_nothing_happens(self, mailbox: Mailbox) -> None:
        """What we did ourselves is no news."""
        placed = await append(mailbox)
        await mailbox.open(INBOX)
        await mailbox.search()
        await mailbox.mark([placed.uid], add=[SEEN])
        assert not await mailbox.wait(0.3)
        assert not await mailbox.wait(0.3)
        assert await mailbox.search() == [placed.uid]


async def test_a_wrong_password_is_an_error_of_its_own(owner: Owner) -> None:
    """It is to be tried again rarely, lest the account be locked; and it shows neither login nor password."""
    wrong = replace(owner.account, password="faux mot de passe")
    with pytest.raises(LoginRefused) as refused:
        async with owner.mailboxes.open(wrong):
            pass
    assert "faux" not in str(refused.value)
    assert owner.account.login not in str(refused.value) + repr(wrong)


async def test_a_store_that_is_down(owner: Owner) -> None:
    """An error that passes: the letter waits."""
    with pytest.raises(MailboxLost):
        async with owner.mailboxes.open(owner.stopped()):
            pass
