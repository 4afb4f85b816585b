"""[FIN] in the subject, exactly as SD-2 says it."""

import pytest

from mssgw.core.message import Fin
from mssgw.formats.subjects import fin_of
from tests.unit.formats.reading import letter, read


@pytest.mark.parametrize(
    "field",
    [
        "Subject: [FIN]",
        "SUBJECT:[FIN]",
        "Subject:   [FIN] \t",
        "Subject:\r\n [FIN]",
        "Subject: [FIN]\r\n ",
        "Subject: =?utf-8?B?W0ZJTl0=?=",
        "Subject: =?utf-8?Q?=5BFIN=5D?=",
        "Subject: =?utf-8?Q?=5BFI?=\r\n =?utf-8?Q?N=5D?=",
        "Subject: =?utf-8?Q?_=5BFIN=5D_?=",
        "Subject: =?koi8-r?B?W0ZJTl0=?=",
        "Subject: =?ISO-2022-JP?B?W0ZJTl0=?=",
        "Subject: =?utf-16?B?//5bAEYASQBOAF0A?=",
        "Subject: =?utf-16be?B?AFsARgBJAE4AXQ==?=",
        "Subject: =?gb2312?Q?[FI?= =?gb2312?Q?N]?=",
    ],
)
def test_exactly_fin_closes(field):
    """After unfolding, RFC 2047 decoding and trimming (SD-2)."""
    assert read(letter(field)).subject_fin is Fin.EXACT
    assert read(letter(field)).closes


@pytest.mark.parametrize(
    "subject",
    [
        "Re: [FIN]",
        "RE : [FIN]",
        "TR: Re: [FIN]",
        "Ré[2]: [FIN]",
        "Fwd: [fin]",
        "[Fin]",
        "[fin]",
        "[ FIN ]",
        "[FIN].",
        "[[FIN]]",
        "(FIN)",
        "FIN",
        "［FIN］",
        "[FIN]\u00a0",
        "\u00a0[FIN]",
        "[\u200bFIN]",
        "[FIN] merci",
        "Compte rendu [FIN]",
    ],
)
def test_a_near_miss_does_not_close_and_is_told_apart(subject):
    assert fin_of(subject) is Fin.NEAR_MISS
    assert not read(letter(f"Subject: {subject}")).closes


@pytest.mark.parametrize(
    "subject",
    [
        b"=?klingon?B?W0ZJTl0=?=",  # nobody knows what its reader saw
        b"=?klingon?Q?=5BFIN=5D?=",
        b"=?utf-7?B?W0ZJTl0=?=",
        b"=?utf-16?B?WwBGAEkATgBdAA==?=",  # little-endian, without its mark
        b"=?utf-8?B?W0ZJTl3/?=",  # no UTF-8
        b"=?koi8-r?B?UmU6IFtGSU5d?=",  # "Re: [FIN]"
        b"\xff[FIN]",
        b"R\xe9 : [FIN]",
        b"[FIN]\x9a",  # a no-break space of KOI8-R
        b"\x81\x6d\x82\x65\x82\x68\x82\x6d\x81\x6e",  # in full width, in the charset of the text
    ],
)
def test_a_fin_that_only_some_readers_see_is_a_near_miss(subject):
    """In an unknown or wrong charset, or in raw octets: it closes nothing, and the journal says so (SD-2)."""
    head = read(letter(b"Subject: " + subject, "Content-Type: text/plain; charset=shift_jis"))
    assert head.subject_fin is Fin.NEAR_MISS


@pytest.mark.parametrize("subject", [b"=?klingon?B?UmVzdWx0YXRz?=", b"R\xe9sultats", b"=?utf-8?B?/w==?=", b"\xff\xfe"])
def test_a_subject_that_cannot_be_read_is_no_near_miss_by_itself(subject):
    assert read(letter(b"Subject: " + subject)).subject_fin is Fin.NO


@pytest.mark.parametrize(
    "subject",
    ["", "Compte rendu", "Finances", "FIN de traitement", "Re: fin du suivi", "[FINAL]", "F I N A L", "x" * 500],
)
def test_other_subjects_have_nothing_to_do_with_it(subject):
    assert fin_of(subject) is Fin.NO


@pytest.mark.parametrize(
    ("value", "closes"),
    [("FIN", True), (" FIN ", True), ("fin", False), ("Fin", False), ("[FIN]", False), ("", False), ("FIN;", False)],
)
def test_the_header_closes_with_three_capitals(value, closes):
    """X-MSS-MES: FIN (FIN-2)."""
    assert read(letter(f"X-MSS-MES: {value}", "Subject: Compte rendu")).closes is closes
