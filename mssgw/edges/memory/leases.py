"""The LeaseBook port in a dictionary."""

from collections.abc import Collection, Set
from datetime import datetime

from mssgw.core.delivery import Lease
from mssgw.edges.memory.content import MemoryPart


class MemoryLeases(MemoryPart):
    """See ports.LeaseBook."""

    async def take_leases(self, names: Collection[str], lease: Lease, *, node: str, now: datetime) -> Set[str]:
        mine = {name for name in names if _is_free(self._has.leases.get(name), node, now)}
        self._has.leases |= dict.fromkeys(mine, lease)
        return mine

    async def leave_leases(self, token: str) -> None:
        self._has.leases = {name: lease for name, lease in self._has.leases.items() if lease.token != token}


def _is_free(lease: Lease | None, node: str, now: datetime) -> bool:
    return lease is None or lease.until <= now or lease.token.rpartition(".")[0] == node
