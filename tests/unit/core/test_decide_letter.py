"""The decision, rule by rule: automatic mail, who speaks as whom, the letter itself, going live and holding."""

from dataclasses import replace

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind
from mssgw.core.clients import Client
from mssgw.core.conversation import Event, Move
from mssgw.core.decide import decide, hold_undecided
from mssgw.core.envelope import ForwardPath, Role
from mssgw.core.facts import Policy
from mssgw.core.message import AccountState, Content, Mdn, Notice, Unreadable
from mssgw.core.receipts import may_be_answered
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, Severity
from tests.unit.core.facts_of import (
    ABSENT,
    CLOSED,
    COLLEAGUE,
    DOCTOR,
    HOSPITAL,
    OPEN,
    OTHER_PATIENT,
    PAIR,
    PATIENT,
    PATIENTS_OPERATOR,
    PHARMACY,
    ROBOT,
    admitted,
    exchange,
    facts,
    head,
    refusal,
)

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


@pytest.mark.parametrize("kind", [BalKind.UNKNOWN, BalKind.ORG, BalKind.PER])
def test_that_a_programs_letter_did_not_arrive_is_told_whatever_mailbox_it_comes_from(kind):
    """DSN-1: a result would be lost without a word. Only an answer by a machine may be (RFC 3834)."""
    generated = head(DOCTOR, auto_submitted="auto-generated")
    result = facts(DOCTOR, exchange(DOCTOR, COLLEAGUE), head=generated, sender_bal=Bal(kind=kind))
    assert may_be_answered(result)
    assert not may_be_answered(replace(result, head=head(DOCTOR, auto_submitted="auto-replied")))
    assert not may_be_answered(replace(result, envelope=replace(result.envelope, reverse_path=None)))


@pytest.mark.parametrize("robot", ["mailer-daemon@patient.mssante.fr", "MAILER-DAEMON@ch-test.mssante.fr"])
def test_a_program_that_answers_a_notice_gets_no_other_one(robot):
    """DSN-1, NDR-7: many programs say auto-generated of their answers, and would answer that, too, for ever."""
    generated = facts(DOCTOR, exchange(DOCTOR, COLLEAGUE), head=head(DOCTOR, auto_submitted="auto-generated"))
    to_robot = (ForwardPath(address=Address.parse(robot)),)
    answer = replace(generated, envelope=replace(generated.envelope, forward_paths=to_robot))
    assert not may_be_answered(answer)
    assert may_be_answered(replace(answer, head=head(DOCTOR))), "a person learns that nobody is there"


@pytest.mark.parametrize("content", [Content.MDN, Content.DSN])
def test_no_notice_is_written_about_a_receipt_or_a_report(content):
    """DSN-1."""
    assert not may_be_answered(facts(DOCTOR, exchange(DOCTOR, COLLEAGUE), head=head(DOCTOR, content=content)))


def test_a_notice_of_the_patient_space_is_never_answered():
    """NDR-7: also one that a robot sends under its own address, without a part for machines."""
    notice = head(ROBOT, notice=Notice(account=AccountState.CLOSED, about=PATIENT))
    assert not may_be_answered(facts(ROBOT, exchange(ROBOT, DOCTOR), head=notice))


@pytest.mark.parametrize("content", [Content.MDN, Content.DSN])
def test_an_application_mailboxs_generated_receipt_is_no_letter(content):
    """SD-4: it would open again what was closed while the patient's letter was taken in."""
    letter = facts(
        DOCTOR,
        exchange(DOCTOR, PATIENT, CLOSED),
        head=head(DOCTOR, auto_submitted="auto-generated", content=content),
        sender_bal=Bal(kind=BalKind.APP),
    )
    assert admitted(decide(letter)) == ()
    closing = replace(letter, sender_bal=Bal(kind=BalKind.APP, closes_on_send=True))
    assert admitted(decide(closing)) == ()


def receipt(**more):
    mdn = Mdn(original_message_id="<1@ch-test.mssante.fr>", disposition="displayed")
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


@pytest.mark.parametrize("shown", [DOCTOR, ROBOT, OTHER_PATIENT])
def test_a_patient_of_ours_sends_for_nobody_and_nobody_for_him(shown):
    """SD-5: mail programs show Sender: as who wrote, on behalf of the author."""
    own = Client(name="patient-space", role=Role.PATIENT_SPACE, addresses=frozenset({PATIENT.key}))
    for also, passes in ((PATIENT, True), (shown, False)):
        letter = facts(PATIENT, exchange(PATIENT, DOCTOR, OPEN), head=head(PATIENT, also_signed=(also,)), client=own)
        assert isinstance(decide(letter), Admit if passes else Refuse)


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


@pytest.mark.parametrize("conversation", [ABSENT, OPEN])
def test_observing_admits_a_receipt_for_a_letter_that_an_earlier_server_carried(conversation):
    """SD-9, SD-4: he might as well write; it moves nothing."""
    observing = Policy(enforcing=False)
    late = facts(PATIENT, exchange(PATIENT, DOCTOR, conversation), head=receipt(), null_path=True, policy=observing)
    verdict = decide(late)
    assert admitted(verdict) == ()
    assert [(each.rule, each.severity) for each in verdict.findings] == [("receipt-is-expected", Severity.WOULD_REFUSE)]


def test_observing_lets_no_unknown_receipt_past_a_fin():
    """SD-9: FIN always holds, and a receipt may say what its writer wants."""
    observing = Policy(enforcing=False)
    letter = facts(PATIENT, exchange(PATIENT, DOCTOR, CLOSED), head=receipt(), null_path=True, policy=observing)
    assert refusal(decide(letter)) == (550, "5.7.1", "receipt-is-expected")


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
