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
