"""What a process must have of the kernel before it serves: listening sockets, and leave to open enough files."""

import resource
import socket

from mssgw.app.config import Config
from mssgw.app.config.clients import Listener
from mssgw.edges import systemd
from mssgw.ports import Telemetry

OPEN_FILES = 65_536  # as in systemd/mssgw.service


def bind(config: Config, telemetry: Telemetry) -> dict[str, list[socket.socket]]:
    """The listening sockets by listener name: systemd's where it passed them, else our own.

    Raises OSError, with the name of the listener that could not be opened.
    """
    passed = systemd.listen_sockets()
    found = {entry.name: passed.pop(entry.socket or entry.name, []) or [_bound(entry)] for entry in config.listeners}
    for name, sockets in passed.items():  # that no listener asked for: systemd keeps them open, and nobody would answer
        telemetry.event("gateway.socket_unused", alarm=True, socket=name)
        for each in sockets:
            each.close()
    return found


def _bound(entry: Listener) -> socket.socket:
    host, port = entry.address.host, entry.address.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise OSError(error.errno, f"listener {entry.name}: {error.strerror}") from error


def allow_open_files() -> None:
    """Raise our own limit of open files as far as we may, up to OPEN_FILES.

    Outside systemd it is often 1024, less than the connections that we allow: when it is reached, letters get 451 and
    asyncio logs its failing accept thousands of times a second.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
