"""Tests with real peers: they skip where a peer is missing, except under CI, where missing is a failure."""

import os
import shutil

import pytest

from tests.peers import postfix


def _absent(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"under CI the peer tests must run: {why}")
    pytest.skip(why)


@pytest.fixture(scope="session")
def needs_postfix() -> None:
    """The test drives Debian's Postfix."""
    if (why := postfix.missing()) is not None:
        _absent(why)


@pytest.fixture(scope="session")
def needs_swaks() -> None:
    """The test drives Debian's swaks."""
    if shutil.which("swaks") is None:
        _absent("Debian's package swaks is not installed")


@pytest.fixture(scope="session")
def needs_strace() -> None:
    """The test looks at system calls."""
    if shutil.which("strace") is None:
        _absent("Debian's package strace is not installed")
