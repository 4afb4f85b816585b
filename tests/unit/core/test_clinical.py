"""Rules, what they weigh, and verdicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.clinical import Finding, Profile, Severity, Verdict, Weight, severity_of, verdict_of


def finding(severity: Severity) -> Finding:
    return Finding(rule="CDA-HDR-002", severity=severity, sentence="realmCode vaut FR")


@given(st.sampled_from(Weight))
def test_a_stricter_profile_is_never_milder(weight: Weight) -> None:
    """strict >= standard >= observe for every rule."""
    strict, standard, observe = (severity_of(weight, profile) for profile in Profile)
    assert strict >= standard >= observe


def test_observe_refuses_only_what_endangers() -> None:
    """The wrong patient, a hidden document, an attack: these are refused whatever the profile."""
    refused = {weight for weight in Weight if severity_of(weight, Profile.OBSERVE) is Severity.REJECT}
    assert refused == {Weight.DANGER}


@pytest.mark.parametrize(
    ("severities", "complete", "verdict"),
    [
        ((), True, Verdict.ACCEPT),
        ((Severity.INFO,), True, Verdict.ACCEPT),
        ((Severity.INFO, Severity.WARN), True, Verdict.WARN),
        ((Severity.WARN, Severity.REJECT), True, Verdict.REJECT),
        ((), False, Verdict.UNVERIFIED),
        ((Severity.WARN,), False, Verdict.UNVERIFIED),
        ((Severity.REJECT,), False, Verdict.REJECT),
    ],
)
def test_the_worst_finding_decides(severities: tuple[Severity, ...], complete: bool, verdict: Verdict) -> None:
    """A check that did not end never accepts, and takes no refusal back (SD-10)."""
    assert verdict_of([finding(each) for each in severities], complete=complete) is verdict
