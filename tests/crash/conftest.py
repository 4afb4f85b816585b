"""Seeds that can be replayed, and tools of Debian that some of these tests drive."""

import os
import random
import shutil
from pathlib import Path

import pytest

SEED = "MSSGW_CRASH_SEED"
_used: dict[str, int] = {}


def absent(why: str) -> None:
    """Skip, except under CI, where missing is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"under CI these tests must run: {why}")
    pytest.skip(why)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Another one for each run, or the one in MSSGW_CRASH_SEED."""
    chosen = int(os.environ.get(SEED) or random.SystemRandom().randrange(10**6))
    print(f"replay with {SEED}={chosen}")
    if "kills" in request.node.name:  # where chance decides: said of a success too
        _used[request.node.name] = chosen
    return chosen


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, chosen in _used.items():
        terminalreporter.write_line(f"{name}: replay with {SEED}={chosen}")


@pytest.fixture(scope="session")
def needs_strace() -> None:
    if shutil.which("strace") is None:
        absent("Debian's package strace is not installed")


@pytest.fixture(scope="session")
def needs_fiu() -> None:
    if shutil.which("fiu-ctrl") is None or not Path("/usr/lib/fiu/fiu_posix_preload.so").exists():
        absent("Debian's package fiu-utils is not installed")
