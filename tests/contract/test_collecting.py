"""The contract of ports.CollectedLetters, and of what Store.accept() keeps of a collected letter."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from mssgw.core.errors import Gone
from mssgw.ports import AlreadyCollected, Collected, CollectedLetters
from tests.contract.letters import Place

BAL, PLACE = "officine", "imap.example\nofficine\nINBOX"


def message(uid: int = 1, content: bytes = b"a letter", **given: object) -> Collected:
    described = {"collector": BAL, "place": PLACE, "uid_validity": 7, "message_id": "<1@x>"} | given
    return Collected(uid=uid, digest=hashlib.sha256(content).digest(), **described)  # type: ignore[arg-type]


def memory_of(place: Place) -> CollectedLetters:
    return place.store  # type: ignore[return-value]


async def known(place: Place, *uids: int, at: str = PLACE, validity: int = 7) -> set[int]:
    return set(await memory_of(place).already_collected(at, validity, uids, now=place.clock.now()))


class TestLetters:
    async def test_a_letter_and_where_it_was_collected_are_kept_together(self, place: Place) -> None:
        assert await known(place, 1, 2) == set()
        await place.keep("A", collected=message(1))
        assert await known(place, 1, 2) == {1}
        assert await place.events("A") == ["accepted"]

    async def test_numbers_mean_something_in_their_folder_only(self, place: Place) -> None:
        """Another UIDVALIDITY, another server, login or folder: another message."""
        await place.keep("A", collected=message(1))
        assert await known(place, 1, validity=8) == set()
        assert await known(place, 1, at="imap.example\nofficine\nArchives") == set()

    async def test_the_same_message_is_not_kept_again_nor_anything_with_it(self, place: Place) -> None:
        await place.keep("A", collected=message(1))
        with pytest.raises(AlreadyCollected):
            await place.keep("B", collected=message(1))
        with pytest.raises(Gone):
            await place.store.load("B")
        assert await place.events("B") == []
        assert [row.delivery.spool_id for row in await place.desk.queue(limit=9)] == ["A"]

    async def test_a_number_that_is_used_a_second_time_is_no_reason_to_lose_a_letter(self, place: Place) -> None:
        """A mailbox that was given back from a backup may number another message as one that we had."""
        await place.keep("A", collected=message(1))
        await place.keep("B", collected=message(1, b"another"))
        assert [row.delivery.spool_id for row in await place.desk.queue(limit=9)] == ["A", "B"]
        assert await known(place, 1) == {1}

    async def test_other_letters_do_not_suffer_from_one_that_was_there(self, place: Place) -> None:
        await place.keep("A", collected=message(1))
        with pytest.raises(AlreadyCollected):
            await place.keep("B", collected=message(1))
        await place.keep("C", collected=message(2))
        assert await known(place, 1, 2) == {1, 2}

    async def test_many_messages_are_asked_for_at_once(self, place: Place) -> None:
        await place.keep("A", collected=message(4_000))
        assert await known(place, *range(1, 5_001)) == {4_000}


class TestAlike:
    async def test_message_id_and_content_together_tell_a_message_again(self, place: Place) -> None:
        """Two messages with one Message-ID and another content are two."""
        await place.keep("A", collected=message(1))
        memory = memory_of(place)
        assert await memory.alike_collected(message(9, uid_validity=8))
        assert not await memory.alike_collected(message(9, b"another"))
        assert not await memory.alike_collected(message(9, message_id="<2@x>"))
        assert not await memory.alike_collected(message(9, message_id=None))
        assert not await memory.alike_collected(message(9, collector="accueil"))

    async def test_a_message_without_message_id_is_told_by_its_content(self, place: Place) -> None:
        await place.keep("A", collected=message(1, message_id=None))
        assert await memory_of(place).alike_collected(message(2, message_id=None))
        assert not await memory_of(place).alike_collected(message(2))

    async def test_a_message_told_again_is_known_by_its_new_number(self, place: Place) -> None:
        """Twice said does no harm."""
        for _ in range(2):
            await memory_of(place).recognise(message(9, uid_validity=8), now=place.clock.now())
        assert await known(place, 9, validity=8) == {9}


class TestForgetting:
    async def test_what_is_still_in_its_folder_is_remembered(self, place: Place) -> None:
        """However old: else it would be collected a second time."""
        await place.keep("A", collected=message(1))
        await place.keep("B", collected=message(2, b"another"))
        place.clock.pass_(days=300)
        assert await known(place, 1) == {1}
        place.clock.pass_(days=100)
        await place.store.forget(before=place.clock.now() - timedelta(days=365))
        assert await known(place, 1, 2) == {1}

    async def test_the_same_content_seen_since_is_no_reason_to_forget_less_or_more(self, place: Place) -> None:
        await place.keep("A", collected=message(1))
        place.clock.pass_(days=300)
        await memory_of(place).recognise(message(9, uid_validity=8), now=place.clock.now())
        place.clock.pass_(days=100)
        await place.store.forget(before=place.clock.now() - timedelta(days=365))
        assert await known(place, 1) == set()
        assert await known(place, 9, validity=8) == {9}


def test_a_repr_shows_no_content() -> None:
    """The digest of a letter is not its content; still nobody logs it by mistake."""
    assert "digest" not in repr(replace(message(1)))
