"""The directory: an import takes the place of the one before in one step, or not at all, and mail goes on meanwhile."""

import asyncio
from datetime import timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind
from mssgw.core.conversation import Pair
from mssgw.core.directory import Edition, Listing, Overtaken, Word
from mssgw.core.journal import THE_DIRECTORY, JournalEvent
from mssgw.edges.clock import FixedClock
from mssgw.edges.sql import directory as sql_directory
from mssgw.ports import Directory, Question
from tests.contract.conftest import OpenPlace
from tests.contract.letters import PATIENT, Place

OFFICINE = Address.parse("officine@pharma-exemple.mssante.fr")
PHARMACY_LISTING = Listing(
    mailbox=OFFICINE.key,
    kind=BalKind.ORG,
    structure="750000001",
    pharmacy=True,
    name="PHARMACIE DU PORT",
    place="BREST",
)
PERSON = Address.parse("anne.canari@liberal-exemple.mssante.fr")
PERSON_LISTING = Listing(mailbox=PERSON.key, kind=BalKind.PER)
WARD = Listing(mailbox="cardio@chu-exemple.mssante.fr", kind=BalKind.ORG, structure="750000002", name="CHU")


def directory(place: Place) -> Directory:
    assert place.directory is not None
    return place.directory


def edition(place: Place, *listings: Listing, structures: int = 0) -> Edition:
    now = place.clock.now()
    return Edition(
        made_at=now - timedelta(hours=3),
        imported_at=now,
        source="Extraction.txt",
        fingerprint="ab" * 32,
        mailboxes=len(listings),
        pharmacies=sum(each.pharmacy for each in listings),
        structures=structures,
    )


async def load(place: Place, *listings: Listing, structures: tuple[str, ...] = ()) -> Edition:
    """Import these and tidy up."""
    made = edition(place, *listings, structures=len(structures))
    generation = await directory(place).begin(place.clock.now())
    await directory(place).stage(generation, sorted(listings, key=lambda each: each.mailbox))
    await directory(place).stage_pharmacies(generation, sorted(structures))
    await directory(place).adopt(generation, made, operator="root", detail="import")
    await directory(place).tidy(lambda _: None)
    return made


async def word(place: Place, mailbox: Address = OFFICINE) -> Word | None:
    (known,) = await place.store.know(Question(pairs=(Pair(PATIENT, mailbox),), directory=True))
    return known.word


async def test_nothing_is_said_before_the_first_import(place: Place) -> None:
    assert await word(place) == Word()
    assert await directory(place).edition() is None
    assert (await directory(place).overview()).kinds == ()
    assert await directory(place).pharmacies() == frozenset()


async def test_an_import_is_in_force_at_once_and_tells_its_age(place: Place) -> None:
    """The look-up of a letter hears the kind, whether it is a pharmacy, and when the edition was made."""
    made = await load(place, PHARMACY_LISTING, PERSON_LISTING, structures=("750000001",))
    said = await word(place)
    assert said is not None
    assert said.made_at == made.made_at
    assert said.listing is not None
    assert said.listing.bal == Bal(kind=BalKind.ORG, pharmacy=True)
    assert (await word(place, PERSON)) is not None
    absent = await word(place, Address.parse("personne@exemple.mssante.fr"))
    assert absent == Word(listing=None, made_at=made.made_at)
    assert await directory(place).edition() == made
    overview = await directory(place).overview()
    assert dict(overview.kinds) == {BalKind.ORG: 1, BalKind.PER: 1}
    assert (overview.by_hand, overview.leftover) == (0, 0)
    assert await directory(place).pharmacies() == {"750000001"}


async def test_who_does_not_ask_for_the_directory_is_not_told(place: Place) -> None:
    await load(place, PHARMACY_LISTING)
    assert (await place.known(Pair(PATIENT, OFFICINE))).word is None


async def test_a_staged_import_changes_nothing_until_it_is_adopted(place: Place) -> None:
    await load(place, PHARMACY_LISTING)
    generation = await directory(place).begin(place.clock.now())
    await directory(place).stage(generation, [WARD])
    said = await word(place)
    assert said is not None
    assert said.listing is not None
    assert (await directory(place).overview()).leftover == 1
    await directory(place).abandon(generation)
    assert await directory(place).tidy(lambda _: None) == 1
    assert (await directory(place).overview()).leftover == 0
    assert await word(place) == said


async def test_the_next_import_replaces_the_whole_of_the_one_before(place: Place) -> None:
    """No mailbox of the old edition is left, and its rows are erased."""
    await load(place, PHARMACY_LISTING, PERSON_LISTING, structures=("750000001",))
    await load(place, WARD)
    said = await word(place)
    assert said is not None
    assert said.listing is None
    assert [each.mailbox for each in await directory(place).find("", limit=9)] == [WARD.mailbox]
    assert (await directory(place).overview()).leftover == 0
    assert await directory(place).pharmacies() == frozenset()


async def test_what_changes_is_counted_and_the_pharmacies_named(place: Place) -> None:
    gone = Listing(mailbox="gone@exemple.mssante.fr", kind=BalKind.ORG, pharmacy=True)
    await load(place, PHARMACY_LISTING, PERSON_LISTING, gone)
    generation = await directory(place).begin(place.clock.now())
    no_more = Listing(mailbox=OFFICINE.key, kind=BalKind.PER)
    new = Listing(mailbox="neuve@exemple.mssante.fr", kind=BalKind.ORG, pharmacy=True)
    await directory(place).stage(
        generation, sorted([no_more, PERSON_LISTING, WARD, new], key=lambda each: each.mailbox)
    )
    change = await directory(place).compare(generation, most=1)
    assert (change.before, change.pharmacies_before) == (3, 2)
    assert (change.added, change.removed, change.other_kind) == (2, 1, 1)
    assert (change.pharmacies_gained, change.pharmacies_lost) == (1, 2)
    assert change.gained == ("neuve@exemple.mssante.fr",)
    assert change.lost == ("gone@exemple.mssante.fr",)


async def test_a_later_import_overtakes_one_under_way(place: Place) -> None:
    """Two at once: the first writes and adopts nothing more, even after all that it left was tidied away."""
    first = await directory(place).begin(place.clock.now())
    await directory(place).stage(first, [WARD])
    second = await directory(place).begin(place.clock.now())
    with pytest.raises(Overtaken):
        await directory(place).stage(first, [PERSON_LISTING])
    with pytest.raises(Overtaken):
        await directory(place).adopt(first, edition(place), operator="root", detail="import")
    await directory(place).abandon(second)
    await directory(place).tidy(lambda _: None)
    third = await directory(place).begin(place.clock.now())
    assert len({first, second, third}) == 3
    with pytest.raises(Overtaken):
        await directory(place).stage(first, [PERSON_LISTING])


async def test_what_is_set_by_hand_comes_before_every_import(place: Place) -> None:
    await directory(place).put(OFFICINE, Bal(kind=BalKind.PER), operator="root", now=place.clock.now())
    await load(place, PHARMACY_LISTING)
    said = await word(place)
    assert said is not None
    assert said.listing is not None
    assert said.listing.by_hand
    assert said.listing.kind is BalKind.PER
    assert [each.by_hand for each in await directory(place).look_up(OFFICINE)] == [True, False]
    assert await directory(place).withdraw(OFFICINE, operator="root", now=place.clock.now())
    said = await word(place)
    assert said is not None
    assert said.listing is not None
    assert not said.listing.by_hand


async def test_setting_what_is_set_changes_nothing_and_each_change_is_journalled(place: Place) -> None:
    """With who did it, under the mailbox and under the word that stands for the directory (TRC-1)."""
    now, bal = place.clock.now(), Bal(kind=BalKind.ORG, pharmacy=True)
    assert await directory(place).put(OFFICINE, bal, operator="anne", now=now)
    assert not await directory(place).put(OFFICINE, bal, operator="paul", now=now)
    assert await directory(place).withdraw(OFFICINE, operator="paul", now=now)
    assert not await directory(place).withdraw(OFFICINE, operator="paul", now=now)
    await load(place, PHARMACY_LISTING)
    entries = await place.desk.trace(spool_id=THE_DIRECTORY, limit=9)
    assert {each.event for each in entries} == {JournalEvent.DIRECTORY}
    assert [(each.operator, each.detail) for each in entries] == [
        ("anne", "set ORG pharmacy"),
        ("paul", "unset"),
        ("root", "import"),
    ]
    assert [each.detail for each in await place.desk.trace(address=OFFICINE, limit=9)] == ["set ORG pharmacy", "unset"]


@pytest.mark.parametrize("text", ["officine@PHARMA", "750000001", "du port", "Brest"])
async def test_a_mailbox_is_found_by_any_part_of_it(place: Place, text: str) -> None:
    await load(place, PHARMACY_LISTING, PERSON_LISTING, WARD)
    assert await directory(place).find(text, limit=9) == [PHARMACY_LISTING]


async def test_what_is_searched_is_text_and_no_pattern(place: Place) -> None:
    await load(place, PHARMACY_LISTING)
    assert await directory(place).find("%", limit=9) == []
    assert await directory(place).find("officine_pharma", limit=9) == []


async def test_a_large_import_is_written_and_erased_in_pieces(
    open_sql: OpenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters of another process are kept in between, and every row arrives, and goes."""
    monkeypatch.setattr(sql_directory, "AT_ONCE", 7)
    listings = [Listing(mailbox=f"bal{n:04}@exemple.mssante.fr", kind=BalKind.PER) for n in range(150)]
    pieces: list[int] = []
    async with open_sql() as daemon, open_sql() as command:

        async def letters() -> None:
            for number in range(20):
                await daemon.keep(f"L{number}")

        await asyncio.gather(load(command, *listings), letters())
        assert dict((await directory(daemon).overview()).kinds) == {BalKind.PER: 150}
        generation = await directory(command).begin(command.clock.now())
        await directory(command).adopt(generation, edition(command), operator="root", detail="import")
        assert await directory(command).tidy(pieces.append) == 150
        assert max(pieces) == 7
        assert (await directory(daemon).overview()).leftover == 0
        assert len(await daemon.desk.queue(limit=99)) == 20


async def test_a_master_key_that_was_rotated_stops_an_import(open_sql: OpenPlace) -> None:
    """Like everything else that writes: a process with the old key must not go on."""
    from mssgw.core.errors import StoreUnavailable
    from tests.contract.conftest import NEW_KEY

    async with open_sql() as one, open_sql() as other:
        generation = await directory(one).begin(FixedClock().now())
        await other.desk.rotate(NEW_KEY)
        with pytest.raises(StoreUnavailable, match="rotated"):
            await directory(one).stage(generation, [WARD])
