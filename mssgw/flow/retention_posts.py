"""All mailboxes that letters leave when their time is over: one node looks after each."""

from collections.abc import Callable, Iterable

from mssgw.core.addresses import Address
from mssgw.flow.posts import NamedLeases, Posts
from mssgw.flow.retention import Kept, Retention


class RetentionPosts:
    """``make`` gives who looks after a mailbox; ``alias``: what stands for its address, on each node the same."""

    def __init__(
        self, leases: NamedLeases, make: Callable[[Kept], Retention], *, alias: Callable[[Address], str]
    ) -> None:
        self._posts, self._alias = Posts(leases, make), alias

    def follow(self, wanted: Iterable[Kept]) -> None:
        """Look after these from now on, and no others."""
        self._posts.follow({f"retention {self._alias(each.term.mailbox)}": each for each in wanted})

    async def run(self) -> None:
        """Until cancelled; then what is being deleted gets its journal lines, and the rest ends at once."""
        await self._posts.run()
