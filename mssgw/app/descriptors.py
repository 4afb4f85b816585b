"""What a process must have of the kernel before it serves: listening sockets, and leave to open enough files."""

import resource
import socket

from mssgw.app.config import Config
from mssgw.edges import systemd

OPEN_FILES = 65_536  # as in systemd/mssgw.service


def bind(config: Config) -> dict[str, list[socket.socket]]:
    """The listening sockets by listener name: systemd's where it passed them, else our own. Raises OSError."""
    passed = systemd.listen_sockets()
    found = {
        entry.name: passed.pop(entry.socket or entry.name, []) or [_bound(entry.address.host, entry.address.port)]
        for entry in config.listeners
    }
    for sockets in passed.values():  # that no listener asked for
        for each in sockets:
            each.close()
    return found


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def allow_open_files() -> None:
    """Raise our own limit of open files as far as we may, up to OPEN_FILES.

    Outside systemd it is often 1024, less than the connections that we allow: when it is reached, letters get 451 and
    asyncio logs its failing accept thousands of times a second.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
