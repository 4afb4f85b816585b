"""Patients of ours at the door: who may log in, and whether that still holds when the next letter begins (WHO-3)."""

import hmac

from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.core.errors import MalformedAddress, MalformedMatricule
from mssgw.core.ins import Matricule
from mssgw.core.patients import HOUSEHOLD, Patient, may_log_in
from mssgw.core.replies import Reply
from mssgw.flow.live import Live
from mssgw.ports import Login, Patients


class PatientDoor:
    """ports.PatientDoor."""

    def __init__(self, patients: Patients, live: Live) -> None:
        self._patients, self._live = patients, live

    async def log_in(self, name: str, password: str) -> Login | Reply | None:
        matricule = self._matricule(name)
        known = await self._patients.credentials(matricule) if matricule is not None else None
        hashed = known.password_hash if known is not None else None
        # Checked also when there is nobody: who tries numbers learns nothing of who is a patient here.
        if not await self._live.check_password(hashed, password) or known is None or hashed is None:
            return None
        refused = may_log_in(known.patient)
        return refused or Login(name=name, client=self._client(known.patient), password_hash=hashed)

    async def stands(self, login: Login) -> bool:
        matricule = self._matricule(login.name)
        known = await self._patients.credentials(matricule) if matricule is not None else None
        if known is None or known.password_hash is None or may_log_in(known.patient) is not None:
            return False
        return hmac.compare_digest(known.password_hash, login.password_hash)

    def _client(self, patient: Patient) -> Client:  # req: SD-5
        """What he may send as: his own address, and nothing else."""
        own = patient.address(self._live.settings.space.domain)
        return Client(name=HOUSEHOLD, role=Role.PATIENT_SPACE, addresses=frozenset({own.key}))

    def _matricule(self, name: str) -> Matricule | None:
        """A login is the matricule or the address that it makes; None for anything else."""
        space = self._live.settings.space
        try:
            address = Address.parse(name if "@" in name else f"{name}@{space.domain}")
            return space.matricule(address) if address.domain == space.domain else None
        except (MalformedAddress, MalformedMatricule):
            return None
