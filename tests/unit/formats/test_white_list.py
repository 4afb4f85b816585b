"""The white list: what is read of it, and which list is none (WL-2 to WL-5)."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mssgw.core.addresses import domain_key
from mssgw.core.names import Name
from mssgw.core.trust import WhiteList
from mssgw.formats.white_list import LIMIT, UnusableList, read
from tests.white_lists import REAL, TRUNCATED, dn, white_list, with_the_real_list

A, B = dn("mss.a.example"), dn("mss.b.example")


def test_a_list_says_who_speaks_for_which_domain() -> None:
    """A domain may have several operators, an operator several domains; a double says nothing new."""
    found = read(white_list([("x.fr", A), ("x.fr", B), ("y.fr", A), ("x.fr", A)]))
    assert found.operators == {"x.fr": {Name.parse(A), Name.parse(B)}, "y.fr": {Name.parse(A)}}
    assert found.domains == {Name.parse(A): {"x.fr", "y.fr"}, Name.parse(B): {"x.fr"}}
    assert (found.entries, found.unreadable) == (4, 0)
    assert found.generated_at == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert len(found.fingerprint) == 64


def test_domains_and_operators_are_compared_by_what_they_say() -> None:
    """Upper case, IDN, spaces around a value, a DN in quotation marks: the real list has most of these (WL-4)."""
    quoted = A.replace("O=GIP EXEMPLE", 'O="GIP  EXEMPLE"')
    found = read(white_list([("UC-CMP.mssante.fr", A), ("Hôpital.fr", quoted), (" \n xn--hpital-ixa.fr ", B)]))
    assert found.operators.keys() == {"uc-cmp.mssante.fr", "xn--hpital-ixa.fr"}
    assert found.domains.keys() == {Name.parse(A), Name.parse(B)}


@pytest.mark.parametrize(
    "bad",
    [
        ("sessad@ase.example.fr", A),
        ("", A),
        ("x..fr", A),
        ("x.fr", ""),
        ("x.fr", "O=GIP EXEMPLE,C=FR"),
        ("x.fr", "CN=*.example,C=FR"),
        ("x.fr", "CN=a.example,CN=b.example"),
        ("x.fr", 'CN=a.example,O="unclosed'),
    ],
)
def test_an_entry_that_cannot_be_read_lists_nothing_and_is_counted(bad: tuple[str, str]) -> None:
    """One bad line among thousands stops nobody else's mail, and opens nothing."""
    found = read(white_list([bad, ("y.fr", B)]))
    assert found.operators == {"y.fr": {Name.parse(B)}}
    assert (found.entries, found.unreadable) == (2, 1)
    with pytest.raises(UnusableList, match="no entry"):
        read(white_list([bad]))


@pytest.mark.parametrize(
    "split",
    [
        "<Nom>evil.fr<!-- -->.good.fr</Nom>",
        "<Nom>evil.fr<?x?>.good.fr</Nom>",
        "<Nom><b>evil.fr</b>.good.fr</Nom>",
        "<Nom>evil.fr</Nom><Nom>good.fr</Nom>",
        "<Nom/>",
        "",
    ],
)
def test_a_name_in_pieces_or_twice_is_no_name(split: str) -> None:
    """One reader would take the first half, another both."""
    document = white_list([("x.fr", A), ("y.fr", B)]).replace(b"<Nom>x.fr</Nom>", split.encode())
    assert read(document).operators.keys() == {"y.fr"}


GOOD = white_list([("x.fr", A)])


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "no element"),
        (GOOD[:-10], "not well-formed"),
        (white_list([("x.fr", A)], space="https://example.org/schema"), "root element"),
        (GOOD.replace(f' xmlns="{"https://listeblanche.mssante.fr/schema"}"'.encode(), b""), "root element"),
        (b"<html/>", "root element"),
        (white_list([]), "no entry"),
        (white_list([("x.fr", A)], generated="hier"), "DateDeGeneration"),
        (white_list([("x.fr", A)], generated=""), "DateDeGeneration"),
        (white_list([("x.fr", A)], generated="2026-01-05T08:00:00"), "DateDeGeneration"),
        (white_list([("x.fr", A)], generated="9999-12-31T23:59:59-23:00"), "DateDeGeneration"),
        (white_list([("x.fr", A)], after="<DateDeGeneration>2027-01-01T00:00:00Z</DateDeGeneration>"), "2 DateDe"),
        (white_list([("x.fr", A)], after="<ListeDomaines/>"), "2 ListeDomaines"),
        (GOOD.replace(b"ListeDomaines", b"Autre"), "no ListeDomaines"),
        (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/hostname'>]>" + GOOD[38:], "DOCTYPE"),
    ],
)
def test_what_is_no_whole_list_is_refused_with_the_reason(document: bytes, why: str) -> None:
    """Nothing is taken of half a list (WL-5)."""
    with pytest.raises(UnusableList, match=why):
        read(document)


def test_a_list_of_200_mb_is_refused_before_it_is_parsed() -> None:
    """Its size alone says that it is none."""
    with pytest.raises(UnusableList, match=f"more than {LIMIT} octets"):
        read(bytes(200 * 2**20))


@given(
    st.binary(max_size=300)
    | st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=6)).map(
        lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] + len(cut[1]) :]
    )
)
def test_any_octets_are_a_list_or_refused(document: bytes) -> None:
    """UnusableList, and nothing else."""
    with contextlib.suppress(UnusableList):
        assert read(document).operators


@pytest.fixture(scope="module")
def real() -> WhiteList:
    return read(REAL.read_bytes())


@with_the_real_list
def test_the_real_list_is_read_whole(real: WhiteList) -> None:
    """But for one "domain" that is a mail address: it can be no mail's domain. Nine DNs are written in two ways."""
    assert (real.entries, real.unreadable) == (6_554, 1)
    assert len(real.operators) == 5_001
    assert len(real.domains) == 384
    assert sum(1 for names in real.operators.values() if 2 <= len(names) <= 5) > 1_000
    assert max(len(listed) for listed in real.domains.values()) > 2_700
    assert "mssante.apicrypt.org" in real.operators


@with_the_real_list
def test_the_truncated_list_is_refused() -> None:
    """As every copy of it on the web is cut (WL-5)."""
    with pytest.raises(UnusableList, match="not well-formed"):
        read(TRUNCATED.read_bytes())


@with_the_real_list
@given(source=st.randoms(use_true_random=False))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_domain_lists_its_own_operators_and_nobody_else(real: WhiteList, source) -> None:
    """However a certificate writes its DN."""
    domain = source.choice(sorted(real.operators))
    other = source.choice(sorted(real.domains, key=str))
    assert (other in real.operators[domain]) is (domain in real.domains[other])
    for name in real.operators[domain]:
        assert domain in real.domains[name]
        shuffled = source.sample(name.key, len(name.key))
        assert Name.of((kind, value.upper()) for kind, value in shuffled) in real.operators[domain]
    assert domain_key(domain.upper()) == domain
