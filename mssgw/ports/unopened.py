"""What is remembered of letters that patients have not opened yet."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mssgw.core.unopened import Unopened


class UnopenedLetters(Protocol):
    """The memory of letters whose opening is waited for. Store.settle() writes it, in the commit of the delivery."""

    async def unopened(self, *, since: datetime | None = None) -> Sequence[Unopened]:
        """Those of patients whose profile is active: nobody reads the others' mailboxes (WHO-5).

        ``since``: only what was delivered from then on, or whose patient's state changed from then on. Does not hold
        up letters.
        """

    async def opened(self, letter: Unopened) -> None:
        """No longer wait for this one: its receipt is written, none is due, or it is gone from the mailbox."""
