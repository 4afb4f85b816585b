"""All mailboxes that are watched for receipts: a session for each, by one node at a time, as the configuration says."""

from collections.abc import Callable, Iterable

from mssgw.core.addresses import Address
from mssgw.flow.posts import NamedLeases, Posts
from mssgw.flow.receipts_watch import ReceiptWatch, Watched


class ReceiptPosts:
    """``make`` gives the watch of a mailbox; ``alias``: what stands for its address, on each node the same."""

    def __init__(
        self, leases: NamedLeases, make: Callable[[Watched], ReceiptWatch], *, alias: Callable[[Address], str]
    ) -> None:
        self._posts, self._alias = Posts(leases, make), alias

    def follow(self, wanted: Iterable[Watched]) -> None:
        """Watch these from now on, and no others."""
        self._posts.follow({f"receipts {self._alias(each.mailbox)}": each for each in wanted})

    async def run(self) -> None:
        """Until cancelled; then all sessions end."""
        await self._posts.run()
