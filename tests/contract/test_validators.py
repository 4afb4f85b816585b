"""What every Validators does, in processes or not."""

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path

import pytest

from mssgw.core.clinical import Profile, Verdict
from mssgw.core.ins import Matricule
from mssgw.core.report import Carried, Report
from mssgw.edges.memory.validators import MemoryValidators
from mssgw.edges.validator_frames import SHARED
from mssgw.edges.validators import ProcessValidators
from mssgw.formats.wire import to_wire
from mssgw.ports import Validators
from tests import clinical_letters
from tests.canaries import MATRICULES
from tests.contract.validating import FIELDS, JEANNE, LETTER, LUCIE, PIECE, Told, letter, order, pieces

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "cda_samples").glob("*valid/*.eml"))


@pytest.fixture(params=["memory", "processes"])
async def validators(request: pytest.FixtureRequest, told: Told) -> AsyncIterator[Validators]:
    if request.param == "memory":
        yield MemoryValidators()
    else:
        async with ProcessValidators(count=2, telemetry=told, deadline=30, patience=60) as validators:
            yield validators


async def test_documents_are_found_and_named_by_part(validators: Validators) -> None:
    """The text is part 1, the archive 2, and its document 2/1; codes and traits are told (FMT-10, FMT-11)."""
    report = await validators.judge(pieces(LETTER), order())
    assert [(each.name, each.cda) for each in report.documents] == [("2", False), ("2/1", True)]
    assert report.complete
    assert report.carried == {Carried.CDA, Carried.XDM, Carried.PDF}
    assert report.codes == ("11490-0",) or report.codes == (clinical_letters.order(MATRICULES[0]).kind.code.code,)
    assert report.is_qualified


async def test_a_letter_without_documents_has_nothing_to_be_said_of(validators: Validators) -> None:
    """And is accepted."""
    report = await validators.judge(pieces(b"Subject: s\r\n\r\nBonjour\r\n"), order())
    assert report == Report()
    assert report.verdict is Verdict.ACCEPT
    assert await validators.judge(pieces(b""), order()) == Report()


@pytest.mark.parametrize("size", [1, 7, 1_000])
async def test_pieces_of_any_size_make_the_same_letter(validators: Validators, size: int) -> None:
    """Whatever the spool hands out."""
    small = to_wire(clinical_letters.letter(MATRICULES[0], fields=FIELDS, bare=True).encode())
    whole = await validators.judge(pieces(small), order())
    assert whole.documents
    assert await validators.judge(pieces(small, size * 20), order()) == whole


@pytest.mark.parametrize("size", [PIECE, 200_000, 3_000_000])
async def test_a_large_letter_is_judged_to_its_end(validators: Validators, size: int) -> None:
    """Whatever way its octets take to the process: the document comes after 2 MB of text."""
    first, second = (found.start() for found in islice(re.finditer(rb"\r\n--", LETTER), 2))
    assert first < second
    large = LETTER[:second] + b"\r\n" + (b"Bonjour " * 9 + b"\r\n") * 30_000 + LETTER[second:]
    assert len(large) > 2 * SHARED
    small = await validators.judge(pieces(LETTER), order())
    assert await validators.judge(pieces(large, size), order()) == small
    assert await validators.judge(pieces(LETTER, size), order()) == small  # of the large one nothing is left


async def test_the_order_decides(validators: Validators) -> None:
    """Who it is for, and how strictly: the wrong patient is refused whatever the policy."""
    right, wrong = order(Profile.OBSERVE, Matricule.parse(MATRICULES[0])), order(Profile.OBSERVE, LUCIE)
    assert (await validators.judge(pieces(LETTER), right)).verdict is not Verdict.REJECT
    report = await validators.judge(pieces(LETTER), wrong)
    assert report.verdict is Verdict.REJECT
    assert "CDA-COH-001" in {finding.rule for finding in report.findings}


async def test_letters_judged_at_once_are_not_mixed_up(validators: Validators) -> None:
    """Each gets what is said of its own document."""
    kinds = ["crh", "biologie", "imagerie", "ordonnance", "consultation"]
    letters = [(kind, letter(kind=kind)) for kind in kinds for _ in range(4)]
    reports = await asyncio.gather(*(validators.judge(pieces(wire, 10_000), order()) for _, wire in letters))
    for (kind, _), report in zip(letters, reports, strict=True):
        assert report.codes == (clinical_letters.order(MATRICULES[0], kind=kind).kind.code.code,)


async def test_what_reading_the_letter_raises_is_raised(validators: Validators) -> None:
    """A spool file that is gone is no document's fault; the next letter is judged."""

    async def breaks() -> AsyncIterator[bytes]:
        yield LETTER[:5_000]
        raise TimeoutError("the disk")

    for _ in range(4):
        with pytest.raises(TimeoutError, match="the disk"):
            await validators.judge(breaks(), order())
    assert (await validators.judge(pieces(LETTER), order())).complete


async def test_both_say_the_same(processes: ProcessValidators) -> None:
    """Of every letter of the samples, under every profile, and as sent to somebody."""
    memory = MemoryValidators()
    assert len(SAMPLES) >= 3
    for path in SAMPLES:
        wire = to_wire(path.read_bytes())
        for profile in Profile:
            for asked in (order(profile), order(profile, JEANNE), order(profile, JEANNE, LUCIE)):
                here = await memory.judge(pieces(wire), asked)
                assert await processes.judge(pieces(wire), asked) == here
                assert here.documents
