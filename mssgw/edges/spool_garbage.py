"""Garbage of a crash: bodies at rest that belong to no letter."""

import time
from collections.abc import Callable, Iterable, Mapping

from mssgw.core.errors import Gone, StoreUnavailable, Undecryptable
from mssgw.ports import Spool, Store

Stamp = tuple[int, int]  # of a file: time of change (ns), inode; of rows: when the last was written, how many they are


async def remove_garbage(spool: Spool, known: Store, old: Iterable[str]) -> int:
    """Remove the bodies of these ids that have no row; return how many. For spools whose bodies' age is certain."""
    removed = 0
    for spool_id in old:
        if not await _has_row(known, spool_id):
            await spool.remove(spool_id)
            removed += 1
    return removed


class Suspects:
    """Bodies that look old and have no row, and since when they are known to rest: memory of a few names.

    How old a body looks is told by a clock that can be set, forward by hours too, and a letter that is coming in has no
    row yet. So a body goes only when an earlier sweep saw it just so, long enough ago by ``clock``: seconds that nobody
    sets, those by which the listener limits its senders.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[Stamp, float]] = {}

    async def remove(self, spool: Spool, known: Store, old: Mapping[str, Stamp], *, after: float) -> int:
        """Remove those of ``old`` that were suspects ``after`` seconds ago; return how many.

        Raises what was wrong with one that could not be removed, when the others are.
        """
        now, before, self._seen = self._clock(), self._seen, {}
        removed, failed = 0, None
        for spool_id, stamp in old.items():
            if await _has_row(known, spool_id):
                continue
            earlier, since = before.get(spool_id, (None, now))
            self._seen[spool_id] = stamp, since if earlier == stamp else now
            if earlier == stamp and now - since >= after:
                try:
                    await spool.remove(spool_id)
                except StoreUnavailable as error:
                    failed = error
                    continue
                del self._seen[spool_id]
                removed += 1
        if failed is not None:
            raise failed
        return removed


async def _has_row(known: Store, spool_id: str) -> bool:
    try:
        await known.load(spool_id)
    except Gone:
        return False
    except Undecryptable:
        pass  # damaged, but for a person to judge
    return True
