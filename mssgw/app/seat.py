"""Which process this is: the only one, or one of several workers that share listeners and store."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mssgw.edges import systemd


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """``number`` counts from 1 ``of`` so many. ``sockets``: listening sockets by listener name, where a supervisor or
    systemd has bound them. ``say`` takes systemd's notifications; ``interval``: seconds between signs of life."""

    number: int = 1
    of: int = 1
    sockets: Mapping[str, Sequence[socket.socket]] = field(default_factory=dict)
    say: Callable[[str], object] = systemd.notify
    interval: float | None = None

    @property
    def first(self) -> bool:
        """Tasks that one process does for all are the first one's."""
        return self.number == 1

    def share(self, total: int) -> int:
        """This worker's part of a limit that holds for all together, at least 1."""
        return max(1, -(-total // self.of))
