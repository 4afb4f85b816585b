"""IHE_XDM.zip: what is right passes whatever the profile, and everything that can be wrong is found by its rule."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssgw.core.clinical import Mark, Profile, Severity, Verdict, Weight, severity_of, verdict_of
from mssgw.formats import guard, xdm
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.xdm.ebrim import person_of
from mssgw.formats.xdm.header import is_same_moment
from tests import zips
from tests.watchdog import watchdog
from tests.xdm_variants import DOCUMENT, METADATA, PATIENT, VARIANTS, Variant, order, replaced, right, told_anew

REAL = Path(__file__).parents[4] / "shared" / "data" / "xdm"


def rules_of(package: xdm.Package) -> set[str]:
    return {finding.rule for finding in package.findings}


def read(entries: dict[str, bytes], profile: Profile = Profile.STRICT) -> xdm.Package:
    return xdm.read(zips.zipped(entries), profile)


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_right_archive_has_no_finding(kind: str, structured: bool) -> None:
    """Of any kind of document, with a PDF body or sections, under the strictest profile."""
    package = read(right(order(kind=kind, structured=structured)))
    assert package.findings == ()
    (document,) = package.documents
    assert document.name == DOCUMENT
    (patient, of_the_set) = package.patients
    assert patient.ins == of_the_set.ins
    assert patient.ins[0].extension == PATIENT.matricule.value
    assert patient.family == PATIENT.family


def test_several_documents_of_one_patient_pass() -> None:
    """One submission set, one entry each."""
    package = read(right(order(), order(kind="crh")))
    assert package.findings == ()
    assert len(package.documents) == 2


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.label)
def test_every_fault_is_found_by_its_rule(variant: Variant) -> None:
    """And weighs what the rule says, under every profile."""
    archive = variant.archive()
    for profile in Profile:
        found = {finding.rule: finding for finding in xdm.read(archive, profile).findings}
        assert variant.rule in found, sorted(found)
        assert found[variant.rule].severity is severity_of(variant.weight, profile)


def test_labels_of_variants_are_distinct() -> None:
    """Each is one fault, and a report of a failing one names it."""
    assert len({variant.label for variant in VARIANTS}) == len(VARIANTS)


def test_every_rule_finds_some_variant() -> None:
    """Or nobody would know that it works; the guard's bound on METADATA.XML has a test of its own."""
    assert xdm.RULES.keys() - {variant.rule for variant in VARIANTS} == {"XDM-DOC-007"}


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.label)
def test_a_fault_that_only_advises_delivers(variant: Variant) -> None:
    """A right archive with one such fault is no worse than warned about, under the standard profile."""
    if variant.weight in (Weight.ADVICE, Weight.FORM):
        assert verdict_of(xdm.read(variant.archive(), Profile.STANDARD).findings) is Verdict.WARN


def test_a_finding_repeats_nothing_about_a_person() -> None:
    """Nor does a repr of what was read."""
    for variant in VARIANTS:
        package = xdm.read(variant.archive(), Profile.STRICT)
        said = repr(package)
        for secret in (PATIENT.matricule.value, PATIENT.family, "1979", "146026322000196", "DOC0000"):
            assert secret not in said, (variant.label, secret)


@pytest.mark.parametrize("mark", Mark)
@pytest.mark.parametrize("where", ["second code", "wrong scheme", "lower case", "METADATA.XML at the root"])
def test_a_mark_is_seen_wherever_it_stands(mark: Mark, where: str) -> None:
    """In any confidentialityCode, not only the first (SD-15)."""
    word = mark.value.lower() if where == "lower case" else mark.value
    scheme = "41a5887f" if where == "wrong scheme" else "f4f85eac"
    more = (
        f'<Classification classificationScheme="urn:uuid:{scheme}-e6cb-4883-b524-f2705394840f" '
        f'classifiedObject="urn:uuid:{order().uuid("entry")}" nodeRepresentation=" {word}"/></RegistryObjectList>'
    )
    entries = right()
    told = replaced(entries[METADATA], "</RegistryObjectList>", more)
    entries["METADATA.XML" if where == "METADATA.XML at the root" else METADATA] = told
    assert read(entries).marks == {mark}
    assert read(right()).marks == frozenset()


def test_a_pdf_is_what_its_mime_type_says() -> None:
    """A document that is no CDA is a departure of form; a lie about what it is, is none."""
    entries = right()
    entries = told_anew({**entries, DOCUMENT: b"\x89PNG\r\n\x1a\n"})
    entries[METADATA] = replaced(entries[METADATA], 'mimeType="text/xml"', 'mimeType="application/pdf"')
    assert {"XDM-DOC-006", "XDM-DOC-007"} <= rules_of(read(entries))


def test_a_document_that_presents_itself_is_held_against_metadata() -> None:
    """Its hash is that of the whole sheet, its type application/xslt+xml."""
    entries = right()
    inner = entries[DOCUMENT].partition(b"?>")[2]
    sheet = (
        b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        b'<x:Contenu xmlns:x="urn:asip-sante:ci-sis">' + inner + b"</x:Contenu></xsl:stylesheet>"
    )
    entries = told_anew({**entries, DOCUMENT: sheet})
    assert rules_of(read(entries)) == {"XDM-DOC-005"}
    entries[METADATA] = replaced(entries[METADATA], 'mimeType="text/xml"', 'mimeType="application/xslt+xml"')
    package = read(entries)
    assert package.findings == ()
    assert package.documents[0].presented


def test_metadata_of_more_than_it_could_describe_is_stopped() -> None:
    """Before anything in it is compared."""
    many = "".join(f'<ExtrinsicObject id="o{number}"/>' for number in range(300))
    entries = right()
    entries[METADATA] = replaced(entries[METADATA], "</RegistryObjectList>", f"{many}</RegistryObjectList>")
    with watchdog("many objects", 0.5):
        assert guard.METADATA.id in rules_of(read(entries))


@pytest.mark.parametrize("more", ["<a/>" * 30_000, "<a " + "b='' " * 70_000 + "/>", " " * 5_000_000])
def test_metadata_as_large_as_no_archive_needs_is_stopped(more: str) -> None:
    """In elements, attributes or octets."""
    entries = right()
    entries[METADATA] = replaced(entries[METADATA], "</RegistryObjectList>", f"{more}</RegistryObjectList>")
    with watchdog("large metadata", 0.5):
        findings = xdm.read(zips.zipped(entries, method=0), Profile.OBSERVE).findings
    assert (guard.METADATA.id, Severity.REJECT) in [(finding.rule, finding.severity) for finding in findings]


def test_classifications_without_end_cost_little() -> None:
    """All of them naming one object, which 150 others share no id with: these cost nothing more."""

    def archive(objects: int) -> bytes:
        one = '<Classification classifiedObject="o1" classificationScheme="x" nodeRepresentation="y"/>'
        many = "".join(f'<ExtrinsicObject id="o{number}"/>' for number in range(objects)) + one * 19_000
        entries = right()
        entries[METADATA] = replaced(entries[METADATA], "</RegistryObjectList>", f"{many}</RegistryObjectList>")
        return zips.zipped(entries, method=0)

    few, many = archive(2), archive(150)
    begun = time.process_time()
    xdm.read(few, Profile.STRICT)
    with watchdog("many classifications", 4 * (time.process_time() - begun)):
        findings = xdm.read(many, Profile.STRICT).findings
    assert len(findings) < 200


def test_many_documents_share_one_bound() -> None:
    """200,000 elements in an archive, not in each of its documents."""
    large = b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + b"<a/>" * 90_000 + b"</ClinicalDocument>"
    entries = {**right(), **{f"{number}.XML": large for number in range(3)}}
    package = xdm.read(zips.zipped(entries, method=0), Profile.OBSERVE)
    assert "GRD-XML-007" in rules_of(package)
    assert verdict_of(package.findings) is Verdict.REJECT


@pytest.mark.parametrize("name", zips.ATTACKS)
def test_an_attack_is_refused_whatever_the_profile(name: str) -> None:
    """As a finding, never as an exception."""
    make, rule = zips.ATTACKS[name]
    for profile in Profile:
        (finding,) = xdm.read(make(), profile).findings
        assert (finding.rule, finding.severity) == (rule, Severity.REJECT)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("IHE_XDM.zip", b"", True),
        ("ihe_xdm.ZIP", b"anything", True),
        ("letter.zip", zips.zipped(zips.PLAIN), True),
        ("letter.bin", zips.zipped({"ihe_xdm/a": b""}), True),
        ("letter.zip", zips.zipped({"a": b"IHE_XDM"}), False),
        ("letter.pdf", b"%PDF-1.4 IHE_XDM/", False),
    ],
)
def test_what_is_judged_as_xdm(name: str, content: bytes, expected: bool) -> None:
    """By name in any case, or by layout (SD-14)."""
    assert xdm.is_xdm(name, content) is expected


@pytest.mark.parametrize(
    ("utc", "local", "same"),
    [
        ("20240109233000", "20240110003000+0100", True),
        ("20240110003000", "20240110003000+0100", False),
        ("202401092330", "20240110003000+0100", True),
        ("20240110", "20240110", True),
        ("20240109230000", "20240110", True),
        ("20240108", "20240110", False),
        ("20240110083000", "20240110093000", True),  # winter, no zone told
        ("20240710073000", "20240710093000", True),
        ("20240710093000", "20240710093000", True),
        ("20240710063000", "20240710093000", False),
        ("2024", "20240110003000+0100", True),
        ("", "20240110", False),
        ("20241310", "20241310", False),
        ("0001", "0001", False),
    ],
)
def test_times_are_compared_in_utc_as_far_as_told(utc: str, local: str, same: bool) -> None:
    """METADATA.XML is in UTC without saying so; a header has a zone, or means France."""
    assert is_same_moment(utc, local) is same


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1^^^&1.2&ISO^NH", ("1.2", "1")),
        ("1^^^&1.2&ISO", ("1.2", "1")),
        ("1^^^&amp;1.2&amp;ISO^NH", ("1.2", "1")),
        ("1^^^1.2^NH", None),
        ("^^^&1.2&ISO^NH", None),
        ("1^^^&&ISO^NH", None),
        ("", None),
    ],
)
def test_a_patient_id_has_one_form(text: str, expected: tuple[str, str] | None) -> None:
    """HL7 v2 CX."""
    person = person_of(text)
    assert (person and (person.root, person.extension)) == expected


@given(st.data())
@settings(max_examples=60, deadline=None)  # the machine may be busy
def test_metadata_damaged_anywhere_gives_findings_and_nothing_else(data: st.DataObject) -> None:
    """Whatever stands there, reading never raises."""
    entries = right()
    octets = bytearray(entries[METADATA])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(octets) - 1))
        length = data.draw(st.integers(0, 40))
        octets[start : start + length] = data.draw(st.binary(max_size=8) | st.just(octets[:200]))
    entries[METADATA] = bytes(octets)
    package = read(entries, Profile.STANDARD)
    assert verdict_of(package.findings) in Verdict


@pytest.mark.skipif(not REAL.exists(), reason="needs public archives that the project does not ship")
@pytest.mark.parametrize(
    ("name", "refused", "documents"),
    [
        # Real hash and size everywhere; their codes and ids are not those of the document, and none knows an INS.
        ("c32-sample1", {"XDM-DOC-008", "XDM-DOC-011", "XDM-DOC-012"}, 1),
        ("ccda-ambulatory", {"XDM-DOC-011", "XDM-DOC-012"}, 1),
        ("ccr-sample1", set(), 0),  # a CCR, which is no CDA
        ("ebrim2", {"XDM-MET-001", "XDM-ARC-004"}, 1),
        ("minimal", {"XDM-DOC-010"}, 0),  # says nothing of a patient
    ],
)
def test_real_archives_get_a_reasoned_verdict(name: str, refused: set[str], documents: int) -> None:
    """All five open; what refuses them is what they tell, not how they are packed."""
    content = (REAL / f"{name}.zip").read_bytes()
    package = xdm.read(content, Profile.STANDARD)
    assert xdm.is_xdm(f"{name}.zip", content)
    assert {each.rule for each in package.findings if each.severity is Severity.REJECT} == refused
    assert "XDM-DOC-003" not in rules_of(package)
    assert "XDM-DOC-004" not in rules_of(package)
    assert len(package.documents) == documents
