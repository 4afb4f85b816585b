"""Header blocks: what is read, and what cannot be trusted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.message import Unreadable
from mssgw.formats.headers import (
    MAX_FIELDS,
    cited_ids,
    comparable,
    message_id,
    message_ids,
    read_header,
    without_comments,
)

MALFORMED = (Unreadable.MALFORMED_HEADER,)


def test_fields_are_unfolded_and_trimmed():
    header = read_header(b"Subject:  compte\r\n rendu\t\r\nTO:a@b.fr")
    assert header.first("subject") == "compte rendu"
    assert header.first("to") == "a@b.fr"
    assert header.troubles == ()


def test_stuffed_dots_are_no_part_of_a_header():
    assert read_header(b"..X: 1\r\nA: b").fields[0].name == ".x"


@pytest.mark.parametrize(
    "block",
    [
        b"no colon here\r\nSubject: x",
        b"Subject: x\r\n \r\nContent-Type: text/html",
        b" continues nothing\r\nSubject: x",
        b"Subject: a\0b",
        b"Subject: a\nX-MSS-MES: FIN",
        b"Subject: a\rX-MSS-MES: FIN",
        b"Subject : [FIN]",
        b"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=x",
        b"Subject: one\r\nSubject: two",
        b"X-MSS-MES: FIN\r\nX-MSS-MES: NON",
        "Sujet-é: x".encode(),
        b": no name",
        b"From nurse Mon Nov 21 19:22:52 2026\r\nSubject: x",
    ],
)
def test_a_block_that_two_readers_may_read_differently_is_malformed(block):
    assert read_header(block).troubles == MALFORMED


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Subject: x\r\nSubject: x",
        b"To: a@b.fr\r\nTo: c@d.fr",
        b"X-Old : some programs write this",
        b"Subject: x\r\n ",
        "Subject: é".encode(),
        "Subject: é".encode("latin-1"),
        b"Subject:\r\n folded at once",
    ],
)
def test_old_habits_that_mislead_nobody_are_forgiven(block):
    assert read_header(block).troubles == ()


def test_a_flood_of_fields_is_cut_and_told():
    header = read_header(b"\r\n".join([b"A: b"] * (MAX_FIELDS + 1)))
    assert len(header.fields) == MAX_FIELDS
    assert header.troubles == (Unreadable.TOO_MANY_FIELDS,)
    assert read_header(b"\r\n".join([b"A: b"] * MAX_FIELDS)).troubles == ()


@given(st.binary(max_size=2_000))
def test_any_octets_give_a_header(block):
    for field in read_header(block).fields:
        field.text.encode()  # no lone surrogate: it could be neither stored nor shown
        assert "\r\n" not in field.text


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        ("<a@b>", "<a@b>"),
        ("  <a@b> (comment)", "<a@b>"),
        ("a@b", "<a@b>"),
        ("<very-long- part@b>", "<very-long-part@b>"),  # folded within
        ("", None),
        ("two words", None),
        ("<" + "x" * 2_000 + ">", None),
    ],
)
def test_a_message_id_is_one_id_with_angle_brackets(value, id_):
    assert message_id(value) == id_


def test_message_ids_keep_their_order():
    assert message_ids("Message of Monday <a@x> (<c) <b@x><d@x>") == ("<a@x>", "<b@x>", "<d@x>")


@pytest.mark.parametrize(
    "value",
    [
        "a@x <b@x>",
        "<a@x>, b@x",
        "a@x,b@x",
        "<a@x> b@x>",
        "<a@x>;<b@x>",
        'Message from "a@x" of Monday (b@x)',
    ],
)
def test_what_a_letter_answers_is_found_without_its_brackets(value):
    """In-Reply-To: a@x is as much a reply as In-Reply-To: <a@x> (SD-3)."""
    assert {"<a@x>", "<b@x>"} <= set(cited_ids(value))


def test_an_identifier_that_was_folded_is_one():
    assert cited_ids("<long- part@x>") == ["<long-part@x>"]


@given(st.text("<>@ab ,;()\"'\t", max_size=60))
def test_citing_never_raises_and_gives_bracketed_identifiers(value):
    for each in cited_ids(value):
        assert each[0] == "<"
        assert each[-1] == ">"
        assert not set(each[1:-1]) & set("<> \t")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("no (generated) here", "no   here"),
        ('"(kept)" x', '"(kept)" x'),
        (r"a (b \) (c) d) e", "a   e"),
        ("a (never closed", "a "),
        ("stray ) kept", "stray ) kept"),
        ("a ((b) (c)) d", "a   d"),
        ("a (b))) c", "a  )) c"),
        ("a (b)(c) d", "a   d"),
        ('a "(b" (c") d', 'a "(b"   d'),
        ('a "(b)" "(((" c', 'a "(b)" "(((" c'),
    ],
)
def test_comments_are_replaced_by_a_space(value, plain):
    assert without_comments(value).replace("  ", " ") == plain.replace("  ", " ")


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (b"Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n", "two-message-id-fields"),
        (b"Subject : x\r\n", "white-space-after-subject"),
        (b"From: x\r\nno field\r\n", "line-that-is-no-field"),
        (b"From: x\r\n \r\n y\r\n", "line-of-white-space"),
        (b"From: x\ry\r\n", "stray-cr-lf-or-nul"),
        (b"From: x\r\n", ""),
    ],
)
def test_which_kind_of_malformed_is_told_without_values(block: bytes, kind: str) -> None:
    """Whoever must mend his program has to know what; the letter itself is not kept."""
    assert read_header(block).malformed == kind


@pytest.mark.parametrize(
    ("as_written", "compared"),
    [
        ("<a@x>", "<a@x>"),
        ("<=?utf-8?q?a?=@x>", "<a@x>"),
        ("<=?utf-8?q?=3Ca=40x=3E?=>", "<a@x>"),
        ("<=?none?q?a?=@x>", "<=?none?q?a?=@x>"),
        ("<=?utf-8?q?_?=>", "<=?utf-8?q?_?=>"),
    ],
)
def test_a_message_id_is_compared_with_its_encoded_words_read(as_written, compared):
    assert comparable(as_written) == compared
