"""CDA documents are known by what they are, whatever they are called, and read within bounds or refused by name."""

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.clinical import Profile, Severity
from mssgw.formats import charsets, guard
from mssgw.formats.documents import calls_itself_cda, read
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import Kind, kind_of
from tests.watchdog import watchdog
from tests.xml_attacks import ATTACKS, CLOSE, OPEN, RIGHT, SHEET, text_of

TELLING = ("windows-1250", "ISO-8859-2", "Shift_JIS", "EUC-KR", "GB18030", "Big5", "KOI8-R")
WIDE = ("16-le", "16-be", "32-le", "32-be")
SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "cda" / "samples"


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
        b"<?xml version='1.0' encoding='utf-16'?><settings/>",
        b"<a><!-- <ClinicalDocument> --></a>",
        b"<a b='n1:ClinicalDocument'>",
        b'<xs:schema xmlns:xs="x"><xs:element name="ClinicalDocument"/></xs:schema>',
        "Léna ClinicalDocument".encode(),
        *(f"<?xml version='1.0' encoding='{charset}'?><settings/>".encode() for charset in TELLING),
    ],
)
def test_what_is_something_else_is_left_alone(content: bytes) -> None:
    """It is none of our business, well-formed or not."""
    assert read(content) is None


WORD = "<ClinicalDocument"
WORDS = tuple(WORD.encode(each) for each in ("ascii", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"))
_PIECES = [b"<", b"Clinical", b"Document", b"\x1b(B", b"~{~}", b"\x0e", b"\x0f", b"<ClinicalDocument"]


@given(
    st.sampled_from([each for each in charsets._CODECS if charsets.is_told_by_octets(each)]),
    st.lists(st.sampled_from(_PIECES) | st.binary(max_size=3), max_size=9).map(b"".join),
)
def test_in_a_charset_whose_octets_tell_no_word_is_hidden(charset: str, octets: bytes) -> None:
    """What reads as a document's tag is its tag in octets."""
    assert any(word in octets for word in WORDS) or WORD not in octets.decode(charset, "ignore")


@pytest.mark.parametrize("charset", ["HZ-GB-2312", "ISO-2022-JP", "ISO-2022-JP-2", "ISO-2022-KR", "UTF-7", "x-y", ""])
def test_a_charset_that_shifts_or_that_nobody_knows_tells_nothing(charset: str) -> None:
    """There, who looks at octets may miss any name."""
    assert not charsets.is_told_by_octets(charset)


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


def test_a_large_file_inside_is_read() -> None:
    """12 MB in one text node: past libxml2's own limit, for a PDF may be as large."""
    document = read(text_of(12_000_000))
    assert document is not None
    assert len(document.root[0].text or "") == 12_000_000


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


@pytest.mark.parametrize("piece", [b"<\x1b(", b"<~{", b"<\x0e\x0f", b"<Clin\x1b(B"])
def test_shifts_without_end_take_linear_time(piece: bytes) -> None:
    """As much of them as a letter may hold in a part that is no XML."""
    with watchdog("shifts"):
        assert not calls_itself_cda(b"<a>" + piece * 500_000)


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
        *((f"L{word}".encode(charset), Kind.OTHER) for word in ("éna", "éa", "à") for charset in ("utf-8", "cp1252")),
        *(("\r\n <a>".encode(f"utf-{width}"), Kind.XML) for width in WIDE),
        (bytes(200), Kind.OTHER),
        (b"\0\0\1\0<", Kind.OTHER),
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
