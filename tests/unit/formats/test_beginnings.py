"""Which letters are shown to a validator, told by the first octets of their parts."""

import base64

import pytest

from mssgw.core.message import MessageHead
from mssgw.core.report import Carried
from mssgw.formats.mime import Scanner
from mssgw.formats.wire import to_wire
from tests.zips import PLAIN, zipped

CDA = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
PDF = b"%PDF-1.4\n..."


def head_of(*parts: bytes) -> MessageHead:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    header = b"From: <a@b.fr>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    letter = header + body + b"--b--\r\n"
    scanner = Scanner()
    scanner.feed(to_wire(letter))
    return scanner.finish()


def part(content: bytes, kind: str, *, name: str = "", encoding: str = "base64") -> bytes:
    coded = base64.encodebytes(content).replace(b"\n", b"\r\n") if encoding == "base64" else content
    named = f'; name="{name}"' if name else ""
    return f"Content-Type: {kind}{named}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + coded


@pytest.mark.parametrize(
    "one",
    [
        part(CDA, "text/xml"),
        part(CDA, "application/octet-stream"),
        part(CDA, "application/octet-stream", name="doc.dat"),
        part(CDA, "image/png", name="photo.png"),
        part(CDA, "text/plain", encoding="7bit"),
        part(CDA, "text/html", encoding="8bit"),
        part(b"\xef\xbb\xbf \r\n" + CDA, "application/octet-stream"),
        part(CDA.decode().encode("utf-16"), "application/octet-stream"),
        part(b" " * 5_000 + CDA, "application/octet-stream"),
        part(b"PK\3\4....", "application/octet-stream"),
        part(b"MZ\x90\0" + bytes(60), "application/pdf", name="lettre.pdf"),
        part(b"anything", "application/zip"),
        part(b"anything", "application/octet-stream", name="IHE_XDM.ZIP"),
        part(b"anything", "application/hl7+json"),
        part(b"begin 644 doc.xml\r\nM", "text/plain", encoding="7bit"),
        part(b"anything", "application/octet-stream", encoding="x-uuencode"),
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAA=PD94bWw=",
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nPD94bWw!",
        b"Content-Type: message/partial\r\n\r\nhello",
        b"Content-Type: message/rfc822\r\n\r\nSubject: forwarded\r\n\r\nhello",
    ],
)
def test_whatever_a_reader_could_take_for_a_document_is_judged(one):
    assert head_of(part(b"Bonjour", "text/plain", encoding="7bit"), one).may_hold_documents


LONG = b"Bonjour,\r\n" * 500  # 5 kB: what is looked at of any other part is over
HIDDEN = LONG + b"begin 644 doc.xml\r\nM86%A\r\n`\r\nend\r\n"


@pytest.mark.parametrize("size", [1, 7, 1_000, 100_000])
@pytest.mark.parametrize(
    "one",
    [
        part(HIDDEN, "text/plain", encoding="7bit"),
        part(HIDDEN, "text/html", encoding="8bit"),
        part(HIDDEN, "nonsense", encoding="7bit"),
        part(HIDDEN, "text/plain"),
        part(HIDDEN.replace(b"begin 644", b"begin-base64 644"), "text/plain"),
        part(HIDDEN.replace(b"begin ", b"=62egi=\r\nn=20"), "text/plain", encoding="quoted-printable"),
        part(LONG, "text/plain") + b"YQ==\r\n" + base64.b64encode(b"behind the padding"),
        part(LONG, "text/plain") + b"YWF-\r\n",
    ],
)
def test_a_file_in_uuencode_is_seen_however_far_down_in_a_text_and_in_any_encoding(one, size):
    """And so is a text that programs would read in two ways."""
    letter = to_wire(b"From: <a@b.fr>\r\nMIME-Version: 1.0\r\n" + one)
    scanner = Scanner()
    for at in range(0, len(letter), size):
        scanner.feed(letter[at : at + size])
    assert scanner.finish().may_hold_documents


@pytest.mark.parametrize("encoding", ["7bit", "base64"])
def test_a_document_is_seen_however_far_down_in_a_page(encoding):
    """A reader of the page shows it; a reader of XML finds the document below whatever root."""
    page = b"<html><body>" + b"<p>Bonjour</p>\r\n" * 500 + CDA.partition(b"?>")[2] + b"</body></html>\r\n"
    assert head_of(part(page, "text/html", encoding=encoding)).may_hold_documents
    assert not head_of(
        part(page.replace(b"ClinicalDocument", b"div"), "text/html", encoding=encoding)
    ).may_hold_documents


def test_what_comes_behind_a_document_is_told_as_well():
    """The validator is asked because of the first part; what else there is counts all the same."""
    head = head_of(part(CDA, "text/xml"), part(PDF, "application/pdf"))
    assert head.may_hold_documents
    assert head.carried == {Carried.PDF}


def may_hold_documents(kind: str, encoding: str, *pieces: bytes) -> bool:
    """A letter that is one part, its content in these pieces."""
    scanner = Scanner()
    fields = "From: <a@b.fr>", "MIME-Version: 1.0", f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}"
    scanner.feed("\r\n".join((*fields, "", "")).encode())
    for piece in pieces:
        scanner.feed(piece)
    return scanner.finish().may_hold_documents


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1_000, 65_535, 65_536, 82_502, 1_000_000])
def test_a_line_of_quoted_printable_however_long_hides_no_file(size):
    """Nor does a packet that ends within an escape."""
    text = b"mot " * 16_500 + b"=0Abegin 644 d.xml=0D=0AM86%A=0D=0A"
    assert may_hold_documents("text/plain", "quoted-printable", text[:66_002], text[66_002:])
    assert may_hold_documents("text/plain", "quoted-printable", *cut(text, size))


@pytest.mark.parametrize("white", [b" ", b"\t", b" \t "])
def test_white_space_after_a_soft_break_hides_no_file(white):
    """RFC 2045 6.7: it was put there by the way."""
    text = LONG + b"beg=" + white + b"\r\nin 644 d.xml\r\nM86%A\r\n"
    assert may_hold_documents("text/plain", "quoted-printable", text)


MODES = [b"644 ", b"6 ", b"64 ", b"00644 ", b"100644 ", b" 644 ", b"644  ", b"\t644\t", b"0o644 ", b"+644 "]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("word", [b"begin ", b"begin-base64 "])
def test_whatever_programs_read_as_the_mode_of_a_file_begins_one(word, mode):
    assert may_hold_documents("text/plain", "7bit", LONG + word + mode + b"d.xml\r\nM86%A\r\n")


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable"])
def test_a_file_in_uuencode_is_seen_in_what_is_no_text_unless_that_is_in_base64(encoding):
    assert may_hold_documents("application/octet-stream", encoding, HIDDEN)


XDM = zipped(PLAIN)
MAGIC = [PDF, b"\xff\xd8\xff\xe0", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"hello"]


def base64_of(content: bytes, width: int = 76) -> bytes:
    coded = base64.b64encode(content)
    return b"".join(coded[at : at + width] + b"\r\n" for at in range(0, len(coded), width))


@pytest.mark.parametrize("magic", MAGIC)
@pytest.mark.parametrize("behind", [0, 1, 65_535 - 22])
@pytest.mark.parametrize("before", [2_000, 2_001, 2_002, 300_000])
def test_a_zip_is_seen_behind_whatever_it_begins_with_and_with_the_longest_comment(magic, behind, before):
    """By its end: programs look for the directory there."""
    content = magic + b"x" * before + XDM + b"\xff" * behind
    for kind in ("application/pdf", "text/plain"):
        assert may_hold_documents(kind, "base64", base64_of(content))
    assert may_hold_documents("application/pdf", "base64", base64.b64encode(content).rstrip(b"="))


@pytest.mark.parametrize("width", [1, 4, 19, 38, 75])
def test_no_width_of_lines_hides_the_end_of_a_zip(width):
    content = PDF + b"x" * 200_000 + XDM + b"\xff" * 60_000
    coded = base64_of(content, width)
    assert may_hold_documents("application/pdf", "base64", *cut(coded, 5_000))


@pytest.mark.parametrize(("encoding", "end"), [("8bit", b"PK\5\6"), ("quoted-printable", b"P=4B=\r\n=05=06")])
def test_a_zip_is_seen_without_base64(encoding, end):
    content = PDF + b"x\r\n" * 2_000 + end + b"x" * 18
    assert all(may_hold_documents("application/pdf", encoding, *cut(content, size)) for size in (1, 1_000, 10_000))


@pytest.mark.parametrize("rest", [b"=PD94", b"==\r\nPD94", b"!"])
def test_a_picture_in_base64_that_programs_read_in_two_ways_is_judged(rest):
    """Some go on behind the padding."""
    assert may_hold_documents("image/gif", "base64", base64_of(b"GIF89a" + b"x" * 9_000) + rest)
    assert may_hold_documents("image/gif", "base64", base64_of(b"GIF89a" + b"x" * 9_000), rest)


def test_a_stray_octet_far_from_either_end_is_seen():
    """Programs that end there find the directory of a zip right before it."""
    behind = base64_of(b"x" * 150_000)
    coded = base64_of(PDF + b"x" * 20_000 + XDM) + b"!\r\n" + behind
    assert may_hold_documents("application/pdf", "base64", *cut(coded, 5_000))


@pytest.mark.parametrize("content", [PDF, PDF + b"x" * 5_000, PDF + bytes(range(256)) * 4_000])
@pytest.mark.parametrize("width", [40, 60, 64, 76])
def test_a_long_pdf_asks_no_validator(content, width):
    for more in (b"", b"x", b"xx"):
        coded = base64_of(content + more, width)
        assert not may_hold_documents("application/pdf", "base64", coded)
        assert not may_hold_documents("application/pdf", "base64", *cut(coded, 997))


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
@pytest.mark.parametrize(
    "words", [b"we begin 644 times\r\n", b"begin again\r\n", b"begin 2 \xe9t\xe9\r\n"[:7] + b"\r\n", b"=\r\n"]
)
def test_a_long_text_asks_no_validator(encoding, words):
    assert not head_of(part(LONG + words + LONG[:-1], "text/plain", encoding=encoding)).may_hold_documents


@pytest.mark.parametrize(
    "one",
    [
        part(b"Bonjour", "text/plain", encoding="8bit"),
        part(b"<html><body>Bonjour</body></html>", "text/html", encoding="8bit"),
        part(b"<!DOCTYPE html><p>Bonjour", "text/html"),
        part(b"<!-- a -- b --->\r\n<!DOCTYPE html><!----><html>Bonjour</html>", "text/html"),
        part(PDF, "application/pdf", name="cr.pdf"),
        part(b"\xff\xd8\xff\xe0", "image/jpeg", name="photo.jpg"),
        part(b"", "text/plain", encoding="7bit"),
    ],
)
def test_text_pictures_and_pdf_ask_no_validator(one):
    assert not head_of(one).may_hold_documents


def test_what_comes_along_is_told():
    told = head_of(
        part(PDF, "application/octet-stream"),
        part(b"\x89PNG\r\n\x1a\n", "image/jpeg"),
        part(b"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x03", "application/pkcs7-mime"),
        part(b"x", "application/ms-tnef", name="winmail.dat"),
        part(b"\x1f\x8b\x08....", "application/gzip"),
    ).carried
    assert told == {Carried.PDF, Carried.IMAGE, Carried.OPAQUE, Carried.WINMAIL, Carried.ARCHIVE}


@pytest.mark.parametrize(
    ("fields", "ins", "codes", "product"),
    [
        (b"", "", None, ""),
        (b"X-MSS-INS: O\r\nX-MSS-CODECDA: 34112-3,PRESC-BIO\r\nX-MSS-NIL: N1\r\n", "O", ("34112-3", "PRESC-BIO"), "N1"),
        (b"X-MSS-INS: oui\r\nX-MSS-CODECDA: \r\nX-MSS-NIL: \xc3\xa9\r\n", "?", (), "?"),
        (b"X-MSS-CODECDA: a b,11488-4\r\nX-MSS-NIL: \r\n", "", ("11488-4",), ""),
    ],
)
def test_what_the_senders_software_says_is_read(fields, ins, codes, product):
    scanner = Scanner()
    scanner.feed(b"From: <a@b.fr>\r\n" + fields + b"\r\nBonjour\r\n")
    mss = scanner.finish().mss
    assert (mss.ins, mss.codes, mss.product) == (ins, codes, product)


@pytest.mark.parametrize(
    "one",
    [
        b"Content-Type: message/disposition-notification\r\n\r\nDisposition: manual-action/x; displayed\r\n",
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\n"
        + b"Final-Recipient: rfc822; b@c.example\r\nStatus: 5.0.0\r\n\r\n" * 100,
    ],
    ids=["a receipt", "a long report"],
)
def test_what_tells_the_fate_of_a_letter_needs_no_validator(one):
    assert not head_of(part(b"Bonjour", "text/plain", encoding="7bit"), one).may_hold_documents
