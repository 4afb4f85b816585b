"""``mssgw patient import``: many patients, checked whole, written in one commit or not at all."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

from mssgw.app.cli import paper
from mssgw.app.cli.csv_files import SHOWN, bar, progress, rows, tell
from mssgw.app.cli.exits import Code, Failure
from mssgw.app.cli.people import matricule, operator, ordinary
from mssgw.app.office import Office
from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.errors import GatewayError
from mssgw.core.ins import Matricule
from mssgw.core.journal import THE_PATIENTS, Entry, JournalEvent
from mssgw.core.patients import IllegalWishes, PatientState, Tally, Wish

HEADER = ("matricule", "state", "email")


@dataclass(slots=True)
class Survey:
    """What the file says. ``lines``: of each wish; ``first``: digest of a matricule to the line that named it."""

    wishes: list[Wish] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)
    first: dict[bytes, int] = field(default_factory=dict)

    def add(self, line: int, cells: list[str], space: PatientSpace) -> None:
        """Take a line, or what is wrong with it: all of it, so that one run gives one list of what to mend."""
        wish, faults = _read(cells, space)
        if wish is not None:
            earlier = self.first.setdefault(_digest(wish.matricule), line)
            if earlier != line:
                faults.append(f"matricule: line {earlier} is about the same patient")
        if wish is None or faults:
            self.errors.append((line, "; ".join(faults)))
            return
        self.wishes.append(wish)
        self.lines.append(line)


async def run(office: Office, file: BinaryIO, *, as_json: bool) -> None:
    """Check the file, then write it; prints a summary. Raises Failure with 65 for wrong lines: nothing is written."""
    survey = Survey()
    with progress(file, "checking") as advance:
        for line, cells in rows(file, HEADER, advance):
            survey.add(line, cells, office.space)
    if survey.errors:
        raise _wrong(file, survey, survey.errors)
    with bar("importing", None):
        tally = await _put(office, file, survey)
    told = {"lines": len(survey.lines), "added": tally.added, "changed": tally.changed, "unchanged": tally.same}
    if as_json:
        paper.json_line(told)
    else:
        paper.facts(told.items())


async def _put(office: Office, file: BinaryIO, survey: Survey) -> Tally:
    entry = Entry(
        at=datetime.now(UTC),
        event=JournalEvent.PATIENT,
        spool_id=THE_PATIENTS,
        operator=operator(),
        detail=f"import of {len(survey.wishes)}",
    )
    try:
        return await office.patients.put(survey.wishes, entry)
    except IllegalWishes as error:
        errors = [(survey.lines[position], f"state: {why}: no such step") for position, why in error.wrong.items()]
        raise _wrong(file, survey, errors) from None


def _wrong(file: BinaryIO, survey: Survey, errors: list[tuple[int, str]]) -> Failure:
    tell(file, errors)
    more = f" ({len(errors) - SHOWN} more not shown)" if len(errors) > SHOWN else ""
    every = len(survey.lines) + len(survey.errors)
    return Failure(Code.DATA, f"{file.name}: {len(errors)} of {every} lines are wrong{more}; nothing imported")


def _read(cells: list[str], space: PatientSpace) -> tuple[Wish | None, list[str]]:
    if len(cells) != len(HEADER):
        return None, [f"expected {len(HEADER)} columns, found {len(cells)}"]
    faults: list[str] = []
    who: Matricule | None = None
    email: Address | None = None
    try:
        who = matricule(cells[0], space)
    except GatewayError as error:
        faults.append(f"matricule: {error}")
    state = cells[1].lower()
    if state not in set(PatientState):
        faults.append(f"state: expected {', '.join(PatientState)}")
    try:
        email = ordinary(cells[2], space) if cells[2] else None
    except GatewayError as error:
        faults.append(f"email: {error}")
    if who is None or faults:
        return None, faults
    return Wish(matricule=who, state=PatientState(state), email=email), faults


def _digest(who: Matricule) -> bytes:
    return hashlib.blake2b(who.value.encode(), digest_size=16).digest()
