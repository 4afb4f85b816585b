"""What the journal has yet to hear of letters that were deleted where their time was over (TRC-1, TRC-3)."""

from dataclasses import dataclass, field
from typing import TypeAlias

from mssgw.core.addresses import Address
from mssgw.core.journal import Entry
from mssgw.ports import Store

Place: TypeAlias = "tuple[Address, str, int, int]"  # mailbox, folder, UIDVALIDITY, UID


@dataclass(slots=True)
class Unjournalled:
    """Of all mailboxes that this process looks after: who does so loses its lease when the store is away for long.

    ``lines``: of what is gone. ``begun``: letters, by their ids, whose deletion was begun and its end not seen: the
    server may have done it although its answer was lost.
    """

    lines: list[Entry] = field(default_factory=list)
    begun: dict[Place, str] = field(default_factory=dict)

    async def note(self, store: Store) -> None:
        """Write the lines. Raises StoreUnavailable: they stay, and nothing more is to be deleted before."""
        lines, self.lines = self.lines, []
        try:
            if lines:
                await store.note(lines)
        except BaseException:
            self.lines = lines + self.lines
            raise
