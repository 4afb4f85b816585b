"""Those who judge the clinical documents of letters, outside the event loop."""

from collections.abc import AsyncIterator
from typing import Protocol

from mssgw.core.report import Order, Report


class Validators(Protocol):
    """Judges in processes of their own, so that a document can neither hold up the event loop nor end the gateway."""

    async def judge(self, letter: AsyncIterator[bytes], order: Order, *, queue_id: str | None = None) -> Report:
        """What is to be said of a letter's documents. ``letter``: its wire bytes (dot-stuffed, CRLF), in any pieces;
        ``queue_id``: what events call it.

        A Report that is not ``complete`` when the validator crashed, hung, or its turn did not come in time (SD-10).
        Raises only what reading ``letter`` raises.
        """
