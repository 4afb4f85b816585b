"""No matricule and no address survives the last step before the log, in whatever form it arrives."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mssgw.app.telemetry.redact import ADDRESS, LONGEST, MATRICULE, describe, safe, scrub
from mssgw.core.errors import MalformedMatricule
from mssgw.core.ins import Matricule, key_of

PATIENT = "279035121518989"


@st.composite
def matricules(draw: st.DrawFn) -> str:
    """Any well-formed matricule, Corsica included."""
    month = draw(st.one_of(st.integers(1, 12), st.integers(20, 99)))
    department = draw(st.one_of(st.integers(0, 99).map("{:02d}".format), st.sampled_from(["2A", "2B"])))
    thirteen = f"{draw(st.integers(0, 999)):03d}{month:02d}{department}{draw(st.integers(0, 999_999)):06d}"
    return Matricule.parse(thirteen + key_of(thirteen)).value


GAPS = st.sampled_from(["", " ", "  ", "\u00a0", "\u202f", "-", ".", "\t", " - ", "\n", "_"])
AROUND = st.text(st.characters(exclude_categories=["Nd", "Cs"]), max_size=20)


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    """A matricule, and a text that holds it spaced, in any case, beside anything but more digits."""
    matricule = draw(matricules())
    spelt = draw(st.sampled_from([str.upper, str.lower]))(matricule)
    gap = draw(GAPS)
    text = spelt[0] + "".join((gap if draw(st.booleans()) else "") + each for each in spelt[1:])
    return matricule, draw(AROUND) + text + draw(AROUND)


def condensed(text: str) -> str:
    """What a reader who looks for a matricule would look through."""
    return re.sub(r"[^0-9A-Za-z]", "", text).upper()


@given(disguised())
@example((PATIENT, f"RCPT TO:<{PATIENT}@patient.mssante.fr>"))
@example((PATIENT, "2 79 03 51 215 189 89"))
@example(("177012A12345670", "x177012a12345670x"))
def test_no_matricule_survives_in_text(case: tuple[str, str]) -> None:
    """Spaced, in lower case, in the middle of a word."""
    matricule, text = case
    assert matricule not in condensed(scrub(text))


@given(matricules(), st.text("0123456789", max_size=6), st.text("0123456789", max_size=6))
def test_no_matricule_survives_among_other_digits(matricule: str, before: str, after: str) -> None:
    """A whole one has its key, which betrays it."""
    assert matricule not in scrub(before + matricule + after)


@given(matricules(), GAPS)
def test_a_matricule_without_its_key_goes_as_well(matricule: str, gap: str) -> None:
    """Thirteen characters name the person already (INS-1)."""
    assert matricule[:13] not in condensed(scrub(f"INS {gap.join(matricule[:13])}, patient"))


@given(matricules())
def test_no_matricule_survives_in_any_kind_of_value(matricule: str) -> None:
    """Numbers, octets, keys of tables, lists in lists, paths, exceptions."""
    number = int(matricule) if matricule.isdecimal() else 0
    values: dict[Any, Any] = {
        "number": number,
        "negative": -number,
        "float": float(number),
        "octets": matricule.encode(),
        "repr of octets": repr(matricule.encode()),
        "path": Path("/spool") / matricule,
        "deep": {"a": [({"b": matricule},)]},
        "deeper": [[[[[[matricule]]]]]],
        "set": {matricule},
        "error": ValueError(matricule),
        "object": type("Odd", (), {"__repr__": lambda self: matricule})(),
        matricule: 1,
    }
    line = json.dumps(safe(values))
    assert matricule not in line
    assert matricule not in condensed(line)


@given(st.emails(), AROUND)
def test_no_address_survives(address: str, around: str) -> None:
    """Beside anything."""
    local = address.rpartition("@")[0]
    shown = scrub(f"{around} <{address}> {around}")
    assert f"{local}@" not in shown
    assert ADDRESS in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"TO:<{PATIENT}@patient.mssante.fr> NOTIFY=NEVER", f"TO:<{ADDRESS}> NOTIFY=NEVER"),
        ("écrit par hélène@chu-exemple.fr.", "écrit par <address>"),
        ('"marie durand"@chu-exemple.fr', ADDRESS),
        ("2 79 03 51 215 189 (89)", f"{MATRICULE} (89)"),
        ("rfc822;279035121518989+40patient.mssante.fr", f"rfc822;{MATRICULE}+40patient.mssante.fr"),
    ],
)
def test_what_stands_around_stays(text: str, shown: str) -> None:
    """A log line must still say something."""
    assert scrub(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "delivery.deferred",
        "01K9ZQ4M7T3C8XWD",
        "192.168.100.200",
        "2026-11-21T19:35:00.829Z",
        "10485760",
        "550 5.7.1",
        "operator:mon-espace-sante",
        "TLSv1.3",
        "[2001:db8::1234:5678]:25",
        "d8e8fca2dc0f896fd7cb4cb0031ba249",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_what_names_nobody_is_left_alone(text: str) -> None:
    """Queue ids, keyed hashes, addresses of machines and times are how an operator finds his way."""
    assert scrub(text) == text


@pytest.mark.parametrize("unit", ["318310021300028", "0002 187512751"])
def test_the_organisation_in_a_dn_is_told(unit: str) -> None:
    """SIRET and SIREN: by its DN as it stands an operator is found in the white list (WL-4)."""
    dn = f"CN=mta.exemple.fr,OU={unit},O=GIP EXEMPLE,ST=Haute-Garonne (31),C=FR"
    assert scrub(f"{dn}, for exemple.mssante.fr") == f"{dn}, for exemple.mssante.fr"
    assert scrub(f"C=FR,OU={unit}") == f"C=FR,OU={unit}"


@pytest.mark.parametrize("text", ["OU={}", "OU=3{}", "OU=318310021300028 {}", "{} OU=318310021300028", "XOU=3{}"])
def test_a_matricule_in_or_beside_a_dn_is_not(text: str) -> None:
    """What an organisation is never numbered like goes there too."""
    assert PATIENT not in scrub(text.format(PATIENT))


@given(st.text(max_size=100))
def test_scrubbing_never_fails_and_never_breaks_a_line(text: str) -> None:
    """A peer's text may not forge a second line, nor draw on a terminal."""
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", scrub(text))


def test_a_long_text_is_searched_before_it_is_cut() -> None:
    """A cut through a matricule would hide its first half from the search."""
    for start in range(LONGEST - 20, LONGEST + 5):
        shown = scrub("é" * start + PATIENT + "é" * 500)
        assert len(shown) <= LONGEST + 1
        assert not re.search("[0-9]", shown)


def test_hostile_text_is_scrubbed_in_linear_time() -> None:
    """Bounded by the search itself, not by luck: a million characters cost no more than a line."""
    for hostile in ("a" * 10**6, "1" * 10**6, "1 " * 10**6, "@" * 10**6, '"a' * 10**6, "2a" * 10**6):
        assert len(scrub(hostile)) <= 2 * LONGEST


def test_values_become_what_json_can_hold() -> None:
    """Numbers stay numbers, times become text, unknown objects shrink to their type."""
    assert safe(
        {
            "n": 3,
            "x": 0.5,
            "big": 10**30,
            "nan": float("nan"),
            "yes": True,
            "none": None,
            "at": datetime(2026, 11, 21, tzinfo=UTC),
            "for": timedelta(seconds=90),
            "octets": b"abc",
            "object": object(),
        }
    ) == {
        "n": 3,
        "x": 0.5,
        "big": 10**30,
        "nan": "nan",
        "yes": True,
        "none": None,
        "at": "2026-11-21T00:00:00+00:00",
        "for": 90.0,
        "octets": "<3 octets>",
        "object": "<object>",
    }


def test_an_exception_is_its_class_and_its_frames() -> None:
    """Never its text: a library's message quotes what it choked on."""

    def choke(subject: str) -> None:
        raise KeyError(subject)

    try:
        try:
            choke("Résultats de Mme Durand")
        except KeyError as error:
            raise OSError(2, "No such file", "durand.pdf") from error
    except OSError as error:
        told = describe(error)
    assert told["class"] == "FileNotFoundError"
    assert told["errno"] == 2
    assert told["cause"]["class"] == "KeyError"
    assert len(told["cause"]["frames"]) == 2
    assert all(re.fullmatch(r"\S+\.py:[0-9]+", frame) for frame in told["cause"]["frames"])
    assert "urand" not in json.dumps(told)


def test_our_own_errors_may_speak() -> None:
    """By rule of core/errors.py they hold no values; they pass the search like everything else."""
    told = describe(MalformedMatricule(f"la cle est fausse {PATIENT}"))
    assert told["message"] == f"la cle est fausse {MATRICULE}"


def test_groups_and_rings_of_exceptions_are_told_once() -> None:
    """A TaskGroup raises a group; a ring of causes must not loop."""
    one, other = ValueError("a"), TypeError("b")
    one.__cause__, other.__cause__ = other, one
    told = describe(ExceptionGroup("Mme Durand", [one, other]))
    assert [each["class"] for each in told["errors"]] == ["ValueError"]
    assert told["errors"][0]["cause"]["class"] == "TypeError"
    assert "Durand" not in json.dumps(told)
