"""``mssgw serve`` is told to stop or to reload while it is still starting."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.installation import environment, install
from tests.wire.running import PATIENCE

# The daemon, which signals ``whom`` the moment it has come so far: one of its own names, or the command's first line.
CHILD = """
import os, signal, sys

moment, whom, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
supervisor = os.getpid()
sys.argv = ["mssgw", "serve"]
from mssgw.app.cli import main

def tell():
    os.kill(supervisor if whom == "supervisor" else os.getpid(), number)

if moment == "loaded":
    tell()
else:
    import mssgw.app.crew as crew

    real = getattr(crew, moment)

    def telling(*given, **named):
        if whom == "supervisor" or os.getpid() != supervisor:
            tell()
        return real(*given, **named)

    setattr(crew, moment, telling)
main()
"""


@asynccontextmanager
async def serving(
    folder: Path, moment: str, number: signal.Signals, *, workers: int, whom: str = "supervisor"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start it; it has ended with the block."""
    install(folder, hop=2525, workers=workers)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, moment, whom, str(int(number))),
        env=environment(folder),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def heard(process: asyncio.subprocess.Process, wanted: str | None) -> list[str]:
    """The events of its log up to this one, or to its end."""
    assert process.stdout is not None
    events = list[str]()
    async with asyncio.timeout(PATIENCE):
        async for line in process.stdout:
            events.append(json.loads(line)["event"])
            if events[-1] == wanted:
                return events
    assert wanted is None, f"exit code {await process.wait()} after {events}"
    return events


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("moment", ["loaded", "at_rest", "Daemon"])
async def test_a_stop_while_it_starts_ends_it_in_order(tmp_path: Path, moment: str, workers: int) -> None:
    """Exit 0: systemd takes anything else for a failure."""
    async with serving(tmp_path, moment, signal.SIGTERM, workers=workers) as process:
        events = await heard(process, None)
        assert await process.wait() == 0
        assert "gateway.worker_killed" not in events


@pytest.mark.parametrize(
    ("moment", "workers", "whom"),
    [("loaded", 1, "supervisor"), ("loaded", 2, "supervisor"), ("Daemon", 1, "supervisor"), ("Daemon", 2, "worker")],
)
async def test_a_reload_while_it_starts_is_done_once_it_has(
    tmp_path: Path, moment: str, workers: int, whom: str
) -> None:
    """It is neither killed nor deaf: whoever changed the file a moment ago relies on it."""
    async with serving(tmp_path, moment, signal.SIGHUP, workers=workers, whom=whom) as process:
        events = await heard(process, "config.reloaded")
        assert "gateway.ready" in events
        process.send_signal(signal.SIGTERM)
        events += await heard(process, None)
        assert await process.wait() == 0
        assert "gateway.worker_died" not in events
