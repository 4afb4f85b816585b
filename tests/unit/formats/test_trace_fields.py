"""What we prepend to a letter besides Received: what its documents are (FMT-9 to FMT-12)."""

from dataclasses import replace
from datetime import UTC, datetime

from mssgw.core.clinical import Profile, Rule, Weight
from mssgw.core.facts import Facts, Policy
from mssgw.core.message import MssFields
from mssgw.core.report import UNVERIFIED, Carried, Judged, Report
from mssgw.formats.trace_fields import trace_fields
from tests.unit.core.facts_of import DOCTOR, OPEN, PATIENT, exchange, facts, head

UNTIDY = Rule(id="CDA-HDR-001", weight=Weight.FORM, sentence="realmCode vaut FR", source="x")
ADDING = Policy(adds_fields=True, product="NIL-1")
JUDGED = Judged(name="1", cda=True, code="34112-3", qualified=True)
REPORT = Report(documents=(JUDGED, replace(JUDGED, code="PRESC-BIO")), carried=frozenset({Carried.XDM}))


def fields(policy: Policy = ADDING, report: Report | None = REPORT, **more: object) -> list[str]:
    told: Facts = facts(
        DOCTOR, exchange(DOCTOR, PATIENT, OPEN), head=head(DOCTOR, **more), policy=policy, report=report
    )
    written = trace_fields(told, hostname="gw.example", spool_id="Q1", accepted_at=datetime(2026, 11, 22, tzinfo=UTC))
    assert written.endswith(b"\r\n")
    unfolded = written.decode("ascii").replace("\r\n\t", " ").splitlines()
    assert unfolded[0].startswith("Received: ")
    return unfolded[1:]


def test_nothing_is_said_where_nothing_is_configured():
    assert fields(Policy()) == []


def test_what_the_sender_does_not_say_is_said_for_him():
    assert fields() == ["X-MSS-INS: O", "X-MSS-CODECDA: 34112-3,PRESC-BIO", "X-MSS-NIL: NIL-1"]


def test_what_the_sender_says_is_neither_repeated_nor_contradicted():
    assert fields(mss=MssFields(ins="N", codes=(), product="NIL-2")) == []


def test_fields_about_documents_belong_to_an_archive_with_one():
    assert fields(report=None) == ["X-MSS-NIL: NIL-1"]
    assert fields(report=replace(REPORT, carried=frozenset({Carried.CDA}))) == ["X-MSS-NIL: NIL-1"]
    assert fields(report=replace(UNVERIFIED, carried=REPORT.carried))[1:] == ["X-MSS-NIL: NIL-1"]


def test_a_patient_who_is_not_qualified_is_said_to_be_none():
    report = replace(REPORT, documents=(replace(JUDGED, qualified=False),))
    assert fields(report=report)[0] == "X-MSS-INS: N"


def test_no_code_brings_a_line_of_its_own():
    report = replace(REPORT, documents=(replace(JUDGED, code="1\r\nBcc: x@y.fr"), replace(JUDGED, code="11488-4")))
    assert fields(report=report)[1] == "X-MSS-CODECDA: 11488-4"


def test_a_warning_travels_with_the_rules_and_the_id_of_the_report():
    judged = replace(JUDGED, findings=(UNTIDY.finding(Profile.STANDARD), UNTIDY.finding(Profile.STANDARD)))
    report = replace(REPORT, documents=(judged,))
    assert fields(Policy(), report=report) == ["X-Mssgw-Cda: warn; rules=CDA-HDR-001; report=Q1"]


def test_the_rule_that_would_have_refused_is_named_first():
    """Also behind many that only warn: the field names ten."""
    harmful = Rule(id="CDA-BOD-010", weight=Weight.HARM, sentence="x", source="x")
    found = [replace(UNTIDY, id=f"CDA-HDR-{n:03}").finding(Profile.STANDARD) for n in range(30)] * 2
    judged = replace(JUDGED, findings=(*found, harmful.finding(Profile.STANDARD)))
    (field,) = fields(Policy(), report=replace(REPORT, documents=(judged,)))
    assert field.startswith("X-Mssgw-Cda: reject; rules=CDA-BOD-010, CDA-HDR-000, ")


def test_a_letter_that_nobody_could_judge_says_so():
    assert fields(Policy(), report=UNVERIFIED) == ["X-Mssgw-Cda: unverified; report=Q1"]


def test_a_long_list_of_rules_is_folded_and_cut():
    found = tuple(replace(UNTIDY, id=f"CDA-HDR-{n:03}").finding(Profile.STANDARD) for n in range(30))
    (field,) = fields(Policy(), report=replace(REPORT, documents=(replace(JUDGED, findings=found),)))
    assert field.count("CDA-HDR") == 10
