"""Encoded words (RFC 2047)."""

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.charsets import _BY_NAME, read_as
from mssgw.formats.words import decoded, encoded, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?B?W0ZJTl0=?=", "[FIN]"),
        ("=?utf-8?B?W0ZJTl0?=", "[FIN]"),  # padding forgotten
        ("=?UTF-8?q?Compte-rendu_op=C3=A9ratoire?=", "Compte-rendu opératoire"),
        ("=?iso-8859-1?Q?caf=E9?=", "café"),
        ("=?iso-8859-15?Q?10_=A4?=", "10 €"),
        ("=?windows-1252?Q?10_=80?=", "10 €"),
        ("=?us-ascii?Q?plain?=", "plain"),
        ("=?utf-8*fr?Q?Bonjour?=", "Bonjour"),
        ("a =?utf-8?Q?b?= c", "a b c"),
        ("=?utf-8?Q?a?= \t =?utf-8?Q?b?=", "ab"),
        ("=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?=", "aé"),
        ("=?utf-8?B?w6k=?= =?utf-8?Q?t=C3=A9?=", "été"),
        ("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "é"),  # a character cut in two
        ("=?utf-8?Q?a?= and =?utf-8?Q?b?=", "a and b"),
        ("=?koi8-r?B?79TXxdQ=?=", "Ответ"),
        ("=?iso-2022-jp?B?GyRCSlY/LhsoQg==?= =?iso-2022-jp?B?GyRCSlY/LhsoQg==?=", "返信返信"),
        ("=?utf-16?B?//5hAA==?= =?utf-16?B?//5iAA==?=", "ab"),  # each with its own byte order mark
        ("=?utf-16?B?AGE=?=", "a"),  # without one: big-endian
    ],
)
def test_encoded_words_are_decoded(value, text):
    assert decoded(value) == text


@pytest.mark.parametrize(
    "value",
    ["=?klingon?Q?x?=", "=?utf-8?Q?=FF?=", "=?utf-8?X?a?=", "=?utf-8?B?a?=", "=?utf-8?Q?two words?=", "=??Q?x?=", "=?"],
)
def test_a_word_that_cannot_be_decoded_stays_as_it_is(value):
    assert decoded(value) == value


@pytest.mark.parametrize("name", ["KOI8-R", "iso-2022-kr", "x-sjis", "windows-874", "ks_c_5601-1987", "ISO-8859-8-I"])
def test_charsets_are_known_by_the_names_that_mail_uses(name):
    assert read_as(b"[FIN]", name) == "[FIN]"


@pytest.mark.parametrize("name", ["utf-7", "punycode", "idna", "rot13", "hex", "mbcs", "os.path", "__main__", "", "é"])
def test_what_is_no_charset_of_mail_is_never_looked_up(name):
    """Python would import modules by that name, or do worse than read text."""
    assert read_as(b"abc", name) is None


def test_python_has_every_codec_of_the_table():
    """Else reading would raise."""
    assert [name for name in _BY_NAME if read_as(b"", name) != ""] == []


@given(st.sampled_from(sorted(_BY_NAME)), st.binary(max_size=40))
def test_reading_a_charset_never_raises(name, octets):
    assert read_as(octets, name) is None or isinstance(read_as(octets, name), str)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=200))
def test_what_we_encode_is_read_back_by_us_and_by_python(text):
    value = encoded(text)
    assert value.isascii()
    assert all(len(line) <= 77 for line in value.split("\r\n")) or value == text
    assert decoded(value.replace("\r\n", "")) == text
    assert str(make_header(decode_header(value.replace("\r\n", "")))) == text or value == text


@given(st.text(max_size=500))
def test_an_encoded_header_value_never_begins_another_field(text):
    for line in encoded(text).split("\r\n ")[1:]:
        assert line.startswith("=?utf-8?Q?")
    assert "\r" not in encoded(text).replace("\r\n ", "")
    assert "\n" not in encoded(text).replace("\r\n ", "")


@given(st.text("=?utf-8QBqb_ \tAé\x00", max_size=300))
def test_decoding_never_raises(value):
    decoded(value).encode()


def test_unknown_octets_are_read_as_utf_8_or_else_latin_1():
    assert text_of("é".encode()) == "é" == text_of(b"\xe9") == text_of(b"\xe9", "utf-8") == text_of(b"\xe9", "klingon")
