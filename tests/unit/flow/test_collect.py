"""Collecting from a mailbox elsewhere, over twins: what is taken, what is refused, what is left, and never twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.core.errors import StoreUnavailable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.memory.mailbox import MemoryMailbox
from mssgw.flow.collect import _Pause
from mssgw.ports.mailbox import MailboxLost, MailboxRefused, NoSuchMessage, OverQuota
from tests.collecting import LOGIN, OTHER_PATIENT, PATIENT, SENDER, Bal, configured, letter
from tests.stories.worlds import delivering

Make = Callable[..., Awaitable[Bal]]
REFUSED = "Refus passerelle"
OWN = "pharmacie@chu.mssante.fr"
THROUGH_US = "sends_through_us = true"


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """A gateway that collects with these lines of configuration; it delivers until the test is over."""
    async with AsyncExitStack() as stack:

        async def make_one(*lines: str) -> Bal:
            bal = Bal(configured(tmp_path, *lines))
            await stack.enter_async_context(delivering(bal.world.flow))
            return bal

        yield make_one


@pytest.fixture
async def bal(make: Make) -> Bal:
    return await make()


def reason(note: bytes) -> str:
    return note.decode().partition("Motif : ")[2].partition("\r\n")[0]


async def accepted(bal: Bal, number: int) -> Entry:
    """The journal line of the letter's acceptance."""
    lines = await bal.world.desk.trace(message_id=f"<{number}@ailleurs>", limit=9)
    (entry,) = [each for each in lines if each.event is JournalEvent.ACCEPTED]
    return entry


def fill_our_store(bal: Bal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: object) -> None:
        raise StoreUnavailable("disk")

    monkeypatch.setattr(bal.world.store, "accept", full, raising=False)


def waits_told(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The list to which each wait in a folder adds its limit."""
    waits, real = list[float](), MemoryMailbox.wait

    async def told(self: MemoryMailbox, limit: float) -> bool:
        waits.append(limit)
        return await real(self, limit)

    monkeypatch.setattr(MemoryMailbox, "wait", told)
    return waits


class TestTaken:
    async def test_a_letter_is_delivered_and_marked_and_stays_where_it_is(self, bal: Bal) -> None:
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.flags() == [{"$MssgwCollected"}])
            await bal.until(lambda: bal.arrived)
        (arrival,) = bal.world.arrivals
        assert (arrival.sender, arrival.recipient) == (SENDER, "officine@chu.mssante.fr")
        assert arrival.content.endswith(letter(1))
        entry = await accepted(bal, 1)
        assert (entry.event, entry.client, entry.peer) == ("accepted", "officine", "127.0.0.1")

    async def test_or_it_is_moved(self, make: Make) -> None:
        bal = await make('done_folder = "Releves"')
        await bal.put(*map(letter, range(3)))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids("Releves")) == 3)
            await bal.until(lambda: len(bal.arrived) == 3)
        assert bal.uids() == []
        assert bal.content("Releves") == [*map(letter, range(3))]

    async def test_a_letter_that_comes_later_is_taken_at_once(self, bal: Bal) -> None:
        """The store says so in IDLE; nobody waits for the next look."""
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.looked"))
            await bal.put(letter(1))
            await bal.until(lambda: bal.arrived)

    async def test_thousands_are_taken_in_pages_each_once(self, bal: Bal) -> None:
        await bal.put(*map(letter, range(2_500)))
        async with bal.collecting():
            await bal.until(lambda: len(bal.world.arrivals) == 2_500)
        assert len(set(bal.arrived)) == 2_500
        assert set(map(len, bal.flags())) == {1}

    async def test_dots_lines_and_a_missing_end_survive(self, bal: Bal) -> None:
        """Dot-stuffing as SMTP does it, over pieces of any size; the last line gets its end."""
        body = b".\r\n..\r\n" + b".x\r\n" * 200_000 + b"\r\n.\r\nno end"
        await bal.put(letter(1, body=body))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
        assert bal.arrived == [letter(1, body=body) + b"\r\n"]

    async def test_ten_mo_pass_and_one_octet_above_the_room_does_not(self, bal: Bal) -> None:
        """Collected mail has the limit of the trust space (SD-1)."""
        limit = bal.world.live.settings.size_limit + 65_536
        line = b"x" * 98 + b"\r\n"
        filler = line * ((limit - len(letter(1, body=b""))) // 100)
        filler += b"y" * (limit - len(letter(1, body=filler)) - 2) + b"\r\n"
        whole = letter(1, body=filler)
        assert len(whole) == limit
        await bal.put(whole, letter(2, body=b"y" + filler))
        async with bal.collecting():
            await bal.until(lambda: bal.totals()["refused"] == 1)
            await bal.until(lambda: bal.arrived)
        assert bal.arrived == [whole]
        note, kept = bal.content(REFUSED)
        assert reason(note).startswith("552 5.3.4")
        assert kept == letter(2, body=b"y" + filler)

    async def test_a_store_whose_lines_end_with_lf_alone_is_understood(self, bal: Bal) -> None:
        await bal.put(letter(1, ends=b"\n"))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
        assert bal.arrived == [letter(1)]

    async def test_without_keywords_nothing_is_marked_nor_taken_twice(self, bal: Bal) -> None:
        """The store remembers; a new session looks through all of it again."""
        bal.store.keywords = False
        await bal.put(letter(1), letter(2))
        for _ in range(2):
            async with bal.collecting():
                await bal.until(lambda: len(bal.arrived) == 2)
                await bal.looked()
        assert bal.totals()["collected"] == 2
        assert bal.flags() == [set(), set()]


class TestSenders:
    @pytest.mark.parametrize(
        ("given", "sender"),
        [
            (letter(1, sender="a@b.mssante.fr", author="c@d.mssante.fr"), "a@b.mssante.fr"),
            (letter(1, sender=None, author="c@d.mssante.fr"), "c@d.mssante.fr"),
            (letter(1, "Return-Path: <forged@x.fr>", sender="a@b.mssante.fr"), "a@b.mssante.fr"),
            (letter(1, sender="not an address", author="c@d.mssante.fr"), "c@d.mssante.fr"),
            (letter(1, sender="", author="c@d.mssante.fr"), ""),
        ],
        ids=["return-path", "from", "topmost", "malformed", "null"],
    )
    async def test_the_reverse_path_is_the_return_path_else_the_author(
        self, bal: Bal, given: bytes, sender: str
    ) -> None:
        await bal.put(given)
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
        assert [each.sender for each in bal.world.arrivals] == [sender]

    async def test_the_operator_vouches_for_senders_of_any_domain_ours_too(self, bal: Bal) -> None:
        await bal.put(letter(1, sender="dr.martin@chu.mssante.fr"), letter(2, sender="x@inconnu.example"))
        async with bal.collecting():
            await bal.until(lambda: len(bal.arrived) == 2)

    @pytest.mark.parametrize(
        "given",
        [
            letter(1, sender=None, author=""),
            letter(1, "From: <b@ailleurs.mssante.fr>"),
            letter(1, sender=PATIENT, author=OTHER_PATIENT),
            letter(1, sender=SENDER, author=PATIENT),
            letter(1, f"Cc: <{PATIENT}>, <{OTHER_PATIENT}>"),
            letter(1, *["Received: from a by b"] * 30),
            letter(1, sender="289456789012345@patient.mssante.fr"),
        ],
        ids=["no-author", "two-authors", "another-patient", "patient-shown", "two-patients", "loop", "wrong-key"],
    )
    async def test_all_other_rules_hold(self, bal: Bal, given: bytes) -> None:
        await bal.put(given)
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids(REFUSED)) == 2)
        assert bal.arrived == []
        assert bal.content(REFUSED)[1] == given

    async def test_a_letter_that_went_out_through_us_is_no_loop_but_a_collected_one_is(self, bal: Bal) -> None:
        """Our own doctor writes to that mailbox; what we collected once must not come round again."""
        ours = "Received: from x by mssgw.exemple.fr with {} id 1; Sat, 21 Nov 2026 10:00:00 +0100"
        await bal.put(letter(1, ours.format("ESMTPS")), letter(2, ours.format("IMAP")))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids(REFUSED)) == 2)
            await bal.until(lambda: bal.arrived)
        assert bal.arrived == [letter(1, ours.format("ESMTPS"))]


class TestConversations:
    async def test_where_answers_do_not_pass_through_us_rules_of_exchanges_observe(self, bal: Bal) -> None:
        """A patient's letter, and a receipt for a letter that we never saw; the journal says would-refuse."""
        receipt = letter(
            2,
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
            "MIME-Version: 1.0",
            sender="",
            author=PATIENT,
            body=b"--b\r\n\r\nlu\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n"
            b"Original-Message-ID: <unseen@x>\r\n"
            b"Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--b--\r\n",
        )
        await bal.put(letter(1, sender=PATIENT), receipt)
        async with bal.collecting():
            await bal.until(lambda: len(bal.arrived) == 2)
        for number, rule in ((1, "patient-may-write"), (2, "receipt-is-expected")):
            entry = await accepted(bal, number)
            assert [(each.rule, each.severity.name) for each in entry.findings] == [(rule, "WOULD_REFUSE")]
        assert await bal.world.desk.conversations(limit=9) == []

    async def test_where_they_do_they_hold(self, make: Make) -> None:
        bal = await make(THROUGH_US)
        await bal.put(letter(1, sender=PATIENT))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids(REFUSED)) == 2)
        note, kept = bal.content(REFUSED)
        assert reason(note) == "550 5.7.1 Seul un professionnel peut ouvrir un echange avec un patient"
        assert kept == letter(1, sender=PATIENT)

    async def test_exchanges_are_known_by_the_mailboxs_own_address(self, make: Make) -> None:
        """It may be another than the one to which its letters are delivered."""
        bal = await make(THROUGH_US, f'address = "{OWN}"')
        pair = Pair(Address.parse(PATIENT), Address.parse(OWN))
        opened = (pair, State.OPEN, bal.world.clock.now())
        await bal.world.desk.set_state([opened], operator="root", only_absent=False)
        await bal.put(letter(1, sender=PATIENT))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
        assert [each.recipient for each in bal.world.arrivals] == ["officine@chu.mssante.fr"]

    async def test_an_opposition_holds_everywhere(self, bal: Bal) -> None:
        """It is the operator's own word, not what we think an exchange is like (SD-12)."""
        plan = bal.plan
        await bal.world.desk.set_block(
            Address.parse(PATIENT), plan.recipient, blocked=True, operator="root", now=bal.world.clock.now()
        )
        await bal.put(letter(1, sender=PATIENT))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids(REFUSED)) == 2)


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b"a\rb\r\n", "554 5.6.0 Message refuse : retour chariot (CR) isole"),
            (b"a\nb\r\n", "554 5.6.0 Message refuse : saut de ligne (LF) isole"),
            (b"a\0b\r\n", "554 5.6.0 Message refuse : octet nul"),
            (b"x" * 1_048_577 + b"\r\n", "554 5.6.0 Message refuse : ligne de plus de 1 Mio"),
        ],
        ids=["cr", "lf", "nul", "line"],
    )
    async def test_what_two_readers_could_read_differently_lies_aside_with_the_reason(
        self, bal: Bal, body: bytes, why: str
    ) -> None:
        await bal.put(letter(1, body=body), letter(2))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids(REFUSED)) == 2)
            await bal.until(lambda: bal.arrived)
        note, kept = bal.content(REFUSED)
        assert reason(note) == why
        assert kept == letter(1, body=body)
        assert b"In-Reply-To: <1@ailleurs>\r\n" in note
        assert bal.arrived == [letter(2)]
        assert [each["alarm"] for each in bal.events("collector.refused")] == [True]

    async def test_the_note_and_the_log_name_nobody(self, bal: Bal) -> None:
        await bal.put(letter(1, f"Cc: <{PATIENT}>, <{OTHER_PATIENT}>"))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids(REFUSED)) == 2)
        note = bal.content(REFUSED)[0].decode()
        assert not [each for each in (PATIENT, PATIENT[:15], "essai", "Bonjour") if each in note]
        assert PATIENT[:15] not in str(bal.world.events.seen)

    async def test_a_crash_between_note_and_move_leaves_one_note(self, bal: Bal, monkeypatch) -> None:
        real = MemoryMailbox.move

        async def dies(*_: object) -> None:
            monkeypatch.setattr(MemoryMailbox, "move", real)
            raise MailboxLost("memory: gone")

        monkeypatch.setattr(MemoryMailbox, "move", dies)
        await bal.put(letter(1, body=b"\0\r\n"))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids(REFUSED)) == 1)
            await bal.until(lambda: bal.events("collector.unreachable"))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids(REFUSED)) == 2)
        assert bal.uids() == []

    async def test_a_folder_that_takes_nothing_costs_no_letter_and_one_alarm(self, bal: Bal, monkeypatch) -> None:
        async def full(*_: object, **__: object) -> None:
            raise OverQuota("memory: full")

        monkeypatch.setattr(MemoryMailbox, "append", full)
        await bal.put(letter(1, body=b"\0\r\n"), letter(2))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
            for _ in range(3):
                await bal.looked()
        assert bal.uids() == [1, 2]
        assert bal.totals() == {"collected": 1, "already": 0, "refused": 1, "later": 0}
        assert len(bal.events("collector.not_put_aside")) == 1

    async def test_a_folder_for_the_refused_that_cannot_be_opened_keeps_no_other_letter_waiting(
        self, bal: Bal, monkeypatch
    ) -> None:
        """Its name is none that the store allows: after that refusal no folder is open (RFC 3501 section 6.3.1)."""

        async def not_allowed(self: MemoryMailbox, *_: object, **__: object) -> None:
            self._open = None
            raise MailboxRefused("memory: NO CANNOT")

        monkeypatch.setattr(MemoryMailbox, "find", not_allowed)
        await bal.put(letter(1, body=b"\0\r\n"), letter(2))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
            await bal.looked()
        assert bal.arrived == [letter(2)]
        assert len(bal.events("collector.not_put_aside")) == 1
        assert not bal.events("collector.unreachable")


class TestLater:
    async def test_what_our_store_cannot_keep_stays_and_is_tried_again(self, bal: Bal, monkeypatch) -> None:
        fill_our_store(bal, monkeypatch)
        await bal.put(letter(1), letter(2))
        async with bal.collecting():
            await bal.until(lambda: bal.totals()["later"] == 2)
            await bal.looked()
            assert bal.totals()["later"] == 2, "not before its time"
            assert bal.flags() == [set(), set()]
            monkeypatch.delattr(bal.world.store, "accept")
            bal.world.clock.pass_(minutes=1)
            await bal.looked()
            await bal.until(lambda: len(bal.arrived) == 2)
        assert bal.totals()["collected"] == 2

    async def test_in_our_own_trouble_most_letters_are_not_even_fetched(self, bal: Bal, monkeypatch) -> None:
        fill_our_store(bal, monkeypatch)
        await bal.put(*map(letter, range(50)))
        async with bal.collecting():
            await bal.until(lambda: bal.totals()["later"])
        assert bal.totals()["later"] == 3

    async def test_when_the_disk_is_nearly_full_nothing_is_fetched(self, bal: Bal) -> None:
        bal.closed = True
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.looked"))
            assert sum(bal.totals().values()) == 0
            bal.closed = False
            await bal.looked()
            await bal.until(lambda: bal.arrived)

    @pytest.mark.parametrize(
        "trouble", [MailboxLost("memory: BYE"), MailboxRefused("memory: NO"), NoSuchMessage("gone")]
    )
    async def test_one_that_its_store_cannot_give_keeps_no_other_letter_waiting(
        self, bal: Bal, monkeypatch, trouble: Exception
    ) -> None:
        """Dovecot hangs up over a message that it cannot read, at each attempt; others say no, or nothing of it."""
        real = MemoryMailbox.fetch

        async def damaged(self: MemoryMailbox, uid: int):  # type: ignore[no-untyped-def]
            if uid == 1:
                raise trouble
            async for piece in real(self, uid):
                yield piece

        monkeypatch.setattr(MemoryMailbox, "fetch", damaged)
        monkeypatch.setattr(_Pause, "next", lambda self: 0.01)
        await bal.put(*map(letter, (1, 2, 3)))
        async with bal.collecting():
            await bal.until(lambda: len(bal.arrived) == 2)
            for minutes in (1, 2, 4, 8):
                bal.world.clock.pass_(minutes=minutes)
                await bal.looked()
            (told,) = bal.events("collector.stuck")
            assert (told["uid"], told["alarm"]) == (1, True)
            monkeypatch.setattr(MemoryMailbox, "fetch", real)
            bal.world.clock.pass_(minutes=16)
            await bal.looked()
            await bal.until(lambda: len(bal.arrived) == 3)
        assert sorted(bal.arrived) == [*map(letter, (1, 2, 3))]

    @pytest.mark.parametrize("trouble", [MailboxLost("memory: BYE"), MailboxRefused("memory: NO")])
    async def test_letters_that_its_store_cannot_give_come_after_all_that_were_not_tried(
        self, bal: Bal, monkeypatch, trouble: Exception
    ) -> None:
        """A damaged mailbox may have many, and with each a session ends, or the third of them a look: whenever those in
        front were due again, nothing behind them was reached.
        """
        real = MemoryMailbox.fetch

        async def damaged(self: MemoryMailbox, uid: int):  # type: ignore[no-untyped-def]
            if uid <= 4:
                raise trouble
            async for piece in real(self, uid):
                yield piece

        monkeypatch.setattr(MemoryMailbox, "fetch", damaged)
        monkeypatch.setattr(_Pause, "next", lambda self: 0.01)
        await bal.put(*map(letter, range(1, 6)))
        async with bal.collecting():
            for _ in range(5):
                await bal.looked()
                bal.world.clock.pass_(hours=1)
            assert bal.arrived == [letter(5)]
            await bal.put(letter(6))
            await bal.until(lambda: len(bal.arrived) == 2)
        assert bal.totals()["already"] == 0  # nor is any read twice

    async def test_one_that_somebody_takes_away_is_waited_for_no_more(self, bal: Bal, monkeypatch) -> None:
        """Else the folder would be looked at every second for it."""
        waits = waits_told(monkeypatch)
        fill_our_store(bal, monkeypatch)
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.totals()["later"] == 1)
            bal.store.make(LOGIN, "INBOX").messages.clear()
            bal.world.clock.pass_(minutes=5)
            await bal.looked()
            await bal.until(lambda: len(waits) == 2)
        assert waits == [60.0, 60.0]

    async def test_those_that_are_due_and_spared_have_nobody_look_at_the_folder_every_second(
        self, bal: Bal, monkeypatch
    ) -> None:
        """Our store is full: the first three of a look tell, and the others, due as they are, wait for the next."""
        waits = waits_told(monkeypatch)
        fill_our_store(bal, monkeypatch)
        await bal.put(*map(letter, range(1, 8)))
        async with bal.collecting():
            await bal.until(lambda: len(waits) == 1)
            for count in (2, 3):
                bal.world.clock.pass_(minutes=5)
                await bal.looked()
                await bal.until(lambda count=count: len(waits) == count)
        assert waits == [60.0] * 3

    async def test_a_letter_that_stays_for_long_is_told_of(self, bal: Bal, monkeypatch) -> None:
        fill_our_store(bal, monkeypatch)
        await bal.put(letter(1))
        async with bal.collecting():
            for tries in range(1, 7):
                await bal.until(lambda tries=tries: bal.totals()["later"] == tries)
                bal.world.clock.pass_(hours=1)
                await bal.looked()
        (told,) = bal.events("collector.stuck")
        assert (told["alarm"], told["code"]) == (True, 451)


class TestOnce:
    async def test_a_crash_before_the_mark_takes_nothing_twice(self, bal: Bal, monkeypatch) -> None:
        real = MemoryMailbox.mark

        async def dies(*_: object, **__: object) -> None:
            raise MailboxLost("memory: gone")

        monkeypatch.setattr(MemoryMailbox, "mark", dies)
        await bal.put(*map(letter, range(5)))
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.unreachable"))
            await bal.until(lambda: len(bal.arrived) == 5)
        monkeypatch.setattr(MemoryMailbox, "mark", real)
        async with bal.collecting():
            await bal.until(lambda: set(map(len, bal.flags())) == {1})
        assert bal.totals()["collected"] == 5
        assert len(bal.arrived) == 5

    async def test_a_mailbox_given_back_from_a_backup_loses_no_letter(self, make: Make) -> None:
        """Its numbers are used a second time: what we have had is known by its content, what is new is taken."""
        bal = await make('done_folder = "Releves"')
        await bal.put(letter(1), letter(2))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids("Releves")) == 2)
        folder = bal.store.make(LOGIN, "INBOX")
        folder.last_uid = 0
        await bal.put(letter(3), letter(2))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids("Releves")) == 4)
            await bal.until(lambda: len(bal.arrived) == 3)
        assert sorted(bal.arrived) == [letter(1), letter(2), letter(3)]

    async def test_another_server_under_the_same_name_is_another_place(self, make: Make, monkeypatch) -> None:
        """Some number all their folders alike; without keywords the numbers alone would tell."""
        bal = await make()
        bal.store.keywords = False
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
        bal.store.make(LOGIN, "INBOX").messages[1].content = letter(2)
        moved = replace(bal.plan, account=replace(bal.plan.account, host="127.0.0.2"))
        async with bal.collecting() as collectors:
            collectors.follow([moved])
            await bal.until(lambda: len(bal.arrived) == 2)

    async def test_a_folder_that_is_numbered_anew_brings_nothing_twice(self, bal: Bal) -> None:
        """Its keywords are gone as well: Message-ID and content tell."""
        await bal.put(letter(1), letter(2))
        async with bal.collecting():
            await bal.until(lambda: len(bal.arrived) == 2)
        folder = bal.store.make(LOGIN, "INBOX")
        old = list(folder.messages.values())
        del bal.store.boxes[LOGIN].folders["INBOX"]
        anew = bal.store.make(LOGIN, "INBOX")
        assert anew.uid_validity != folder.uid_validity
        for each in old:
            each.flags.clear()
        await bal.put(letter(3), *(each.content for each in old))
        async with bal.collecting():
            await bal.until(lambda: set(map(len, bal.flags())) == {1})
            await bal.until(lambda: len(bal.arrived) == 3)
        assert bal.totals() == {"collected": 3, "already": 2, "refused": 0, "later": 0}

    async def test_a_folder_that_is_removed_and_made_anew_while_we_wait_goes_on(self, bal: Bal, monkeypatch) -> None:
        async with bal.collecting():
            await bal.put(letter(1))
            await bal.until(lambda: bal.arrived)
            del bal.store.boxes[LOGIN].folders["INBOX"]
            bal.store.make(LOGIN, "INBOX")
            await bal.put(letter(2))
            # The session still has the old folder, in which nothing happens: the next look finds the new one.
            monkeypatch.setattr(MemoryMailbox, "wait", _no_news)
            await bal.until(lambda: len(bal.arrived) == 2)
        assert bal.events("collector.numbered_anew")

    async def test_two_messages_with_one_message_id_and_other_content_are_both_kept(self, bal: Bal) -> None:
        one, other = letter(1, body=b"one\r\n"), letter(1, body=b"other\r\n")
        await bal.put(one, other)
        async with bal.collecting():
            await bal.until(lambda: len(bal.arrived) == 2)
        assert sorted(bal.arrived) == sorted([one, other])

    async def test_two_nodes_that_both_believe_it_is_their_turn_keep_a_letter_once(self, bal: Bal) -> None:
        """Fetched twice, committed once: the number of the message is in the commit."""
        async with bal.collecting(node="a"):
            await bal.until(lambda: len(bal.events("collector.looked")) == 1)
            bal.world.clock.pass_(minutes=2)  # the lease of "a" has lapsed, and it does not know
            async with bal.collecting(node="b"):
                await bal.until(lambda: len(bal.events("collector.looked")) == 2)
                await bal.put(*map(letter, range(20)))
                await bal.until(lambda: set(map(len, bal.flags())) == {1})
                await bal.until(lambda: len(bal.arrived) >= 20)
                await bal.looked()
        assert sorted(bal.arrived) == sorted(map(letter, range(20)))


async def _no_news(*_: object) -> bool:
    await asyncio.sleep(0.01)
    return False


class TestTrouble:
    async def test_a_refused_login_is_an_alarm_and_is_not_repeated_soon(self, bal: Bal) -> None:
        """Five minutes at first, up to an hour: no account gets locked by us."""
        tries = []
        real = bal.store.open

        def counted(account):  # type: ignore[no-untyped-def]
            tries.append(account)
            return real(account)

        bal.store.open = counted  # type: ignore[method-assign]
        bal.box.password = "another"
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.login_refused"))
            bal.box.password = "mot de passe"
            await asyncio.sleep(0.05)
        assert len(tries) == 1
        (told,) = bal.events("collector.login_refused")
        assert told["alarm"]
        assert 240 <= told["again_in"] <= 360
        assert LOGIN not in str(told)

    async def test_the_pauses_grow_up_to_an_hour(self, bal: Bal) -> None:
        pause = _Pause(300, 3_600)
        spans = [pause.next() for _ in range(40)]
        assert all(240 * 2**n <= spans[n] <= 360 * 2**n for n in range(3))
        assert all(2_880 <= span <= 4_320 for span in spans[4:])

    async def test_a_lost_connection_is_an_alarm_only_when_it_lasts(self, bal: Bal) -> None:
        bal.store.down = True
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.unreachable"))
        assert [each["alarm"] for each in bal.events("collector.unreachable")] == [False]

    async def test_a_missing_folder_is_an_alarm(self, bal: Bal) -> None:
        del bal.store.boxes[LOGIN].folders["INBOX"]
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.folder_missing"))
        assert bal.events("collector.folder_missing")[0]["alarm"]

    async def test_a_session_that_ends_in_the_middle_of_a_letter_keeps_nothing_of_it(
        self, bal: Bal, monkeypatch
    ) -> None:
        async def half(self: MemoryMailbox, uid: int):  # type: ignore[no-untyped-def]
            yield letter(1)[:60]
            raise MailboxLost("memory: gone")

        real = MemoryMailbox.fetch
        monkeypatch.setattr(MemoryMailbox, "fetch", half)
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.unreachable"))
        assert bal.arrived == []
        monkeypatch.setattr(MemoryMailbox, "fetch", real)
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)

    async def test_a_letter_that_somebody_takes_away_meanwhile_is_no_trouble(self, bal: Bal, monkeypatch) -> None:
        real = MemoryMailbox.search

        async def stale(self: MemoryMailbox, **asked: object):  # type: ignore[no-untyped-def]
            found = await real(self, **asked)  # type: ignore[arg-type]
            return [*found, 999] if found else found

        monkeypatch.setattr(MemoryMailbox, "search", stale)
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.flags() == [{"$MssgwCollected"}])
        assert not [name for name, fields in bal.world.events.seen if fields.get("alarm")]

    async def test_marks_that_are_refused_are_told_once_and_nothing_is_taken_twice(self, bal: Bal, monkeypatch) -> None:
        async def refuses(*_: object, **__: object) -> None:
            raise MailboxRefused("memory: NO")

        monkeypatch.setattr(MemoryMailbox, "mark", refuses)
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
            for _ in range(3):
                await bal.looked()
        assert len(bal.events("collector.not_marked")) == 1
        assert bal.totals()["collected"] == 1

    async def test_a_defect_of_ours_in_one_letter_does_not_stop_the_others(self, bal: Bal, monkeypatch) -> None:
        real = bal.means.reception.letter

        def broken(client, envelope):  # type: ignore[no-untyped-def]
            if envelope.reverse_path.text == "bad@x.example":
                raise RuntimeError("ours")
            return real(client, envelope)

        monkeypatch.setattr(bal.means.reception, "letter", broken)
        await bal.put(letter(1, sender="bad@x.example"), letter(2))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
        assert bal.arrived == [letter(2)]
        assert bal.totals()["later"] == 1
        assert bal.events("collector.failed")[0]["alarm"]


class TestTurns:
    async def test_one_node_collects_and_another_takes_over(self, bal: Bal) -> None:
        async with bal.collecting(node="a"):
            await bal.until(lambda: bal.events("collector.started"))
            async with bal.collecting(node="b"):
                await bal.looked()
                assert len(bal.events("collector.started")) == 1
        assert len(bal.events("collector.stopped")) == 1
        async with bal.collecting(node="b"):  # "a" gave it up when it left
            await bal.until(lambda: len(bal.events("collector.started")) == 2)

    async def test_a_reload_starts_what_is_new_ends_what_is_gone_and_leaves_the_rest(self, bal: Bal) -> None:
        async with bal.collecting() as collectors:
            await bal.until(lambda: bal.events("collector.looked"))
            collectors.follow([bal.plan])
            await bal.looked()
            assert len(bal.events("collector.started")) == 1, "nothing changed"
            collectors.follow([])
            await bal.until(lambda: bal.events("collector.stopped"))
            await bal.put(letter(1))
            collectors.follow([bal.plan])
            await bal.until(lambda: bal.arrived)

    async def test_a_commit_under_way_is_waited_for_when_we_stop(self, bal: Bal, monkeypatch) -> None:
        """What was committed is delivered; what was not is still in the mailbox."""
        begun, go_on = asyncio.Event(), asyncio.Event()
        real = bal.world.store.accept

        async def slow(acceptance):  # type: ignore[no-untyped-def]
            begun.set()
            await go_on.wait()
            await real(acceptance)

        monkeypatch.setattr(bal.world.store, "accept", slow, raising=False)
        await bal.put(letter(1))
        async with bal.collecting():
            await asyncio.wait_for(begun.wait(), 5)
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        assert bal.flags() == [{"$MssgwCollected"}]
        assert bal.totals()["collected"] == 1

    async def test_one_that_takes_too_long_goes_on_without_us_and_is_known_afterwards(
        self, bal: Bal, monkeypatch
    ) -> None:
        """The disk stalls while we stop: the letter is kept, and the next start marks it."""
        monkeypatch.setattr("mssgw.flow.posts.FINISH", 0.05)
        begun, go_on = asyncio.Event(), asyncio.Event()
        real = bal.world.store.accept

        async def slow(acceptance):  # type: ignore[no-untyped-def]
            begun.set()
            await go_on.wait()
            await real(acceptance)

        monkeypatch.setattr(bal.world.store, "accept", slow, raising=False)
        await bal.put(letter(1))
        async with bal.collecting():
            await asyncio.wait_for(begun.wait(), 5)
            asyncio.get_running_loop().call_later(0.2, go_on.set)
        assert (await accepted(bal, 1)).client == "officine"
        assert bal.flags() == [set()]
        async with bal.collecting():
            await bal.until(lambda: bal.flags() == [{"$MssgwCollected"}])
            await bal.until(lambda: bal.arrived)
        assert bal.totals()["collected"] == 0, "the first look was broken off before it could count"
        assert bal.arrived == [letter(1)]


async def test_a_store_that_tells_nothing_is_looked_at_all_the_same(make: Make, monkeypatch) -> None:
    """No IDLE, or one that was dropped without a word: every ``poll`` there is a look."""
    bal = await make('poll = "5s"')
    waits = []

    async def silent(_: MemoryMailbox, limit: float) -> bool:
        waits.append(limit)
        await asyncio.sleep(0.01)
        return False

    monkeypatch.setattr(MemoryMailbox, "wait", silent)
    async with bal.collecting():
        await bal.until(lambda: waits)
        await bal.put(letter(1))
        await bal.until(lambda: bal.arrived)
    assert waits[0] == 5
