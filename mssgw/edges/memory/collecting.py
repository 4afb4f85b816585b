"""The CollectedLetters port in dictionaries."""

from collections.abc import Collection, Set
from datetime import datetime

from mssgw.edges.memory.content import MemoryPart
from mssgw.ports.collecting import AlreadyCollected, Collected


class MemoryCollecting(MemoryPart):
    """See ports.CollectedLetters."""

    async def already_collected(
        self, place: str, uid_validity: int, uids: Collection[int], *, now: datetime
    ) -> Set[int]:
        wanted, has = frozenset(uids), self._has.collected
        found = [key for key in has if key[:2] == (place, uid_validity) and key[2] in wanted]
        has |= {key: (has[key][0], now) for key in found}
        return {key[2] for key in found}

    async def alike_collected(self, message: Collected) -> bool:
        return any(
            (each.collector, each.message_id, each.digest) == (message.collector, message.message_id, message.digest)
            for each, _ in self._has.collected.values()
        )

    async def recognise(self, message: Collected, *, now: datetime) -> None:
        self._has.collected.setdefault(_key(message), (message, now))

    def _refuse_collected(self, message: Collected | None) -> None:
        if message is not None and _key(message) in self._has.collected:
            raise AlreadyCollected

    def _remember_collected(self, message: Collected | None, at: datetime) -> None:
        if message is not None:
            self._has.collected[_key(message)] = message, at


def _key(message: Collected) -> tuple[str, int, int, str, bytes]:
    return message.where, message.uid_validity, message.uid, message.collector, message.digest
