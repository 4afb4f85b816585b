"""The XSD stage: what a schema refuses is a matter of form, told with its place and never with the document's words."""

from pathlib import Path

import pytest

from mssgw.core.clinical import Environment, Finding, Profile, Severity, Verdict, verdict_of
from mssgw.core.report import Order
from mssgw.formats import documents, safexml
from mssgw.formats.cda.material import pack_from
from mssgw.formats.cda.rulebook import Conditions, check
from mssgw.formats.judging import judge_file
from mssgw.formats.safexsd import Schema
from tests.cda_valid import NOW, judge, root_of, rules
from tests.cda_variants import variants
from tests.schemas import PACK

# Published material, when a developer has it beside the checkout.
DATA = Path(__file__).parents[4] / "shared" / "data" / "cda"
SAMPLES = sorted((DATA / "samples").glob("*.xml"))
here = pytest.mark.skipif(not SAMPLES, reason="the published material is not here")


@pytest.fixture(scope="module")
def small() -> Schema:
    schema = PACK.opened().schema
    assert schema is not None
    return schema


@pytest.fixture(scope="module")
def published() -> Schema:
    schema = pack_from({path.relative_to(DATA).as_posix(): path.read_bytes() for path in DATA.rglob("*.xsd")})
    assert schema.missing == schema.unreadable == ()
    return schema.pack.opened().schema


def against(schema: Schema, root: safexml.Element, profile: Profile = Profile.STANDARD) -> tuple[Finding, ...]:
    conditions = Conditions(profile=profile, now=NOW, environment=Environment.TEST, schema=schema)
    return check(root, conditions)


def of_the_schema(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.rule == "CDA-XSD-001"]


def test_what_a_schema_refuses_departs_from_the_form(small: Schema) -> None:
    """Strict refuses it, the others warn; a right document has no finding."""
    root = root_of()
    assert against(small, root, Profile.STRICT) == ()
    root.insert(0, safexml.parse(b'<realmCode xmlns="urn:hl7-org:v3" code="France"/>', limit=100))
    worst = {profile: of_the_schema(against(small, root, profile))[0].severity for profile in Profile}
    assert worst == {
        Profile.STRICT: Severity.REJECT,
        Profile.STANDARD: Severity.WARN,
        Profile.OBSERVE: Severity.WARN,
    }


def test_a_finding_tells_the_place_the_kind_and_what_the_schema_wants(small: Schema) -> None:
    """Line, XPath to the attribute; libxml2 tells a bad value of a list twice, we once."""
    head, tail = b'<ClinicalDocument xmlns="urn:hl7-org:v3">\n', b"<id/></ClinicalDocument>"
    codes = b'<realmCode code="FR" qualifier="XX"/>\n<realmCode code="France"/>\n'
    first, second, third = of_the_schema(against(small, safexml.parse(head + codes + tail, limit=1000)))
    assert (first.line, first.xpath) == (2, "/ClinicalDocument/realmCode[1]/@qualifier")
    assert first.found == "valeur hors de la liste admise"
    assert (second.line, second.xpath) == (3, "/ClinicalDocument/realmCode[2]/@code")
    assert second.found == "valeur mal formée"
    assert (third.line, third.xpath, third.expected) == (4, "/ClinicalDocument/id", "realmCode, typeId")
    assert "inattendu" in third.found


HOSTILE = [
    '<realmCode code="DUPONT"/>',
    "<realmCode code=\"attribute 'dupont'\"/>",
    '<realmCode code="FR">JEANNE DUPONT</realmCode>',
    '<realmCode code="FR" dupont="1"/>',
    "<Dupont279035121518989/>",
    '<x:DUPONT xmlns:x="urn:dupont"/>',
]


@pytest.mark.parametrize("inside", HOSTILE)
def test_nothing_of_a_document_is_repeated(small: Schema, inside: str) -> None:
    """Neither values nor the names that only it knows, whatever libxml2 says of them (SD-10)."""
    text = f'<ClinicalDocument xmlns="urn:hl7-org:v3">{inside}<typeId/><id/></ClinicalDocument>'
    findings = of_the_schema(against(small, safexml.parse(text.encode(), limit=1000)))
    assert findings
    told = "".join(f"{each.xpath} {each.found} {each.expected}" for each in findings)
    assert not {word for word in ("DUPONT", "JEANNE", "jeanne", "2790351") if word in told}


def test_at_most_ten_places_are_told(small: Schema) -> None:
    """The next hundred say nothing new; of errors without end, that they are so many, once for each kind."""
    for number, told in ((100, 10), (5_000, 1)):
        inside = '<realmCode code="x"/>' * number
        text = f'<ClinicalDocument xmlns="urn:hl7-org:v3">{inside}<typeId/><id/></ClinicalDocument>'
        findings = of_the_schema(against(small, safexml.parse(text.encode(), limit=1_000_000)))
        assert len(findings) == told
    assert findings[0].found == "plus de 200 écarts, non situés ; parmi eux : valeur mal formée"


def test_of_a_self_presenting_document_only_the_document_is_judged(small: Schema) -> None:
    """The sheet around it is of another language."""
    sheet = (
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        '<c:Contenu xmlns:c="urn:asip-sante:ci-sis">%s</c:Contenu></xsl:stylesheet>'
    )
    for inside, told in ((safexml.written(root_of()).decode(), 0), ('<ClinicalDocument xmlns="urn:hl7-org:v3"/>', 1)):
        document = documents.read((sheet % inside).encode())
        assert document is not None
        assert len(of_the_schema(against(small, document.root))) == told


def test_a_letter_or_file_is_held_against_what_is_installed() -> None:
    """As a validator process does."""
    order = Order(profile=Profile.STRICT, now=NOW, environment=Environment.TEST)
    right = safexml.written(root_of())
    wrong = right.replace(b'<realmCode code="FR"/>', b'<realmCode code="FR" classCode="x"/>')
    assert wrong != right
    assert judge_file(right, order, PACK.opened()).verdict is Verdict.ACCEPT
    assert judge_file(wrong, order).verdict is Verdict.ACCEPT
    assert judge_file(wrong, order, PACK.opened()).verdict is Verdict.REJECT


@here
def test_every_published_example_is_valid(published: Schema) -> None:
    """All 65, self-presenting ones among them."""
    for path in SAMPLES:
        document = documents.read(path.read_bytes())
        assert document is not None
        assert of_the_schema(against(published, document.root)) == [], path.name


@here
@pytest.mark.parametrize("structured", [False, True])
def test_the_published_schema_changes_no_label(published: Schema, structured: bool) -> None:
    """Every wrong variant keeps its verdict under strict and standard; a schema alone would miss most of them."""
    root = root_of(structured=structured)
    assert against(published, root, Profile.STRICT) == ()
    seen = 0
    for variant, changed in variants(root):
        for profile in (Profile.STRICT, Profile.STANDARD):
            findings = against(published, changed, profile)
            assert verdict_of(findings) is variant.verdict(profile), variant.what
            assert rules(findings) - {"CDA-XSD-001"} == rules(judge(changed, profile))
        seen += bool(of_the_schema(findings))
    assert seen > 30
