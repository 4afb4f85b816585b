"""Loopback ports for the processes that demo and tests start."""

import random
import socket
import time
from collections.abc import Callable

_RANGE = range(20_000, 32_000)  # below the ports that the kernel hands to clients, so none of those takes ours
_random = random.SystemRandom()


def free_port() -> int:
    """A loopback TCP port that nothing listens on."""
    for _ in range(200):
        port = _random.choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no free loopback port in 200 tries")


def listens(port: int) -> bool:
    """Whether something accepts connections on that loopback port."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until_it_listens(port: int, *, limit: float = 30.0, alive: Callable[[], bool] = lambda: True) -> bool:
    """Wait up to ``limit`` seconds; False when nothing listens by then, or who should is no longer ``alive``."""
    end = time.monotonic() + limit
    while not listens(port):
        if time.monotonic() > end or not alive():
            return False
        time.sleep(0.05)
    return True
