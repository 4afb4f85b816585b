"""The matricule INS: length, characters, month, key (INS-1 to INS-5); and who may be a minor (SD-15)."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.errors import MalformedMatricule
from mssgw.core.ins import Matricule, key_of, may_be_minor

VALID = [
    "279035121518989",  # the test patient of the ANS
    "146026322000196",
    "177012A12345670",
    "288112B98765431",
    "179039935012397",  # key 97: the number is a multiple of 97
    "199017505604201",  # key 01
]
WRONG_KEY = ["289456789012345", "288091234567823", "253097812634581"]  # printed in the sources, and wrong


@pytest.mark.parametrize("text", VALID)
def test_the_vectors_of_the_rulebook_are_valid(text):
    """INS-4."""
    assert Matricule.parse(text).value == text
    assert key_of(text[:13]) == text[13:]


@pytest.mark.parametrize("text", WRONG_KEY)
def test_matricules_with_a_wrong_key_are_refused(text):
    """INS-4: never to be used as good examples."""
    with pytest.raises(MalformedMatricule, match="cle"):
        Matricule.parse(text)


@pytest.mark.parametrize("text", ["177012a12345670", "288112b98765431"])
def test_case_makes_no_difference(text):
    """INS-3."""
    assert Matricule.parse(text) == Matricule.parse(text.upper())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "15 caracteres"),
        ("27903512151898", "15 caracteres, et non 14"),
        ("2790351215189890", "15 caracteres, et non 16"),
        ("2790351215189 9", "fait de chiffres"),
        ("27903512151898X", "fait de chiffres"),
        ("27903512151898\n", "fait de chiffres"),
        ("1770A212345670 "[:15], "fait de chiffres"),
        ("177012C12345670", "fait de chiffres"),
        ("2A9035121518989", "fait de chiffres"),  # 2A in department position only
        ("２79035121518989", "fait de chiffres"),  # digits of other scripts are no digits here
        ("279135121518900", "mois"),
        ("279005121518900", "mois"),
        ("279195121518900", "mois"),
    ],
)
def test_a_bad_matricule_is_refused_with_the_reason_in_french(text, why):
    """INS-1, INS-2, NDR-8: 553 5.1.3, ASCII, without the value."""
    with pytest.raises(MalformedMatricule) as refused:
        Matricule.parse(text)
    reply = refused.value.reply
    assert (reply.code, reply.status) == (553, "5.1.3")
    assert why in reply.text
    assert reply.text.isascii()
    assert len(text) < 14 or text not in reply.text


@pytest.mark.parametrize(
    ("month", "good"), [(0, False), (1, True), (12, True), (13, False), (19, False), (20, True), (99, True)]
)
def test_months_are_01_to_12_or_20_to_99(month, good):
    """INS-2: 20 and more stand for an unknown month."""
    thirteen = f"279{month:02d}51215189"
    text = thirteen + key_of(thirteen)
    if good:
        assert Matricule.parse(text).value == text
    else:
        with pytest.raises(MalformedMatricule, match="mois"):
            Matricule.parse(text)


THIRTEEN = st.builds(
    lambda sex, year, month, department, rest: f"{sex}{year:02d}{month:02d}{department}{rest:06d}",
    st.integers(1, 8),
    st.integers(0, 99),
    st.one_of(st.integers(1, 12), st.integers(20, 99)),
    st.one_of(st.integers(0, 99).map("{:02d}".format), st.sampled_from(["2A", "2B"])),
    st.integers(0, 999_999),
)


@given(THIRTEEN, st.integers(0, 99))
def test_exactly_one_key_is_right(thirteen, other):
    """INS-3: 97 - (N mod 97), in 01 to 97; in Corsica 2A counts as 19 and 2B as 18."""
    number = int(thirteen.replace("2A", "19", 1) if thirteen[5:7] == "2A" else thirteen.replace("2B", "18", 1))
    key = key_of(thirteen)
    assert 1 <= int(key) <= 97
    assert (number + int(key)) % 97 == 0
    assert Matricule.parse((thirteen + key).lower()).value == thirteen + key
    if f"{other:02d}" != key:
        with pytest.raises(MalformedMatricule, match="cle"):
            Matricule.parse(f"{thirteen}{other:02d}")


@given(THIRTEEN, st.integers(0, 12), st.integers(0, 9))
def test_one_mistyped_digit_is_found(thirteen, position, digit):
    matricule = thirteen + key_of(thirteen)
    typed = matricule[:position] + str(digit) + matricule[position + 1 :]
    if typed != matricule:
        with pytest.raises(MalformedMatricule):
            Matricule.parse(typed)


@given(st.text(max_size=20))
def test_any_text_is_a_matricule_or_malformed(text):
    with suppress(MalformedMatricule):
        assert Matricule.parse(text).value.isascii()


@pytest.mark.parametrize(
    ("first", "unusual"), [("1", False), ("2", False), ("3", True), ("5", True), ("7", True), ("8", True)]
)
def test_other_first_digits_pass_with_a_warning(first, unusual):
    """INS-5: Mon espace sante refuses on length, characters and key only."""
    thirteen = first + "790351215189"
    assert (Matricule.parse(thirteen + key_of(thirteen)).unusual is not None) is unusual


def test_a_matricule_shows_itself_nowhere():
    matricule = Matricule.parse(VALID[0])
    assert VALID[0] not in f"{matricule!r} {matricule} {[matricule]}"


def matricule(born: date, month: str = "") -> Matricule:
    thirteen = f"2{born:%y}{month or f'{born:%m}'}75056001"
    return Matricule(thirteen + key_of(thirteen))


@given(
    st.dates(date(1926, 1, 1), date(2099, 12, 31)),
    st.dates(date(2020, 1, 1), date(2099, 12, 31)),
    st.sampled_from(["", "31", "99"]),
)
def test_a_minor_is_never_taken_for_an_adult(born: date, today: date, month: str) -> None:
    """Whatever the century of the two digits, and with an unknown month (SD-15)."""
    if born <= today and (today.year - born.year, today.month, today.day) < (18, born.month, born.day):
        assert may_be_minor(matricule(born, month), today)


@pytest.mark.parametrize(
    ("born", "minor"),
    [
        (date(1979, 3, 28), False),
        (date(2008, 1, 1), True),  # 18 this month: the day is unknown
        (date(2007, 12, 31), False),
        (date(1920, 5, 1), True),  # 1920 or 2020: a doubt counts
        (date(1926, 2, 1), False),  # February 2026 is to come
    ],
)
def test_who_cannot_be_a_minor_is_an_adult(born: date, minor: bool) -> None:
    """Else nothing hidden from guardians would reach anybody."""
    assert may_be_minor(matricule(born), date(2026, 1, 15)) is minor
