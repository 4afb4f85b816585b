"""The decision, rule by rule: what the standing decisions say of who writes to whom, as sentences."""

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind
from mssgw.core.conversation import Conversation, Event, Move, Pair, State
from mssgw.core.decide import EmptyRulebook, decide, findings_of
from mssgw.core.message import Fin
from mssgw.core.rules.rulebook import NEED_THE_STORE, RULEBOOK, Rulebook
from tests.unit.core.facts_of import (
    ABSENT,
    CLOSED,
    COLLEAGUE,
    DOCTOR,
    OPEN,
    OTHER_PATIENT,
    PAIR,
    PATIENT,
    PHARMACY,
    PHARMACY_BAL,
    admitted,
    exchange,
    facts,
    head,
    refusal,
)


def test_an_empty_rulebook_admits_nothing():
    with pytest.raises(EmptyRulebook):
        findings_of(facts(DOCTOR, exchange(DOCTOR, PATIENT)), Rulebook(exchange=(), message=()))


def test_the_rules_that_a_letter_held_unjudged_is_spared_exist_by_these_names():
    """Named by what their findings say: a renamed rule would refuse a letter whose pairs were never looked up."""
    named = {rule.__name__.replace("_", "-") for rule in RULEBOOK.exchange}
    assert named >= NEED_THE_STORE


# --- who may write to whom


@pytest.mark.parametrize("conversation", [ABSENT, OPEN, CLOSED])
def test_a_professional_may_always_write_and_writing_opens(conversation):
    """WHO-1, FIN-5."""
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT, conversation), head=head(DOCTOR))
    assert admitted(decide(letter)) == (Move(PAIR, Event.PROFESSIONAL_WROTE),)


def test_a_patient_may_answer_while_the_exchange_is_open():
    """WHO-2."""
    letter = facts(PATIENT, exchange(PATIENT, DOCTOR, OPEN), head=head(PATIENT))
    assert admitted(decide(letter)) == (Move(PAIR, Event.PATIENT_WROTE),)


@pytest.mark.parametrize("conversation", [ABSENT, CLOSED])
def test_a_patient_is_refused_at_rcpt_where_nothing_is_open(conversation):
    """WHO-1, FIN-7: the envelope suffices, so the patient's operator hears it before DATA."""
    at_rcpt = facts(PATIENT, exchange(PATIENT, DOCTOR, conversation))
    assert refusal(decide(at_rcpt)) == (550, "5.7.1", "patient-may-write")


def test_a_patient_never_writes_to_a_patient():
    """WHO-4."""
    assert refusal(decide(facts(PATIENT, exchange(PATIENT, OTHER_PATIENT)))) == (550, "5.7.1", "no-patient-to-patient")


def test_a_patient_opens_an_exchange_with_a_pharmacys_org_mailbox():
    """WHO-3."""
    letter = facts(PATIENT, exchange(PATIENT, PHARMACY, bal=PHARMACY_BAL), head=head(PATIENT))
    assert admitted(decide(letter)) == (Move(Pair(PATIENT, PHARMACY), Event.PATIENT_OPENED),)


@pytest.mark.parametrize("kind", [BalKind.PER, BalKind.APP, BalKind.CAB, BalKind.UNKNOWN])
def test_a_pharmacists_other_mailboxes_are_not_the_exception(kind):
    """WHO-3: the ORG mailbox only, never a pharmacist's PER."""
    at_rcpt = facts(PATIENT, exchange(PATIENT, PHARMACY, bal=Bal(kind=kind, pharmacy=True)))
    assert refusal(decide(at_rcpt))[2] == "patient-may-write"


def test_a_new_letter_reopens_a_closed_exchange_with_a_pharmacy():
    """FIN-6, SD-3."""
    letter = facts(PATIENT, exchange(PATIENT, PHARMACY, CLOSED, bal=PHARMACY_BAL), head=head(PATIENT))
    assert admitted(decide(letter)) == (Move(Pair(PATIENT, PHARMACY), Event.PATIENT_OPENED),)


@pytest.mark.parametrize("conversation", [OPEN, CLOSED])
def test_a_reply_into_a_closed_thread_of_a_pharmacy_is_refused(conversation):
    """SD-3: even when a new letter has re-opened the exchange since."""
    reply = exchange(PATIENT, PHARMACY, conversation, bal=PHARMACY_BAL, in_closed_thread=True)
    assert refusal(decide(facts(PATIENT, reply, head=head(PATIENT)))) == (550, "5.7.1", "patient-may-write")


@pytest.mark.parametrize(("conversation", "passes"), [(CLOSED, False), (OPEN, True), (ABSENT, True)])
def test_a_thread_too_long_to_look_up_counts_as_closed_while_the_pair_is(conversation, passes):
    """SD-3: the reply could hide among thousands of References; a long exchange that is open must not break off."""
    letter = exchange(PATIENT, PHARMACY, conversation, bal=PHARMACY_BAL)
    verdict = decide(facts(PATIENT, letter, head=head(PATIENT, thread=("<a@x>",), thread_cut=True)))
    if passes:
        admitted(verdict)
    else:
        assert refusal(verdict) == (550, "5.7.1", "patient-may-write")


def test_without_a_directory_a_first_letter_waits_and_an_answer_does_not():
    """WHO-3, DIR-4: a closed exchange waits too, for a pharmacy's would open again."""
    for conversation, expected in ((ABSENT, 451), (CLOSED, 451), (OPEN, None)):
        letter = facts(PATIENT, exchange(PATIENT, PHARMACY, conversation, directory_unusable=True), head=head(PATIENT))
        if expected is None:
            admitted(decide(letter))
        else:
            assert refusal(decide(letter)) == (expected, "4.7.1", "patient-may-write")


def test_what_is_refused_anyway_does_not_wait_for_the_directory():
    """Of two recipients too: the strictest finding speaks (SD-7)."""
    waits = exchange(PATIENT, PHARMACY, directory_unusable=True)
    refused = exchange(PATIENT, DOCTOR)
    for exchanges in ((waits, refused), (refused, waits)):
        assert refusal(decide(facts(PATIENT, *exchanges, head=head(PATIENT))))[:2] == (550, "5.7.1")
    unroutable = exchange(PATIENT, PHARMACY, directory_unusable=True, relayable=False)
    assert refusal(decide(facts(PATIENT, unroutable)))[2] == "route-exists"


def test_for_a_pharmacy_nothing_is_decided_before_data():
    """SD-3: whether it is a reply stands in the header."""
    at_rcpt = exchange(PATIENT, PHARMACY, CLOSED, bal=PHARMACY_BAL)
    assert admitted(decide(facts(PATIENT, at_rcpt))) == ()


def test_without_a_route_there_is_no_way_out():
    """WHO-9."""
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT, relayable=False))
    assert refusal(decide(letter)) == (550, "5.7.1", "route-exists")


@pytest.mark.parametrize(
    "local",
    [
        *("a%elsewhere.example", "elsewhere.example!a", '"a@elsewhere.example"'),
        *("IMCEASMTP-a+40elsewhere+2Eexample", "imceasmtp+2da+40elsewhere+2eexample", '"IMCEA+53MTP-a+40x"'),
    ],
)
def test_an_address_that_names_the_next_route_is_refused_at_rcpt(local):
    """WHO-9: the establishment's Postfix or Exchange trusts us, and would carry the letter out of the trust space."""
    to = Address.parse(f"{local}@ch-test.mssante.fr")
    at_rcpt = facts(COLLEAGUE, exchange(COLLEAGUE, to))
    assert refusal(decide(at_rcpt)) == (553, "5.1.3", "no-route-in-the-address")


@pytest.mark.parametrize("local", ["dr.martin+40", "imceaex-_o=chu_ou=site_cn=martin", "imceasmtp", "dr+martin"])
def test_an_address_that_only_looks_like_it_passes(local):
    """A tag, and the name that Exchange gave a mailbox of its own (IMCEAEX), lead nowhere else."""
    to = Address.parse(f"{local}@ch-test.mssante.fr")
    assert admitted(decide(facts(COLLEAGUE, exchange(COLLEAGUE, to)))) == ()


@pytest.mark.parametrize(("sender", "to"), [(DOCTOR, PATIENT), (PATIENT, DOCTOR)])
def test_an_opposition_stops_mail_both_ways_before_all_else(sender, to):
    """SD-12."""
    blocked = Conversation(state=State.OPEN, blocked=True)
    verdict = decide(facts(sender, exchange(sender, to, blocked, relayable=False)))
    assert refusal(verdict)[2] == "opposition-is-honoured"


# --- closing


@pytest.mark.parametrize("closing", [{"subject_fin": Fin.EXACT}, {"mss_fin": True}])
@pytest.mark.parametrize("conversation", [ABSENT, OPEN, CLOSED])
def test_fin_closes_in_every_state_even_as_a_first_letter(closing, conversation):
    """FIN-1, FIN-2, SD-2: a first letter with FIN is delivered and leaves the pair closed."""
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT, conversation), head=head(DOCTOR, **closing))
    assert admitted(decide(letter)) == (Move(PAIR, Event.PROFESSIONAL_CLOSED),)


def test_a_near_miss_closes_nothing_and_is_journalled():
    """SD-2."""
    verdict = decide(facts(DOCTOR, exchange(DOCTOR, PATIENT, OPEN), head=head(DOCTOR, subject_fin=Fin.NEAR_MISS)))
    assert admitted(verdict) == (Move(PAIR, Event.PROFESSIONAL_WROTE),)
    assert "fin-near-miss" in {finding.rule for finding in verdict.findings}


def test_a_patients_fin_is_ordinary_mail():
    """SD-2."""
    letter = facts(PATIENT, exchange(PATIENT, DOCTOR, OPEN), head=head(PATIENT, subject_fin=Fin.EXACT))
    assert admitted(decide(letter)) == (Move(PAIR, Event.PATIENT_WROTE),)


def test_reply_to_is_authorised_instead_of_the_sender():
    """WHO-7, SD-8."""
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT), head=head(DOCTOR, reply_to=(COLLEAGUE,)))
    assert admitted(decide(letter)) == (Move(Pair(PATIENT, COLLEAGUE), Event.PROFESSIONAL_WROTE),)


def test_a_reply_to_outside_the_clients_domains_does_not_count():
    """SD-8."""
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT), head=head(DOCTOR, reply_to=(PHARMACY,)))
    assert admitted(decide(letter)) == (Move(PAIR, Event.PROFESSIONAL_WROTE),)


def test_fin_closes_the_senders_pair_and_the_reply_to_pair():
    """SD-8."""
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT, OPEN), head=head(DOCTOR, reply_to=(COLLEAGUE,), mss_fin=True))
    closed = {move.pair for move in admitted(decide(letter)) if move.event is Event.PROFESSIONAL_CLOSED}
    assert closed == {PAIR, Pair(PATIENT, COLLEAGUE)}


def test_fin_closes_the_pair_of_who_signs_though_another_mailbox_sent_it():
    """SD-8: software may send from a mailbox of its own; the patient must not go on writing to the doctor."""
    letter = facts(COLLEAGUE, exchange(COLLEAGUE, PATIENT), head=head(DOCTOR, subject_fin=Fin.EXACT))
    closed = {move.pair for move in admitted(decide(letter)) if move.event is Event.PROFESSIONAL_CLOSED}
    assert closed == {PAIR, Pair(PATIENT, COLLEAGUE)}
