"""How a store fares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The open deliveries at one moment.

    ``waiting``, ``sending`` (leased) and ``held`` are counts. ``younger``: for each age that was asked, how many are
    at most that old; ``oldest``: the greatest age, 0 when there are none; ``total_age``: all ages together. In seconds.
    """

    waiting: int = 0
    sending: int = 0
    held: int = 0
    younger: tuple[int, ...] = ()
    oldest: float = 0.0
    total_age: float = 0.0

    @property
    def open(self) -> int:
        return self.waiting + self.sending + self.held


class Vitals(Protocol):
    """What health checks ask of a store."""

    @property
    def stalled_for(self) -> float:
        """Seconds that the oldest step under way takes already, of those that letters wait for; 0.0 when there is none.

        A commit, a look-up, a body written or read; upkeep of the writer too, for commits wait behind it.
        """

    async def answers(self) -> None:
        """Returns when the writer has come to this: it is alive. May wait for as long as a commit takes."""

    async def probe(self) -> None:
        """Commit something without meaning, to the disk and all, and read. Raises StoreUnavailable or StoreFull."""

    async def census(self, *, now: datetime, ages: Sequence[float]) -> Census:
        """Count the open deliveries; ``ages`` in seconds, ascending. Does not hold up letters."""

    async def receipts_waiting(self) -> int:
        """How many letters wait to be opened (UnopenedLetters), in whatever state their patients are."""
