"""The decision, rule by rule: what the standing decisions say, as sentences."""

from dataclasses import replace

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind
from mssgw.core.conversation import Conversation, Event, Move, Pair, State
from mssgw.core.decide import EmptyRulebook, decide, findings_of, hold_undecided
from mssgw.core.facts import Policy
from mssgw.core.message import AccountState, Content, Fin, Mdn, Notice, Unreadable
from mssgw.core.receipts import may_be_answered
from mssgw.core.rules.rulebook import NEED_THE_STORE, RULEBOOK, Rulebook
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, Severity
from tests.unit.core.facts_of import (
    ABSENT,
    CLOSED,
    COLLEAGUE,
    DOCTOR,
    HOSPITAL,
    OPEN,
    OTHER_PATIENT,
    PATIENT,
    PATIENTS_OPERATOR,
    PHARMACY,
    PHARMACY_BAL,
    ROBOT,
    exchange,
    facts,
    head,
)

PAIR = Pair(PATIENT, DOCTOR)


def refusal(verdict: object) -> tuple[int, str, str]:
    assert isinstance(verdict, Refuse), verdict
    worst = max(verdict.findings, key=lambda finding: finding.severity)
    return verdict.reply.code, verdict.reply.status, worst.rule


def admitted(verdict: object) -> tuple[Move, ...]:
    assert isinstance(verdict, Admit), verdict
    return verdict.moves


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


@pytest.mark.parametrize("local", ["a%elsewhere.example", "elsewhere.example!a", '"a@elsewhere.example"'])
def test_an_address_that_names_the_next_route_is_refused_at_rcpt(local):
    """WHO-9: the establishment's Postfix trusts us, and would carry the letter out of the trust space."""
    to = Address.parse(f"{local}@ch-test.mssante.fr")
    at_rcpt = facts(COLLEAGUE, exchange(COLLEAGUE, to))
    assert refusal(decide(at_rcpt)) == (553, "5.1.3", "no-route-in-the-address")


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


# --- automatic mail


@pytest.mark.parametrize("automatic", [{"auto_submitted": "auto-replied"}, {"content": Content.DSN}])
def test_a_professionals_automatic_mail_moves_nothing(automatic):
    """SD-4."""
    assert admitted(decide(facts(DOCTOR, exchange(DOCTOR, PATIENT), head=head(DOCTOR, **automatic)))) == ()


def test_a_professionals_automatic_fin_closes_all_the_same():
    """SD-4."""
    letter = facts(
        DOCTOR, exchange(DOCTOR, PATIENT, OPEN), head=head(DOCTOR, auto_submitted="auto-generated", mss_fin=True)
    )
    assert admitted(decide(letter)) == (Move(PAIR, Event.PROFESSIONAL_CLOSED),)


def test_an_application_mailboxs_generated_letter_is_a_letter():
    """SD-4."""
    letter = facts(
        DOCTOR,
        exchange(DOCTOR, PATIENT),
        head=head(DOCTOR, auto_submitted="auto-generated"),
        sender_bal=Bal(kind=BalKind.APP),
    )
    assert admitted(decide(letter)) == (Move(PAIR, Event.PROFESSIONAL_WROTE),)
    assert may_be_answered(letter)


def receipt(**more):
    mdn = Mdn(original_message_id="<1@ch-test.mssante.fr>", final_recipient=PATIENT, disposition="displayed")
    return head(PATIENT, content=Content.MDN, mdn=mdn, **more)


@pytest.mark.parametrize("conversation", [ABSENT, OPEN, CLOSED])
def test_an_expected_receipt_passes_in_any_state_and_moves_nothing(conversation):
    """SD-4."""
    due = exchange(PATIENT, DOCTOR, conversation, receipt_due=True)
    assert admitted(decide(facts(PATIENT, due, head=receipt(), null_path=True))) == ()


@pytest.mark.parametrize("conversation", [ABSENT, OPEN, CLOSED])
def test_a_receipt_that_nobody_asked_for_is_refused(conversation):
    """SD-4, even where the exchange is open."""
    letter = facts(PATIENT, exchange(PATIENT, DOCTOR, conversation), head=receipt(), null_path=True)
    assert refusal(decide(letter)) == (550, "5.7.1", "receipt-is-expected")


def test_a_receipt_with_a_sender_is_ordinary_patient_mail_at_rcpt():
    """SD-4: with a non-null reverse-path it is decided at RCPT; one setting defers that."""
    at_rcpt = facts(PATIENT, exchange(PATIENT, DOCTOR, CLOSED))
    assert refusal(decide(at_rcpt))[2] == "patient-may-write"
    deferred = replace(at_rcpt, policy=Policy(patient_receipts_after_data=True))
    assert admitted(decide(deferred)) == ()
    after_data = facts(
        PATIENT,
        exchange(PATIENT, DOCTOR, CLOSED, receipt_due=True),
        head=receipt(),
        policy=Policy(patient_receipts_after_data=True),
    )
    assert admitted(decide(after_data)) == ()


def test_the_patient_spaces_robots_send_notices_and_nothing_else():
    """SD-4."""
    notice = head(ROBOT, notice=Notice(account=AccountState.CLOSED))
    assert admitted(decide(facts(ROBOT, exchange(ROBOT, DOCTOR, CLOSED), head=notice, null_path=True))) == ()
    letter = facts(ROBOT, exchange(ROBOT, DOCTOR), head=head(ROBOT))
    assert refusal(decide(letter))[2] == "robots-send-notices-only"


def test_a_notice_is_believed_only_from_a_peer_that_speaks_for_the_patient_domain():
    """SD-4, SD-5."""
    notice = head(ROBOT, notice=Notice(account=AccountState.CLOSED))
    forged = facts(ROBOT, exchange(ROBOT, DOCTOR), head=notice, null_path=True, client=HOSPITAL, from_is_foreign=True)
    assert refusal(decide(forged)) == (550, "5.7.1", "one-honest-from")


# --- who may speak as whom


def test_an_establishment_cannot_speak_for_a_patient_or_another_domain():
    """SD-5."""
    for sender in (PATIENT, PHARMACY):
        at_mail = facts(sender, client=HOSPITAL)
        assert refusal(decide(at_mail)) == (550, "5.7.1", "sender-is-the-clients-own")


@pytest.mark.parametrize("froms", [(0, ()), (1, (DOCTOR, COLLEAGUE)), (2, (DOCTOR, DOCTOR)), (1, ())])
def test_exactly_one_from(froms):
    """SD-5."""
    fields, addresses = froms
    letter = replace(head(DOCTOR), from_fields=fields, from_=addresses)
    assert refusal(decide(facts(DOCTOR, exchange(DOCTOR, PATIENT), head=letter)))[2] == "one-honest-from"


def test_a_patient_signs_as_himself():
    """SD-5, WHO-2: on his own open exchange he could else show, and be answered as, another patient."""
    letter = facts(PATIENT, exchange(PATIENT, DOCTOR, OPEN), head=head(OTHER_PATIENT))
    assert refusal(decide(letter)) == (550, "5.7.1", "one-honest-from")


def test_a_failure_notice_may_come_from_a_host_name_of_its_client():
    """SD-5: notice_domains, with a null reverse-path only."""
    robot = Address.parse("mailer-daemon@mail.ch-test.invalid")
    notice = head(robot, content=Content.DSN)
    assert (
        admitted(decide(facts(robot, exchange(robot, COLLEAGUE), head=notice, null_path=True, client=HOSPITAL))) == ()
    )
    assert refusal(decide(facts(robot, exchange(robot, COLLEAGUE), head=notice, client=HOSPITAL)))[0] == 550


# --- the letter itself


def test_two_patients_refuse_the_whole_letter_even_when_the_envelope_was_split():
    """WHO-6, SD-7."""
    both = (exchange(DOCTOR, PATIENT), exchange(DOCTOR, OTHER_PATIENT))
    assert refusal(decide(facts(DOCTOR, *both, head=head(DOCTOR))))[2] == "one-patient"
    split = facts(DOCTOR, exchange(DOCTOR, COLLEAGUE), head=head(DOCTOR, to_cc=(PATIENT, OTHER_PATIENT)))
    assert refusal(decide(split))[2] == "one-patient"


def test_one_patient_in_copy_with_a_professional_is_fine():
    """WHO-6; each forward-path keeps its own conversation (SD-7)."""
    both = (exchange(DOCTOR, PATIENT), exchange(DOCTOR, COLLEAGUE))
    moves = admitted(decide(facts(DOCTOR, *both, head=head(DOCTOR, to_cc=(PATIENT, COLLEAGUE)))))
    assert moves == (Move(PAIR, Event.PROFESSIONAL_WROTE),)


@pytest.mark.parametrize(
    ("what", "rule", "pair"),
    [
        ({"unreadable": (Unreadable.TOO_DEEP,)}, "structure-is-readable", (554, "5.6.0")),
        ({"received": 30}, "no-loop", (554, "5.4.6")),
        ({"own_hop": True}, "no-loop", (554, "5.4.6")),
    ],
)
def test_what_cannot_be_read_or_goes_round_is_refused(what, rule, pair):
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT), head=head(DOCTOR, **what))
    assert refusal(decide(letter)) == (*pair, rule)


def test_29_hops_are_no_loop():
    assert admitted(decide(facts(DOCTOR, exchange(DOCTOR, PATIENT), head=head(DOCTOR, received=29))))


def test_the_size_limit_is_exact():
    """SD-1."""
    at = {"head": head(DOCTOR), "policy": Policy(size_limit=100)}
    assert admitted(decide(facts(DOCTOR, exchange(DOCTOR, PATIENT), size=100, **at)))
    assert refusal(decide(facts(DOCTOR, exchange(DOCTOR, PATIENT), size=101, **at))) == (
        552,
        "5.3.4",
        "size-is-within-the-limit",
    )


# --- going live, holding


def test_observing_admits_an_unknown_pair_says_so_and_moves_nothing():
    """SD-9."""
    observing = Policy(enforcing=False)
    verdict = decide(facts(PATIENT, exchange(PATIENT, DOCTOR, ABSENT), head=head(PATIENT), policy=observing))
    assert admitted(verdict) == ()
    assert Severity.WOULD_REFUSE in {finding.severity for finding in verdict.findings}


@pytest.mark.parametrize("to", [OTHER_PATIENT, DOCTOR])
def test_observing_never_softens_fin_or_patient_to_patient(to):
    """SD-9."""
    letter = facts(PATIENT, exchange(PATIENT, to, CLOSED), policy=Policy(enforcing=False))
    assert refusal(decide(letter))[0] == 550


def test_a_held_letter_moves_nothing_except_its_fin():
    """SD-10."""
    why = Finding(rule="inspection-in-time", requirement="SD-10", severity=Severity.HOLD)
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT), head=head(DOCTOR))
    held = hold_undecided(letter, why)
    assert isinstance(held, Hold)
    assert (held.moves, held.withheld) == ((), (Move(PAIR, Event.PROFESSIONAL_WROTE),))
    closing = hold_undecided(replace(letter, head=head(DOCTOR, mss_fin=True)), why)
    assert isinstance(closing, Hold)
    assert (closing.moves, closing.withheld) == ((Move(PAIR, Event.PROFESSIONAL_CLOSED),), ())


def test_holding_does_not_save_a_letter_that_is_wrong_in_itself():
    """SD-10, SD-5."""
    why = Finding(rule="inspection-in-time", requirement="SD-10", severity=Severity.HOLD)
    forged = facts(PHARMACY, exchange(PHARMACY, PATIENT), head=head(PHARMACY), client=PATIENTS_OPERATOR)
    assert isinstance(hold_undecided(forged, why), Refuse)


def test_an_earlier_notice_leaves_a_finding_on_later_letters():
    """NDR-3, WHO-5."""
    letter = facts(DOCTOR, exchange(DOCTOR, PATIENT, account=AccountState.CLOSED), head=head(DOCTOR))
    details = {finding.detail for finding in decide(letter).findings}
    assert AccountState.CLOSED in details


def test_a_patient_is_not_answered_to_another_patient():
    """SD-5, WHO-2: the professional's answer would go to the wrong person."""
    letter = facts(PATIENT, exchange(PATIENT, DOCTOR, OPEN), head=head(PATIENT, reply_to=(OTHER_PATIENT,)))
    assert refusal(decide(letter)) == (550, "5.7.1", "one-honest-from")
    own = facts(PATIENT, exchange(PATIENT, DOCTOR, OPEN), head=head(PATIENT, reply_to=(PATIENT,)))
    assert admitted(decide(own)) == (Move(PAIR, Event.PATIENT_WROTE),)
