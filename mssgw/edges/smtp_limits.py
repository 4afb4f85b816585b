"""How long and how much the outbound SMTP edge waits and keeps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of each wait, in seconds, in the spirit of RFC 5321 section 4.5.3.2.

    ``greeting`` also covers EHLO, the TLS handshake and AUTH, each. ``data``: no progress while the body goes out.
    ``final``: the reply to the final dot; long, because giving up there means a duplicate. ``attempt`` bounds all of
    them together, a little below the limit that the flow sets (flow/attempt): so the outcomes known by then count.
    """

    connect: float = 30.0
    greeting: float = 60.0
    command: float = 120.0
    data: float = 180.0
    final: float = 600.0
    attempt: float = 1020.0
    quit: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """``connections`` at most to one next hop; idle ones are kept ``idle`` seconds, for ``messages`` each.

    ``recipients`` in one transaction: RFC 5321 section 4.5.3.1.8 has every server take 100.
    """

    connections: int = 20
    idle: float = 30.0
    messages: int = 500
    recipients: int = 100


DEFAULT_TIMEOUTS = Timeouts()
DEFAULT_LIMITS = PoolLimits()
