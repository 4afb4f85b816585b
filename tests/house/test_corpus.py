"""The corpus of the relay tests is what it says: the same every time, legal on the wire, and exact in size."""

import hashlib

import pytest

from tests.corpus import LONGEST_LINE, TEN_MO, letter, letter_of_size


def test_a_hundred_letters_have_every_kind_and_are_legal_on_the_wire() -> None:
    """No bare CR or LF, no NUL, CRLF at the end; the digest is that of the body."""
    letters = [letter(3, index) for index in range(100)]
    assert len({each.kind for each in letters}) == 12
    for each in letters:
        lines = each.content.split(b"\r\n")
        assert lines.pop() == b"", each.kind
        assert not any(octet in line for line in lines for octet in (b"\r", b"\n", b"\0")), each.kind
        assert max(map(len, lines)) <= LONGEST_LINE
        body = each.content.partition(b"\r\n\r\n")[2]
        assert hashlib.sha256(body).hexdigest() == each.sha256


def test_the_same_seed_and_number_make_the_same_octets() -> None:
    """So that a failure can be looked at again."""
    assert letter(3, 41).content == letter(3, 41).content
    assert letter(3, 41).content != letter(4, 41).content


@pytest.mark.parametrize("octets", [*range(1_500, 1_600), TEN_MO - 1, TEN_MO, TEN_MO + 1])
def test_a_letter_of_a_given_size_has_exactly_that_size(octets: int) -> None:
    """In lines short enough that Postfix declares the very same number."""
    content = letter_of_size(3, 0, octets).content
    assert len(content) == octets
    assert max(map(len, content.split(b"\r\n"))) < 128
