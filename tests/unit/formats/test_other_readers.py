"""A letter that another reader takes apart elsewhere: what it would show, nobody has judged."""

import base64

import pytest

from mssgw.core.message import Unreadable
from mssgw.formats.mime import MAX_PARTS
from mssgw.formats.parameters import content_type
from tests.unit.formats.reading import letter, read, read_in_pieces
from tests.watchdog import watchdog

HIDDEN = (
    b"Content-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"<a/>") + b"\r\n"
)
LONG = "x" * 100
# What stands in the field, the boundary as we read it, and as a reader does that ends it early.
SHORT = {
    "a slash": ("a/b", "a/b", "a"),
    "an at": ("ab@cd", "ab@cd", "ab"),
    "an equals sign": ("----=_Part_1", "----=_Part_1", "----"),
    "an apostrophe": ("ab'cd", "ab'cd", "ab"),
    "a section without quotes": ("a/; boundary*1=b", "a/b", "a"),
    "82 octets": (f'"{LONG[:82]}"', LONG[:82], LONG[:80]),
    "100 octets, cut at 70": (f'"{LONG}"', LONG, LONG[:70]),
}


def short(form: str, *, preamble: bytes = b"", text: bytes = b"Bonjour", epilogue: bytes = b"", kind: str = "mixed"):
    """A letter with a boundary of that form; in what is given, ``<DELIMITER>`` is what others take for one."""
    written, whole, cut = SHORT[form]
    name = "boundary*0" if "boundary*1" in written else "boundary"
    own = b"--" + whole.encode()
    body = b"".join((preamble, own, b"\r\nContent-Type: text/plain\r\n\r\n", text, b"\r\n", own, b"--\r\n", epilogue))
    field = f"Content-Type: multipart/{kind}; {name}={written}"
    return letter(field, body=body.replace(b"<DELIMITER>", b"--" + cut.encode()))


BEFORE = b"<DELIMITER>\r\n" + HIDDEN + b"<DELIMITER>--\r\n"


@pytest.mark.parametrize("form", SHORT)
@pytest.mark.parametrize(
    "where",
    [
        {"preamble": BEFORE},
        {"preamble": b"<DELIMITER>\r\n\r\n<ClinicalDocument/>\r\n"},
        {"text": b"Bonjour\r\n" + BEFORE},
        {"text": b"Bonjour\r\n<DELIMITER> \r\nX-A: b\r\n" + BEFORE},
        {"text": b"<DELIMITER>\r\n" + b"X-A: b\r\n" * 3_000 + BEFORE},
        {"epilogue": BEFORE},
        {"epilogue": HIDDEN},
        {"text": b"<DELIMITER>\r\n\r\nSubject: x\r\n", "kind": "digest"},
    ],
    ids=[
        "before",
        "before, without header",
        "within",
        "below another field",
        "far below",
        "after",
        "at the end",
        "digest",
    ],
)
def test_parts_of_readers_that_end_a_boundary_early_are_refused(form, where):
    message = short(form, **where)
    assert read(message).unreadable == (Unreadable.BAD_BOUNDARY,)
    assert (
        read_in_pieces(message[at : at + 7] for at in range(0, len(message), 7)).unreadable == read(message).unreadable
    )


@pytest.mark.parametrize("form", SHORT)
@pytest.mark.parametrize(
    "where",
    [
        {},
        {"preamble": b"This is a multi-part message in MIME format.\r\n"},
        {"text": b"Bonjour\r\n<DELIMITER>---------\r\n\r\nDr Durand\r\n<DELIMITER>"},
        {"text": b"<DELIMITER>-- Message transmis --\r\nFrom: a@b.example\r\nSubject: x\r\n\r\nContent-Type: rien"},
        {"epilogue": b"\r\nCe message est confidentiel.\r\n"},
    ],
    ids=["plain", "preamble", "signature", "forwarded", "epilogue"],
)
def test_text_that_looks_like_their_delimiters_is_no_harm(form, where):
    message = short(form, **where)
    assert read(message).unreadable == ()
    assert read_in_pieces(message[at : at + 7] for at in range(0, len(message), 7)).unreadable == ()


def test_base64_has_no_line_like_their_delimiters():
    """What follows one is text for them, and nothing for us."""
    hidden = (
        b"\r\n--a/b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n%s\r\n\r\n<x/>\r\n"
    )
    assert read(short("a slash", text=hidden % b"--a")).unreadable == (Unreadable.BAD_BOUNDARY,)
    assert read(short("a slash", text=hidden % b"--b")).unreadable == ()


@pytest.mark.parametrize("field", ["mixed;; boundary=b", "mixed; ;boundary=b", "mixed; boundary=b;;charset=utf-8"])
def test_an_empty_parameter_of_a_multipart_is_refused(field):
    """JavaMail then finds no boundary, and shows a document that stands before the parts."""
    body = b"<ClinicalDocument/>\r\n--b\r\n\r\nBonjour\r\n--b--\r\n"
    assert read(letter(f"Content-Type: multipart/{field}", body=body)).unreadable == (Unreadable.BAD_BOUNDARY,)
    assert read(letter("Content-Type: multipart/mixed; boundary=b; ", body=body)).unreadable == ()


def test_what_follows_the_end_may_be_a_document():
    """Readers that see no end there show it as a text."""
    assert read(short("a slash", epilogue=b"\r\n<ClinicalDocument/>\r\n")).may_hold_documents
    assert not read(short("a slash", epilogue=b"\r\nBonjour\r\n")).may_hold_documents


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable;\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: application/zip\r\n",
    ],
)
@pytest.mark.parametrize("behind", [b"--x\r\nX-A: b\r\n\r\n", b"--x--\r\n\r\n"], ids=["a part", "an end"])
def test_a_header_that_others_read_on_is_refused(header, behind):
    """JavaMail overlooks a delimiter among fields: the next part then is what these say."""
    body = b"--x\r\n" + header + behind + base64.b64encode(b"<a/>") + b"\r\n--x--\r\n"
    message = letter("Content-Type: multipart/mixed; boundary=x", body=body)
    assert read(message).unreadable == (Unreadable.BAD_BOUNDARY,)


@pytest.mark.parametrize("header", [b"", b"Content-Type: text/plain\r\n", b"Content-Transfer-Encoding: 7bit\r\n"])
def test_an_empty_part_that_is_but_a_header_of_a_text_is_read(header):
    body = b"--x\r\n" + header + b"--x\r\nContent-Type: application/pdf\r\n\r\n%PDF-\r\n--x--\r\n"
    assert not read(letter("Content-Type: multipart/mixed; boundary=x", body=body)).unreadable


@pytest.mark.parametrize("header", [b"", b"Content-Type: text/plain\r\n"])
def test_the_end_behind_a_part_that_is_but_a_header_is_none_for_some(header):
    """Python takes that delimiter for a line of the part, and what follows for its content."""
    field, begun = 'Content-Type: multipart/mixed; boundary="a"', b"--a\r\n" + header + b"--a--\r\n"
    assert read(letter(field, body=begun + HIDDEN)).unreadable == (Unreadable.BAD_BOUNDARY,)
    assert read(letter(field, body=begun + b"\r\n<ClinicalDocument/>\r\n")).may_hold_documents
    plain = read(letter(field, body=begun + b"\r\nCe message est confidentiel.\r\n"))
    assert (plain.unreadable, plain.may_hold_documents) == ((), False)
    assert read(letter(field, body=b"--a\r\n" + header + b"\r\n--a--\r\n" + HIDDEN)).unreadable == ()


UUENCODED = b"begin 644 cr.xml\r\n#/&$^\r\n`\r\nend\r\n"
PARTS = b'Content-Type: multipart/mixed; boundary="o"'
PART = b"--o\r\nContent-Type: text/plain\r\n\r\nBonjour\r\n"


@pytest.mark.parametrize(
    ("field", "body"),
    [
        (PARTS, UUENCODED + PART + b"--o--\r\n"),
        (PARTS, PART + b"--o--\r\n" + UUENCODED),
        (PARTS, PART + b"--o\r\nContent-Transfer-Encoding: base64\r\n\r\n" + UUENCODED + b"--o--\r\n"),
        (b"Content-Transfer-Encoding: base64", b"\r\n" + UUENCODED),
        (b"Content-Transfer-Encoding: quoted-printable", UUENCODED),
    ],
    ids=["before the parts", "after them", "in one", "in base64", "in quoted-printable"],
)
def test_without_a_version_of_mime_a_file_in_the_text_is_refused(field, body):
    """Exchange sees no parts and no encoding there, but a text with a file in it."""
    for message in (letter(field, body=body), letter(field, body=b"Bonjour\r\n" * 9_000 + body)):
        assert read(message).unreadable == (Unreadable.BAD_BOUNDARY,)
        pieces = (message[at : at + 7] for at in range(0, len(message), 7))
        assert read_in_pieces(pieces).unreadable == (Unreadable.BAD_BOUNDARY,)
    assert read(letter(field, b"MIME-Version: 1.0", body=body)).unreadable == ()


def test_without_a_version_of_mime_letters_are_read():
    """Old programs forget it; what is but a text, all take for one."""
    assert read(letter(PARTS, body=b"Bonjour\r\n" + PART + b"--o--\r\nbegin\r\n")).unreadable == ()
    for field in ("Content-Type: text/plain", "Content-Transfer-Encoding: 8bit"):
        plain = read(letter(field, body=UUENCODED))
        assert (plain.unreadable, plain.may_hold_documents) == ((), True)


@pytest.mark.parametrize("boundary", ["a", "a=b"])
def test_many_ends_one_after_the_other_are_too_many_parts(boundary):
    """Behind each of them a part may begin for some, which costs as much as one: a letter may hold a million."""
    end = f"--{boundary}--\r\n".encode()
    begun = end.replace(b"--\r\n", b"\r\nContent-Type: text/plain\r\n")
    field = f"Content-Type: multipart/mixed; boundary={boundary}"
    assert read(letter(field, body=begun + end * 3)).unreadable == ()
    assert read(letter(field, body=begun + end * (MAX_PARTS + 1))).unreadable == (Unreadable.TOO_MANY_PARTS,)


def test_nested_boundaries_without_quotes_are_read():
    """As some programs write them: each begins like the other once it is cut."""
    inner = b"Content-Type: multipart/alternative; boundary=----=_Part_2\r\n\r\n------=_Part_2\r\n\r\nUn\r\n"
    inner += b"-----\r\n------=_Part_2\r\nContent-Type: text/html\r\n\r\n<p>Un\r\n------=_Part_2--\r\n"
    body = (
        b"------=_Part_1\r\n"
        + inner
        + b"\r\n------=_Part_1\r\nContent-Type: text/html\r\n\r\n-\r\n------=_Part_1--\r\n"
    )
    assert read(letter("Content-Type: multipart/mixed; boundary=----=_Part_1", body=body)).unreadable == ()


def test_a_short_boundary_may_not_be_that_of_another():
    inner = b"Content-Type: multipart/mixed; boundary=a/b\r\n\r\n--a/b\r\n\r\nUn\r\n--a/b--\r\n"
    body = b"--a\r\n" + inner + b"--a--\r\n"
    assert read(letter("Content-Type: multipart/mixed; boundary=a", body=body)).unreadable == (Unreadable.BAD_BOUNDARY,)


def test_many_lines_like_their_delimiters_are_read_at_once():
    with watchdog("lines of dashes"):
        assert (
            read(short("an equals sign", text=b"------\r\n" * 2_000 + b"\r\n" + b"------\r\n\r\n" * 50_000)).unreadable
            == ()
        )


@pytest.mark.parametrize(
    "value",
    [
        "multipart/mixed; boundary=(x)abc",
        "multipart/mixed; (x) boundary=abc",
        'multipart/mixed; x="a\\\\"; boundary=abc; y="; boundary=def; z="',
        'multipart/mixed; boundary="=?us-ascii?q?abc?="',
        "multipart/mixed; boundary*0=x; boundary*2=y",
        "multipart/mixed; boundary*1=x; boundary*2=y",
        "multipart/mixed; boundary==abc",
        "multipart/mixed; boundary=\xe9=abc",
        "multipart/mixed; boundary=" + "\xe9" * 80,
        "multipart/mixed; boundary=abc\x0c",
        "multipart/mixed;\x0bboundary=abc",
        "multipart/mixed; boundary=abc\xa0",
        'multipart/mixed; boundary\x85="abc"',
    ],
)
def test_a_boundary_that_readers_take_differently_is_none(value):
    assert content_type(value).multipart
    assert content_type(value).boundary is None
    assert content_type(value).short_boundary == b""


@pytest.mark.parametrize(
    "value",
    [
        "multipart / mixed; boundary=x",
        "(x) multipart/mixed; boundary=x",
        "(;) multipart/mixed; boundary=x",
        "multipart/mixed (x); boundary=x",
        "multipart/mi@xed; boundary=x",
        '"multipart"/mixed; boundary=x',
        "\x0bmultipart/mixed; boundary=x",
        "\xa0multipart/mixed; boundary=x",
        "=?us-ascii?q?multipart?=/mixed; boundary=x",
        "=?us-ascii?b?bXVsdGlwYXJ0L21peGVk?=; boundary=x",
        "=?us-ascii?q?message?=/rfc822",
        "message /rfc822",
        "(message/rfc822",
        "text/plain, message/rfc822",
        "message",
        "X-sun-attachment",
    ],
)
def test_a_type_that_only_some_readers_take_apart_makes_a_letter_unreadable(value):
    """Others save it as a file; or show what those that save it keep for themselves."""
    part = f"--x\r\nContent-Type: {value}\r\n\r\n--y\r\n\r\nUn\r\n--y--\r\n--x--\r\n".replace("=x", "=y").encode()
    assert read(letter("Content-Type: multipart/mixed; boundary=x", body=part)).unreadable == (Unreadable.BAD_BOUNDARY,)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text/plain (a comment); charset=utf-8", "text/plain"),
        ("application / pdf; name=multipart.pdf", "application/pdf"),
        ("application/x-messages (x)", "application/x-messages"),
        ("Message/RFC822 ; name=x", "message/rfc822"),
        ("message/rfc822", "message/rfc822"),
        ("pdf; name=message/rfc822", "text/plain"),
    ],
)
def test_other_types_are_read_as_they_are_meant(value, kind):
    assert content_type(value).value == kind
