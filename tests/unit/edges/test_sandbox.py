"""What a validator could still do, if a document made it run code of others: nothing outside of itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

# In a process of its own, sealed: what of these it can do. It tells through the pipe that it has.
_TRIED = """
import ctypes, json, os, platform, socket, sys
from mssgw.edges import sandbox
if sys.argv[2:]:
    platform.machine = lambda: sys.argv[2]
victim, parent = sys.argv[1], os.getppid()
ptrace = ctypes.CDLL(None).ptrace
def traced():
    if ptrace(0, 0, 0, 0):  # PTRACE_TRACEME, which harms nobody
        raise OSError
def in_the_place_of_another():
    os.close(2)
    return os.open(victim, os.O_RDONLY)
tried = {
    "open": lambda: os.open(victim, os.O_RDONLY),
    "open in the place of another": in_the_place_of_another,
    "connect": socket.socket,
    "truncate": lambda: os.truncate(victim, 0),
    "remove": lambda: os.unlink(victim),
    "make a folder": lambda: os.mkdir(victim + ".d"),
    "link": lambda: os.symlink(victim, victim + ".l"),
    "signal": lambda: os.kill(parent, 0),
    "fork": lambda: os.fork() or os._exit(0),
    "trace": traced,
}
if sys.argv[2:]:
    tried = {name: tried[name] for name in ("open", "open in the place of another", "connect")}
sandbox.seal(memory=1 << 30)
done = []
for name, act in tried.items():
    try:
        act()
        done.append(name)
    except OSError:
        pass
os.write(1, json.dumps(done).encode())
"""


def could_do(victim: Path, *processor: str) -> list[str]:
    command = [sys.executable, "-c", _TRIED, str(victim), *processor]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, timeout=30, env=environment)
    assert ended.returncode == 0, ended.stderr.decode()
    done: list[str] = json.loads(ended.stdout)
    return done


def test_whoever_takes_a_validator_over_has_nothing_of_it(tmp_path: Path) -> None:
    """No file, not even to remove one; no connection; no word to another process, the gateway first of all."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"a letter")
    assert could_do(victim) == []
    assert [each.name for each in tmp_path.iterdir()] == ["victim"]
    assert victim.read_bytes() == b"a letter"


def test_without_a_filter_of_calls_no_descriptor_is_to_be_had(tmp_path: Path) -> None:
    """On processors whose calls we do not know: neither one more, nor another in the place of a closed one."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"a letter")
    assert could_do(victim, "another") == []
