"""What is taken from a mailbox elsewhere, in whose name, under which rules; and what is refused, and put aside."""

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.edges.memory.mailbox import MemoryMailbox
from mssgw.ports.mailbox import MailboxLost, MailboxRefused, OverQuota
from tests.collecting import OTHER_PATIENT, PATIENT, SENDER, Bal, letter
from tests.unit.flow.collecting.conftest import Make, accepted, reason

REFUSED = "Refus passerelle"
OWN = "pharmacie@chu.mssante.fr"
THROUGH_US = "sends_through_us = true"


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
