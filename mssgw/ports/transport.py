"""The way out."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mssgw.core.delivery import Delivery, Outcome
from mssgw.core.routes import Route
from mssgw.ports.store import Stored


class Transport(Protocol):
    """Hands messages to a next hop."""

    async def send(self, route: Route, stored: Stored, deliveries: Sequence[Delivery]) -> Mapping[int, Outcome]:
        """One attempt for deliveries of one message on one route; an outcome for each delivery number.

        Never raises for what a peer or the network does: that is an outcome.
        """
