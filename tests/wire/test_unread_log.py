"""Nobody reads what the gateway writes for a while."""

import fcntl
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.installation import SERVE, environment, install
from tests.wire.running import PATIENCE

PAGE = 4096


def read_until(wanted: str, there: int, *, times: int = 1) -> list[str]:
    """The events of the lines up to this one."""
    end, text = time.monotonic() + PATIENCE, b""
    os.set_blocking(there, False)
    while True:
        events = [json.loads(line)["event"] for line in text.splitlines(keepends=True) if line.endswith(b"}\n")]
        if events.count(wanted) >= times:
            return events
        assert time.monotonic() < end, f"it never came, only {events}"
        if select.select([there], [], [], 0.1)[0]:
            text += os.read(there, PAGE)


@pytest.mark.parametrize("workers", [1, 2])
def test_that_alarms_were_missed_is_told_although_nothing_else_happens(tmp_path: Path, workers: int) -> None:
    """At the level of alarms the next line may be one that comes in a week."""
    install(tmp_path, hop=9, workers=workers)
    there, here = os.pipe2(os.O_CLOEXEC)
    fcntl.fcntl(here, fcntl.F_SETPIPE_SZ, PAGE)
    gateway = subprocess.Popen(SERVE, env=environment(tmp_path), stdout=here)
    try:
        read_until("gateway.ready", there, times=1 if workers == 1 else 3)  # the supervisor, too
        full = select.poll()
        full.register(here, select.POLLOUT)
        while full.poll(0):
            os.write(here, b" " * (PAGE - 2) + b"{\n")
        (tmp_path / "mssgw.toml").write_text("nothing that anybody takes")
        gateway.send_signal(signal.SIGHUP)  # each worker refuses it, with an alarm
        if workers == 2:
            child = int(Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()[1])
            os.kill(child, signal.SIGKILL)  # which the supervisor tells, and the next one that it is ready
        time.sleep(4 * workers)
        seen = read_until("log.missed", there, times=1 if workers == 1 else 3)
        assert set(seen) == {"log.missed"}
    finally:
        gateway.send_signal(signal.SIGTERM)
        os.close(here)
        os.set_blocking(there, True)
        while os.read(there, PAGE):
            pass
        os.close(there)
        assert gateway.wait(60) == 0
