"""A pack is found in material as it is downloaded, whatever else lies in it, and never outside of it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssgw.formats.cda.material import MAX_SCHEMAS, UnusableMaterial, is_wanted, pack_from
from mssgw.formats.cda.rulebook import check
from mssgw.formats.cda.specimens import specimens
from mssgw.formats.cda.value_sets import USED
from tests.schemas import CODES, CS, DOCUMENT, MATERIAL, PACK, ROOT, importing, including, schema, value_set

JDV = "jeuxDeValeurs"


def test_the_schema_is_found_and_laid_flat() -> None:
    """The first file leads to the others, under new names; what nobody includes stays out."""
    found = pack_from({**MATERIAL, "other/unused.xsd": schema()})
    assert found.schema == ROOT
    assert list(found.pack.schemas) == ["000-CDA_extended.xsd", "001-SDTC.xsd", "002-voc.xsd"]
    assert b'schemaLocation="002-voc.xsd"' in found.pack.files["000-CDA_extended.xsd"]
    assert b'schemaLocation="000-CDA_extended.xsd"' in found.pack.files["002-voc.xsd"]
    assert found.missing == found.unreadable == ()
    assert set(found.absent) == USED


def test_the_letter_case_of_names_is_repaired() -> None:
    """Two were wrong; backslashes and %20 are read as they are meant."""
    assert len(pack_from(MATERIAL).repaired) == 2
    odd = {ROOT: schema(including("General\\Data%20types.xsd"), DOCUMENT)}
    found = pack_from({**odd, "infrastructure/cda/general/data types.xsd": schema(CS)})
    assert found.missing == ()
    assert list(found.pack.files) == ["000-CDA_extended.xsd", "001-data_types.xsd"]


def test_the_exact_name_goes_before_one_in_another_case() -> None:
    """Both may be there."""
    other = CODES.replace("voc.xsd", "Voc.xsd")
    material = {**MATERIAL, ROOT: schema(including("general/voc.xsd"), DOCUMENT), other: schema()}
    assert pack_from(material).repaired == ()


def test_the_schema_of_xslt_is_left_out() -> None:
    """It is there with a DOCTYPE, or not there at all: nothing is said to be missing."""
    xslt = {"infrastructure/cda/schema/xslt20.xsd": b"<!DOCTYPE a>" + schema()}
    for material in (MATERIAL, {**MATERIAL, **xslt}):
        found = pack_from(material)
        assert (found.missing, found.unreadable, len(found.pack.files)) == ((), (), 3)


def test_what_is_missing_is_told_and_done_without() -> None:
    """When the schema can: else the same words say why not."""
    found = pack_from({path: MATERIAL[path] for path in (ROOT, CODES)})
    assert found.missing == (f"SDTC/sdtc.xsd (in {ROOT}, line 1)",)
    with pytest.raises(UnusableMaterial, match=r"missing General/Voc\.xsd \(in .*does not resolve"):
        pack_from({ROOT: MATERIAL[ROOT]})


def test_what_cannot_be_read_is_told_and_done_without() -> None:
    """As if it were missing."""
    sdtc = "infrastructure/cda/sdtc/SDTC.xsd"
    found = pack_from({**MATERIAL, sdtc: b"<!DOCTYPE a>" + MATERIAL[sdtc]})
    assert found.unreadable == (f"{sdtc}: DOCTYPE not admitted",)
    with pytest.raises(UnusableMaterial, match="DOCTYPE"):
        pack_from({**MATERIAL, ROOT: b"<!DOCTYPE a>" + MATERIAL[ROOT]})


ESCAPES = ["../../etc/passwd", "../../../CDA_extended.xsd", "/etc/passwd", "file:///etc/passwd", "C:\\a.xsd"]
ESCAPES += [
    "http://127.0.0.1:9/a.xsd",
    "//127.0.0.1/a.xsd",
    "",
    "..",
    ".",
    "a\n.xsd",
    "#",
    "?",
    "%00",
    "%2e%2e/%2e%2e/a.xsd",
]


@pytest.mark.parametrize("location", ESCAPES)
def test_nothing_outside_the_material_is_named(location: str) -> None:
    """It is missing, and the pack does not know of it."""
    found = pack_from({**MATERIAL, ROOT: schema(importing(location), including("general/voc.xsd"), DOCUMENT)})
    assert len(found.missing) == 1
    assert all(b"passwd" not in content and b"127.0.0.1" not in content for content in found.pack.files.values())


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("C",), exclude_characters='<>&"'), max_size=30))
def test_any_name_is_followed_within_the_material_or_not_at_all(location: str) -> None:
    """Whatever is written there."""
    found = pack_from({**MATERIAL, ROOT: schema(importing(location), including("general/voc.xsd"), DOCUMENT)})
    assert len(found.pack.files) + len(found.missing) == 3


@pytest.mark.parametrize(
    ("material", "why"),
    [
        ({}, "neither"),
        ({"a/schema.xsd": schema()}, "neither"),
        ({"CDA.xsd": b"<a>"}, "unreadable.*well-formed"),
        ({"CDA.xsd": schema()}, "refuses a right document"),
        ({"CDA.xsd": schema('<xs:element name="ClinicalDocument"/>')}, "nothing in it"),
        ({"CDA.xsd": schema('<xs:element name="ClinicalDocument" type="xs:token"/>')}, "refuses a right document"),
        ({"CDA.xsd": schema('<xs:element name="a" type="b"/>')}, r"000-CDA\.xsd line 1: .*does not resolve"),
    ],
)
def test_a_broken_schema_is_refused_with_its_reason(material: dict[str, bytes], why: str) -> None:
    """One that takes anything, or nothing, is as bad as none."""
    with pytest.raises(UnusableMaterial, match=why):
        pack_from(material)


def test_a_chain_of_files_has_an_end() -> None:
    """So many do not make a schema of CDA."""
    chain = {f"{number}.xsd": schema(including(f"{number + 1}.xsd")) for number in range(MAX_SCHEMAS)}
    with pytest.raises(UnusableMaterial, match="include each other"):
        pack_from({"CDA.xsd": schema(including("0.xsd"), DOCUMENT, CS), **chain})


def test_of_several_schemas_the_extended_one_higher_up_is_taken() -> None:
    """Then the next one that works."""
    plain = schema(DOCUMENT, CS)
    for paths, chosen in (
        (("CDA.xsd", "a/b/CDA_extended.xsd"), "a/b/CDA_extended.xsd"),
        (("a/CDA_extended.xsd", "cda_EXTENDED.xsd"), "cda_EXTENDED.xsd"),
    ):
        assert pack_from(dict.fromkeys(paths, plain)).schema == chosen
    assert pack_from({"CDA_extended.xsd": b"<a", "old/CDA.XSD": plain}).schema == "old/CDA.XSD"


def test_value_sets_are_found_and_the_latest_one_is_taken() -> None:
    """The material holds some twice, under an older and a newer name; one that cannot be read is told."""
    found = pack_from(
        {
            **MATERIAL,
            f"{JDV}/JDV_J07-XdsTypeCode-CISIS.xml": value_set("new", revised="20250101120000"),
            f"{JDV}/JDV_J07_XdsTypeCode_CISIS.xml": value_set("old", revised="20220101120000"),
            f"{JDV}/JDV_J01.xml": value_set("b", revised="2023-01-01"),
            f"{JDV}/JDV_J02.xml": b"<html/>",
            f"{JDV}/JDV_J04.xml": b"<!DOCTYPE a>" + value_set("c"),
            f"{JDV}/JDV_J99.xml": value_set("d"),
        }
    )
    assert found.value_sets == {"JDV_J01": f"{JDV}/JDV_J01.xml", "JDV_J07": f"{JDV}/JDV_J07-XdsTypeCode-CISIS.xml"}
    assert found.absent == ("JDV_J02", "JDV_J04", "JDV_J47")
    assert [each.partition(":")[0] for each in found.unreadable] == [f"{JDV}/JDV_J02.xml", f"{JDV}/JDV_J04.xml"]
    sets = found.pack.opened().value_sets
    assert sets.has("JDV_J07", "new", "1.2.3")
    assert not sets.has("JDV_J07", "old", "1.2.3")
    assert not sets.knows("JDV_J99")


def test_every_value_set_that_a_rule_asks_for_is_looked_for() -> None:
    """Or a pack would not hold it."""
    sources = (Path(check.__code__.co_filename).parent).glob("*.py")
    asked = {name for path in sources for name in USED if f'in_value_set("{name}"' in path.read_text("utf-8")}
    assert asked == USED


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a/b.xsd", True),
        ("A.XSD", True),
        ("jeux/JDV_J47_FunctionCode_CISIS.XML", True),
        ("jeux/JDV_J48-x.xml", False),
        ("JDV_J07/readme.xml", False),
        ("ExemplesCDA/VSM.xml", False),
        ("__MACOSX/a/._b.xsd", False),
        (".git/a.xsd", False),
        ("a.xsd/b.png", False),
    ],
)
def test_only_what_a_pack_may_need_is_read(path: str, wanted: bool) -> None:
    """The material holds hundreds of megabytes of other things."""
    assert is_wanted(path) is wanted


def test_a_pack_is_named_by_what_is_in_it() -> None:
    """Names and contents, in whatever order they are met."""
    backwards = type(PACK)(dict(reversed(PACK.files.items())))
    assert backwards.digest == PACK.digest == pack_digest_of(PACK.files)
    assert type(PACK)({**PACK.files, "001-b.xsd": b""}).digest != PACK.digest
    assert (
        type(PACK)({"000-a.xsd": PACK.files["000-a.xsd"], "001-c.xsd": PACK.files["001-b.xsd"]}).digest != PACK.digest
    )


def pack_digest_of(files) -> str:
    return type(PACK)(dict(sorted(files.items()))).digest


def test_the_specimens_are_of_every_kind() -> None:
    """With a PDF, and in sections."""
    assert len([*specimens()]) >= 10
