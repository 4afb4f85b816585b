"""Findings and verdicts: what the rules saw, and what becomes of the letter."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from mssgw.core.conversation import Move
from mssgw.core.replies import Reply


class Severity(IntEnum):
    """How much a finding weighs; the strictest decides (SD-7)."""

    NOTE = 0
    WOULD_REFUSE = 1  # observed, not enforced yet (SD-9)
    HOLD = 2
    DEFER = 3  # it depends on what is not to be known now: the sender tries again
    REFUSE = 4  # the numbers are stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule saw. ``recipient`` is the index of the forward-path it is about, None for the whole message.

    ``requirement``: rule ids, space-separated. ``detail``: words or codes of ours, never a value from the letter.
    """

    rule: str
    requirement: str
    severity: Severity
    detail: str = ""
    reply: Reply | None = None
    recipient: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """The letter goes on; ``moves`` are recorded in the same commit."""

    findings: tuple[Finding, ...] = ()
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Accepted and kept for a person (SD-10). ``moves``: FIN only; ``withheld``: those that wait for the release."""

    findings: tuple[Finding, ...]
    moves: tuple[Move, ...] = ()
    withheld: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """5xx: the sender's own server tells its user. 4xx, when a rule defers: it tries again."""

    findings: tuple[Finding, ...]
    reply: Reply


# What could not be judged in time has no verdict: 451 (SD-10).
Verdict = Admit | Hold | Refuse


def strictest(findings: Sequence[Finding]) -> Finding | None:
    """The finding that decides: highest severity, first of its kind; None when there is nothing to say."""
    return max(findings, key=lambda finding: finding.severity, default=None)
