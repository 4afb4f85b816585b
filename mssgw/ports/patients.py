"""The registry of the patients whose mailboxes we keep."""

from collections.abc import Sequence
from typing import Protocol

from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry
from mssgw.core.patients import Credentials, Patient, PatientState, Tally, Wish


class Patients(Protocol):
    """Matricules and addresses rest sealed, and are found by keyed hash. Every change is journalled."""

    async def find(self, matricule: Matricule) -> Patient | None:
        """The patient of that number; None: there is none. Includes everything committed before the call."""

    async def credentials(self, matricule: Matricule) -> Credentials | None:
        """The patient and what his password is checked against."""

    async def listed(self, *, limit: int, state: PatientState | None = None) -> Sequence[Patient]:
        """Patients, or those in that state, latest change of state first."""

    async def put(self, wishes: Sequence[Wish], entry: Entry) -> Tally:
        """Let these patients stand so from now on, all in one commit; ``entry``: its journal line and its time.

        No two wishes are about one patient. Raises IllegalWishes: nothing was changed. Journals no change that is none.
        """

    async def set_password(self, matricule: Matricule, password_hash: str, entry: Entry) -> bool:
        """Let this Argon2id hash be what his password is checked against; False: there is no such patient."""
