"""The contract of ports.Store, for every store: what is erased, and what is kept how long."""

import pytest

from mssgw.core.conversation import Pair
from mssgw.core.errors import Gone
from tests.contract.letters import (
    CLOSED,
    DOCTOR,
    OTHER_PATIENT,
    PATIENT,
    WROTE,
    Place,
    letter,
    settlement,
)


async def test_a_message_is_erased_after_its_last_outcome_and_its_trace_stays(place: Place) -> None:
    kept = await place.keep("A", recipients=(PATIENT, DOCTOR), lease=(lease := place.lease()))
    await place.keep("B")
    await place.store.settle([settlement(kept.deliveries[0], lease)])
    assert list(await place.store.erase_finished(now=place.clock.now())) == []
    await place.store.settle([settlement(kept.deliveries[1], lease)])
    assert list(await place.store.erase_finished(now=place.clock.now())) == ["A"]
    with pytest.raises(Gone):
        await place.store.load("A")
    assert await place.events("A") == ["accepted", "delivered", "delivered", "erased"]
    assert list(await place.store.erase_finished(now=place.clock.now())) == []
    assert (await place.store.load("B")).spool_id == "B"


async def test_a_held_message_is_not_erased(place: Place) -> None:
    await place.keep("A", held=True)
    assert list(await place.store.erase_finished(now=place.clock.now())) == []


async def test_forget_deletes_old_traces_and_closed_pairs_but_never_open_ones(place: Place) -> None:  # req: TRC-2, SD-9
    other = Pair(OTHER_PATIENT, DOCTOR)
    await place.keep("A", letters=(letter("<1>", receipt_to=(DOCTOR.key,)),), moves=(CLOSED,))
    await place.keep("B", moves=(WROTE,), pair=other)
    before = place.clock.pass_(days=365)
    await place.keep("C", letters=(letter("<2>", receipt_to=(DOCTOR.key,)),))
    assert await place.store.forget(before=before) == 4  # two journal lines, a letter, a closed pair
    assert await place.state() == "absent"
    assert await place.state(other) == "open"
    assert await place.events("A") == []
    assert await place.events("C") == ["accepted"]
    assert not (await place.known(receipt_for="<1>")).receipt_due
    assert (await place.known(receipt_for="<2>")).receipt_due
    assert await place.store.forget(before=before) == 0
