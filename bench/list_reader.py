"""A worker of the gateway that does nothing but read a white list, for bench/white_list.py.

    python -m bench.list_reader LIST [CERTIFICATE OF ITS SIGNER]

Prints seconds, and resident memory in MB: that of the idle process; above it the most and what stays; and the most
above it when the next list is read while this one is in force.
"""

import asyncio
import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import mssgw.app.daemon  # noqa: F401 - what a worker has loaded before it reads a list
from bench.processes import MB
from mssgw.app.thrift import spare_the_collector
from mssgw.core.trust import WhiteList
from mssgw.edges.list_signature import PinnedSigner
from mssgw.flow.white_list import read_list

_OWN = Path("/proc/self")


async def measured(file: Path, seal: PinnedSigner | None) -> dict[str, float]:
    """Read it twice, in a thread beside the event loop, as workers do."""

    def read() -> WhiteList:
        return read_list(file.read_bytes(), seal, datetime.now(UTC))

    await asyncio.to_thread(len, "")  # the thread is there
    idle, begin = _forget_the_peak(), time.perf_counter()
    in_force = await asyncio.to_thread(read)
    found = {"seconds": time.perf_counter() - begin, "idle_mb": idle, "above_mb": _resident("VmHWM") - idle}
    found["stays_mb"] = _forget_the_peak() - idle
    following = await asyncio.to_thread(read)
    assert following.fingerprint == in_force.fingerprint  # both are alive until here
    return found | {"next_above_mb": _resident("VmHWM") - idle}


def _forget_the_peak() -> float:
    """Let the kernel count the peak from what is resident now, and give that."""
    (_OWN / "clear_refs").write_text("5")
    return _resident("VmRSS")


def _resident(what: str) -> float:
    found = re.search(rf"^{what}:\s+(\d+) kB", (_OWN / "status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / MB


if __name__ == "__main__":
    spare_the_collector()
    signer = PinnedSigner(Path(sys.argv[2]).read_bytes()) if sys.argv[2:] else None
    print(json.dumps(asyncio.run(measured(Path(sys.argv[1]), signer))))
