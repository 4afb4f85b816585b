"""XML from others: what is read, and what is refused before a parser could be harmed by it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from mssgw.formats.safexml import Caps, UnreadableXml, again, apart, parse, parse_within

LIMIT = 100_000
SECRET = "279035121518989"


@pytest.mark.parametrize("encoding", ["utf-8", "us-ascii", "iso-8859-1", "ISO-8859-15", "windows-1252"])
def test_a_document_in_an_encoding_of_the_trade_is_read(encoding: str) -> None:
    """Real documents come in these."""
    text = "e" if encoding == "us-ascii" else "é"
    document = f'<?xml version="1.0" encoding="{encoding}"?>\n<!-- x --><a b="1">{text}</a>'.encode(encoding)
    assert parse(document, limit=LIMIT).text == text


def test_without_a_declaration_it_is_utf_8_with_or_without_a_byte_order_mark() -> None:
    """XML 1.0, section 4.3.3."""
    assert parse("<a>é</a>".encode(), limit=LIMIT).text == "é"
    assert parse("<a>é</a>".encode("utf-8-sig"), limit=LIMIT).text == "é"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"<!DOCTYPE a><a/>", "DOCTYPE"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>', "DOCTYPE"),
        (b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "DOCTYPE"),
        ('<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16"), "encoding"),
        ("<a/>".encode("utf-16-le"), "encoding"),
        ("<a/>".encode("utf-32"), "encoding"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "encoding"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "encoding"),
        (b"", "no element"),
        (b"<!-- nothing -->", "no element"),
        (b"just text", "line 1"),
        (b"<a>\n<b></a>", "line 2"),
        (b"<a>&unknown;</a>", "line 1"),
        (b"<a>" * 300 + b"</a>" * 300, "line 1"),
        (b"<!--" + b" " * 70_000 + b"--><a/>", "no element"),
        (b"<a>" + b" " * LIMIT + b"</a>", "octets"),
    ],
)
def test_what_could_harm_or_mislead_is_refused_with_the_reason(document: bytes, why: str) -> None:
    """Nothing is expanded, fetched or repaired."""
    with pytest.raises(UnreadableXml, match=why) as caught:
        parse(document, limit=LIMIT)
    assert caught.value.reply.code == 554


def test_a_refusal_repeats_nothing_of_the_document() -> None:
    """A document may hold an INS anywhere, in the names of its elements too."""
    with pytest.raises(UnreadableXml) as caught:
        parse(f"<a{SECRET}><b{SECRET}></a{SECRET}>".encode(), limit=LIMIT)
    assert SECRET not in f"{caught.value!s}{caught.value!r}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<a>{text}</a>".encode(errors="replace")))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    """An element, or UnreadableXml; nothing else."""
    with contextlib.suppress(UnreadableXml):
        assert isinstance(parse(document, limit=LIMIT), etree._Element)


CAPS = Caps(depth=3, elements=4, attributes=4)


@pytest.mark.parametrize("document", [b"<a><b><c/></b></a>", b"<a><b/><b/><b/></a>", b"<a b='1' c='2'/>"])
def test_caps_of_ours_replace_those_of_the_library(document: bytes) -> None:
    """What is within them is read, a text node of more than 10 MB too."""
    assert parse(document, limit=LIMIT, caps=CAPS).tag == "a"
    large = b"<a>" + b"x" * 10_500_000 + b"</a>"
    assert len(parse(large, limit=len(large), caps=CAPS).text or "") == 10_500_000
    with pytest.raises(UnreadableXml, match="line 1"):
        parse(large, limit=len(large))


@pytest.mark.parametrize(
    ("document", "trouble"),
    [
        (b"<a><b><c><d/></c></b></a>", "depth"),
        (b"<a><b/><b/><b/><b/></a>", "elements"),
        (b"<a>" + b"<b/>" * 9 + b"</a>", "elements"),
        (b"<a b='' c='' d='' e='' f=''/>", "attributes"),
        (b"<a>" + b"x" * LIMIT + b"</a>", "size"),
    ],
)
def test_what_is_over_a_cap_is_refused_by_its_name(document: bytes, trouble: str) -> None:
    """So that a rule can say which."""
    with pytest.raises(UnreadableXml) as caught:
        parse(document, limit=LIMIT, caps=CAPS)
    assert caught.value.trouble == trouble


def test_a_root_that_nobody_wants_is_told_by_its_name_without_the_rest() -> None:
    """With its namespace; what follows may be broken."""
    told: list[str] = []
    for document in (b"<!-- x --><p:a xmlns:p='urn:x'><broken", b"<a>", b"<!--" + b"-x" * 5_000 + b"--><late>"):
        assert parse_within(document, limit=LIMIT, caps=CAPS, wanted=told.append) is None  # type: ignore[arg-type]
    assert told == ["{urn:x}a", "a", "late"]


def test_a_bare_tree_holds_the_same_elements_texts_and_lines() -> None:
    """Comments do not cut a text in two; white space that is all that an element holds stays."""
    caps = Caps(depth=9, elements=99, attributes=9)
    read = parse_within(b"<a>\n <b>x<!-- y -->z</b> <!-- -->\n<c> </c>\n</a>", limit=LIMIT, caps=caps, bare=True)
    assert read is not None
    assert [(each.tag, each.text, each.tail, each.sourceline) for each in read[0].iter()] == [
        ("a", None, None, 1),
        ("b", "xz", None, 2),
        ("c", " ", None, 3),
    ]


def test_many_equals_signs_in_a_text_are_no_attributes() -> None:
    """A line of them under a heading is no attack."""
    assert parse(b"<a>" + b"=" * 1_000 + b"</a>", limit=LIMIT, caps=CAPS).tag == "a"


def test_an_element_becomes_a_root_that_keeps_lines_and_prefixes() -> None:
    """Prefixes that only a value names are declared where it is copied to."""
    inner = again(apart(parse(b"<a xmlns:p='urn:x'>\n<b>\n<c t='p:d'/></b>tail</a>", limit=LIMIT)[0]))
    assert inner.getroottree().getroot() is inner
    assert (inner.tag, inner.tail, inner.nsmap) == ("b", None, {"p": "urn:x"})
    assert [inner.sourceline, inner[0].sourceline] == [2, 3]
