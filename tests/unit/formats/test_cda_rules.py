"""CDA documents against the project's own rules."""

import copy
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.clinical import Environment, Profile, Severity, Verdict, Weight, verdict_of
from mssgw.formats import documents, safexml
from mssgw.formats.cda.report import _WORDS, shown
from mssgw.formats.cda.rulebook import RULES, Conditions, check
from mssgw.formats.cda.value_sets import UnreadableValueSet, ValueSets
from mssgw.formats.documents import HL7
from tests.cda_valid import NOW, judge, root_of, rules
from tests.cda_variants import VARIANTS, Variant, at, variants

# Published example documents, when a developer has them beside the checkout.
SAMPLES = sorted((Path(__file__).parents[4] / "shared" / "data" / "cda" / "samples").glob("*.xml"))
JUDGED = (Profile.STRICT, Profile.STANDARD)


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("kind", ["lettre-de-liaison", "crh", "biologie", "imagerie", "ordonnance", "vaccination"])
def test_a_right_document_has_no_finding(kind: str, structured: bool) -> None:
    """Where test identities are at home: under strict, not even a note."""
    assert judge(root_of(kind=kind, structured=structured), Profile.STRICT) == ()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: f"{each.row}: {each.what}")
def test_every_wrong_variant_gets_its_verdict(variant: Variant) -> None:
    """Its rule is among the findings, and the verdict is the one on its label, under strict and standard."""
    made = 0
    for root in (root_of(), root_of(structured=True)):
        changed = copy.deepcopy(root)
        if variant.change(changed):
            made += 1
            for profile in JUDGED:
                findings = judge(changed, profile)
                assert variant.rule in {finding.rule for finding in findings}
                assert verdict_of(findings) is variant.verdict(profile)
    assert made


def test_every_rule_has_a_variant() -> None:
    """But for those about recipients and value sets, which have tests of their own, and the ones named here."""
    elsewhere = re.compile(r"CDA-(?:XSD|HID|COH)-|CDA-(?:HDR-010|HDR-044|HDR-053|PER-005|PER-008)$")
    apart = {"CDA-HDR-001", "CDA-HDR-022", "CDA-HDR-024", "CDA-HDR-025", "CDA-INS-020"}
    assert {rule for rule in RULES if not elsewhere.match(rule)} - apart == {variant.rule for variant in VARIANTS}


def test_rules_are_sentences_with_a_source() -> None:
    """An integrator reads them; their ids keep a form that other rules can share."""
    for number, rule in RULES.items():
        assert re.fullmatch(r"CDA-(?:XSD|HDR|PAT|INS|PER|TIM|COD|BOD|HID|COH)-[0-9]{3}", number)
        assert number == rule.id
        assert rule.sentence[0].isalpha()
        assert not rule.sentence.endswith(".")
        assert rule.source
    assert len({rule.sentence for rule in RULES.values()}) == len(RULES)


def test_a_finding_tells_where() -> None:
    """Line and XPath of the element, of what is missing in it, or of its attribute."""
    root = root_of()
    names = at(root, "recordTarget/patientRole/patient/name/family")
    names.set("qualifier", "SP")
    at(root, "title").getparent().remove(at(root, "title"))
    by_rule = {finding.rule: finding for finding in judge(root)}
    family = by_rule["CDA-PAT-007"]
    assert family.xpath == "/ClinicalDocument/recordTarget/patientRole/patient/name/family[1]/@qualifier"
    assert (family.line, family.found, family.expected) == (names.sourceline, "SP", "BR CL")
    assert by_rule["CDA-HDR-011"].xpath == "/ClinicalDocument/title"
    assert by_rule["CDA-HDR-011"].found == "absent"


def test_what_is_no_clinical_document_is_refused() -> None:
    """Any tree is judged, and none is taken for a document."""
    findings = judge(safexml.parse(b"<ClinicalDocument/>", limit=100))
    assert "CDA-HDR-001" in {finding.rule for finding in findings}
    assert verdict_of(findings) is Verdict.REJECT


def test_a_remote_style_sheet_is_told() -> None:
    """We fetch nothing; a reader's browser might."""
    for href, told in (("http://example.org/a.xsl", True), ("//example.org/a.xsl", True), ("cda.xsl", False)):
        content = f'<?xml-stylesheet type="text/xsl" href="{href}"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
        assert ("CDA-HDR-022" in rules(judge(safexml.parse(content.encode(), limit=1000)))) is told


def test_what_would_be_included_from_elsewhere_is_told() -> None:
    """We include nothing; a program that does would show another document than the one that was judged."""
    root = root_of()
    include = b'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="http://example.org/a.xml"/>'
    at(root, "title").append(safexml.parse(include, limit=1_000))
    assert rules(judge(root)) == {"CDA-HDR-025"}
    assert verdict_of(judge(root, Profile.STRICT)) is Verdict.WARN


def test_identities_of_the_other_environment() -> None:
    """Unset: a test identity is warned about; set: what does not belong here is refused (INS-6)."""
    root = root_of()
    assert rules(judge(root, environment=None)) == {"CDA-INS-020"}
    assert rules(judge(root, environment=Environment.TEST)) == set()
    assert rules(judge(root, environment=Environment.PRODUCTION)) == {"CDA-INS-021"}


PARTICIPANT = b"""<participant xmlns="urn:hl7-org:v3" typeCode="INF"><time nullFlavor="UNK"/><associatedEntity
classCode="PROV"/></participant>"""
JDV = b"""<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008"><ValueSet id="1.2"><ConceptList>
<Concept code="%s" codeSystem="%s" displayName="x"/></ConceptList></ValueSet></RetrieveValueSetResponse>"""


@pytest.mark.parametrize(
    ("name", "path", "rule"),
    [
        ("JDV_J07-TypeCode.xml", "code", "CDA-HDR-010"),
        ("JDV_J01.xml", "author/assignedAuthor/code", "CDA-PER-005"),
        ("jdv_j02-x.xml", "componentOf/encompassingEncounter/location/healthCareFacility/code", "CDA-HDR-053"),
        (
            "JDV_J04.xml",
            "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization/standardIndustryClassCode",
            "CDA-HDR-044",
        ),
        ("JDV_J47.xml", "author/functionCode", "CDA-PER-008"),
        ("JDV_J47-FunctionCode.xml", "documentationOf/serviceEvent/performer/functionCode", "CDA-PER-008"),
    ],
)
def test_codes_are_held_against_value_sets_that_are_installed(name: str, path: str, rule: str) -> None:
    """A code that the set lacks is told; one that it has, or a set that is not there, is not."""
    root = root_of()
    for holder in ("author", "documentationOf/serviceEvent/performer"):
        function = b'<functionCode xmlns="urn:hl7-org:v3" code="PCP" codeSystem="2.16.840.1.113883.5.88"/>'
        at(root, holder).insert(0, safexml.parse(function, limit=1_000))
    coded = at(root, path)
    right = JDV % (coded.get("code").encode(), coded.get("codeSystem").encode())
    for content, told in ((right, set()), (JDV % (b"other", b"1.2"), {rule}), (JDV % (b"other", b"1.2"), {rule})):
        sets = ValueSets.of({name: content, "README.txt": b""})
        conditions = Conditions(profile=Profile.STANDARD, now=NOW, environment=Environment.TEST, value_sets=sets)
        assert rules(check(root, conditions)) == told


@pytest.mark.parametrize("content", [b"", b"<a/>", b"<!DOCTYPE a><a/>", b"<Concept code='1'/>"])
def test_a_value_set_that_cannot_be_read_is_not_an_empty_one(content: bytes) -> None:
    """An empty set would find fault with every document."""
    with pytest.raises(UnreadableValueSet, match="JDV_J07"):
        ValueSets.of({"JDV_J07.xml": content})


@pytest.mark.skipif(not SAMPLES, reason="the published examples are not here")
def test_no_published_example_is_refused() -> None:
    """Under standard, without an environment; and the wrong INS keys among them are found."""
    refused, wrong_keys = [], []
    for path in SAMPLES:
        document = documents.read(path.read_bytes(), name=path.name)
        assert document is not None, path.name
        findings = judge(document.root, environment=None)
        refused += [(path.name, finding) for finding in findings if finding.severity is Severity.REJECT]
        wrong_keys += [path.name for finding in findings if finding.rule == "CDA-INS-003"]
    assert refused == []
    assert len(wrong_keys) == 6


@pytest.mark.skipif(not SAMPLES, reason="the published examples are not here")
def test_variants_of_published_examples_are_found() -> None:
    """The generator works on any valid document; what these have on top does not hide a fault."""
    for path in SAMPLES[7:60:26]:
        document = documents.read(path.read_bytes())
        assert document is not None
        for variant, changed in variants(document.root):
            findings = judge(changed, environment=None)
            assert variant.rule in rules(findings) or variant.rule == "CDA-INS-021"
            if variant.weight is Weight.HARM and variant.rule != "CDA-INS-021":
                assert verdict_of(findings) is Verdict.REJECT


#: What identifies the patient of our documents, and what we plant in other places.
PERSONAL = ("PATRONYME", "JEANNE", "MARIE", "279035121518989", "2790351215189", "19790328", "IPP-0042", "51215")
N1, STRUCTURED = root_of(), root_of(structured=True)
PLACES = st.integers(0, 10_000)


@given(
    st.sampled_from([N1, STRUCTURED]),
    st.lists(
        st.tuples(
            PLACES,
            st.sampled_from(["drop", "text", "name", "foreign", "attribute", "null", "strip", "twice"]),
            st.sampled_from(PERSONAL),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_any_tree_is_judged_and_no_finding_names_anybody(root: safexml.Element, damages: list) -> None:
    """Elements gone, doubled or emptied, names and numbers in the wrong places: no crash, and nothing leaks (SD-10)."""
    changed = copy.deepcopy(root)
    for place, how, value in damages:
        elements = [*changed.iter("{*}*")]
        damage(elements[place % len(elements)], how, value, place)
    for profile in Profile:
        for finding in judge(changed, profile, None):
            told = " ".join((finding.sentence, finding.xpath, finding.found, finding.expected))
            assert not [value for value in PERSONAL if value in told]


def damage(element: safexml.Element, how: str, value: str, place: int) -> None:
    """One change to one element."""
    match how:
        case "drop" | "twice" if element.getparent() is None:
            return
        case "drop":
            element.getparent().remove(element)
        case "twice":
            element.addnext(copy.deepcopy(element))
        case "text":
            element.text = value
        case "name":
            element.tag = f"{HL7}_{value}"
        case "foreign":
            element.tag = "{urn:" + value + "}given"
        case "null":
            element.set("nullFlavor", "UNK")
        case "strip":
            element.attrib.clear()
        case _:
            names = sorted(element.attrib) or ["code"]
            element.set(names[place % len(names)], value)


@given(st.text(min_size=3, max_size=30, alphabet=st.characters(categories=("Lu", "Ll"))))
def test_words_are_never_shown(word: str) -> None:
    """A name may stand where a code should; only the few words of the standards are repeated."""
    assert word not in shown(word) or word in _WORDS | {"valeur", "caractères", "non", "reproduite"}


@given(st.from_regex(r"[0-9]{7,20}", fullmatch=True))
def test_long_numbers_are_never_shown(number: str) -> None:
    """Birth dates, matricules, numbers of professionals; inside an OID as well."""
    assert number not in shown(number)
    assert len(number) < 10 or number not in shown(f"1.2.250.1.213.1.4.8.{number}")
    assert number not in shown(f"application/pdf{number}")


def test_a_flood_of_faults_is_told_in_a_few_findings() -> None:
    """A report of 100,000 lines helps nobody and fills the disk."""
    root = root_of()
    telecom = at(root, "recordTarget/patientRole/telecom")
    telecom.attrib.clear()
    for _ in range(4_000):
        telecom.addnext(copy.deepcopy(telecom))
    findings = judge(root)
    assert [finding.rule for finding in findings] == ["CDA-PER-030"] * 10


@pytest.mark.parametrize("path", ["participant", "recordTarget/patientRole/id"])
def test_no_header_has_a_thousand_of_anything(path: str) -> None:
    """What follows is not looked at, and the document refused: time is for other letters."""
    root = root_of()
    role = at(root, path) if "/" in path else at(root, "custodian")
    for _ in range(1_001):
        role.addnext(copy.deepcopy(role) if "/" in path else safexml.parse(PARTICIPANT, limit=1_000))
    findings = judge(root)
    assert "CDA-HDR-024" in rules(findings)
    assert verdict_of(findings) is Verdict.REJECT
