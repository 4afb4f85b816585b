"""The Patients port in dictionaries."""

from collections.abc import Sequence
from dataclasses import replace

from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry
from mssgw.core.patients import Credentials, Patient, PatientState, Tally, Wish, granted_all
from mssgw.edges.memory.content import Content


class MemoryPatients:
    """See ports.Patients. Its journal is that of a MemoryStore."""

    def __init__(self, content: Content) -> None:
        self._has = content
        self._known = content.patients
        self._passwords: dict[Matricule, str] = {}

    async def find(self, matricule: Matricule) -> Patient | None:
        return self._known.get(matricule)

    async def credentials(self, matricule: Matricule) -> Credentials | None:
        patient = self._known.get(matricule)
        if patient is None:
            return None
        return Credentials(patient=patient, password_hash=self._passwords.get(matricule))

    async def listed(self, *, limit: int, state: PatientState | None = None) -> Sequence[Patient]:
        some = [each for each in self._known.values() if state in (None, each.state)]
        return sorted(some, key=lambda each: each.since, reverse=True)[:limit]

    async def put(self, wishes: Sequence[Wish], entry: Entry) -> Tally:
        before = [self._known.get(wish.matricule) for wish in wishes]
        after = granted_all(before, wishes, entry.at)
        self._known.update({each.matricule: each for each in after})
        added = sum(each is None for each in before)
        same = sum(one == other for one, other in zip(before, after, strict=True))
        if same < len(after):
            self._has.journal.append(entry)
        return Tally(added=added, changed=len(after) - added - same, same=same)

    async def set_password(self, matricule: Matricule, password_hash: str, entry: Entry) -> bool:
        if matricule not in self._known:
            return False
        self._known[matricule] = replace(self._known[matricule], has_password=True)
        self._passwords[matricule] = password_hash
        self._has.journal.append(entry)
        return True
