"""What a power cut would leave: every 250 is written after the syncs that it stands for (threats 16)."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.client import Promises, keep_sending
from tests.crash.letters import LARGE, SMALL, Letters
from tests.crash.next_hop import NextHop
from tests.peers.gateway import GatewayProcess, Hops

CALLS = "fsync,fdatasync,write,pwrite64,sendto,rename,unlink"
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\((\d+)<([^>]*)>)?(.*)$")
_DONE = re.compile(r"\) += (-?\d+)")
_RECEIPT = re.compile(r'"250 2\.0\.0 [^"]*queued as (\w+)')
_FRAME_LIMIT = 4_400  # octets of a write that are traced: more than a page of the database


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call. ``begun`` and ``ended`` number the lines of the trace, which strace writes in order."""

    name: str
    path: str
    text: str
    begun: int
    ended: int

    @property
    def is_sync(self) -> bool:
        return self.name in ("fsync", "fdatasync")


@pytest.mark.usefixtures("needs_strace")
async def test_every_250_follows_the_syncs_that_it_stands_for(tmp_path: Path, seed: int) -> None:
    """The row is in the WAL, and the WAL synced, before the 250; above 64 kB file and directory before the row."""
    trace, promises, letters = tmp_path / "trace", Promises(), Letters(seed)
    load = iter([letters.make(LARGE if number % 4 == 0 else SMALL) for number in range(40)])
    async with NextHop().listening() as hop:
        with GatewayProcess(Hops(operators=hop.port)) as gateway:
            await asyncio.to_thread(gateway.stop)
            # -D: the gateway stays the process that was started, the tracer is its grandchild.
            gateway.under = [
                "strace",
                "-D",
                "-f",
                "-y",
                "-s",
                str(_FRAME_LIMIT),
                "-e",
                f"trace={CALLS}",
                "-o",
                str(trace),
            ]
            await asyncio.to_thread(gateway.start)
            async with asyncio.TaskGroup() as clients:
                for _ in range(4):
                    clients.create_task(keep_sending(gateway.port, load, promises))
            await hop.wait_for(set(promises.accepted), limit=60)
            await asyncio.to_thread(gateway.stop)
    assert len(promises.accepted) == 40, promises.refused
    violations = out_of_order(
        trace.read_text(errors="replace"),
        {queue_id: len(promises.letters[payload_id].content) for payload_id, queue_id in promises.accepted.items()},
    )
    assert violations == []


def out_of_order(trace: str, sizes: dict[str, int]) -> list[str]:
    """What stands in the wrong order, for letters by queue id and size."""
    calls = list(parse(trace))
    receipts = {found[1]: call for call in calls if (found := _RECEIPT.search(call.text)) and call.name == "sendto"}
    wrong = [f"{queue_id}: no 250 in the trace" for queue_id in sizes.keys() - receipts.keys()]
    for queue_id, receipt in receipts.items():
        before = [call for call in calls if call.ended < receipt.begun]
        row = next((c for c in before if c.name == "pwrite64" and c.path.endswith("-wal") and queue_id in c.text), None)
        if row is None:
            wrong.append(f"{queue_id}: 250 before its row was written")
        elif not any(c.is_sync and c.path == row.path and c.begun > row.ended for c in before):
            wrong.append(f"{queue_id}: 250 before its row was synced")
        elif sizes[queue_id] > 65_536:
            wrong += body_out_of_order(queue_id, [call for call in calls if call.ended < row.begun])
    return wrong


def body_out_of_order(queue_id: str, before: list[Call]) -> list[str]:
    """What is missing before the row of a large letter."""
    writes = [c for c in before if c.name == "write" and c.path.endswith(f"/{queue_id}")]
    if not writes:
        return [f"{queue_id}: row before the spool file was written"]
    path, last = writes[-1].path, writes[-1].ended
    synced = next((c for c in before if c.is_sync and c.path == path and c.begun > last), None)
    if synced is None:
        return [f"{queue_id}: row before the spool file was synced"]
    folder = str(Path(path).parent)
    if not any(c.is_sync and c.path == folder and c.begun > synced.ended for c in before):
        return [f"{queue_id}: row before the directory was synced"]
    return []


def parse(trace: str) -> Iterator[Call]:
    """The calls that succeeded, by their end. A call that another thread interrupts takes two lines."""
    unfinished: dict[str, tuple[str, str, str, int]] = {}
    for number, line in enumerate(trace.splitlines()):
        found = _LINE.match(line)
        if found is None:
            continue
        thread, resumed, name, _, path, rest = found.groups()
        if resumed:
            if thread not in unfinished:
                continue
            name, path, text, begun = unfinished.pop(thread)
            rest = text + rest
        elif not name:
            continue
        else:
            begun = number
        if rest.endswith("<unfinished ...>"):
            unfinished[thread] = (name, path, rest, begun)
        elif (done := _DONE.search(rest, rest.rfind(")"))) and int(done[1]) >= 0:
            yield Call(name=name, path=path, text=rest, begun=begun, ended=number)


GOOD = """\
7 write(9</spool/0a/QID>, "x", 1) = 1
7 fsync(9</spool/0a/QID>) = 0
7 fsync(9</spool/0a>) = 0
8 pwrite64(5</db-wal>, "..QID..", 4096, 32) = 4096
8 fdatasync(5</db-wal> <unfinished ...>
7 write(1<pipe:[1]>, "{}", 2) = 2
8 <... fdatasync resumed>) = 0
6 sendto(11<TCP:[1]>, "250 2.0.0 Message accepte, queued as QID\\r\\n", 40, 0, NULL, 0) = 40
"""


def test_the_trace_of_a_good_gateway_is_in_order() -> None:
    assert out_of_order(GOOD, {"QID": 300_000}) == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (0, "before the spool file was written"),
        (1, "before the spool file was synced"),
        (2, "before the directory was synced"),
        (3, "before its row was written"),
        (6, "before its row was synced"),
        (7, "no 250"),
    ],
)
def test_a_missing_call_is_noticed(line: int, why: str) -> None:
    """The proof can fail: each call of the good trace is needed."""
    lines = GOOD.splitlines()
    assert why in out_of_order("\n".join(lines[:line] + lines[line + 1 :]), {"QID": 300_000})[0]


def test_a_call_that_comes_too_late_or_fails_is_noticed() -> None:
    lines = GOOD.splitlines()
    late = [*lines[:4], lines[7], *lines[4:7]]
    assert "before its row was synced" in out_of_order("\n".join(late), {"QID": 300_000})[0]
    failed = GOOD.replace("resumed>) = 0", "resumed>) = -1 EIO (Input/output error)")
    assert "before its row was synced" in out_of_order(failed, {"QID": 300_000})[0]
