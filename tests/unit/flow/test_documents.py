"""Under what the documents of a letter are judged."""

from mssgw.core.clinical import Profile
from mssgw.core.document_policy import DocumentPolicy
from mssgw.core.facts import Policy
from mssgw.core.message import Content
from mssgw.flow.documents import order_of
from tests.unit.core.facts_of import COLLEAGUE, DOCTOR, PATIENT, exchange, facts, head

STRICT = Policy(documents=DocumentPolicy(profile=Profile.STRICT))


def test_patients_are_told_from_professionals():
    order = order_of(facts(DOCTOR, exchange(DOCTOR, PATIENT), exchange(DOCTOR, COLLEAGUE), head=head(DOCTOR)))
    assert [matricule.value for matricule in order.patients] == ["279035121518989"]
    assert order.professionals


def test_a_letter_to_a_patient_alone_has_no_professional_reader():
    assert not order_of(facts(DOCTOR, exchange(DOCTOR, PATIENT), head=head(DOCTOR))).professionals


def test_the_policy_says_how_strictly():
    assert (
        order_of(facts(DOCTOR, exchange(DOCTOR, PATIENT), head=head(DOCTOR), policy=STRICT)).profile is Profile.STRICT
    )


def test_a_report_that_brings_a_letter_back_is_refused_for_danger_only():
    returned = head(DOCTOR, content=Content.DSN)
    order = order_of(facts(DOCTOR, exchange(DOCTOR, COLLEAGUE), head=returned, policy=STRICT))
    assert order.profile is Profile.OBSERVE
