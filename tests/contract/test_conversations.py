"""The contract of ports.Store, for every store: conversations and their threads."""

import asyncio

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Event, Pair
from mssgw.core.errors import Gone
from mssgw.ports import Conflict, Question
from tests.contract.letters import (
    CLOSED,
    DOCTOR,
    OTHER_PATIENT,
    PAIR,
    PATIENT,
    SECRETARIAT,
    WROTE,
    Place,
    acceptance,
    letter,
)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), "absent"),
        ((WROTE,), "open"),
        ((CLOSED,), "closed"),
        ((WROTE, CLOSED), "closed"),
        ((WROTE, CLOSED, WROTE), "open"),
        ((WROTE, CLOSED, Event.PATIENT_OPENED), "open"),
        ((WROTE, Event.PATIENT_WROTE), "open"),
    ],
)
async def test_moves_follow_the_table(place: Place, events: tuple[Event, ...], state: str) -> None:
    for number, event in enumerate(events):
        await place.keep(f"A{number}", moves=(event,))
    assert await place.state() == state
    assert await place.state(Pair(PATIENT, SECRETARIAT)) == "absent", "another mailbox is another conversation"


@pytest.mark.parametrize("before", [(), (CLOSED,), (WROTE, CLOSED)])
async def test_a_patient_is_not_let_in_where_nothing_is_open_any_more(
    place: Place, before: tuple[Event, ...]
) -> None:  # req: WHO-2, FIN-7
    """A [FIN] that got its 250 while the letter was being judged: facts are taken anew, and nothing of it stays."""
    for number, event in enumerate(before):
        await place.keep(f"A{number}", moves=(event,))
    with pytest.raises(Conflict):
        await place.keep("late", moves=(Event.PATIENT_WROTE,), letters=(letter("<late>"),))
    with pytest.raises(Gone):
        await place.store.load("late")
    assert await place.events("late") == []
    assert await place.state() == ("closed" if before else "absent")


async def test_a_fin_and_an_answer_in_one_commit_keep_their_order(place: Place) -> None:
    await place.keep("A", moves=(WROTE,))
    batch = [
        acceptance("in time", place.clock, moves=(Event.PATIENT_WROTE,)),
        acceptance("fin", place.clock, moves=(CLOSED,)),
        acceptance("late", place.clock, moves=(Event.PATIENT_WROTE,)),
    ]
    results = await asyncio.gather(*(place.store.accept(each) for each in batch), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), Conflict]


async def test_a_conversation_knows_since_when_it_is_in_its_state(place: Place) -> None:
    await place.keep("A", moves=(WROTE,))
    opened = place.clock.now()
    place.clock.pass_(days=1)
    await place.keep("B", moves=(WROTE,))
    assert (await place.known()).conversation.since == opened
    place.clock.pass_(days=1)
    await place.keep("C", moves=(CLOSED,))
    assert (await place.known()).conversation.since == place.clock.now()


async def test_pairs_are_answered_in_the_order_asked(place: Place) -> None:
    await place.keep("A", moves=(WROTE,))
    other = Pair(OTHER_PATIENT, DOCTOR)
    answers = await place.store.know(Question(pairs=(other, PAIR, other)))
    assert [str(answer.conversation.state) for answer in answers] == ["absent", "open", "absent"]


async def test_many_pairs_of_one_patient_are_known_at_once(place: Place) -> None:
    """More than one statement asks for, and far fewer patients than pairs."""
    await place.keep("A", moves=(WROTE,))
    others = [Pair(PATIENT, Address.parse(f"dr.{number}@chu-exemple.mssante.fr")) for number in range(600)]
    answers = await place.store.know(Question(pairs=(*others[:300], PAIR, *others[300:])))
    assert [number for number, known in enumerate(answers) if known.conversation.state == "open"] == [300]
    assert await place.store.know(Question(pairs=())) == []


async def test_a_mailbox_is_known_however_its_address_is_written(place: Place) -> None:
    await place.keep("A", moves=(WROTE,))
    assert await place.state(Pair(PATIENT, Address.parse("dr.lemoine@CHU-exemple.mssante.fr"))) == "open"


async def test_a_fin_closes_the_threads_of_its_pair(place: Place) -> None:
    """The letter with the FIN and all before it belong to closed threads; what comes later does not (SD-3)."""
    other = Pair(PATIENT, SECRETARIAT)
    await place.keep("A", letters=(letter("<1>"), letter("<1>", pair=other)))
    await place.keep("B", letters=(letter("<2>", closes=True),), moves=(CLOSED,))
    await place.keep("C", letters=(letter("<3>"),))

    async def closed(pair: Pair, *thread: str) -> bool:
        return bool((await place.known(pair, thread=thread)).in_closed_thread)

    assert await closed(PAIR, "<1>")
    assert await closed(PAIR, "<unknown>", "<2>")
    assert not await closed(PAIR, "<3>")
    assert not await closed(PAIR)
    assert not await closed(other, "<1>")


async def test_on_a_pair_that_is_open_again_a_letter_that_was_seen_since_may_be_answered(place: Place) -> None:
    """Whatever else of the thread is named beside it (SD-3, FIN-5)."""

    async def closed(*thread: str) -> bool:
        return bool((await place.known(thread=thread)).in_closed_thread)

    await place.keep("A", letters=(letter("<1>"),), moves=(WROTE,))
    await place.keep("B", letters=(letter("<2>", closes=True),), moves=(CLOSED,))
    await place.keep("C", letters=(letter("<3>"),))
    assert await closed("<1>", "<3>"), "a robot's, perhaps: it is closed still"
    await place.keep("D", letters=(letter("<4>"),), moves=(WROTE,))
    assert not await closed("<1>", "<2>", "<4>")
    assert await closed("<1>", "<2>")
    assert await closed("<1>", "<unknown>")
    await place.keep("E", letters=(letter("<5>", closes=True),), moves=(CLOSED,))
    assert await closed("<1>", "<4>")


async def test_an_operators_close_closes_threads_too(place: Place) -> None:
    await place.keep("A", letters=(letter("<1>"),), moves=(WROTE,))
    await place.desk.set_state(
        [(PAIR, (await place.known()).conversation.state.CLOSED, place.clock.now())], operator="root", only_absent=False
    )
    assert (await place.known(thread=("<1>",))).in_closed_thread
