"""Documents that we make ourselves are right, whatever they are asked to hold, and the same every time."""

import base64
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from mssgw.core.clinical import Environment, Profile
from mssgw.core.ins import InsAuthority, Matricule
from mssgw.formats import documents, pdf, xdm
from mssgw.formats.archive import safe_unzip
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.cda.rulebook import Conditions, check
from mssgw.formats.xdm_making import archive

XSD = Path(__file__).parents[4] / "shared" / "data" / "cda" / "xsd" / "CDA_extended.xsd"
PATIENT = Patient(
    matricule=Matricule.parse("279035121518989"), family="EXEMPLE", given=("JEANNE", "MARIE"), birth=date(1979, 3, 28)
)
OTHER = replace(PATIENT, matricule=Matricule.parse("146026322000196"), birth=date(1946, 2, 11))
AUTHOR = Author(rpps="99900000012", family="MARTIN", given="Claire", finess="999000018", organisation="Hôpital")
ORDER = Order(
    kind=KINDS["crh"],
    patient=PATIENT,
    author=AUTHOR,
    at=datetime(2025, 11, 3, 14, 30, tzinfo=timezone(timedelta(hours=1))),
)
EVERY = [
    replace(ORDER, kind=kind, structured=structured, copy=structured, replaces=replaces)
    for kind in KINDS.values()
    for structured in (False, True)
    for replaces in (None, ORDER)
]
NAMES = st.text(st.characters(categories=("L", "M", "N", "P", "S")), min_size=1, max_size=40)


def named(order: Order) -> str:
    return f"{order.kind.name}{'-structured' * order.structured}-{order.version}"


def strictly(content: bytes) -> list[str]:
    """What the strictest policy finds."""
    document = documents.read(content)
    assert document is not None
    conditions = Conditions(profile=Profile.STRICT, now=datetime(2026, 1, 1, tzinfo=UTC), environment=Environment.TEST)
    return [finding.rule for finding in check(document.root, conditions)]


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    if not XSD.exists():
        pytest.skip("the schema of the ANS is not here")
    return etree.XMLSchema(etree.parse(XSD))


@pytest.mark.parametrize("order", EVERY, ids=named)
def test_every_kind_is_right_under_the_strictest_policy(order: Order) -> None:
    """Bare and in its archive, a first version and one that replaces it."""
    assert strictly(make(order)) == []
    package = xdm.read(archive([order]), Profile.STRICT)
    assert [finding.rule for finding in package.findings] == []
    assert len(package.documents) == 1


@pytest.mark.parametrize("order", EVERY, ids=named)
def test_every_kind_is_valid_against_the_schema(order: Order, schema: etree.XMLSchema) -> None:
    """CDA R2 with the extensions of the CI-SIS."""
    schema.assertValid(etree.fromstring(make(order)))


@settings(max_examples=50, deadline=None)
@given(family=NAMES, given_name=NAMES, organisation=NAMES, title=NAMES)
@example(family="0", given_name="0", organisation="0", title="Â¡")
def test_no_name_can_break_a_document(family: str, given_name: str, organisation: str, title: str) -> None:
    """Angle brackets, quotation marks, separators of HL7 v2: the document is right, and METADATA.XML agrees with it."""
    order = replace(
        ORDER,
        patient=replace(PATIENT, family=family, given=(given_name,)),
        author=replace(AUTHOR, organisation=organisation),
        title=title,
    )
    assert set(strictly(make(order))) <= {"CDA-HDR-023"}  # a name may happen to look like UTF-8 that was misread
    found = {finding.rule for finding in xdm.read(archive([order]), Profile.STRICT).findings}
    assert found <= {"XDM-DOC-030"}  # a name without any letter compares with nothing


def test_the_same_order_gives_the_same_octets_and_another_one_other_identifiers() -> None:
    """So that a sample can be made again, and two documents are never one."""
    again = replace(ORDER)
    assert make(again) == make(ORDER)
    assert archive([again]) == archive([ORDER])
    others = [replace(ORDER, structured=True), replace(ORDER, title="Autre"), replace(ORDER, patient=OTHER)]
    assert len({order.oid("document") for order in (ORDER, *others)}) == 4


def test_a_replacement_keeps_the_set_and_counts_on() -> None:
    """CDA-5: same setId, next version, and it names what it replaces; METADATA.XML says so too."""
    second = replace(ORDER, at=ORDER.at + timedelta(hours=1), replaces=ORDER)
    third = replace(second, at=second.at + timedelta(hours=1), replaces=second)
    assert (third.version, third.set_id) == (3, ORDER.set_id)
    assert f'<id root="{second.oid("document")}"/>'.encode() in make(third)
    assert b"AssociationType:RPLC" in archive([third])


def test_two_patients_never_share_an_archive() -> None:
    """SD-7, in our own samples as well."""
    with pytest.raises(ValueError, match="one patient"):
        archive([ORDER, replace(ORDER, patient=OTHER)])
    with pytest.raises(ValueError, match="one patient"):
        archive([])


def test_a_moment_without_zone_is_refused() -> None:
    """Its time in UTC could not be told."""
    with pytest.raises(ValueError, match="time zone"):
        replace(ORDER, at=datetime(2025, 11, 3, 14, 30))


def test_the_pdf_of_an_order_is_carried_unchanged() -> None:
    """Given or made, it is the one in the document and the one beside the archive (FMT-5)."""
    given_pdf = b"%PDF-1.4\nrien\n%%EOF\n"
    for order in (ORDER, replace(ORDER, pdf=given_pdf)):
        carried = re.search(rb'representation="B64">([^<]*)<', make(order))
        assert carried is not None
        assert base64.b64decode(carried[1]) == order.shown()
    assert replace(ORDER, pdf=given_pdf).shown() == given_pdf


@pytest.mark.parametrize("lines", [[], ["a (b) \\ é €", "", "\u4e2d"], [f"ligne {number}" for number in range(200)]])
def test_a_pdf_is_one_that_readers_open(lines: list[str]) -> None:
    """Each object begins where the cross-reference table says, and each stream is as long as it says."""
    content = pdf.letter("Titre", lines)
    assert content.startswith(b"%PDF-1.4\n")
    assert content.endswith(b"%%EOF\n")
    table = int(re.findall(rb"startxref\n(\d+)\n", content)[-1])
    offsets = [int(each) for each in re.findall(rb"(\d{10}) 00000 n \n", content[table:])]
    assert content[table:].startswith(b"xref\n0 %d\n" % (len(offsets) + 1))
    for number, offset in enumerate(offsets, 1):
        assert content[offset:].startswith(b"%d 0 obj\n" % number)
    streams = re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", content, re.DOTALL)
    assert streams
    assert all(int(length) == len(stream) for length, stream in streams)
    assert int(re.findall(rb"/Count (\d+)", content)[0]) == len(streams)


def test_an_archive_has_the_layout_that_xdm_asks() -> None:
    """FMT-2: the patient is in the documents, not in what a browser shows first."""
    entries = {entry.path: entry.content for entry in safe_unzip(archive([ORDER]))}
    subset = "IHE_XDM/SUBSET01"
    assert list(entries) == ["INDEX.HTM", "README.TXT", f"{subset}/METADATA.XML", f"{subset}/DOC00001.XML"]
    for name in ("INDEX.HTM", "README.TXT"):
        assert b"EXEMPLE" not in entries[name]
        assert PATIENT.matricule.value.encode() not in entries[name]


def test_sex_and_birthplace_are_those_of_the_matricule() -> None:
    """INS-2: so that an invented patient has no contradiction in him."""
    corsican = replace(PATIENT, matricule=Matricule.parse("177012A12345670"), authority=InsAuthority.NIR)
    assert (corsican.gender, corsican.birthplace) == ("M", "2A123")
    assert (PATIENT.gender, PATIENT.birthplace) == ("F", "51215")


def test_nothing_of_a_patient_shows_in_a_repr() -> None:
    """Orders may end in a traceback."""
    assert not re.search("EXEMPLE|JEANNE|2790351|1979", repr(ORDER))
