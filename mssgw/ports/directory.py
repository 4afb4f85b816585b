"""The directory of mailboxes as it is kept: an edition in force, perhaps one that is being staged, and what was set."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal
from mssgw.core.directory import Change, Edition, Listing, Overview


class Directory(Protocol):
    """What the command line does to it. An import is staged beside the edition in force, in pieces, and then takes
    its place in one commit; one that is left off half-way changes nothing, and the next one clears it away.

    What is decided by it, a letter's facts ask of Store.know. ``generation``: the number of an import.
    """

    async def edition(self) -> Edition | None:
        """The one in force."""

    async def overview(self) -> Overview:
        """What is loaded, counted. Looks at every row."""

    async def pharmacies(self) -> frozenset[str]:
        """The structures that the edition in force knows as pharmacies."""

    async def begin(self, now: datetime) -> int:
        """Begin an import and return its generation; one that others have begun is overtaken."""

    async def stage(self, generation: int, listings: Sequence[Listing]) -> None:
        """Put mailboxes in it, each once: some thousand at a time, in ascending order. Raises Overtaken."""

    async def stage_pharmacies(self, generation: int, structures: Sequence[str]) -> None:
        """Put structures in it that are pharmacies. Raises Overtaken."""

    async def compare(self, generation: int, *, most: int) -> Change:
        """What it says otherwise than the edition in force; at most so many mailboxes by name."""

    async def adopt(self, generation: int, edition: Edition, *, operator: str, detail: str) -> None:
        """Put it in the place of the edition in force, in one commit with its journal line. Raises Overtaken."""

    async def abandon(self, generation: int) -> None:
        """Leave it off."""

    async def tidy(self, advance: Callable[[int], None]) -> int:
        """Erase what nobody goes by, in pieces; returns how many mailboxes. ``advance`` hears of each piece."""

    async def look_up(self, mailbox: Address) -> Sequence[Listing]:
        """What was set by hand of a mailbox, then what the edition in force says, where they say something."""

    async def find(self, text: str, *, limit: int) -> Sequence[Listing]:
        """Mailboxes whose address, structure, name or place contain this, in any case; those set by hand first."""

    async def put(self, mailbox: Address, bal: Bal, *, operator: str, now: datetime) -> bool:
        """Let this hold of a mailbox whatever an import says; False when it did so already. Journalled."""

    async def withdraw(self, mailbox: Address, *, operator: str, now: datetime) -> bool:
        """Take back what was set; False when nothing was. Journalled."""
