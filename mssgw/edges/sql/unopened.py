"""The store's part for letters that patients have not opened (ports.UnopenedLetters)."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from mssgw.core.errors import GatewayError
from mssgw.core.ins import Matricule
from mssgw.core.patients import PatientState
from mssgw.core.unopened import Unopened
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.store_part import StorePart
from mssgw.edges.sql.tables import patients, unopened
from mssgw.edges.sql.units import Unit

_ALL = (
    select(unopened, patients.c.sealed_matricule)
    .join(patients, patients.c.patient == unopened.c.patient)
    .where(patients.c.state == PatientState.ACTIVE.value)
)


class SqlUnopened(StorePart):
    """Rows come by Store.settle()."""

    async def unopened(self, *, since: datetime | None = None) -> Sequence[Unopened]:
        asked: tuple[Any, ...] = (_ALL,)
        if since is not None:  # few, each by its own index
            asked = tuple(_ALL.where(at >= micros(since)) for at in (unopened.c.delivered_at, patients.c.since))

        def read(connection: Connection) -> list[Unopened]:
            rows = {(row.spool_id, row.number): row for each in asked for row in connection.execute(each)}
            numbers: dict[bytes, Matricule] = {}  # unsealing costs most
            found = []
            for row in rows.values():
                with contextlib.suppress(GatewayError, ValueError, OverflowError):  # damaged: the others go on
                    if row.patient not in numbers:
                        plain = self._records.vault.unseal("matricule", row.sealed_matricule)
                        numbers[row.patient] = Matricule.parse(plain)
                    found.append(_letter(row, numbers[row.patient]))
            return found

        asker = self._session.surveyor if since is None else self._session.reader
        found: list[Unopened] = await asker.ask(read)
        return found

    async def opened(self, letter: Unopened) -> None:
        this = delete(unopened).where(unopened.c.spool_id == letter.spool_id, unopened.c.number == letter.number)
        await self._session.write(Unit(work=lambda connection: connection.execute(this).rowcount))


def _letter(row: Any, patient: Matricule) -> Unopened:
    return Unopened(
        spool_id=row.spool_id,
        number=row.number,
        patient=patient,
        delivered_at=moment(row.delivered_at),
        place=(row.uid_validity, row.uid) if row.uid is not None else None,
    )
