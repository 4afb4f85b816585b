"""Address lists."""

from email.utils import formataddr, getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.mailboxes import MAX_ADDRESSES, MAX_WIDE, MAX_WORDS, Allowance, read_addresses
from tests.watchdog import watchdog


def texts(value: str) -> tuple[list[str], int]:
    read = read_addresses(value)
    return [address.text for address in read.found], read.malformed


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("a@x.fr", ["a@x.fr"]),
        ("<a@x.fr>", ["a@x.fr"]),
        ("Dr Anne Durand <a@x.fr>, b@y.fr", ["a@x.fr", "b@y.fr"]),
        ('"Durand, Anne" <a@x.fr>', ["a@x.fr"]),
        ("=?utf-8?Q?Durand,_Anne?= <a@x.fr>", ["a@x.fr"]),
        ("=?utf-8?Q?b@evil.fr?= <a@x.fr>", ["a@x.fr"]),
        ("a@x.fr (Anne, (the doctor) \\) )", ["a@x.fr"]),
        ("Equipe: a@x.fr, b@y.fr;, c@z.fr", ["a@x.fr", "b@y.fr", "c@z.fr"]),
        ("undisclosed-recipients:;", []),
        ("", []),
        (" , ,", []),
        ("a@x.fr, A@X.FR", ["a@x.fr"]),
        ("<@relay.fr,@other.fr:a@x.fr>", ["a@x.fr"]),
        ('"anne durand"@x.fr', ['"anne durand"@x.fr']),
        ("a . b @ x.fr", ["a.b@x.fr"]),
        ("a@x.fr; b@y.fr", ["a@x.fr", "b@y.fr"]),
        ("a@[192.0.2.1]", ["a@[192.0.2.1]"]),
        ("a@x.fr <a@x.fr>", ["a@x.fr"]),
        ("Anne\t<a@x.fr>", ["a@x.fr"]),
        ("élise@x.fr", ["élise@x.fr"]),
    ],
)
def test_addresses_are_found(value, addresses):
    assert texts(value) == (addresses, 0)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("Dr Durand", []),
        ("<>", []),
        ("a@b@x.fr", []),
        ("Dr Durand a@x.fr", []),
        ("other@y.fr <a@x.fr>", ["a@x.fr"]),  # some readers take the first, some the second
        ("<a@x.fr> trailing", ["a@x.fr"]),
        ("<a@x.fr> <b@y.fr>", ["a@x.fr", "b@y.fr"]),  # a comma is missing
        ("<a@x.fr> <>", ["a@x.fr"]),
        ("<a@x.fr <b@y.fr>>", []),
        ("<a@x.fr", ["a@x.fr"]),
        ('"never closed <a@x.fr>', []),
        ("(never closed a@x.fr", []),
        ("a@x.fr\\", ["a@x.fr"]),
        ("a>@x.fr", ["a@x.fr"]),
        ("MAILER-DAEMON", []),
        ("a@" + "x" * 500, []),
    ],
)
def test_an_entry_that_is_no_address_or_could_be_two_is_malformed(value, addresses):
    assert texts(value) == (addresses, 1)


def test_a_list_longer_than_we_read_says_so():
    long = ",".join(f"a{n}@x.fr" for n in range(MAX_ADDRESSES + 1))
    assert not read_addresses(long).complete
    assert len(read_addresses(long).found) == MAX_ADDRESSES
    assert not read_addresses("a " * 50_000).complete
    assert read_addresses(",".join(f"Dr A <a{n}@x.fr>" for n in range(MAX_ADDRESSES))).complete


NAME = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=30)
MAILBOX = st.from_regex(r"[a-z0-9]{1,10}(\.[a-z0-9]{1,10})?@[a-z0-9]{1,10}\.fr", fullmatch=True)


@given(st.lists(st.tuples(NAME, MAILBOX), min_size=1, max_size=8))
def test_lists_that_python_writes_are_read_as_python_reads_them(people):
    value = ", ".join(formataddr(person) for person in people)
    expected = list(dict.fromkeys(address.lower() for _, address in getaddresses([value])))
    assert texts(value) == (expected, 0)


@given(st.text('a@.<>,;:()"\\[]=?Qé \t', max_size=200))
def test_any_text_gives_addresses_and_a_count(value):
    read = read_addresses(value)
    assert read.malformed >= 0
    assert len(set(read.found)) == len(read.found)


@given(st.text('ab@.<>,;:"= \t', max_size=30).filter(lambda text: text.count('"') % 2 == 0))
def test_a_comment_behind_a_list_changes_nothing(text):
    """A plain address is read by a shorter way, which a comment bars: both ways say the same."""
    assert read_addresses(text) == read_addresses(f"{text}()")


@pytest.mark.parametrize(
    "text", ["a@b.fr", "<a@b.fr>", "Jean <a@b.fr>", '"Dr, J@n" J. <a@b.fr>', "=?utf-8?Q?=C3=A9?= <a@b.fr>"]
)
def test_a_plain_address_is_read_by_both_ways_alike(text):
    assert read_addresses(text) == read_addresses(f"{text}()")
    assert len(read_addresses(text).found) == 1


def test_what_is_malformed_counts_like_an_address():
    """Else a list could have any number of entries."""
    assert not read_addresses("x, " * (MAX_ADDRESSES + 1)).complete
    assert not read_addresses("x," * MAX_ADDRESSES + "a@x.fr").complete
    assert read_addresses("x," * (MAX_ADDRESSES - 1) + "a@x.fr").complete


@pytest.mark.parametrize("text", ["x, y, z", "Dr <a@x.fr>, <", "a@x.fr"])
def test_the_lists_of_a_letter_are_limited_together(text):
    """A letter may have a thousand of them."""
    shared = Allowance()
    read = [read_addresses(text, shared).complete for _ in range(MAX_WORDS)]
    assert read[:MAX_ADDRESSES] == [True] * MAX_ADDRESSES
    assert not read[-1]


def test_domains_that_are_not_ascii_are_few_in_a_letter():
    """Each is worth a thousand others; one that is named again costs nothing."""
    shared = Allowance()
    assert read_addresses(",".join(f"a{n}@hôpital.fr" for n in range(500)), shared).complete
    assert read_addresses(",".join(f"a@hôpital{n}.fr" for n in range(MAX_WIDE - 1)), shared).complete
    assert read_addresses("b@x.fr", shared).complete
    over = read_addresses("a@clinique-à-côté.fr", shared)
    assert (over.found, over.complete) == ((), False)
    assert not read_addresses("b@x.fr", shared).complete


@pytest.mark.parametrize("domain", ["é" * 50, "ñ" * 200])
def test_any_number_of_domains_that_are_not_ascii_is_refused_at_once(domain):
    """A quarter of a megabyte of them took seconds, well-formed or not."""
    with watchdog("reading domains"):
        assert not read_addresses(",".join(f"a@{domain}{n}.fr" for n in range(20_000))).complete
