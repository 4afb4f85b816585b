"""What is remembered of letters that were fetched from mailboxes, so that none comes twice."""

from collections.abc import Collection, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A message in the folder of a collector. ``digest``: SHA-256 of all its octets; kept as keyed hash.

    ``uid_validity`` and ``uid`` name it in its ``place`` (server, login and folder; else the collector's name) as long
    as that keeps its numbers; afterwards, Message-ID and content do.
    """

    collector: str
    place: str = field(default="", repr=False)
    uid_validity: int
    uid: int
    message_id: str | None
    digest: bytes = field(repr=False)

    @property
    def where(self) -> str:
        """Where its number means something."""
        return self.place or self.collector


class AlreadyCollected(Exception):
    """Another process, or an earlier one, has kept this very message, of this content: nothing was kept now."""


class CollectedLetters(Protocol):
    """The memory of collectors. Store.accept() writes it, in the commit of the letter."""

    async def already_collected(
        self, place: str, uid_validity: int, uids: Collection[int], *, now: datetime
    ) -> Set[int]:
        """Which of these messages were collected. They are still there, so they are remembered for longer."""

    async def alike_collected(self, message: Collected) -> bool:
        """Whether this collector took a message of the same Message-ID and content, wherever it was then."""

    async def recognise(self, message: Collected, *, now: datetime) -> None:
        """Remember the number that such a message has now."""
