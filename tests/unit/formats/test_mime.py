"""The scanner: the structure of a letter, found while it streams in."""

import base64
from email.message import EmailMessage
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.message import MessageHead, Unreadable
from mssgw.formats.mime import MAX_DEPTH, MAX_PART_FIELDS, MAX_PARTS, Scanner
from mssgw.formats.parts import Excerpt, Part
from mssgw.formats.undone import undone
from mssgw.formats.wire import stuffed
from tests.unit.formats.reading import letter, multipart, read, read_in_pieces


class EveryPart:
    """A keeper that keeps the beginning of each leaf."""

    def __init__(self, limit: int = 100_000) -> None:
        self.limit, self.excerpts = limit, list[Excerpt]()

    def offer(self, part: Part) -> Excerpt:
        self.excerpts.append(Excerpt(part, self.limit))
        return self.excerpts[-1]


def leaves(message: bytes) -> list[tuple[tuple[int, ...], str, bytes]]:
    keeper = EveryPart()
    head = read(message, keepers=[keeper])
    assert head.unreadable == ()
    return [(each.part.path, each.part.kind.value, each.content) for each in keeper.excerpts]


PLAIN = b"Content-Type: text/plain\r\n\r\nBonjour"
NESTED = (
    b'Content-Type: multipart/alternative; boundary="inner"\r\n\r\npreamble\r\n'
    b"--inner\r\n\r\nUn\r\n--inner  \t\r\nContent-Type: text/html\r\n\r\n<p>Deux\r\n--inner--\r\nepilogue"
)


def test_parts_are_found_with_their_place_and_content():
    assert leaves(multipart("outer", NESTED, b"Content-Type: application/pdf\r\n\r\n%PDF")) == [
        ((1, 1), "text/plain", b"Un"),
        ((1, 2), "text/html", b"<p>Deux"),
        ((2,), "application/pdf", b"%PDF"),
    ]


def test_a_letter_that_is_no_multipart_is_one_leaf():
    assert leaves(letter("Subject: x", body=b"..un point\r\n")) == [((), "text/plain", b".un point\r\n")]


def test_a_part_may_be_a_header_or_nothing_at_all():
    message = multipart("b", b"Content-Type: text/html", b"", b"\r\n", b"\r\nx")
    assert [(kind, content) for _, kind, content in leaves(message)] == [
        ("text/html", b""),
        ("text/plain", b""),
        ("text/plain", b""),
        ("text/plain", b"x"),
    ]


def test_an_inner_multipart_that_never_ends_ends_with_the_outer_one():
    unended = b'Content-Type: multipart/mixed; boundary="inner"\r\n\r\n--inner\r\n\r\nUn'
    assert [path for path, _, _ in leaves(multipart("outer", unended, PLAIN))] == [(1, 1), (2,)]


def test_a_letter_cut_short_is_read_as_far_as_it_goes():
    whole = multipart("outer", NESTED, PLAIN)
    assert [path for path, _, _ in leaves(whole[: whole.index(b"Deux")])] == [(1, 1), (1, 2)]


def test_an_attached_message_is_a_leaf():
    inner = multipart("inner", PLAIN)
    assert [kind for _, kind, _ in leaves(multipart("b", b"Content-Type: message/rfc822\r\n\r\n" + inner))] == [
        "message/rfc822"
    ]


def test_content_comes_without_its_transfer_encoding():
    message = multipart(
        "b",
        b"Content-Transfer-Encoding: BASE64\r\n\r\n" + base64.encodebytes(b"x" * 100).replace(b"\n", b"\r\n"),
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nune =\r\nligne=20=C3=A9",
        b"Content-Transfer-Encoding: base64\r\n\r\n!!! damaged",
    )
    contents = [content for _, _, content in leaves(message)]
    assert contents[:2] == [b"x" * 100, "une ligne é".encode()]


BAD_BOUNDARIES = {
    "missing": letter("Content-Type: multipart/mixed", body=b"--x\r\n\r\n"),
    "never used": letter("Content-Type: multipart/mixed; boundary=x", body=b"no part\r\n"),
    "no part before the end": letter("Content-Type: multipart/mixed; boundary=x", body=b"--x--\r\n"),
    "goes on": multipart("x", PLAIN, b"\r\nx\r\n--xy\r\n"),
    "goes on after white space": multipart("x", PLAIN, b"\r\nx\r\n--x y\r\n"),
    "padding without end": multipart("x", PLAIN, b"\r\nx\r\n--x" + b" " * 2_000),
    "twice open": multipart("x", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n--x--"),
    "the end of one open": multipart("x", b'Content-Type: multipart/mixed; boundary="x--"\r\n\r\n--x--\r\n'),
    "part after the end": multipart("x", PLAIN) + b"--x\r\n\r\nhidden\r\n",
    "two values": letter("Content-Type: multipart/mixed; boundary=x; boundary=y", body=b"--x\r\n\r\n--x--\r\n"),
    "inner never used": multipart("x", b"Content-Type: multipart/mixed; boundary=y\r\n\r\ntext"),
}


@pytest.mark.parametrize("message", BAD_BOUNDARIES.values(), ids=BAD_BOUNDARIES)
def test_boundaries_that_readers_may_see_differently_are_told(message):
    assert read(message).unreadable == (Unreadable.BAD_BOUNDARY,)


def test_lines_that_only_look_like_delimiters_are_text():
    text = b"\r\n-- \r\nDr Durand\r\n--\r\n------\r\n--X\r\n --x\r\n-x-\r\n"
    assert leaves(multipart("x", text)) == [((1,), "text/plain", text[2:])]


def test_a_boundary_may_begin_like_another():
    inner = b'Content-Type: multipart/mixed; boundary="x-1"\r\n\r\n--x-1\r\n\r\nUn\r\n--x-1--'
    assert [path for path, _, _ in leaves(multipart("x", inner, PLAIN))] == [(1, 1), (2,)]


def nested(depth: int) -> bytes:
    opening = b"".join(b'Content-Type: multipart/mixed; boundary="n%d"\r\n\r\n--n%d\r\n' % (n, n) for n in range(depth))
    return opening + b"\r\nx\r\n"


def test_three_hundred_nested_multiparts_are_too_deep():
    assert read(nested(MAX_DEPTH)).unreadable == ()
    assert read(nested(MAX_DEPTH + 1)).unreadable == (Unreadable.TOO_DEEP,)
    assert read(nested(300)).unreadable == (Unreadable.TOO_DEEP,)


def test_a_part_has_few_header_fields():
    """Five hundred parts of a thousand fields took more than a second."""
    assert read(multipart("b", b"x:\r\n" * MAX_PART_FIELDS + b"\r\nx")).unreadable == ()
    assert read(multipart("b", b"x:\r\n" * (MAX_PART_FIELDS + 1) + b"\r\nx")).unreadable == (
        Unreadable.TOO_MANY_FIELDS,
    )


def test_ten_thousand_parts_are_too_many():
    assert read(multipart("b", *[PLAIN] * MAX_PARTS)).unreadable == ()
    assert read(multipart("b", *[PLAIN] * (MAX_PARTS + 1))).unreadable == (Unreadable.TOO_MANY_PARTS,)
    assert read(multipart("b", *[b""] * 10_000)).unreadable == (Unreadable.TOO_MANY_PARTS,)


LIMIT = 262_144


@pytest.mark.parametrize("size", [4_096, 1_000_000])
def test_a_header_is_read_up_to_its_limit(size):
    """256 KiB, however the octets come."""
    fits, floods = b"X: " + b"x" * (LIMIT - 3), b"X: " + b"x" * (LIMIT - 2)
    for message, reasons in ((fits, ()), (floods, (Unreadable.HEADERS_TOO_LONG,))):
        for end in (b"\r\n\r\nbody", b"\r\n", b""):
            whole = message + end
            assert read_in_pieces(whole[i : i + size] for i in range(0, len(whole), size)).unreadable == reasons


def test_an_endless_part_header_is_too_long():
    assert read(multipart("b", b"X: " + b"x" * 65_600 + b"\r\n\r\n")).unreadable == (Unreadable.HEADERS_TOO_LONG,)
    assert read(multipart("b", b"X: " + b"x" * 65_000 + b"\r\n\r\n")).unreadable == ()


def test_a_malformed_part_header_is_told():
    """Readers differ on where such a part begins."""
    assert read(multipart("b", b"no header at all\r\nContent-Type: text/html\r\n\r\n")).unreadable == (
        Unreadable.MALFORMED_HEADER,
    )


def test_what_keepers_do_not_want_costs_nothing_and_changes_nothing():
    class Nothing:
        def offer(self, part: Part) -> None:
            return None

    message = multipart("b", PLAIN)
    assert read(message, keepers=[Nothing()]) == read(message)


def test_an_excerpt_ends_at_its_limit():
    keeper = EveryPart(limit=10)
    read(letter("Subject: x", body=b"0123456789abcdef"), keepers=[keeper])
    assert keeper.excerpts[0].content == b"0123456789"


# Invariant: a MessageHead, with Unreadable reasons or without, and nothing else; and the same one however it is cut.

LINES = st.sampled_from(
    [
        b"",
        b"--a",
        b"--a--",
        b"--b",
        b"--b--",
        b"--ab ",
        b"--a b",
        b"Content-Type: multipart/mixed; boundary=a",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: multipart/report; boundary=ab; report-type=disposition-notification",
        b"Content-Type: message/disposition-notification",
        b"Disposition: manual-action/MDN-sent-automatically; displayed",
        b"Original-Message-ID: <x@y>",
        b"Content-Transfer-Encoding: base64",
        b"Subject: [FIN]",
        b"no colon",
        b" folded",
        b"..dots",
        b"Qm9uam91cg==",
        b"X" * 80,
    ]
)
LETTERS = st.one_of(
    st.binary(max_size=600),
    st.lists(LINES, max_size=40).map(b"\r\n".join),
    st.lists(st.one_of(LINES, st.binary(max_size=20)), max_size=30).map(b"\r\n".join),
)


@given(LETTERS, st.lists(st.integers(0, 600), max_size=20))
def test_any_cutting_gives_the_same_head(message, cuts):
    at = sorted({0, len(message), *(min(cut, len(message)) for cut in cuts)})
    pieces = [message[start:end] for start, end in pairwise(at)]
    whole, keeper, cut_keeper = read(message, keepers=[a := EveryPart()]), a, EveryPart()
    assert isinstance(whole, MessageHead)
    assert read_in_pieces(pieces, keepers=[cut_keeper]) == whole
    if not whole.unreadable:
        assert [(each.part.path, each.content) for each in keeper.excerpts] == [
            (each.part.path, each.content) for each in cut_keeper.excerpts
        ]


@given(LETTERS)
def test_one_octet_at_a_time_gives_the_same_head(message):
    assert read_in_pieces(message[i : i + 1] for i in range(len(message))) == read(message)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=60)

NAME = st.from_regex("[A-Za-zéè]{1,10}[ ,.']?[A-Za-z]{1,5}", fullmatch=True)  # Python garbles stranger ones


@given(
    subject=TEXT,
    text=TEXT,
    attachment=st.binary(max_size=300),
    people=st.lists(
        st.tuples(NAME, st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.fr", fullmatch=True)), min_size=1, max_size=5
    ),
)
def test_letters_that_python_writes_are_read_as_they_were_meant(subject, text, attachment, people):
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "dr@hopital.fr"
    message["To"] = ", ".join(f'"{name.replace(chr(92), "").replace(chr(34), "")}" <{box}>' for name, box in people)
    message["Message-ID"] = "<a@hopital.fr>"
    message.set_content(text, cte="base64")
    message.add_attachment(attachment, maintype="application", subtype="octet-stream", filename="x.bin")
    wire = stuffed(message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    keeper = EveryPart()
    scanner = Scanner(keepers=[keeper])
    scanner.feed(wire)
    head = scanner.finish()
    assert head.unreadable == ()
    assert head.subject.split() == subject.split()
    assert [address.text for address in head.to_cc] == list(dict.fromkeys(box for _, box in people))
    plain, octets = keeper.excerpts
    assert plain.text == text + "\n"
    assert octets.content == attachment


ENCODED = b"From: a@b.fr\r\nContent-Type: multipart/mixed; boundary=bb42\r\nContent-Transfer-Encoding: %s\r\n\r\n"
SHOWN = (
    b"--bb42\r\nContent-Type: text/plain\r\n\r\nBonjour=20=\r\nsuite\r\n"
    b"--bb42\r\nContent-Transfer-Encoding: base64\r\n\r\nUUUUUQ==\r\n--bb42--\r\n"
)
OTHER_PARTS = b"--bb42\r\nContent-Type: text/xml\r\n\r\n<a/>\r\n--bb42--\r\n"


def read_cut(message: bytes, size: int) -> MessageHead:
    return read_in_pieces(message[at : at + size] for at in range(0, len(message), size))


MIME_FORMAT = b"This is a multi-part message in MIME format.\r\n"


@pytest.mark.parametrize("size", [1, 7, 1_000])
@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"8bit", b"Base64 (x)"])
def test_a_multipart_wrongly_said_to_be_encoded_is_read_as_it_stands(encoding: bytes, size: int):
    """Many programs write the encoding of a part above all of them."""
    for preamble in (b"", b"\r\n", MIME_FORMAT):
        assert read_cut(ENCODED % encoding + preamble + SHOWN, size).unreadable == ()


def lines_of(behind: int, stray: bytes) -> bytes:
    return base64.encodebytes(b"x" * behind + OTHER_PARTS).replace(b"\n", stray + b"\r\n")


@pytest.mark.parametrize("size", [1, 7, 1_000])
@pytest.mark.parametrize("behind", [0, 1, 2])
@pytest.mark.parametrize("stray", [b"", b"!", b"="])
def test_other_parts_for_readers_that_undo_base64_before_are_refused(behind: int, stray: bytes, size: int):
    encoded = lines_of(behind, stray)
    for message in (encoded + SHOWN, MIME_FORMAT + encoded + SHOWN, SHOWN + encoded):
        assert read_cut(ENCODED % b"base64" + message, size).unreadable == (Unreadable.BAD_BOUNDARY,)


@pytest.mark.parametrize("size", [1, 7, 1_000])
@pytest.mark.parametrize(
    "encoded",
    [
        b"=2D-bb42",
        b"--=62b42",
        b"--=62=\r\nb42",
        b"-=\r\n-bb42",
        b"x=0D=0A--bb42",
        b"x=0a= \t\r\n--bb42",
        b"--bb4=\r\n2",
    ],
)
def test_other_parts_for_readers_that_undo_quoted_printable_before_are_refused(encoded: bytes, size: int):
    for message in (encoded + b"\r\n" + SHOWN, SHOWN + encoded):
        assert read_cut(ENCODED % b"quoted-printable" + message, size).unreadable == (Unreadable.BAD_BOUNDARY,)


# A page with a picture in it, as programs write it: one line, of which quoted-printable makes thousands, or not.
LONG_PARAGRAPHS = (b"mot=20" * 10 + b"=\r\n") * 2_000, b"mot " * 30_000, b"=\r\n" * 30_000


@pytest.mark.parametrize("size", [1_000, 65_536, 1_000_000])
@pytest.mark.parametrize("paragraph", LONG_PARAGRAPHS, ids=["of soft breaks", "of one line", "of nothing"])
def test_a_long_paragraph_is_no_trouble_where_quoted_printable_is_said_of_all_parts(paragraph: bytes, size: int):
    message = SHOWN.replace(b"Bonjour", paragraph + b"Bonjour")
    assert read_cut(ENCODED % b"quoted-printable" + message, size).unreadable == ()


@pytest.mark.parametrize("size", [1_000, 65_536, 1_000_000])
@pytest.mark.parametrize("paragraph", LONG_PARAGRAPHS, ids=["of soft breaks", "of one line", "of nothing"])
@pytest.mark.parametrize("encoded", [b"=0D=0A--bb42", b"=0A-=\r\n-bb42", b"\r\n--=62b42", b"\r\n--bb4%s2"])
def test_other_parts_behind_or_around_a_long_paragraph_are_refused(encoded: bytes, paragraph: bytes, size: int):
    encoded = encoded.replace(b"%s", b"=\r\n" * 30_000)
    message = SHOWN.replace(b"Bonjour", paragraph + encoded + b"\r\nBonjour")
    assert read_cut(ENCODED % b"quoted-printable" + message, size).unreadable == (Unreadable.BAD_BOUNDARY,)


@given(
    lines=st.lists(
        st.sampled_from([b"-", b"--", b"b", b"4", b"2", b"=62", b"=2d", b"=3", b"D", b"=", b" ", b"=\r\n", b"=0A"])
        | st.sampled_from([b"\r\n", b"=\t\r\n", b"=\r\n..", b"\0", b"--b42", b"=0D=0A--b42", b"\r\n--b=34"]),
        max_size=30,
    ).map(b"".join),
    cuts=st.lists(st.integers(0, 60), max_size=10),
)
def test_wherever_it_is_cut_the_same_is_seen_where_quoted_printable_is_undone(lines: bytes, cuts: list[int]):
    at_once, in_pieces = (undone("quoted-printable", b"b42") for _ in range(2))
    assert at_once is not None
    assert in_pieces is not None
    ends = [0, *sorted(cuts), len(lines)]
    seen = [in_pieces.shows_another(lines[start:end]) for start, end in pairwise(ends)]
    assert (at_once.shows_another(lines) or at_once.ends_with_another()) == (any(seen) or in_pieces.ends_with_another())


def test_multiparts_in_one_another_that_are_said_to_be_encoded_are_few():
    """Each of them looks at all that follows."""
    head = b"Content-Type: multipart/mixed; boundary=b%d\r\nContent-Transfer-Encoding: base64\r\n\r\n--b%d\r\n"
    message = b"".join(head % (n, n) for n in range(100, 105))
    assert read(message).unreadable == (Unreadable.BAD_BOUNDARY,)


def test_other_parts_for_readers_that_also_end_the_boundary_early_are_refused():
    """Two habits of readers may meet in one."""
    head = (ENCODED % b"base64").replace(b"boundary=bb42", b"boundary=bb42:x")
    message = base64.encodebytes(OTHER_PARTS) + SHOWN.replace(b"--bb42", b"--bb42:x")
    assert read(head + message).unreadable == (Unreadable.BAD_BOUNDARY,)
    assert read(head + SHOWN.replace(b"--bb42", b"--bb42:x")).unreadable == ()
