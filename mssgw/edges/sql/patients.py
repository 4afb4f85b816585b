"""The Patients port over SQL: nothing in a row tells a matricule, an address or a password's hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from mssgw.core.addresses import Address
from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry
from mssgw.core.patients import Credentials, Patient, PatientState, Tally, Wish, granted_all
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.lookups import Lookup
from mssgw.edges.sql.records import Records
from mssgw.edges.sql.rows import Place, Rows
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.tables import patients
from mssgw.edges.sql.units import Unit

_BY_NUMBER = Lookup(*patients.c, key=patients.c.patient)
_CHANGED = ("state", "since", "sealed_email")
_CHANGE = (
    update(patients)
    .where(patients.c.patient == bindparam("of"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGED})
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A wish, with what stands for its values at rest."""

    wish: Wish
    key: bytes
    sealed: bytes
    sealed_email: bytes | None


class SqlPatients:
    """See ports.Patients. Made by ``open_store``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._columns = [column.name for column in patients.columns]
        self._adding = Rows(patients, self._columns, session.database.dialect, self._insert)

    def _insert(self, place: Place, count: int) -> Any:
        return insert(patients).values([{name: place(name, row) for name in self._columns} for row in range(count)])

    @property
    def _records(self) -> Records:
        return self._session.records

    async def find(self, matricule: Matricule) -> Patient | None:
        known = await self.credentials(matricule)
        return known.patient if known is not None else None

    async def credentials(self, matricule: Matricule) -> Credentials | None:
        key = self._records.matricule(matricule)
        rows = await self._session.reader.ask(lambda connection: _BY_NUMBER.rows(connection, [key]))
        if not rows:
            return None
        sealed = rows[0].sealed_password
        hashed = self._records.vault.unseal("password", sealed) if sealed is not None else None
        return Credentials(patient=_patient(self._records, rows[0]), password_hash=hashed)

    async def listed(self, *, limit: int, state: PatientState | None = None) -> Sequence[Patient]:
        some = select(patients) if state is None else select(patients).where(patients.c.state == state.value)
        latest = some.order_by(patients.c.since.desc()).limit(limit)

        def read(connection: Connection) -> list[Patient]:
            return [_patient(self._records, row) for row in connection.execute(latest)]

        found: list[Patient] = await self._session.surveyor.ask(read)
        return found

    async def put(self, wishes: Sequence[Wish], entry: Entry) -> Tally:
        asked = [self._asked(wish) for wish in wishes]  # hashed and sealed before anybody has to wait for us

        def work(connection: Connection) -> Tally:
            self._session.database.alone(connection, patients)
            rows = {row.patient: row for row in _BY_NUMBER.rows(connection, [each.key for each in asked])}
            before = [_known(self._records, rows.get(each.key), each) for each in asked]
            after = granted_all(before, wishes, entry.at)
            return self._write(connection, asked, before, after, entry)

        tally: Tally = await self._session.write(Unit(work=work))
        return tally

    def _asked(self, wish: Wish) -> _Asked:
        return _Asked(
            wish=wish,
            key=self._records.matricule(wish.matricule),
            sealed=self._records.vault.seal("matricule", wish.matricule.value),
            sealed_email=self._email(wish.email),
        )

    def _write(
        self,
        connection: Connection,
        asked: Sequence[_Asked],
        before: Sequence[Patient | None],
        after: Sequence[Patient],
        entry: Entry,
    ) -> Tally:
        every = list(zip(asked, before, after, strict=True))
        new = [_row(each, patient) for each, known, patient in every if known is None]
        changed = [self._change(each, patient) for each, known, patient in every if known not in (None, patient)]
        self._adding.run(connection, new)
        if changed:
            connection.execute(_CHANGE, changed)
        if new or changed:
            self._journal(connection, entry)
        return Tally(added=len(new), changed=len(changed), same=len(every) - len(new) - len(changed))

    async def set_password(self, matricule: Matricule, password_hash: str, entry: Entry) -> bool:
        sealed = self._records.vault.seal("password", password_hash)
        mine = patients.c.patient == self._records.matricule(matricule)

        def work(connection: Connection) -> bool:
            if connection.execute(update(patients).where(mine).values(sealed_password=sealed)).rowcount == 0:
                return False
            self._journal(connection, entry)
            return True

        known: bool = await self._session.write(Unit(work=work))
        return known

    def _journal(self, connection: Connection, entry: Entry) -> None:
        self._session.statements.journal.run(connection, [self._records.entry(entry)])

    def _change(self, asked: _Asked, patient: Patient) -> dict[str, Any]:
        email = self._email(patient.email) if asked.wish.keeps_email else asked.sealed_email
        values = patient.state.value, micros(patient.since), email
        return {"of": asked.key, **{f"new_{name}": value for name, value in zip(_CHANGED, values, strict=True)}}

    def _email(self, email: Address | None) -> bytes | None:
        return self._records.sealed_address(email) if email is not None else None


def _row(asked: _Asked, patient: Patient) -> tuple[Any, ...]:
    """Somebody new, as he was asked for."""
    return asked.key, asked.sealed, patient.state.value, micros(patient.since), asked.sealed_email, None


def _known(records: Records, row: Any, asked: _Asked) -> Patient | None:
    """Who is registered, read as far as the wish does not say the same."""
    if row is None:
        return None
    same = row.sealed_email == asked.sealed_email
    return Patient(
        matricule=asked.wish.matricule,
        state=PatientState(row.state),
        email=asked.wish.email if same else _unsealed(records, row.sealed_email),
        since=moment(row.since),
        has_password=row.sealed_password is not None,
    )


def _patient(records: Records, row: Any) -> Patient:
    """Raises Undecryptable."""
    return Patient(
        matricule=Matricule.parse(records.vault.unseal("matricule", row.sealed_matricule)),
        state=PatientState(row.state),
        email=_unsealed(records, row.sealed_email),
        since=moment(row.since),
        has_password=row.sealed_password is not None,
    )


def _unsealed(records: Records, sealed: bytes | None) -> Address | None:
    return records.unsealed_address(sealed) if sealed is not None else None
