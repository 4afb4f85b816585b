"""ports.UnopenedLetters in a dictionary."""

from collections.abc import Sequence
from datetime import datetime

from mssgw.core.patients import PatientState
from mssgw.core.unopened import Unopened
from mssgw.edges.memory.content import MemoryPart


class MemoryUnopened(MemoryPart):
    """The registry is that of MemoryPatients over the same content."""

    async def unopened(self, *, since: datetime | None = None) -> Sequence[Unopened]:
        found = []
        for each in self._has.unopened.values():
            patient = self._has.patients.get(each.patient)
            if patient is None or patient.state is not PatientState.ACTIVE:
                continue
            if since is None or each.delivered_at >= since or patient.since >= since:
                found.append(each)
        return found

    async def opened(self, letter: Unopened) -> None:
        self._has.unopened.pop(letter.letter_id, None)
