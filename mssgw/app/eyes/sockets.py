"""The sockets of the eyes, bound before workers are forked: one that monitoring asks, one for each to ask the other.

Whichever worker takes a question asks its siblings and answers for all. They ask over Unix sockets with names that the
kernel makes up: nothing stays behind in the file system, and what they say is what the port says anyway.
"""

import socket
from collections.abc import Mapping, Sequence

from mssgw.app.config.model import MetricsSettings
from mssgw.ports import Telemetry

PUBLIC = "[metrics]"  # no listener can have such a name


def worker_socket(number: int) -> str:
    """The name of the socket that the worker of this number answers its siblings on."""
    return f"[metrics-{number}]"


def bind_eyes(settings: MetricsSettings, workers: int, telemetry: Telemetry) -> dict[str, list[socket.socket]]:
    """All of them by name; none when there is no address, or it cannot be had.

    Mail goes on without us, so a port that is taken is an alarm and no reason to stop.
    """
    address = settings.address
    if address is None:
        return {}
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        public = socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        telemetry.event("metrics.unavailable", alarm=True, address=str(address), failure=error)
        return {}
    host, port = public.getsockname()[:2]
    telemetry.event("metrics.listening", host=host, port=port)
    bound = {PUBLIC: [public]}
    for number in range(1, workers + 1) if workers > 1 else ():
        bound[worker_socket(number)] = [_unnamed()]
    return bound


def _unnamed() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind("")  # Linux gives it an abstract name (unix(7), autobind)
    made.listen()
    return made


def address_of(sockets: Mapping[str, Sequence[socket.socket]], number: int) -> bytes:
    """Where the worker of this number answers."""
    name = sockets[worker_socket(number)][0].getsockname()
    assert isinstance(name, bytes)
    return name
