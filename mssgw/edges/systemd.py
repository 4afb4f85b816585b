"""What systemd gives a service and wants to hear from it: sd_notify(3), sd_listen_fds(3), credentials.

Outside systemd every call does nothing, or gives nothing.
"""

import os
import socket
from collections import defaultdict
from collections.abc import MutableMapping
from pathlib import Path

_FIRST = 3  # SD_LISTEN_FDS_START

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"


def reloading(monotonic: float) -> str:
    """RELOADING, with the monotonic time in seconds at which it began; READY ends it."""
    return f"RELOADING=1\nMONOTONIC_USEC={int(monotonic * 1_000_000)}"


def status(text: str) -> str:
    """One line for ``systemctl status``."""
    return f"STATUS={text.splitlines()[0] if text else ''}"


def notify(*messages: str, environ: MutableMapping[str, str] | None = None) -> bool:
    """Tell systemd; True when it was told. Never raises: a service must not die of its supervisor's silence."""
    path = (os.environ if environ is None else environ).get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    address = f"\0{path[1:]}" if path.startswith("@") else path  # @: the abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as peer:
            peer.sendto("\n".join(messages).encode(), address)
    except OSError:
        return False
    return True


def watchdog_interval(environ: MutableMapping[str, str] | None = None) -> float | None:
    """Seconds between WATCHDOG messages: half of what systemd allows. None: it does not watch this process."""
    env = os.environ if environ is None else environ
    if env.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    allowed = env.get("WATCHDOG_USEC", "")
    return int(allowed) / 2_000_000 if allowed.isdecimal() and int(allowed) else None


def listen_sockets(environ: MutableMapping[str, str] | None = None) -> dict[str, list[socket.socket]]:
    """The sockets systemd passed, by FileDescriptorName; the caller closes them.

    Call once: the variables are removed, so that no child takes the sockets for its own.
    """
    env = os.environ if environ is None else environ
    meant_for, passed = env.pop("LISTEN_PID", ""), env.pop("LISTEN_FDS", "")
    names = env.pop("LISTEN_FDNAMES", "").split(":")
    if meant_for != str(os.getpid()) or not passed.isdecimal():
        return {}
    found: dict[str, list[socket.socket]] = defaultdict(list)
    for number in range(int(passed)):
        listener = socket.socket(fileno=_FIRST + number)
        listener.set_inheritable(False)
        listener.setblocking(False)
        found[names[number] if number < len(names) else "unknown"].append(listener)
    return dict(found)


def credential(name: str, environ: MutableMapping[str, str] | None = None) -> Path | None:
    """The file of a LoadCredential= of that name, None when there is none."""
    given = (os.environ if environ is None else environ).get("CREDENTIALS_DIRECTORY")
    path = Path(given) / name if given else None
    return path if path is not None and path.is_file() else None
