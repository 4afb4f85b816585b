"""What the report on a letter's documents decides (SD-10, SD-14, SD-15)."""

from dataclasses import replace

import pytest

from mssgw.core.clinical import Profile, Rule, Weight
from mssgw.core.decide import decide
from mssgw.core.document_policy import DocumentPolicies, DocumentPolicy, Rejected
from mssgw.core.envelope import Role
from mssgw.core.facts import Facts, Policy
from mssgw.core.message import MssFields
from mssgw.core.report import UNVERIFIED, Carried, Judged, Report
from mssgw.core.rules.documents import counted
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, Severity
from tests.unit.core.facts_of import DOCTOR, OPEN, PATIENT, exchange, facts, head

WRONG = Rule(id="CDA-COH-001", weight=Weight.DANGER, sentence="Le document concerne un autre patient", source="x")
NO_CDA = Rule(id="CDA-BOD-001", weight=Weight.HARM, sentence="Le corps doit être là", source="x")
UNTIDY = Rule(id="CDA-HDR-001", weight=Weight.FORM, sentence="realmCode vaut FR", source="x", requirement="CDA-1")
REFUSING, HOLDING = Policy(), Policy(documents=DocumentPolicy(rejected=Rejected.HOLD))
OBSERVING = Policy(documents=DocumentPolicy(profile=Profile.OBSERVE))


def letter(*rules: Rule, policy: Policy = REFUSING, released: bool = False, **more: object) -> Facts:
    profile = policy.documents.profile
    found = tuple(rule.finding(profile, line=7, xpath="/ClinicalDocument", found="1.2") for rule in rules)
    judged = Judged(name="2/1", findings=found, cda=True, code="34112-3", qualified=True)
    report = Report(documents=(judged,), carried=frozenset({Carried.CDA, Carried.XDM}))
    return facts(
        DOCTOR,
        exchange(DOCTOR, PATIENT, OPEN),
        head=head(DOCTOR, **more),
        policy=policy,
        report=report,
        released=released,
    )


def test_a_document_without_fault_is_no_reason_to_say_anything():
    assert decide(letter()).findings == ()


def test_a_warning_lets_the_letter_pass_and_stands_in_the_journal():
    verdict = decide(letter(UNTIDY))
    assert isinstance(verdict, Admit)
    assert verdict.findings == (
        Finding(
            rule="CDA-HDR-001",
            requirement="CDA-1",
            severity=Severity.NOTE,
            detail="document 2/1; line 7; /ClinicalDocument; found 1.2",
        ),
    )


def test_a_refusal_names_its_first_reasons_in_ascii_and_no_value():
    verdict = decide(letter(UNTIDY, NO_CDA))
    assert isinstance(verdict, Refuse)
    said = str(verdict.reply)
    assert (
        said == "554 5.6.0 Document refuse, regle non respectee : Le corps doit etre la (CDA-BOD-001 /ClinicalDocument)"
    )


def test_the_wrong_patient_speaks_first():
    verdict = decide(letter(NO_CDA, WRONG))
    assert isinstance(verdict, Refuse)
    assert "un autre patient (CDA-COH-001" in verdict.reply.text


def test_a_reply_fits_a_line_whatever_is_wrong():
    rules = [replace(NO_CDA, id=f"CDA-BOD-{n:03}", sentence="é" * 300) for n in range(50)]
    verdict = decide(letter(*rules))
    assert isinstance(verdict, Refuse)
    assert len(verdict.reply.text) <= 330
    assert verdict.reply.text.isascii()


@pytest.mark.parametrize(
    ("rule", "policy", "verdict"),
    [
        (NO_CDA, REFUSING, Refuse),
        (NO_CDA, HOLDING, Hold),
        (NO_CDA, OBSERVING, Admit),
        (WRONG, REFUSING, Refuse),
        (WRONG, HOLDING, Refuse),
        (WRONG, OBSERVING, Refuse),
        (UNTIDY, HOLDING, Admit),
    ],
    ids=lambda each: getattr(each, "id", getattr(each, "__name__", "policy")),
)
def test_danger_is_refused_whatever_is_configured_and_harm_as_configured(rule, policy, verdict):
    assert isinstance(decide(letter(rule, policy=policy)), verdict)


def test_what_a_person_releases_goes_out_unless_it_is_dangerous():
    assert isinstance(decide(letter(NO_CDA, policy=HOLDING, released=True)), Admit)
    assert isinstance(decide(letter(WRONG, policy=HOLDING, released=True)), Refuse)


@pytest.mark.parametrize("policy", [REFUSING, HOLDING, OBSERVING], ids=["refusing", "holding", "observing"])
@pytest.mark.parametrize("released", [False, True], ids=["arriving", "released"])
def test_a_letter_that_nobody_could_judge_is_held_and_no_release_lets_it_go_unread(policy, released):
    """It could be the wrong patient's. What else is known against it still refuses it (SD-10)."""
    unverified = replace(letter(policy=policy, released=released), report=UNVERIFIED)
    held = decide(unverified)
    assert isinstance(held, Hold)
    assert [finding.rule for finding in held.findings] == ["documents-verified"]
    assert isinstance(decide(replace(unverified, size=99_999_999)), Refuse)


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        (MssFields(ins="O", codes=("34112-3",)), []),
        (MssFields(), []),
        (MssFields(ins="N"), ["mss-ins-tells-the-truth"]),
        (MssFields(ins="?"), ["mss-ins-tells-the-truth"]),
        (MssFields(codes=()), ["mss-codes-tell-the-truth"]),
        (MssFields(codes=("34112-3", "11488-4")), ["mss-codes-tell-the-truth"]),
        (MssFields(product="NIL-1"), []),
        (MssFields(product="NIL-2"), ["mss-nil-tells-the-truth"]),
    ],
)
def test_header_fields_that_contradict_the_documents_or_the_configuration_are_noted(said, rules):
    found = decide(letter(mss=said, policy=Policy(product="NIL-1"))).findings
    assert [finding.rule for finding in found] == rules
    assert all(finding.severity is Severity.NOTE for finding in found)


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        (MssFields(ins="O", codes=("34112-3",)), ["mss-ins-tells-the-truth", "mss-codes-tell-the-truth"]),
        (MssFields(ins="N", codes=()), []),
        (MssFields(product="NIL-2"), []),
    ],
)
def test_a_letter_without_documents_that_speaks_of_some_is_noted(said, rules):
    """What was not judged yet contradicts nothing; nor does any product where none is configured."""
    bare = replace(letter(mss=said), report=None)
    assert [finding.rule for finding in decide(bare).findings] == rules
    waiting = replace(bare, head=replace(bare.head, may_hold_documents=True))
    assert decide(waiting).findings == ()


def test_what_cannot_be_read_is_delivered_and_noted():
    verdict = decide(
        facts(
            DOCTOR,
            exchange(DOCTOR, PATIENT, OPEN),
            head=head(DOCTOR, carried=frozenset({Carried.OPAQUE, Carried.WINMAIL})),
        )
    )
    assert isinstance(verdict, Admit)
    assert [finding.detail for finding in verdict.findings] == ["opaque", "winmail"]


def test_a_pdf_alone_for_a_patient_is_counted_as_unchecked():
    to_patient, to_colleague = (exchange(DOCTOR, to, OPEN) for to in (PATIENT, DOCTOR))
    pdf = head(DOCTOR, carried=frozenset({Carried.PDF}))
    assert counted(facts(DOCTOR, to_patient, head=pdf)) == ("pdf", "pdf-only")
    assert counted(facts(DOCTOR, to_colleague, head=pdf)) == ("pdf",)


def test_a_document_without_an_ins_for_a_patient_is_counted():
    judged = Judged(name="1", cda=True, unchecked=True)
    report = Report(documents=(judged,), carried=frozenset({Carried.CDA}))
    found = counted(facts(DOCTOR, exchange(DOCTOR, PATIENT, OPEN), head=head(DOCTOR), report=report))
    assert found == ("cda", "patient-unchecked")


def test_of_a_long_report_the_gravest_are_kept_and_no_notes():
    note = replace(UNTIDY, id="CDA-HDR-900", weight=Weight.NOTE)
    found = [rule.finding(Profile.STANDARD) for rule in [note] * 5 + [UNTIDY] * 60 + [WRONG]]
    kept = Report(documents=(Judged(name="1", findings=tuple(found)),)).weighty()
    assert len(kept.findings) == 40
    assert kept.findings[-1].rule == "CDA-COH-001"
    assert not any(finding.rule == "CDA-HDR-900" for finding in kept.findings)


def test_the_wrong_patient_is_refused_in_whichever_of_many_documents_and_behind_however_many_findings():
    """A report is shortened before it decides: what it leaves out must not be what would have refused the letter."""
    wrong, harmful = (rule.finding(Profile.STANDARD) for rule in (WRONG, NO_CDA))
    last_of_many = (*(Judged(name=str(n), cda=True) for n in range(200)), Judged(name="", findings=(wrong,)))
    behind_many = (Judged(name="1", cda=True, findings=(*[harmful] * 100, wrong)),)
    for documents in (last_of_many, behind_many):
        held_or_refused = replace(letter(policy=HOLDING), report=Report(documents=documents).weighty())
        assert isinstance(decide(held_or_refused), Refuse)


class TestPolicies:
    strict, observe = DocumentPolicy(profile=Profile.STRICT), DocumentPolicy(profile=Profile.OBSERVE)
    held = DocumentPolicy(rejected=Rejected.HOLD)
    policies = DocumentPolicies(
        outbound=observe, inbound=held, outbound_of={"a.fr": strict}, inbound_of={"a.fr": strict}
    )

    def test_outward_the_senders_domain_decides(self):
        assert self.policies.for_letter(Role.ESTABLISHMENT, "a.fr", ["b.fr"]) == self.strict
        assert self.policies.for_letter(Role.ESTABLISHMENT, "b.fr", ["a.fr"]) == self.observe
        assert self.policies.for_letter(Role.ESTABLISHMENT, None, []) == self.observe

    def test_inward_the_strictest_of_the_recipients_decides(self):
        assert self.policies.for_letter(Role.TRUST_SPACE, "x.fr", ["b.fr"]) == self.held
        assert self.policies.for_letter(Role.TRUST_SPACE, "x.fr", ["b.fr", "a.fr"]) == self.strict
        assert self.policies.for_letter(Role.TRUST_SPACE, "x.fr", []) == self.held
