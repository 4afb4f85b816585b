"""When an exchange closes by itself (FIN-4), and what a letter of an APP mailbox closes."""

from datetime import timedelta

import pytest

from mssgw.core.bal import Bal, BalKind
from mssgw.core.closing import Silence, is_silent
from mssgw.core.conversation import Conversation, Event, Move, Pair, State
from mssgw.core.decide import decide, hold_undecided
from mssgw.core.message import MessageHead
from mssgw.core.moves import moves
from mssgw.core.routes import RouteTable
from mssgw.core.settings import Settings
from mssgw.core.verdict import Admit, Finding, Hold, Severity
from tests.unit.core.facts_of import COLLEAGUE, DOCTOR, NOW, OPEN, PATIENT, exchange, facts

MONTH = timedelta(days=30)
SILENCE = Silence(bal=DOCTOR, before=NOW - MONTH, lasted=MONTH)
A_MOMENT = timedelta(microseconds=1)
APP = Bal(kind=BalKind.APP, closes_on_send=True)
PAIR = Pair(PATIENT, DOCTOR)


@pytest.mark.parametrize(
    ("state", "changed", "spoken", "closes"),
    [
        (State.OPEN, -A_MOMENT, None, True),
        (State.OPEN, timedelta(0), None, False),
        (State.OPEN, -A_MOMENT, -A_MOMENT, True),
        (State.OPEN, -A_MOMENT, timedelta(0), False),
        (State.OPEN, timedelta(0), -A_MOMENT, False),
        (State.CLOSED, -A_MOMENT, None, False),
        (State.ABSENT, -A_MOMENT, None, False),
    ],
)
def test_what_is_open_closes_when_both_its_last_change_and_its_last_letter_are_old(
    state: State, changed: timedelta, spoken: timedelta | None, closes: bool
) -> None:
    """To the microsecond: a letter of the very moment breaks the silence."""
    exchange_then = Conversation(state=state, since=SILENCE.before + changed)
    last = None if spoken is None else SILENCE.before + spoken
    assert is_silent(exchange_then, last, SILENCE) is closes


def test_an_exchange_of_unknown_age_does_not_close() -> None:
    assert not is_silent(Conversation(state=State.OPEN), None, SILENCE)


@pytest.mark.parametrize(("lasted", "said"), [(MONTH, "silent-30d"), (timedelta(hours=36), "silent-129600s")])
def test_the_journal_tells_how_long_the_silence_was(lasted: timedelta, said: str) -> None:
    silence = Silence(bal=DOCTOR, before=NOW - lasted, lasted=lasted)
    assert silence.detail == f"closed-automatically {said}"


def test_each_mailbox_has_its_own_time_and_others_none() -> None:
    settings = Settings(hostname="gw", routes=RouteTable({}), close_after=((DOCTOR, MONTH), (COLLEAGUE, MONTH / 2)))
    assert settings.silences(NOW) == (
        SILENCE,
        Silence(bal=COLLEAGUE, before=NOW - timedelta(days=15), lasted=timedelta(days=15)),
    )
    assert Settings(hostname="gw", routes=RouteTable({})).silences(NOW) == ()


def made(**head: object) -> tuple[Move, ...]:
    given = MessageHead(message_id="<1@x>", from_=(DOCTOR,), **head)  # type: ignore[arg-type]
    return moves(facts(DOCTOR, exchange(DOCTOR, PATIENT, OPEN), head=given, sender_bal=APP))


def test_a_letter_of_such_an_app_mailbox_closes_its_exchange() -> None:
    assert made() == (Move(PAIR, Event.PROFESSIONAL_CLOSED),)


def test_its_own_answer_address_is_closed_too_and_anothers_is_opened() -> None:  # req: WHO-7
    assert made(reply_to=(DOCTOR,)) == (Move(PAIR, Event.PROFESSIONAL_CLOSED),)
    assert set(made(reply_to=(COLLEAGUE,))) == {
        Move(PAIR, Event.PROFESSIONAL_CLOSED),
        Move(Pair(PATIENT, COLLEAGUE), Event.PROFESSIONAL_WROTE),
    }


@pytest.mark.parametrize("what", ["auto-replied", "auto-notified"])
def test_what_is_no_letter_closes_nothing(what: str) -> None:  # req: SD-4
    assert made(auto_submitted=what) == ()
    assert made(auto_submitted="auto-generated") == (Move(PAIR, Event.PROFESSIONAL_CLOSED),)


@pytest.mark.parametrize("fin", [False, True])
def test_held_it_closes_nothing_until_it_is_released_but_its_fin_closes_at_once(fin: bool) -> None:  # req: SD-10
    head = MessageHead(message_id="<1@x>", from_=(DOCTOR,), from_fields=1, mss_fin=fin)
    what = facts(DOCTOR, exchange(DOCTOR, PATIENT, OPEN), head=head, sender_bal=APP)
    assert isinstance(decide(what), Admit)
    late = Finding(rule="inspection-in-time", requirement="SD-10", severity=Severity.HOLD)
    held = hold_undecided(what, late)
    closing = (Move(PAIR, Event.PROFESSIONAL_CLOSED),)
    assert isinstance(held, Hold)
    assert (held.moves, held.withheld) == ((closing, ()) if fin else ((), closing))


def sent_by_another(**bals: Bal) -> tuple[Move, ...]:
    given = MessageHead(message_id="<1@x>", from_=(DOCTOR,))
    return moves(facts(COLLEAGUE, exchange(COLLEAGUE, PATIENT, OPEN), head=given, **bals))


def test_such_a_mailbox_that_sends_for_somebody_closes_its_own_exchange_and_opens_no_other() -> None:
    """The patient is to answer nobody; nor may a program end what the doctor has going on."""
    assert sent_by_another(sender_bal=APP) == (Move(Pair(PATIENT, COLLEAGUE), Event.PROFESSIONAL_CLOSED),)


def test_such_a_mailbox_closes_its_exchange_though_another_one_sends_for_it() -> None:
    assert Move(PAIR, Event.PROFESSIONAL_CLOSED) in sent_by_another(author_bal=APP)
    assert Move(PAIR, Event.PROFESSIONAL_WROTE) not in sent_by_another(author_bal=APP)
