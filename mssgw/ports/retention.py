"""What is remembered of letters whose end was announced to the readers of a mailbox."""

from collections.abc import Sequence
from typing import Protocol

from mssgw.core.addresses import Address
from mssgw.core.journal import Entry
from mssgw.core.retention import Announced


class Purges(Protocol):
    """The memory of announcements, one for each folder at most."""

    async def announced(self, mailbox: Address, folder: str) -> Announced | None:
        """The announcement that stands."""

    async def announce(self, announced: Sequence[Announced], entry: Entry) -> None:
        """Remember these, in place of any earlier ones of their folders, with a journal line, durably."""

    async def call_off(self, announced: Announced) -> None:
        """Nothing is to be deleted under it any more."""
