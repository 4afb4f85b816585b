"""Content-Type and its parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.parameters import content_type, disposition
from tests.watchdog import watchdog


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        ("multipart/mixed; boundary=abc", b"abc"),
        ('Multipart/Mixed; BOUNDARY="a b;c"', b"a b;c"),
        ("multipart/mixed; boundary=----=_Part_0_1.2", b"----=_Part_0_1.2"),
        ("multipart/mixed; charset=utf-8; boundary=abc;", b"abc"),
        ("multipart/mixed; boundary*0=ab; boundary*1=cd", b"abcd"),
        ('multipart/mixed; boundary*0="ab"; boundary*1*=%63', b"abc"),
        ("multipart/mixed; boundary*=us-ascii'fr'a%20b", b"a b"),
        ("multipart/mixed; boundary=abc; boundary=abc", b"abc"),
        ("multipart/mixed ; boundary = abc", b"abc"),
    ],
)
def test_a_boundary_is_found(value, boundary):
    assert content_type(value).boundary == boundary


@pytest.mark.parametrize(
    "value",
    [
        "multipart/mixed",
        "multipart",
        "multipart/mixed; boundary=",
        'multipart/mixed; boundary=""',
        'multipart/mixed; boundary="ends in space "',
        r'multipart/mixed; boundary="a\"b"',
        'multipart/mixed; boundary="never closed',
        "multipart/mixed; boundary=a; boundary=b",
        "multipart/mixed; boundary=a; boundary*0=b",
        "multipart/mixed; boundary*0=a; boundary*00=b",
        "multipart/mixed boundary=abc",
        "multipart/mixed; boundary=abc def",
        "multipart/mixed; boundary=é",
        "multipart/mixed; boundary=" + "x" * 300,
        "multipart/mixed" + "; a=b" * 200 + "; boundary=abc",
    ],
)
def test_a_boundary_that_readers_may_take_differently_is_none(value):
    kind = content_type(value)
    assert kind.multipart
    assert kind.boundary is None


@pytest.mark.parametrize("value", ["", "text", "garbage; charset=x", "/plain", "attachment"])
def test_no_type_at_all_is_plain_text(value):
    assert content_type(value).value == "text/plain"


def test_a_disposition_has_a_word_and_parameters():
    read = disposition('Attachment; filename="IHE_XDM.ZIP"')
    assert (read.value, read.parameters["filename"]) == ("attachment", "IHE_XDM.ZIP")
    assert disposition("").value == ""


@given(st.text("mixedultpar/;= \"\\*0'%(),é\t", max_size=120))
def test_any_value_gives_a_type(value):
    kind = content_type(value)
    assert "/" in kind.value
    disposition(value)


@given(st.text("ab=/*0'%()?é\t;\" ", max_size=100), st.sampled_from(['"%s"', "%s", "%s; boundary*1=x"]))
def test_any_boundary_is_octets_or_none(text, form):
    kind = content_type("multipart/mixed; boundary=" + form % text)
    boundary, short = kind.boundary, kind.short_boundary
    assert short == b"" if boundary is None else short == b"" or boundary.startswith(short)


@pytest.mark.parametrize(
    ("text", "parameters", "doubtful"),
    [
        ("x; a=", {"a": ""}, False),
        ("x; a= ", {"a": ""}, False),
        ("x; a= ; b=1", {"a": "", "b": "1"}, False),
        ('x; a= "y" ; b = "z"', {"a": "y", "b": "z"}, False),
        ('x; a= "y', {}, True),
        ('x; a="y" z; b=1', {"b": "1"}, True),
        ("x; a b=1; c=2", {"c": "2"}, True),
    ],
)
def test_white_space_around_a_value_means_nothing_and_junk_is_doubtful(text, parameters, doubtful):
    read = disposition(text)
    assert (read.parameters, read.doubtful) == (parameters, doubtful)


@pytest.mark.parametrize("value", ['"x', '"x" y', "", 'x"', '"\\'])
def test_any_amount_of_white_space_before_a_value_is_read_at_once(value):
    """A quarter of a megabyte of it took an hour, in which the process did nothing else."""
    with watchdog("white space"):
        assert content_type(f"text/plain; a={' ' * 250_000}{value}").value == "text/plain"
