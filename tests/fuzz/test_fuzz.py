"""Damaged documents, archives and letters without end: none breaks the judging, holds it up, or is told of.

`make soak` takes ten minutes (MSSGW_FUZZ_SECONDS: so many for each of the three). What fails is written to var/fuzz/;
once mended, keep it in seeds/ as ``found-WHAT.xml``, ``.zip`` or ``.eml``.
"""

import hashlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz import mutations, seeds
from tests.fuzz.holding import judge

KEPT = seeds.kept()
DOCUMENTS = mutations.documents([content for name, content in KEPT.items() if name.endswith(".xml")])
_WHOLE = [content for name, content in KEPT.items() if name.endswith(".zip")]
LETTERS = mutations.letters([content for name, content in KEPT.items() if name.endswith(".eml")])
ARCHIVES = mutations.archives([*(_WHOLE * 20), *seeds.attacks().values()])
SECONDS = float(os.environ.get("MSSGW_FUZZ_SECONDS") or 200)
FAILED = Path(__file__).parents[2] / "var" / "fuzz"
_ROUND = 2_000  # inputs that hypothesis draws before it starts afresh, so that it forgets what it tried


@pytest.mark.parametrize("name", KEPT)
def test_what_once_broke_it_does_so_no_more(name: str) -> None:
    """And what mutations start from holds by itself."""
    judge(KEPT[name])


def test_seeds_are_made_as_they_stand() -> None:
    """Else what they are made of has changed, and ``python -m tests.fuzz.seeds`` was forgotten. Zlibs differ."""
    made = seeds.made()
    assert made.keys() <= KEPT.keys()
    assert [name for name in made if name.endswith(".xml") and KEPT[name] != made[name]] == []


@given(DOCUMENTS)
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_documents_are_judged(content: bytes) -> None:
    """The short form."""
    judge(content)


@given(ARCHIVES)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_archives_are_judged(content: bytes) -> None:
    """The short form."""
    judge(content)


@given(LETTERS)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_letters_are_judged(content: bytes) -> None:
    """The short form."""
    judge(content)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # else that is all that one is told of a failure
@pytest.mark.parametrize("inputs", [DOCUMENTS, ARCHIVES, LETTERS], ids=["documents", "archives", "letters"])
def test_damage_without_end(inputs: st.SearchStrategy[bytes]) -> None:
    """More than three minutes each, in rounds with dice of their own."""
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        dice = random.SystemRandom().randrange(2**32)
        _round(inputs, dice, lambda: time.monotonic() < end)
        rounds += 1
    print(f"{rounds} rounds of {_ROUND}")


def _round(inputs: st.SearchStrategy[bytes], dice: int, goes_on: Callable[[], bool]) -> None:
    @seed(dice)
    @settings(
        max_examples=_ROUND,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(inputs)
    def each(content: bytes) -> None:
        if not goes_on():
            return
        try:
            judge(content)
        except BaseException:
            FAILED.mkdir(parents=True, exist_ok=True)  # the last one written is the smallest
            (FAILED / f"{dice}").write_bytes(content)
            print(f"dice {dice}, SHA-256 {hashlib.sha256(content).hexdigest()}")
            raise

    each()
