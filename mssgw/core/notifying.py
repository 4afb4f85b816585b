"""Telling whoever reads a mailbox that patients' letters wait there: at an ordinary address, or by a webhook.

Neither is of the trust space: what is told names the mailbox and how many letters, nothing of patients or letters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mssgw.core.addresses import Address
from mssgw.core.bal import Party
from mssgw.core.delivery import RetryPolicy
from mssgw.core.facts import Facts
from mssgw.core.moves import counts_as_letter
from mssgw.core.routes import Route


@dataclass(frozen=True, slots=True)
class ByMail:
    """To this ordinary address."""

    address: Address


@dataclass(frozen=True, slots=True)
class ByHook:
    """To this https URL, which may hold a secret."""

    url: str = field(repr=False)


Target = ByMail | ByHook


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """``targets`` by Address key of the mailbox. A mailbox is told of at most once ``every`` so long.

    ``route``: where ordinary mail goes, from ``sender``; both are set when a target is an address. ``retry``: its
    ``give_up_after`` counts from the first letter that nobody was told of.
    """

    targets: Mapping[str, Target] = field(default_factory=dict)
    every: timedelta = timedelta(minutes=5)
    route: Route | None = None
    sender: Address | None = None
    retry: RetryPolicy = RetryPolicy(give_up_after=timedelta(hours=24))

    def due(self, facts: Facts, recipient: Address) -> bool:
        """Whether somebody is to be told that this letter was delivered there: a patient's, and no robot's."""
        if recipient.key not in self.targets or facts.sender_party is not Party.PATIENT:
            return False
        return counts_as_letter(facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """``waiting``: how many letters were delivered to ``mailbox`` since somebody was last told; ``since``: the first.

    ``attempts``: how many failed so far.
    """

    mailbox: Address
    waiting: int
    since: datetime
    attempts: int = 0
