"""Mailbox addresses: compared without regard to case, relayed as they came."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.addresses import Address, domain_key
from mssgw.core.errors import MalformedAddress
from tests.watchdog import watchdog


def test_an_address_is_compared_by_key_and_relayed_as_written():
    """INS-3, scenario 3."""
    typed, stored = (
        Address.parse("177012a12345670@Patient.MSSante.fr"),
        Address.parse("177012A12345670@patient.mssante.fr"),
    )
    assert typed == stored
    assert hash(typed) == hash(stored)
    assert typed.text == "177012a12345670@Patient.MSSante.fr"
    assert (typed.local, typed.domain) == ("177012a12345670", "patient.mssante.fr")


@pytest.mark.parametrize(
    "text",
    [
        "a@x.fr",
        "a.b-c+d@x.fr",
        "o'neill@x.fr",
        '"anne durand"@x.fr',
        r'"a\"b"@x.fr',
        '"a@b"@x.fr',
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "zoé@hôpital.fr",
        "a@localhost",
        "x" * 64 + "@x.fr",
    ],
)
def test_these_are_addresses(text):
    """RFC 5321 section 4.1.2, RFC 6531."""
    assert Address.parse(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@x.fr",
        "a@",
        "a b@x.fr",
        ".a@x.fr",
        "a.@x.fr",
        "a..b@x.fr",
        "a@b@x.fr",
        "<a@x.fr>",
        "a@x..fr",
        "a@-x.fr",
        "a@x_y.fr",
        "a@x.fr.",
        "a@[1.2]",
        "a@x.fr\r\nRCPT TO:<b@y.fr>",
        "a@x.fr\n",
        "a\n@x.fr",
        "a\0@x.fr",
        '"a@x.fr',
        '"a"b@x.fr',
        "a@" + "x" * 64 + ".fr",
        "a@" + "x." * 127 + "fr",
        "x" * 65 + "@x.fr",
        "é" * 33 + "@x.fr",
        "a\ud800@x.fr",
        "a@\ud800.fr",
    ],
)
def test_these_are_none(text):
    with pytest.raises(MalformedAddress) as refused:
        Address.parse(text)
    assert refused.value.reply.code == 553
    assert len(text) < 3 or text not in str(refused.value)


def test_a_domain_is_compared_as_a_labels():
    assert domain_key("Hôpital.FR") == domain_key("XN--HPITAL-IXA.fr") == "xn--hpital-ixa.fr"
    assert Address.parse("a@hôpital.fr") == Address.parse("A@xn--hpital-ixa.FR")


def test_ascii_only_says_whether_smtputf8_is_needed():
    assert Address.parse("a@x.fr").ascii_only
    assert not Address.parse("zoé@x.fr").ascii_only
    assert not Address.parse("a@hôpital.fr").ascii_only


def test_an_address_shows_itself_nowhere():
    """It may hold an INS."""
    address = Address.parse("279035121518989@patient.mssante.fr")
    assert "279035121518989" not in f"{address!r} {address} {[address]} {(address,)!s}"


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_an_address_or_malformed(local, domain):
    try:
        address = Address.parse(f"{local}@{domain}")
    except MalformedAddress:
        return
    address.text.encode()
    assert not set(address.text) & set("\r\n\0")
    assert Address.parse(address.key) == address


@pytest.mark.parametrize(
    ("quoted", "plain"),
    [
        ('"279035121518989"@patient.mssante.fr', "279035121518989@patient.mssante.fr"),
        (r'"Dr\.Martin"@x.fr', "dr.martin@x.fr"),
        (r'"a\ b"@x.fr', '"a b"@x.fr'),
    ],
)
def test_quoting_a_local_part_makes_no_other_mailbox(quoted, plain):
    """RFC 5321 section 4.1.2; else a patient could write as somebody new by quoting his matricule (WHO-2)."""
    assert Address.parse(quoted) == Address.parse(plain)
    assert Address.parse(quoted).text == quoted


@pytest.mark.parametrize("local", ['"a b"', r'"a\"b"', r'"a\\b"', '"a@b"', '"a..b"', '""'])
def test_what_needs_its_quotation_marks_keeps_them(local):
    assert Address.parse(f"{local}@x.fr").key == f"{local}@x.fr"


@pytest.mark.parametrize(
    "domain", ["patient.mßante.fr", "patient\uff0emssante\uff0efr", "\uff50atient.mssante.fr", "mss\u200dante.fr"]
)
def test_a_domain_that_readers_take_for_two_is_malformed(domain):
    """IDNA 2003 maps these away, IDNA 2008 does not: the next hop could route where we did not look (WHO-9)."""
    with pytest.raises(MalformedAddress):
        Address.parse(f"279035121518989@{domain}")


CAPITALS = [char for char in map(chr, (*range(0x80, 0xD800), *range(0xE000, 0x110000))) if char.lower() != char]


def test_two_mailboxes_are_one_only_by_the_case_of_a_letter():
    """KELVIN SIGN becomes a k in lower case, and the second of two copies was dropped."""
    one_for: dict[str, set[str]] = {}
    for char in CAPITALS:
        one_for.setdefault(Address.parse(f"dr.{char}lein@x.fr").key, set()).add(char)
    assert Address.parse("dr.\u212alein@x.fr") != Address.parse("dr.klein@x.fr")
    assert not [key for key in one_for if key.isascii()]
    assert [chars for chars in one_for.values() if len(chars) > 1 and len({char.lower() for char in chars}) > 1] == []


@given(st.text(max_size=20), st.text(max_size=20))
def test_one_key_is_one_text_but_for_case(local, other):
    """And what is ASCII is never what is not."""
    for left, right in ((local, other), (local, local.lower()), (local, unicodedata.normalize("NFKC", local))):
        try:
            one, two = Address.parse(f"{left}@x.fr"), Address.parse(f"{right}@x.fr")
        except MalformedAddress:
            continue
        if one == two and '"' not in left + right:
            assert left.lower() == right.lower()
            assert left.isascii() == right.isascii()


@pytest.mark.parametrize("local", ["Zo\u00c9", "Zo\u0045\u0301", "\u0418\u0306", "\u039f\u0394\u039f\u03a3"])
def test_the_key_of_a_letter_that_all_read_alike_is_its_lower_case(local):
    """Keys lie in the database: those of accents, composed or not, and of a last sigma stay what they were."""
    assert Address.parse(f"{local}@x.fr").key == f"{local.lower()}@x.fr"


LONG = "\ufdfa" * 60  # one character that stands for eighteen


@pytest.mark.parametrize("domains", [[LONG * 2_000 + ".fr"], [f"{chr(0x4E00 + n)}{LONG}.fr" for n in range(2_000)]])
def test_a_domain_that_cannot_be_one_is_refused_before_it_is_mapped(domains):
    """One command with such a domain stopped all other connections for half a second."""
    with watchdog("mapping"):
        for domain in domains:
            with pytest.raises(MalformedAddress):
                domain_key(domain)


def test_letters_and_their_accents_may_come_apart():
    """The length that counts is that of the composed form."""
    assert domain_key("e\u0301" * 40 + ".fr") == domain_key("\u00e9" * 40 + ".fr")
