"""The Purges port in a dictionary."""

from collections.abc import Sequence

from mssgw.core.addresses import Address
from mssgw.core.journal import Entry
from mssgw.core.retention import Announced
from mssgw.edges.memory.content import MemoryPart


class MemoryPurges(MemoryPart):
    """See ports.Purges."""

    async def announced(self, mailbox: Address, folder: str) -> Announced | None:
        return self._has.announced.get((mailbox, folder))

    async def announce(self, announced: Sequence[Announced], entry: Entry) -> None:
        self._has.announced |= {(each.mailbox, each.folder): each for each in announced}
        self._has.journal.append(entry)

    async def call_off(self, announced: Announced) -> None:
        self._has.announced.pop((announced.mailbox, announced.folder), None)
