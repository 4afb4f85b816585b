"""Distinguished names: the same DN is the same, however it is written; a doubtful one is none (WL-4)."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.errors import MalformedName
from mssgw.core.names import Name

PAIRS = [("CN", "mss.example.fr"), ("OU", "1750160012"), ("O", "C.H. DE L'EST"), ("ST", "Rhône (69)"), ("C", "FR")]
NAME = Name.of(PAIRS)


@pytest.mark.parametrize(
    "text",
    [
        "CN=mss.example.fr,OU=1750160012,O=C.H. DE L'EST,ST=Rhône (69),C=FR",
        "C=FR,ST=Rhône (69),O=C.H. DE L'EST,OU=1750160012,CN=mss.example.fr",
        "CN=mss.example.fr, OU=1750160012, O=C.H. DE L'EST, ST=Rhône (69), C=FR",
        'cn = MSS.Example.FR , ou=1750160012,O="C.H.  DE L\'EST",S=Rhône (69),C=fr',
        "CN=mss.example.fr,OU=1750160012,O=C.H.\u00a0 DE L'EST,ST=RHO\u0302NE (69),C=FR",
        "2.5.4.3=mss.example.fr,OID.2.5.4.11=1750160012,2.5.4.10=C.H. DE L'EST,2.5.4.8=Rhône (69),2.5.4.6=FR",
        "CN=mss.example.fr+OU=1750160012,O=C.H. DE L\\27EST,ST=Rh\\C3\\B4ne (69),C=FR",
        " CN=mss.example.fr,OU=1750160012,O=C.H. DE L'EST\\ ,ST=Rhône (69),C=FR ",
    ],
)
def test_the_same_dn_is_the_same_however_it_is_written(text):
    """Order, case, spaces of any kind, quotation marks, escapes, accents composed or not, names or OIDs."""
    assert Name.parse(text) == NAME
    assert hash(Name.parse(text)) == hash(NAME)


@pytest.mark.parametrize(
    "pairs",
    [
        [("CN", "mss.example.fr")],
        [*PAIRS, ("OU", "1750160012")],
        [*PAIRS, ("OU", "another")],
        [*PAIRS[:3], ("L", "Rhône (69)"), ("C", "FR")],
        [*PAIRS[:3], ("ST", "Rhone (69)"), ("C", "FR")],
        [("CN", "mss2.example.fr"), *PAIRS[1:]],
    ],
)
def test_what_says_more_less_or_something_else_is_another_dn(pairs):
    """An OU that stands there twice is not one that stands there once."""
    assert Name.of(pairs) != NAME


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "without a type"),
        ("OU=x,C=FR", "no CN"),
        ("CN=a,CN=b", "2 CN"),
        ("CN=a,O=x,commonName=a", "2 CN"),
        ("CN=*.example.fr", "wildcard"),
        ("CN=a\0.example.fr", "NUL"),
        ("CN=a\\00.example.fr", "NUL"),
        ("CN=a\n,O=b", "control"),
        ("CN=a\u200b,O=b", "invisible"),
        ("CN=a,O=\u202eb", "invisible"),
        ("CN=a,O=\ud800", "invisible"),
        ("CN=,O=b", "empty"),
        ("CN=a,O=\u00a0 ", "empty"),
        ('CN=a,O=""', "empty"),
        ("CN=a,", "without a type"),
        ("CN=a,,O=b", "without a type"),
        ("a.example.fr", "without a type"),
        ("CN=a,=b", "without a type"),
        ('CN=a,O="b', "unclosed"),
        ('CN=a,O="b"c', "after a closing"),
        ("CN=a,O=A, B ET C", "without a type"),
        ("CN=a,O=b\\", "escape"),
        ("CN=a,O=b\\z", "escape"),
        ("CN=a,O=\\FF\\FF", "UTF-8"),
        ("CN=#0c0161", "hexadecimal"),
        ("CN=a,O=" + "b" * 257, "too long"),
        ("CN=a" + ",O=b" * 1000, "too long"),
        ("CN=a" + ",O=b" * 40, "too many"),
    ],
)
def test_a_doubtful_dn_is_refused_with_the_reason(text, why):
    """Whoever could be taken for somebody else, or for two, is nobody."""
    with pytest.raises(MalformedName, match=why):
        Name.parse(text)


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([("OU", "x")], "no CN"),
        ([], "no CN"),
        ([("CN", "a"), ("2.5.4.3", "b")], "2 CN"),
        ([("CN", "a.fr\0.b.fr")], "NUL"),
        ([("CN", "*.fr")], "wildcard"),
        ([("CN", "a"), ("O", "x\r\nCN=b")], "control"),
        ([("CN", "")], "empty"),
        ([("CN", "a" * 257)], "too long"),
    ],
)
def test_a_doubtful_dn_of_a_certificate_is_refused_alike(pairs, why):
    """A certificate may hold what no text can say: a NUL that ends a C string."""
    with pytest.raises(MalformedName, match=why):
        Name.of(pairs)


def test_a_quotation_mark_within_a_value_is_a_character():
    """The real list has CRLCC "PAUL STRAUSS" and even an odd one."""
    assert Name.parse('CN=a,O=CRLCC "PAUL STRAUSS"') == Name.of([("CN", "a"), ("O", 'CRLCC "PAUL STRAUSS"')])
    assert Name.parse('CN=a,O=HOPITAL "ODD,C=FR') == Name.of([("CN", "a"), ("O", 'HOPITAL "ODD'), ("C", "FR")])


def test_it_shows_itself_as_it_was_written():
    """For logs and for people: the CN also alone."""
    assert str(Name.parse('CN=Mss.Example.fr, O="A  B"')) == 'CN=Mss.Example.fr, O="A  B"'
    assert str(Name.of([("CN", "Mss.Example.fr"), ("2.5.4.97", 'a,"b')])) == (
        'CN=Mss.Example.fr,ORGANIZATIONIDENTIFIER=a\\,\\"b'
    )
    assert Name.parse("C=FR,CN=Mss.Example.fr").common_name == "mss.example.fr"


values = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"], exclude_characters="*"), max_size=60
).filter(lambda value: value.strip())
pairs_of = st.lists(st.tuples(st.sampled_from(["OU", "O", "ST", "C", "L", "1.2.3.4"]), values), max_size=6)


@given(values, pairs_of, st.randoms(use_true_random=False))
def test_what_a_certificate_says_reads_back_from_its_text(cn: str, others: list[tuple[str, str]], order: random.Random):
    """Name.of writes what Name.parse reads as the same DN, whatever the order."""
    pairs = [("CN", cn), *others]
    name = Name.of(pairs)
    order.shuffle(pairs)
    assert Name.of(pairs) == name
    assert Name.parse(name.text) == name


@given(st.text(max_size=80) | st.text(st.sampled_from('CNO=,+"\\ a0F#*.\0'), max_size=60))
def test_any_text_is_a_name_or_refused(text):
    """MalformedName, and nothing else."""
    with contextlib.suppress(MalformedName):
        assert Name.parse(text).common_name
