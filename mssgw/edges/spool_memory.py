"""How much of the large bodies may stay in memory besides the file."""

from collections.abc import Iterable

_GATHERED = 4  # segments that a body gathers before it writes them
_UNCROWDED = 8  # bodies that may come in at a time and still gather so many


class MemoryBudget:
    """Octets of large bodies that may be in memory besides the file, for all messages together."""

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    @property
    def used(self) -> int:
        return self.limit - self.left

    def take(self, size: int) -> bool:
        """Reserve; False when it would be too much."""
        if size > self.left:
            return False
        self.left -= size
        return True

    def give_back(self, size: int) -> None:
        self.left += size


class HotSegments(tuple[bytes, ...]):
    """The hot copy of a body. It gives its octets back to the budget when the last reference to it goes.

    So nobody has to remember: whoever drops the Body, or replaces it with ``hot=None``, frees the memory, and the
    accounting follows the memory itself.
    """

    budget: MemoryBudget | None = None
    size: int = 0

    @classmethod
    def of(cls, segments: Iterable[bytes], budget: MemoryBudget, size: int) -> "HotSegments":
        """``size`` was taken from the budget before."""
        hot = cls(segments)
        hot.budget, hot.size = budget, size
        return hot

    def __del__(self) -> None:
        if self.budget is not None:
            self.budget.give_back(self.size)


class Arrivals:
    """How many bodies too large for a row are coming in, between their first segment and their end."""

    _arriving = 0

    @property
    def batch(self) -> int:
        """How many segments a body gathers before it writes them: fewer when many come in, for the memory's sake."""
        return max(1, _GATHERED * _UNCROWDED // max(self._arriving, _UNCROWDED))

    def arrived(self, change: int) -> None:
        """One large body more (1) or less (-1) is coming in."""
        self._arriving += change
