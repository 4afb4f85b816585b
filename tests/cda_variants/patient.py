"""Whose document it is: the patient and the INS."""

import copy
from collections.abc import Callable

from mssgw.core.ins import key_of
from mssgw.formats import safexml
from mssgw.formats.safexml import Element
from tests.cda_variants.changes import (
    ROLE,
    Change,
    at,
    both,
    null,
    saying,
    setting,
    twice,
    with_each,
    with_more,
    without,
)
from tests.cda_variants.variant import ADVICE, FORM, HARM, of

PATIENT = f"{ROLE}/patient"
NAME = f"{PATIENT}/name"


def _ins(anew: Callable[[str], str]) -> Change:
    """Another value for the INS, which is the first id of valid documents of ours."""

    def made(element: Element) -> None:
        element.set("extension", anew(element.get("extension")))

    return with_each(made, f"{ROLE}/id")


def _second_ins(root: Element) -> bool:
    first = at(root, f"{ROLE}/id")
    if first is None:
        return False
    second = copy.deepcopy(first)
    second.set("extension", "146026322000196" if first.get("extension") != "146026322000196" else "179039935012397")
    first.addnext(second)
    return True


def _other_month(value: str) -> str:
    month = "05" if value[3:5] != "05" else "06"
    return (other := value[:3] + month + value[5:13]) + key_of(other)


def _other_namespace(name: str) -> Change:
    """One before the patient's, for readers that look for the name alone."""

    def made(target: Element) -> None:
        target.addprevious(safexml.parse(f'<recordTarget xmlns="{name}"/>'.encode(), limit=1_000))

    return with_each(made, "recordTarget")


def _of_patient(root: Element) -> bool:
    """Another INS where CDA R2 has it no more."""
    first, patient = at(root, f"{ROLE}/id"), at(root, PATIENT)
    if first is None or patient is None:
        return False
    patient.insert(0, second := copy.deepcopy(first))
    second.set("extension", "146026322000196" if first.get("extension") != "146026322000196" else "179039935012397")
    return True


VARIANTS = (
    *of(
        "recordTarget",
        ("absent", "CDA-PAT-001", HARM, without("recordTarget")),
        ("null", "CDA-PAT-001", HARM, null("recordTarget")),
        ("two patients", "CDA-PAT-002", HARM, twice("recordTarget")),
        ("two patients, one without namespace", "CDA-PAT-002", HARM, _other_namespace("")),
        ("two patients, one in another namespace", "CDA-PAT-002", HARM, _other_namespace("urn:hl7-org:v3x")),
        ("no role", "CDA-PAT-003", HARM, without(ROLE)),
        ("no id", "CDA-PAT-004", FORM, without(f"{ROLE}/id")),
        ("id without extension", "CDA-PAT-004", FORM, with_more(ROLE, '<id root="1.2.3"/>')),
    ),
    *of(
        "patient",
        ("absent", "CDA-PAT-003", HARM, without(PATIENT)),
        ("no name", "CDA-PAT-005", HARM, without(NAME)),
        ("null name", "CDA-PAT-005", HARM, null(NAME)),
        ("two names", "CDA-PAT-006", FORM, twice(NAME)),
        ("no gender", "CDA-PAT-010", FORM, without(f"{PATIENT}/administrativeGenderCode")),
        ("gender H", "CDA-PAT-010", FORM, setting(f"{PATIENT}/administrativeGenderCode", code="H")),
        (
            "gender of another system",
            "CDA-PAT-010",
            FORM,
            setting(f"{PATIENT}/administrativeGenderCode", codeSystem="1.2"),
        ),
        ("no birth date", "CDA-PAT-011", FORM, without(f"{PATIENT}/birthTime")),
        ("birth date with zeros", "CDA-PAT-012", FORM, setting(f"{PATIENT}/birthTime", value="19790000")),
        ("birth date of no calendar", "CDA-PAT-013", HARM, setting(f"{PATIENT}/birthTime", value="19790231")),
        ("birth date as people write it", "CDA-PAT-013", HARM, setting(f"{PATIENT}/birthTime", value="31/01/1979")),
        ("birth date to come", "CDA-PAT-014", HARM, setting(f"{PATIENT}/birthTime", value="21790131")),
        ("born in 1779", "CDA-PAT-015", ADVICE, setting(f"{PATIENT}/birthTime", value="17790328")),
    ),
    *of(
        "name",
        ("no family", "CDA-PAT-007", FORM, without(f"{NAME}/family")),
        ("family without qualifier", "CDA-PAT-007", FORM, setting(f"{NAME}/family", qualifier=None)),
        ("family qualifier SP", "CDA-PAT-007", FORM, setting(f"{NAME}/family", qualifier="SP")),
        ("no given", "CDA-PAT-008", FORM, without(f"{NAME}/given")),
        ("given qualifier XX", "CDA-PAT-008", FORM, setting(f"{NAME}/given", qualifier="XX")),
        ("two prefixes", "CDA-PAT-009", FORM, both(*[with_more(NAME, "<prefix>M</prefix>")] * 2)),
    ),
    *of(
        "INS",
        ("none", "CDA-INS-001", ADVICE, setting(f"{ROLE}/id", root="1.2.3.4")),
        ("14 digits", "CDA-INS-002", HARM, _ins(lambda value: value[:14])),
        ("letters", "CDA-INS-002", HARM, _ins(lambda value: value[:9] + "X" + value[10:])),
        ("Corsica where no department is", "CDA-INS-002", HARM, _ins(lambda value: "2A" + value[2:])),
        ("spaces", "CDA-INS-002", HARM, _ins(lambda value: f"{value[0]} {value[1:]}")),
        ("wrong key", "CDA-INS-003", ADVICE, _ins(lambda value: value[:13] + ("01" if value[13:] != "01" else "02"))),
        ("other sex", "CDA-INS-004", ADVICE, _ins(lambda value: ("2" if value[0] == "1" else "1") + value[1:])),
        ("provisional number", "CDA-INS-004", ADVICE, _ins(lambda value: "8" + value[1:])),
        ("other month of birth", "CDA-INS-005", ADVICE, _ins(_other_month)),
        ("place of birth in words", "CDA-INS-006", ADVICE, saying(f"{PATIENT}/birthplace/place/addr/county", "Paris")),
        ("two", "CDA-INS-007", HARM, _second_ins),
        ("two, one in patient/id", "CDA-INS-007", HARM, _of_patient),
        ("under nearly its OID", "CDA-INS-002", HARM, setting(f"{ROLE}/id", root="1.2.250.1.213.1.4.8.")),
        (
            "wholly in an OID",
            "CDA-INS-002",
            HARM,
            with_more(ROLE, '<id root="1.2.250.1.213.1.4.10.146026322000196" extension="1"/>'),
        ),
        (
            "in an OID of another",
            "CDA-INS-002",
            HARM,
            with_more(ROLE, '<id root="1.2.146026322000196" extension="1"/>'),
        ),
        (
            "two authorities, two numbers",
            "CDA-INS-008",
            ADVICE,
            both(_second_ins, setting(f"{ROLE}/id", root="1.2.250.1.213.1.4.11")),
        ),
        ("no birth name", "CDA-INS-010", FORM, setting(f"{NAME}/family", qualifier="CL")),
        ("no first given name", "CDA-INS-011", FORM, without(f"{NAME}/given")),
        ("no given names", "CDA-INS-012", FORM, setting(f"{NAME}/given", qualifier="CL")),
        ("no birth date", "CDA-INS-013", FORM, without(f"{PATIENT}/birthTime")),
        ("no gender", "CDA-INS-014", FORM, without(f"{PATIENT}/administrativeGenderCode")),
        ("no birth place", "CDA-INS-015", FORM, without(f"{PATIENT}/birthplace")),
        ("of production", "CDA-INS-021", HARM, setting(f"{ROLE}/id", root="1.2.250.1.213.1.4.8")),
    ),
)
