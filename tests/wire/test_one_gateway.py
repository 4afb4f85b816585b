"""Two gateways over one store would free each other's leases, and letters would go twice: the second does not start."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.installation import SERVE, environment, install
from tests.wire.running import PATIENCE


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start it; it has ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *SERVE, env=environment(folder), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(process: asyncio.subprocess.Process, workers: int) -> None:
    """Wait until it is; of several workers the supervisor says so, too."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        async for line in process.stdout:
            said = json.loads(line)
            if said["event"] == "gateway.ready" and (workers == 1 or said.get("workers") == workers):
                return
    pytest.fail(f"it ended with {await process.wait()}")


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_second_gateway_over_the_same_store_does_not_start(tmp_path: Path, workers: int) -> None:
    """Whatever its ports: here each has some that were free."""
    install(tmp_path, hop=2525, workers=workers)
    async with serving(tmp_path) as first:
        await ready(first, workers)
        async with serving(tmp_path) as second:
            async with asyncio.timeout(PATIENCE):
                out, err = await second.communicate()
            assert second.returncode == 69
            assert b"mssgw: another gateway serves here, `fuser -v " in err
            assert b"gateway." not in out
        first.send_signal(signal.SIGTERM)
        await first.communicate()
        assert first.returncode == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_gateway_that_was_killed_starts_again_at_once(tmp_path: Path, workers: int) -> None:
    """Its workers follow it in a moment, and nothing stale is left to clean up."""
    install(tmp_path, hop=2525, workers=workers)
    for _ in range(2):
        async with serving(tmp_path) as gateway:
            await ready(gateway, workers)
            gateway.kill()
    async with serving(tmp_path) as gateway:
        await ready(gateway, workers)
