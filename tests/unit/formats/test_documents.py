"""CDA documents are known by what they are, whatever they are called, and read within bounds or refused by name."""

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.clinical import Profile, Severity
from mssgw.formats import guard
from mssgw.formats.cda.making import make
from mssgw.formats.documents import MAX_DOCUMENT, read
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import Kind, kind_of
from tests.watchdog import watchdog
from tests.xdm_variants import order

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "cda" / "samples"
RIGHT = make(order())
OPEN, CLOSE = b'<ClinicalDocument xmlns="urn:hl7-org:v3">', b"</ClinicalDocument>"
SHEET = (
    b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="urn:t">\n\n'
    b'<x:Contenu xmlns:x="urn:asip-sante:ci-sis">%s</x:Contenu></xsl:stylesheet>'
)


def test_a_document_is_found_whatever_it_is_called() -> None:
    """Name and media type are carried along, not believed."""
    document = read(RIGHT, name="letter.pdf", media_type="application/octet-stream")
    assert document is not None
    assert document.root.tag == "{urn:hl7-org:v3}ClinicalDocument"
    assert (document.name, document.media_type, document.content) == ("letter.pdf", "application/octet-stream", RIGHT)
    assert not document.presented
    assert "letter" not in repr(document)


@pytest.mark.parametrize(
    "content",
    [
        RIGHT.partition(b"?>")[2],
        b"\xef\xbb\xbf" + RIGHT,
        b"\n" * 3_000 + OPEN + CLOSE,
        b'<c:ClinicalDocument xmlns:c="urn:hl7-org:v3"/>',
        b"<ClinicalDocument/>",  # in no namespace: the rules refuse it, nobody overlooks it
        b"<!-- " + b"x" * 60_000 + b" -->" + OPEN + CLOSE,
        RIGHT.replace(b"UTF-8", b"windows-1252").decode().encode("cp1252"),
    ],
    ids=["no declaration", "BOM", "white space", "prefix", "no namespace", "comment", "windows-1252"],
)
def test_a_document_is_found_however_it_begins(content: bytes) -> None:
    """As XML may begin."""
    assert read(content) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"%PDF-1.4",
        b"<html/>",
        b"<!DOCTYPE html><html/>",
        b"<a>",
        b"PK\3\4",
        SHEET,
        "<?xml version='1.0' encoding='utf-16'?><settings/>".encode("utf-16"),
    ],
)
def test_what_is_something_else_is_left_alone(content: bytes) -> None:
    """It is none of our business, well-formed or not."""
    assert read(content) is None


def test_a_document_inside_a_sheet_is_taken_out() -> None:
    """With prefixes that only the sheet declares, and the line numbers of the file; the sheet never runs."""
    inner = OPEN + b'\n<a xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="t:X"/>' + CLOSE
    document = read(SHEET % inner)
    assert document is not None
    assert document.presented
    assert document.root.xpath("name(/*)") == "ClinicalDocument"
    assert document.root.nsmap["t"] == "urn:t"
    assert [document.root.sourceline, document.root[0].sourceline] == [3, 4]
    assert document.content == SHEET % inner


def text_of(size: int) -> bytes:
    return OPEN + b"<text>" + b"A" * size + b"</text>" + CLOSE


def test_a_large_file_inside_is_read() -> None:
    """12 MB in one text node: past libxml2's own limit, for a PDF may be as large."""
    document = read(text_of(12_000_000))
    assert document is not None
    assert len(document.root[0].text or "") == 12_000_000


ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "over 16 MB": (lambda: text_of(MAX_DOCUMENT), "size"),
    "UTF-16": (lambda: RIGHT.decode().replace("UTF-8", "UTF-16").encode("utf-16"), "encoding"),
    "UTF-16 without a mark": (lambda: (OPEN + CLOSE).decode().encode("utf-16-be"), "encoding"),
    "UTF-32": (lambda: (OPEN + CLOSE).decode().encode("utf-32"), "encoding"),
    "UTF-7": (lambda: b"<?xml version='1.0' encoding='utf-7'?>" + OPEN + CLOSE, "encoding"),
    "UTF-7 all over": (lambda: (OPEN + CLOSE).replace(b"<", b"+ADw-"), "syntax"),
    "EBCDIC": (lambda: ('<?xml version="1.0" encoding="cp037"?>' + (OPEN + CLOSE).decode()).encode("cp037"), "syntax"),
    "an encoding that nobody knows": (lambda: b"<?xml version='1.0' encoding='x-y'?>" + OPEN + CLOSE, "encoding"),
    "Latin-1 said UTF-8": (lambda: RIGHT.decode().encode("latin-1"), "syntax"),
    "DOCTYPE": (lambda: b"<!DOCTYPE ClinicalDocument>" + OPEN + CLOSE, "doctype"),
    "XXE": (
        lambda: b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>' + OPEN + b"&b;" + CLOSE,
        "doctype",
    ),
    "external DTD": (lambda: b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">' + OPEN + CLOSE, "doctype"),
    "billion laughs": (
        lambda: (
            b'<!DOCTYPE a [<!ENTITY l0 "lol">'
            + b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
            + b']><c:ClinicalDocument xmlns:c="urn:hl7-org:v3" a="&l9;">&l9;</c:ClinicalDocument>'
        ),
        "doctype",
    ),
    "quadratic": (
        lambda: b'<!DOCTYPE a [<!ENTITY b "' + b"b" * 50_000 + b'">]>' + OPEN + b"&b;" * 50_000 + CLOSE,
        "doctype",
    ),
    "a DOCTYPE behind a comment": (lambda: b"<!-- -->\n<!DOCTYPE a>" + OPEN + CLOSE, "doctype"),
    "an entity that nobody declared": (lambda: OPEN + b"&b;" + CLOSE, "syntax"),
    "cut": (lambda: RIGHT[:-20], "syntax"),
    "two roots": (lambda: OPEN + CLOSE + OPEN + CLOSE, "syntax"),
    "NUL": (lambda: OPEN + b"\0" + CLOSE, "syntax"),
    "a beginning without end": (lambda: b"<!--" + b" " * 70_000 + b"-->" + OPEN + CLOSE, "empty"),
    "white space without end": (lambda: b" " * 70_000 + OPEN + CLOSE, "empty"),
    "101 levels": (lambda: OPEN + b"<a>" * 100 + b"</a>" * 100 + CLOSE, "depth"),
    "a million levels": (lambda: OPEN + b"<a>" * 1_000_000 + b"</a>" * 1_000_000 + CLOSE, "elements"),
    "100,000 levels": (lambda: OPEN + b"<a>" * 100_000 + b"</a>" * 100_000 + CLOSE, "syntax"),
    "4 million elements": (lambda: OPEN + b"<a/>" * 4_000_000 + CLOSE, "elements"),
    "200,000 elements": (lambda: OPEN + b"<a/>" * 200_000 + CLOSE, "elements"),
    "a million attributes": (
        lambda: OPEN + b"<a " + b" ".join(b"a%d='' " % n for n in range(1_000_000)) + b"/>" + CLOSE,
        "attributes",
    ),
    "two documents in a sheet": (lambda: SHEET % ((OPEN + CLOSE) * 2), "several"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_could_harm_is_refused_by_its_rule(name: str) -> None:
    """At once, whatever the profile, and with nothing of the document in the reason."""
    make_it, trouble = ATTACKS[name]
    content = make_it()
    with watchdog(name, 0.5), pytest.raises(Stopped) as caught:
        read(content)
    assert caught.value.rule is guard.XML[trouble]
    for profile in Profile:
        assert caught.value.finding(profile).severity is Severity.REJECT
    assert str(caught.value).isascii()
    assert caught.value.reply.code == 554


def test_every_rule_of_the_guard_refuses_something() -> None:
    """Or nobody would know that it works."""
    assert {trouble for _, trouble in ATTACKS.values()} == guard.XML.keys()


@pytest.fixture(scope="module")
def watched() -> list[str]:
    """What the interpreter opens, connects or runs while ``watching``."""
    events: list[str] = []
    sys.addaudithook(lambda event, _: events.append(event) if _WATCHING and event in _TOUCHES else None)
    return events


_TOUCHES = {"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.exec", "os.listdir", "exec"}
_WATCHING: list[bool] = []


@contextlib.contextmanager
def watching() -> Iterator[None]:
    _WATCHING.append(True)
    try:
        yield
    finally:
        _WATCHING.clear()


def test_nothing_is_opened_and_nobody_called(watched: list[str]) -> None:
    """Not for references in a document that is read, not for what attacks; seen from outside by who would be called."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        here = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        pointing = (
            f'<?xml-stylesheet type="text/xsl" href="{here}a.xsl"?>'
            '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
            f'i:schemaLocation="urn:hl7-org:v3 {here}a.xsd">'
            f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{here}a.xml"/></ClinicalDocument>'
        ).encode()
        attack = f'<!DOCTYPE a SYSTEM "{here}a.dtd"><ClinicalDocument xmlns="urn:hl7-org:v3"/>'.encode()
        with watching():
            assert read(pointing) is not None
            with pytest.raises(Stopped):
                read(attack)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert watched == []
    with watching(), Path(__file__).open("rb"):
        pass
    assert watched == ["open"]  # the watch does watch


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7", Kind.PDF),
        (b"\n" * 900 + b"%PDF-1.7", Kind.PDF),
        (b"\xff\xd8\xff\xe0", Kind.JPEG),
        (b"\x89PNG\r\n\x1a\n", Kind.PNG),
        (b"II*\0", Kind.TIFF),
        (b"MM\0*", Kind.TIFF),
        (b"PK\3\4", Kind.ZIP),
        (b"{\\rtf1", Kind.RTF),
        (b"<a/>", Kind.XML),
        (b"MZ\x90\0" + b"%PDF-1.7", Kind.PROGRAM),
        (b"MZALI, name of a patient", Kind.OTHER),
        (b"\x7fELF", Kind.PROGRAM),
        (b"hello", Kind.OTHER),
        (b"", Kind.OTHER),
    ],
)
def test_files_are_known_by_how_they_begin(content: bytes, kind: Kind) -> None:
    """A program that holds the mark of a PDF is a program."""
    assert kind_of(content) is kind


pieces = st.sampled_from(
    [OPEN, CLOSE, b"<a>", b"</a>", b"&b;", b"<!DOCTYPE a>", b"<?xml version='1.0'?>", b" ", b"\xe9"]
)


@given(st.binary(max_size=200) | st.lists(pieces, max_size=8).map(b"".join))
def test_any_octets_are_read_left_alone_or_refused(content: bytes) -> None:
    """Nothing else."""
    with contextlib.suppress(Stopped):
        read(content)


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs published examples that the project does not ship")
def test_all_published_examples_are_read() -> None:
    """Two of the 65 present themselves."""
    found = [read(path.read_bytes()) for path in sorted(SAMPLES.glob("*.xml"))]
    assert len(found) == 65
    assert None not in found
    assert sum(document.presented for document in found if document) == 2
