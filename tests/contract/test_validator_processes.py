"""What validators in processes do when one of them fails."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mssgw.core.report import UNVERIFIED, Report
from mssgw.edges.pack_files import PackFiles
from mssgw.edges.validator_link import Link
from mssgw.edges.validators import ProcessValidators
from mssgw.formats.cda.pack import Label, Pack
from tests.contract.validating import LETTER, Told, eventually, order, pieces, warm
from tests.schemas import PACK


async def test_one_that_dies_between_letters_is_replaced(processes: ProcessValidators, told: Told) -> None:
    """Without a letter being unverified for it."""
    await warm(processes)
    before = set(processes.processes)
    os.kill(min(before), signal.SIGKILL)
    await eventually(lambda: "validator.crashed" in told.alarms)
    assert (await processes.judge(pieces(LETTER), order())).complete
    await warm(processes)
    assert len(before & set(processes.processes)) == 1


async def test_one_that_dies_at_a_letter_leaves_only_that_one_unverified(told: Told) -> None:
    """SD-10: neither accepted nor refused. The other process goes on meanwhile."""
    async with ProcessValidators(count=2, telemetry=told, deadline=30, patience=60) as validators:
        await warm(validators)
        report, others = await _beside(validators, lambda pid: os.kill(pid, signal.SIGKILL))
        assert report == UNVERIFIED
        assert all(each.complete and each.documents for each in others)
        await eventually(lambda: "validator.crashed" in told.alarms)
        await warm(validators)
        assert (await validators.judge(pieces(LETTER), order())).complete


async def test_one_that_hangs_is_killed_and_replaced_while_mail_goes_on(told: Told) -> None:
    """After its deadline, with an alarm that says why."""
    async with ProcessValidators(count=2, telemetry=told, deadline=1, patience=60) as validators:
        await warm(validators)
        stopped: list[int] = []

        def stop(pid: int) -> None:
            stopped.append(pid)
            os.kill(pid, signal.SIGSTOP)

        report, others = await _beside(validators, stop)
        assert report == UNVERIFIED
        assert all(each.complete and each.documents for each in others)
        (killed,) = [fields for name, fields in told.events if name == "validator.killed"]
        assert (killed["why"], killed["queue_id"]) == ("deadline", "Q-STRUCK")
        await eventually(lambda: not Path(f"/proc/{stopped[0]}").exists())
        await warm(validators)
        assert (await validators.judge(pieces(LETTER), order())).complete


async def _beside(validators: ProcessValidators, strike: Callable[[int], None]) -> tuple[Report, list[Report]]:
    """A letter whose process is struck while it reads, and letters that the other one judges meanwhile."""
    others: list[Report] = []

    async def struck() -> AsyncIterator[bytes]:
        """The only letter on its way: so its process is the one that is not free."""
        yield LETTER[:20_000]
        await asyncio.sleep(0.05)
        (busy,) = set(validators.processes) - set(validators.free)
        strike(busy)
        others.extend([await validators.judge(pieces(LETTER), order()) for _ in range(5)])
        yield LETTER[20_000:]

    return await validators.judge(struck(), order(), queue_id="Q-STRUCK"), others


async def test_alarms_of_a_flood_are_rationed(told: Told) -> None:
    """Many letters that kill their process make one alarm a minute."""
    async with ProcessValidators(count=1, telemetry=told, deadline=30, patience=60) as validators:
        for _ in range(3):
            await warm(validators, 1)
            (pid,) = validators.processes
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda pid=pid: pid not in validators.processes)  # type: ignore[misc]
        await warm(validators, 1)
        assert told.alarms.count("validator.crashed") == 1


async def test_a_letter_that_comes_too_slowly_costs_no_process(told: Told) -> None:
    """It is unverified when its time is over; whoever judged it is not to blame, and stays."""
    async with ProcessValidators(count=1, telemetry=told, deadline=0.3, patience=60) as validators:
        await warm(validators, 1)
        before = set(validators.processes)

        async def slow() -> AsyncIterator[bytes]:
            yield LETTER[:1_000]
            await asyncio.sleep(3600)

        assert await validators.judge(slow(), order()) == UNVERIFIED
        await eventually(lambda: bool(validators.free))
        assert set(validators.processes) == before
        assert told.alarms == []


@pytest.mark.parametrize("fed", [False, True])
async def test_a_cancelled_letter_leaves_nothing_hanging(processes: ProcessValidators, fed: bool) -> None:
    """Before its end or after it: both processes are free again, and no task stays."""
    await warm(processes)
    before, tasks = set(processes.processes), len(asyncio.all_tasks())
    reached = asyncio.Event()

    async def watched() -> AsyncIterator[bytes]:
        yield LETTER[:5_000] if not fed else LETTER
        reached.set()
        if not fed:
            await asyncio.sleep(3600)

    for _ in range(4):
        reached.clear()
        judging = asyncio.create_task(processes.judge(watched(), order()))
        await reached.wait()
        await asyncio.sleep(0)
        judging.cancel()
        await asyncio.gather(judging, return_exceptions=True)
    await eventually(lambda: len(processes.free) == 2 and len(asyncio.all_tasks()) == tasks)
    assert set(processes.processes) == before
    assert (await processes.judge(pieces(LETTER), order())).complete


async def test_when_none_can_start_nobody_waits(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation: an alarm, and every letter unverified at once."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with ProcessValidators(count=2, telemetry=told, deadline=30, patience=3600) as validators:
        await eventually(lambda: told.alarms != [] and len(validators.hopeless) == 2)
        assert await validators.judge(pieces(LETTER), order()) == UNVERIFIED
    assert set(told.alarms) == {"validator.cannot_start"}


async def test_when_none_can_start_those_that_wait_already_wait_no_longer(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when one can be had again, letters wait for it as before."""
    async with ProcessValidators(count=2, telemetry=told, deadline=30, patience=3600) as validators:
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", "/bin/false")
            async with asyncio.timeout(10):
                waiting = [validators.judge(pieces(LETTER), order()) for _ in range(3)]
                assert await asyncio.gather(*waiting) == [UNVERIFIED] * 3
        await warm(validators)
        letters = [validators.judge(pieces(LETTER), order()) for _ in range(4)]
        assert all(report.complete for report in await asyncio.gather(*letters))


async def test_a_seat_is_not_lost_whatever_goes_wrong(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that anybody foresaw: an alarm that names the class alone, and another try."""
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/EXEMPLE\0")  # a ValueError
        async with ProcessValidators(count=1, telemetry=told, deadline=30, patience=60) as validators:
            await eventually(lambda: bool(validators.hopeless))
            broken.undo()
            await warm(validators, 1)
            assert (await validators.judge(pieces(LETTER), order())).complete
    assert [(name, fields["why"]) for name, fields in told.events] == [("validator.cannot_start", "ValueError")]
    assert "EXEMPLE" not in repr(told.events)


async def test_a_letter_that_fails_in_a_way_nobody_foresaw_leaves_no_process_busy(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unverified; its process is ended and replaced."""

    async def cannot(link: Link) -> None:
        raise LookupError("EXEMPLE")

    async with ProcessValidators(count=1, telemetry=told, deadline=30, patience=60) as validators:
        await warm(validators, 1)
        before = set(validators.processes)
        with monkeypatch.context() as broken:
            broken.setattr(Link, "answer", cannot)
            assert await validators.judge(pieces(LETTER), order(), queue_id="Q-1") == UNVERIFIED
        await eventually(lambda: bool(validators.free))
        assert not before & set(validators.processes)
    ((name, fields),) = told.events
    assert (name, fields["why"], fields["queue_id"]) == ("validator.killed", "LookupError", "Q-1")


async def test_the_memory_of_a_process_that_has_ended_is_given_back(told: Told) -> None:
    """The mapping of a MiB where its letters lay."""
    before = _mappings()
    async with ProcessValidators(count=1, telemetry=told, deadline=30, patience=60) as validators:
        for _ in range(3):
            await warm(validators, 1)
            (pid,) = validators.processes
            assert (await validators.judge(pieces(LETTER), order())).complete
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda pid=pid: pid not in validators.processes)  # type: ignore[misc]
        await warm(validators, 1)
        assert _mappings() == before + 1


def _mappings() -> int:
    return Path("/proc/self/maps").read_text().count("mssgw-letter")


async def test_when_all_are_busy_a_letter_waits_and_then_gives_up(told: Told) -> None:
    """Its patience is limited; the letter before it is not disturbed."""
    async with ProcessValidators(count=1, telemetry=told, deadline=30, patience=30) as validators:
        await warm(validators, 1)
        go_on = asyncio.Event()

        async def long() -> AsyncIterator[bytes]:
            yield LETTER[:1_000]
            validators._patience = 0.1
            assert await validators.judge(pieces(LETTER), order()) == UNVERIFIED
            go_on.set()

        await validators.judge(long(), order())
        assert go_on.is_set()
        assert "validator.none_free" in told.alarms


@pytest.mark.parametrize("worn", [{"most": 4}, {"memory": 1}])
async def test_a_worn_process_is_replaced_without_an_alarm(told: Told, worn: dict[str, int]) -> None:
    """After so many documents, or when it holds too much memory."""
    async with ProcessValidators(count=1, telemetry=told, deadline=30, patience=60, **worn) as validators:  # type: ignore[arg-type]
        seen = set()
        for _ in range(6):
            await warm(validators, 1)
            seen |= set(validators.processes)
            assert (await validators.judge(pieces(LETTER), order())).complete
        assert len(seen) == {"most": 3, "memory": 6}[next(iter(worn))]
        assert told.alarms == []


async def test_the_first_letter_after_a_pack_is_installed_or_removed_is_judged_by_what_is_in_force(
    told: Told, tmp_path: Path
) -> None:
    """However long the processes have waited: nobody is told that a pack is in force and then judged without it."""
    files = PackFiles(tmp_path)
    pack = Pack({name: content.replace(b"{2}", b"{3}") for name, content in PACK.files.items()})  # takes none of ours
    label = Label(digest=pack.digest, installed_at=datetime(2026, 1, 1, tzinfo=UTC), source="", schema="")
    async with ProcessValidators(count=2, telemetry=told, deadline=30, patience=60, state_dir=tmp_path) as validators:
        for change in (lambda: files.install(pack, label), files.remove, lambda: files.install(pack, label)):
            await warm(validators)
            before = await validators.judge(pieces(LETTER), order())
            change()
            after = await validators.judge(pieces(LETTER), order())
            assert before.complete
            assert after.complete
            held = ["CDA-XSD-001" in {each.rule for each in report.findings} for report in (before, after)]
            assert held == [files.label() is None, files.label() is not None]
    assert told.alarms == []


_LIAR = """#!{python}
import os, sys
os.write(1, b"W\\0\\0\\0\\0")
os.read(0, 5)
os.write(1, {answer!r})
while os.read(0, 65536):
    pass
"""


@pytest.mark.parametrize(
    "answer",
    [
        b"R\xff\xff\xff\xff",
        b"R\0\0\0\x02[]",
        b'R\0\0\0\x12{"documents": [{}]}',
        b"R\0\0\0\x03\xff\xfe\xfd",
        b"W\0\0\0\0",
        b"?\0\0\0\0",
        b"F\0\0\0\x09EXEMPLE\n!",
    ],
)
async def test_an_answer_that_makes_no_sense_is_not_believed(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """Whatever took over a validator: the letter is unverified, the process ended, and nothing it said is repeated."""
    liar = tmp_path / "liar"
    liar.write_text(_LIAR.format(python=sys.executable, answer=answer))
    liar.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(liar))
    async with ProcessValidators(count=1, telemetry=told, deadline=30, patience=60) as validators:
        assert await validators.judge(pieces(LETTER), order()) == UNVERIFIED
    assert told.alarms == ["validator.killed"]
    assert "EXEMPLE" not in repr(told.events)
