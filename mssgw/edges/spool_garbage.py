"""Garbage of a crash: bodies at rest that belong to no letter."""

from collections.abc import Iterable

from mssgw.core.errors import Gone, Undecryptable
from mssgw.ports import Spool, Store


async def remove_garbage(spool: Spool, known: Store, old: Iterable[str]) -> int:
    """Remove the bodies of these ids that have no row; return how many."""
    removed = 0
    for spool_id in old:
        try:
            await known.load(spool_id)
        except Gone:
            await spool.remove(spool_id)
            removed += 1
        except Undecryptable:
            pass  # it has a row: damaged, but for a person to judge
    return removed
