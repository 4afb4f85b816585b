"""How the white list is verified and where the last good one is kept (WL-6, WL-7)."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class Seal(Protocol):
    """What shows that a list is genuine."""

    def signed_part(self, file: bytes, *, at: datetime) -> bytes:
        """What of the file was really signed, by a signer valid at that time: read nothing but this.

        Raises GatewayError. Takes a third of a second for the real list: not on the loop.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The last good list as it was fetched. ``verified_at``: when it was last known to be the published one."""

    file: bytes = field(repr=False)
    fingerprint: str
    generated_at: datetime
    verified_at: datetime


class Shelf(Protocol):
    """Keeps the last good list of a node, for its worker processes and commands together.

    All raise StoreUnavailable when the disk does not let them.
    """

    async def version(self) -> str:
        """Changes whenever what is kept does; "" when nothing is. Cheap."""

    async def read(self) -> Kept | None:
        """What is kept; None when nothing is."""

    async def keep(self, kept: Kept) -> None:
        """Replace it, whole and durably. The same file again: only its time is written."""

    async def tried_at(self) -> datetime | None:
        """As it was last marked, by whomever."""

    async def mark_tried(self, at: datetime) -> None:
        """Tell the others when the list was last asked for."""

    def turn(self) -> AbstractAsyncContextManager[bool]:
        """The right to ask for the list, for one at a time; False: somebody else has it. Freed with its process."""
