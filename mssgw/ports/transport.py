"""The way out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mssgw.core.delivery import Delivery, Outcome
from mssgw.core.routes import Route
from mssgw.ports.store import Stored

StillOurs = Callable[[], bool]


def always() -> bool:
    """For letters that nobody else can send."""
    return True


class Transport(Protocol):
    """Hands messages to a next hop."""

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        """One attempt for deliveries of one message on one route; an outcome for each delivery number.

        Never raises for what a peer or the network does: that is an outcome; what may be for the sake of another of
        these deliveries says so (Deferred.collective). ``still_ours``: asked last before the peer can take the letter.
        Raises NoLongerOurs where it says no: a process may stand still for longer than a lease lasts, and whoever
        claimed the letter meanwhile sends it.
        """
