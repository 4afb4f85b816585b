"""Schemas come from memory alone, and a document with a hundred thousand errors costs no more than one with ten."""

import socket
from pathlib import Path

import pytest

from mssgw.formats import safexml
from mssgw.formats.safexsd import LOCATED, Schema, UnusableSchema
from tests.schemas import CS, DOCUMENT, PACK, importing, including, schema

LIMIT = 16_000_000


def document(*codes: str, more: str = "") -> safexml.Element:
    inside = "".join(f'<realmCode code="{code}"/>\n' for code in codes)
    text = f'<ClinicalDocument xmlns="urn:hl7-org:v3"{more}>{inside}<typeId/><id/></ClinicalDocument>'
    return safexml.parse(text.encode(), limit=LIMIT)


@pytest.fixture(scope="module")
def small() -> Schema:
    return Schema(PACK.files, "000-a.xsd")


def test_a_document_is_valid_or_told_where_it_is_not(small: Schema) -> None:
    """In its order; the same schema serves one document after the other."""
    assert small.troubles(document("FR"), 10) == []
    (trouble,) = small.troubles(document(), 10)
    assert trouble.kind == "SCHEMAV_ELEMENT_CONTENT"
    found = small.troubles(document("FR", "x", "FR", "y"), 10)
    assert [trouble.element.sourceline for trouble in found if trouble.element is not None] == [2, 4]
    assert len(small.troubles(document(*"abcdefgh"), 3)) == 3
    assert small.troubles(document("FR"), 10) == []


def test_places_are_found_whatever_the_prefixes(small: Schema) -> None:
    """Of the document, of elements that are foreign to it, and of one prefix that means two things."""
    text = (
        '<h:ClinicalDocument xmlns:h="urn:hl7-org:v3" xmlns:s="urn:hl7-org:sdtc"><h:realmCode code="FR"/>\n'
        '<h:realmCode code="x"/><h:typeId/><h:id/></h:ClinicalDocument>'
    )
    (trouble,) = small.troubles(safexml.parse(text.encode(), limit=LIMIT), 10)
    assert trouble.element is not None
    assert (trouble.element.get("code"), trouble.element.sourceline) == ("x", 2)
    for foreign in ("<s:a/><s:a/>", '<s:a xmlns:s="urn:b"/>', '<a xmlns=""/>', "<h:id/>"):
        inside = text.replace('<h:realmCode code="FR"/>', f"<!-- -->{foreign}")
        (first, *_) = small.troubles(safexml.parse(inside.encode(), limit=LIMIT), 10)
        assert first.element is not None
        assert first.element.getprevious() is not None, foreign
        assert first.element.getprevious().getprevious() is None, foreign


def test_a_trouble_shows_nothing_of_the_document(small: Schema) -> None:
    """libxml2's texts quote it."""
    (trouble,) = small.troubles(document("DUPONT"), 10)
    assert "DUPONT" in trouble.message
    assert "DUPONT" not in repr(trouble)


def test_errors_without_end_are_counted_and_not_located(small: Schema) -> None:
    """Beyond that lxml would look up the place of each among all its siblings: a minute for 100,000."""
    found = small.troubles(document(*(["x"] * 60_000)), 10)
    assert [trouble.element for trouble in found] == [None] * 10
    assert found[0].kind == "SCHEMAV_CVC_PATTERN_VALID"


def test_few_errors_are_located_in_a_large_document_too(small: Schema) -> None:
    """What is rare is worth the search."""
    codes = ["FR"] * 3_000 + ["x"] * LOCATED + ["FR"] * 3_000
    found = small.troubles(document(*codes), 2)
    assert [trouble.element.sourceline for trouble in found if trouble.element is not None] == [3_001, 3_002]
    assert small.troubles(document(*(["FR"] * 6_000)), 2) == []


@pytest.mark.parametrize("location", ["b.xsd", "../b.xsd", "{folder}/b.xsd", "file://{folder}/b.xsd", "%2e/b.xsd"])
@pytest.mark.parametrize("naming", [including, importing])
def test_a_schema_names_no_file_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location, naming) -> None:
    """Though there is one, with all that it needs."""
    (tmp_path / "b.xsd").write_bytes(schema(CS))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path if "/" not in location else tmp_path / "here")
    with pytest.raises(UnusableSchema, match=r"a\.xsd line 1: names a file that is not there"):
        Schema({"a.xsd": schema(naming(location.format(folder=tmp_path)), DOCUMENT)}, "a.xsd")


def test_a_base_leads_nowhere_either(tmp_path: Path) -> None:
    """xml:base makes another address of the name of a file that is there."""
    (tmp_path / "b.xsd").write_bytes(schema(CS))
    based = schema(including("b.xsd"), DOCUMENT).replace(
        b"<xs:include", b'<xs:include xml:base="%s/"' % bytes(tmp_path)
    )
    with pytest.raises(UnusableSchema):
        Schema({"a.xsd": based, "b.xsd": schema()}, "a.xsd")


def test_no_connection_is_made(small: Schema) -> None:
    """Neither for a schema nor for a document that names one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.xsd"
        with pytest.raises(UnusableSchema):
            Schema({"a.xsd": schema(importing(url), DOCUMENT, CS)}, "a.xsd")
        said = f' xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="urn:hl7-org:v3 {url}"'
        assert small.troubles(document("FR", more=said), 10) == []
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a/>",
        b"\x00\x01",
        schema('<xs:element name="a" type="nothing"/>'),
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/hostname">]>' + schema("<xs:annotation>&b;</xs:annotation>"),
        schema().replace(b"<xs:schema", b'<?xml version="1.0" encoding="utf-7"?><xs:schema'),
        schema() + b" " * 4_200_000,
    ],
    ids=["empty", "other", "binary", "unresolved", "doctype", "encoding", "large"],
)
def test_what_is_no_schema_is_refused_by_name(content: bytes) -> None:
    """With the file's name, for an administrator."""
    with pytest.raises(UnusableSchema):
        Schema({"a.xsd": content}, "a.xsd")
    with pytest.raises(UnusableSchema):
        Schema({**PACK.files, "001-b.xsd": content}, "000-a.xsd")
