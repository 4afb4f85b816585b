"""How long and how much the IMAP edge waits for."""

from dataclasses import dataclass

BUDGET = 2_097_152  # octets of an answer, unless it may be more
FEW = 20_000  # messages that one SEARCH may look through: its answer is one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds that each wait may last. ``connect``: TCP, TLS and greeting, each; ``progress``: no octet went out.

    ``store``: the answer to a whole letter; long, for giving up there means to search for it. ``idle``: an IDLE is
    begun anew after so long, and its end, which tells whether anybody still listens, may take ``probe``; ``poll``:
    between looks where IDLE is missing; ``farewell``: the answer to LOGOUT.
    """

    connect: float = 20.0
    command: float = 60.0
    probe: float = 10.0
    progress: float = 60.0
    store: float = 180.0
    idle: float = 240.0
    poll: float = 10.0
    farewell: float = 2.0


DEFAULT_LIMITS = Limits()
