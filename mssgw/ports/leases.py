"""Who does what one node does for all (flow/posts): leases on names, as deliveries have theirs."""

from collections.abc import Collection, Set
from datetime import datetime
from typing import Protocol

from mssgw.core.delivery import Lease


class LeaseBook(Protocol):
    """The named leases of all nodes."""

    async def take_leases(self, names: Collection[str], lease: Lease, *, node: str, now: datetime) -> Set[str]:
        """Take or renew the lease of each name, where nobody else holds it now; those that are ours.

        A token that begins with ``node.`` is an earlier incarnation's: it holds nothing any more.
        """

    async def leave_leases(self, token: str) -> None:
        """Give up all that is held under this token."""
