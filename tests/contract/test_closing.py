"""The contract of ports.Store, for every store: exchanges that fell silent close by themselves (FIN-4)."""

from datetime import timedelta

from mssgw.core.addresses import Address
from mssgw.core.closing import Silence
from mssgw.core.conversation import Pair, State
from mssgw.core.journal import JournalEvent
from tests.contract.letters import DOCTOR, OTHER_PATIENT, PAIR, PATIENT, SECRETARIAT, WROTE, Place, letter

DAY = timedelta(days=1)
MONTH = 30 * DAY


def silence(place: Place, lasted: timedelta = MONTH, bal: Address = DOCTOR) -> Silence:
    return Silence(bal=bal, before=place.clock.now() - lasted, lasted=lasted)


async def close(place: Place, *silences: Silence) -> int:
    return await place.store.close_silent(silences or [silence(place)], now=place.clock.now())


async def test_an_exchange_closes_when_nobody_wrote_for_so_long_and_not_before(place: Place) -> None:
    await place.keep("A", moves=(WROTE,), letters=(letter("<1>"),))
    place.clock.pass_(days=30)
    assert await close(place) == 0, "a moment too early"
    assert await place.state() == "open"
    place.clock.pass_(seconds=1)
    assert await close(place) == 1
    assert await place.state() == "closed"
    assert (await place.known()).conversation.since == place.clock.now()
    assert await close(place) == 0, "what is closed stays so"


async def test_any_letter_of_either_side_breaks_the_silence(place: Place) -> None:
    """That an exchange is open already writes nothing: the letters themselves tell when it was used last."""
    await place.keep("A", moves=(WROTE,), letters=(letter("<1>"),))
    place.clock.pass_(days=29)
    await place.keep("B", letters=(letter("<2>"),))  # the patient's answer
    place.clock.pass_(days=29)
    assert await close(place) == 0
    place.clock.pass_(days=2)
    assert await close(place) == 1


async def test_letters_of_other_pairs_break_no_silence_and_other_mailboxes_stay_open(place: Place) -> None:
    beside = Pair(PATIENT, SECRETARIAT)
    await place.keep("A", moves=(WROTE,), letters=(letter("<1>"),))
    await place.keep("B", moves=(WROTE,), pair=beside, letters=(letter("<2>", pair=beside),))
    place.clock.pass_(days=31)
    await place.keep("C", letters=(letter("<3>", pair=beside), letter("<4>", pair=Pair(OTHER_PATIENT, DOCTOR))))
    place.clock.pass_(days=1)
    assert await close(place) == 1
    assert (await place.state(), await place.state(beside)) == ("closed", "open")


async def test_each_mailbox_has_a_time_of_its_own(place: Place) -> None:
    beside = Pair(PATIENT, SECRETARIAT)
    await place.keep("A", moves=(WROTE,))
    await place.keep("B", moves=(WROTE,), pair=beside)
    place.clock.pass_(days=8)
    assert await close(place, silence(place), silence(place, 7 * DAY, SECRETARIAT)) == 1
    assert (await place.state(), await place.state(beside)) == ("open", "closed")
    assert await place.store.close_silent([], now=place.clock.now()) == 0


async def test_it_closes_as_a_fin_does_threads_too(place: Place) -> None:  # req: SD-3
    await place.keep("A", moves=(WROTE,), letters=(letter("<1>"),))
    place.clock.pass_(days=31)
    assert not (await place.known(thread=("<1>",))).in_closed_thread
    await close(place)
    assert (await place.known(thread=("<1>",))).in_closed_thread
    await place.keep("B", moves=(WROTE,), letters=(letter("<2>"),))
    assert await place.state() == "open", "a new letter opens it anew (FIN-5)"
    assert (await place.known(thread=("<1>",))).in_closed_thread
    assert not (await place.known(thread=("<2>",))).in_closed_thread


async def test_the_journal_says_that_nobody_closed_it_and_why_it_closed(place: Place) -> None:
    await place.keep("A", moves=(WROTE,))
    place.clock.pass_(days=31)
    await close(place)
    line = (await place.desk.trace(address=PATIENT, limit=9))[-1]
    assert (line.event, line.detail) == (JournalEvent.CONVERSATION, "closed-automatically silent-30d")
    assert (line.sender, line.recipient, line.operator) == (DOCTOR, PATIENT, "")
    assert line.at == place.clock.now()


async def test_more_than_one_transaction_holds_all_close(place: Place) -> None:
    pairs = [Pair(PATIENT, DOCTOR)] + [Pair(_patient(number), DOCTOR) for number in range(1_100)]
    since = place.clock.now()
    await place.desk.set_state([(pair, State.OPEN, since) for pair in pairs], operator="anne", only_absent=False)
    place.clock.pass_(days=31)
    assert await close(place) == len(pairs)
    assert await place.state(PAIR) == await place.state(pairs[-1]) == "closed"


def _patient(number: int) -> Address:
    return Address.parse(f"invente.{number}@patient.mssante.fr")
