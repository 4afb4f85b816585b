"""How processes of validators live: what they give up first, what they may ask the kernel for, how they end."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

import pytest

from mssgw.core.clinical import Verdict
from mssgw.core.report import UNVERIFIED, Report
from mssgw.edges.validators import ProcessValidators
from mssgw.formats.wire import to_wire
from tests import attacks, clinical_letters
from tests.attacks import Attack
from tests.contract.validating import FIELDS, LETTER, Told, order, pieces, warm

ROOT = Path(__file__).parents[2]


async def test_a_process_has_given_up_files_connections_and_children(processes: ProcessValidators) -> None:
    """As the kernel tells: three descriptors and no more, ever; of the environment, how memory is held; no core."""
    await warm(processes)
    for pid in processes.processes:
        home = Path(f"/proc/{pid}")
        assert {each.name for each in (home / "fd").iterdir()} == {"0", "1", "2"}
        limits = (home / "limits").read_text()
        for name, most in (("open files", "0"), ("file size", "0"), ("core file size", "0"), ("processes", "0")):
            (line,) = [each for each in limits.splitlines() if each.startswith(f"Max {name} ")]
            assert line.split()[-3:-1] == [most, most] or line.split()[-2:] == [most, most]
        assert re.fullmatch(rb"GLIBC_TUNABLES=(?:glibc\.malloc\.[a-z_]+=[0-9]+[:\0])+", (home / "environ").read_bytes())
        status = (home / "status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status


_TRACER = """#!/bin/sh
exec {strace} -D -o {trace} -s 8 {python} "$@"
"""
_CALL = re.compile(r"^(\w+)\(", re.M)
# Reading orders, writing answers, memory, and the end.
_ALLOWED = {"read", "recvfrom", "write", "mmap", "munmap", "mremap", "brk", "madvise", "exit_group"}


@pytest.mark.skipif(shutil.which("strace") is None and os.environ.get("CI") != "true", reason="needs strace")
async def test_no_attack_makes_it_ask_the_kernel_for_anything(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From when it is warm it reads letters, writes reports and takes memory: XXE, zips and all."""
    tracer, trace = tmp_path / "tracer", tmp_path / "trace"
    tracer.write_text(_TRACER.format(strace=shutil.which("strace"), trace=trace, python=sys.executable))
    tracer.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tracer))
    attackers = list(attacks.attacks())
    refused = 0
    async with ProcessValidators(count=1, telemetry=told, deadline=60, patience=120) as validators:
        for attack in attackers:
            report = await validators.judge(pieces(_sent(attack)), attacks.ORDER)
            assert report.complete, attack.name
            refused += report.verdict is Verdict.REJECT
    assert refused >= len(attackers) - 5
    assert told.alarms == []
    lines = trace.read_text(errors="replace").splitlines()
    (begin,) = [number for number, line in enumerate(lines) if line.startswith('write(1, "W\\0\\0\\0')]
    loading, judging = (set(_CALL.findall("\n".join(each))) for each in (lines[:begin], lines[begin:]))
    assert judging <= _ALLOWED
    assert "openat" in loading  # the trace does show


def _sent(attack: Attack) -> bytes:
    """As an attachment, or the letter that it is."""
    content = attack.make()
    if attack.file.lower().endswith(".eml"):
        return to_wire(content)
    part = clinical_letters.attached(content, attack.file, "application/octet-stream")
    return to_wire(f'{FIELDS}Content-Type: multipart/mixed; boundary="B"\n\n--B\n{part}--B--\n'.encode())


async def test_a_stop_of_the_service_does_not_reach_them_first(processes: ProcessValidators) -> None:
    """systemd tells all processes at once: letters on their way are still judged."""
    await warm(processes)
    before = set(processes.processes)
    for pid in before:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
    assert (await processes.judge(pieces(LETTER), order())).complete
    assert set(processes.processes) == before


async def test_close_ends_them_and_whoever_waits(told: Told) -> None:
    """A letter that was on its way is unverified, as is one that comes later."""
    validators = ProcessValidators(count=1, telemetry=told, deadline=3600, patience=3600)
    await validators.start()
    await warm(validators, 1)
    (pid,) = validators.processes
    os.kill(pid, signal.SIGSTOP)
    waiting: list[Awaitable[Report]] = [
        asyncio.create_task(validators.judge(pieces(LETTER), order())) for _ in range(3)
    ]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(30):
        await validators.close()
        assert await asyncio.gather(*waiting) == [UNVERIFIED] * 3
    assert not _lives(pid)
    assert await validators.judge(pieces(LETTER), order()) == UNVERIFIED
    assert told.alarms == []


_OWNER = """
import asyncio
from mssgw.app.telemetry.events import Silence
from mssgw.edges.validators import ProcessValidators

async def main():
    async with ProcessValidators(count=2, telemetry=Silence()) as validators:
        while len(validators.processes) < 2:
            await asyncio.sleep(0.05)
        print(*validators.processes, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_they_die_with_the_gateway() -> None:
    """Killed, it can end nobody: the kernel does."""
    with subprocess.Popen([sys.executable, "-c", _OWNER], stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout is not None
        children = [int(word) for word in owner.stdout.readline().split()]
        owner.kill()
        owner.wait(30)
    assert len(children) == 2
    until = time.monotonic() + 30
    while any(_lives(child) for child in children) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(_lives(child) for child in children)


def _lives(pid: int) -> bool:
    """Whether it runs: a dead one may wait for somebody to ask how it died."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
