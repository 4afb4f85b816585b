"""[FIN] in the subject of a patient's copy: mail clients show it, and what was sent comes back to the octet."""

from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.message import Fin
from mssgw.formats.fin_shown import Mark, as_sent, fin_mark
from mssgw.formats.mime import Scanner
from mssgw.formats.wire import stuffed

TRACE = b"Received: by gw.example id Q1;\r\n\tSat, 21 Nov 2026 19:04:00 +0000\r\n"
ABOVE = b"X-Mssgw-Id: Q1.0\r\nReturn-Path: <dr.alpha@ch-test.mssante.fr>\r\n"
BODY = b"From: <dr.alpha@ch-test.mssante.fr>\r\nSubject: r\xc3\xa9sultats\r\nX-MSS-MES: FIN\r\n\r\nSubject: no\r\n"

NAMES = st.sampled_from([b"Subject", b"subject ", b"SUBJECT", b"X-Subject", b"From", b"Received", b"X-Mssgw-Fin"])
VALUES = st.sampled_from([b" essai", b"", b"[FIN]", b" [FIN]", b" [FIN] essai", b"\r\n folded", b" " + b"x" * 995])
LETTERS = st.builds(
    lambda fields, body: b"".join(name + b":" + value + b"\r\n" for name, value in fields) + b"\r\n" + body,
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
    st.sampled_from([b"", b"Subject: [FIN] x\r\n", b"\r\n\r\nSubject: y\r\n"]),
)


def shown(letter: bytes, mark: Mark | None) -> bytes:
    """The copy as it lies in the mailbox."""
    if mark is None:
        return ABOVE + TRACE + letter
    return ABOVE + mark.field + TRACE + letter[: mark.at] + mark.octets + letter[mark.at :]


def subject(letter: bytes) -> str:
    return str(message_from_bytes(letter, policy=policy.default)["subject"])


def test_a_subject_says_first_that_the_exchange_ends() -> None:
    assert subject(shown(BODY, fin_mark(BODY))) == "[FIN] résultats"


def test_an_encoded_subject_is_read_as_before() -> None:
    letter = b"Subject: =?utf-8?q?r=C3=A9sultats?=\r\n\r\n"
    assert subject(shown(letter, fin_mark(letter))) == "[FIN] résultats"


def test_a_letter_without_a_subject_gets_one() -> None:
    letter = b"From: <a@b.fr>\r\n\r\nSubject: in the text\r\n"
    copy = shown(letter, fin_mark(letter))
    assert subject(copy) == "[FIN]"
    assert copy.endswith(letter)


@pytest.mark.parametrize("value", ["[FIN]", "[FIN] essai", "x" * 990])
def test_what_says_so_already_or_has_no_room_is_left_alone(value: str) -> None:
    assert fin_mark(f"Subject: {value}\r\n\r\n".encode()) is None


@given(LETTERS)
def test_what_was_sent_comes_back_to_the_octet(letter: bytes) -> None:
    """Below our own trace, which stays, whatever the letter's fields are called."""
    assert as_sent(shown(letter, fin_mark(letter))) == TRACE + letter


@given(LETTERS, st.integers(0, 400))
def test_of_a_letter_that_was_read_in_part_so_does_that_part(letter: bytes, length: int) -> None:
    mark = fin_mark(letter)
    begins = as_sent(shown(letter, mark)[: len(ABOVE) + len(TRACE) + 40 + length])
    ends_in_the_mark = begins.endswith((b": ", b"[", b"[F", b"[FI")) or b"[FIN" in begins
    assert mark is None or (TRACE + letter).startswith(begins) or ends_in_the_mark


@given(st.binary(max_size=200))
def test_any_octets_are_read(octets: bytes) -> None:
    fin_mark(octets)
    assert as_sent(octets) in octets


def test_a_marked_letter_never_looks_as_if_it_closed_by_its_subject() -> None:
    """A copy of it that comes back is a near miss, which does nothing (SD-2); but where the subject was empty."""
    scanner = Scanner()
    scanner.feed(stuffed(shown(BODY, fin_mark(BODY))))
    assert scanner.finish().subject_fin is Fin.NEAR_MISS
