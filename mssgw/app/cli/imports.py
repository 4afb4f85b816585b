"""``mssgw conversation import``: pairs from earlier mail logs, checked whole before the first is written (SD-9)."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO, TypeVar

import click

from mssgw.app.cli import pairs, paper
from mssgw.app.cli.csv_files import SHOWN, Advance, BadLine, progress, rows
from mssgw.app.cli.exits import Code, Failure
from mssgw.app.cli.people import operator, patient, professional
from mssgw.app.office import Office
from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.conversation import Pair, State
from mssgw.core.errors import GatewayError, StoreUnavailable

HEADER = ("patient", "bal", "state", "date")
BATCH = 500  # pairs a transaction: short enough that the daemon's commits go between
Row = tuple[Pair, State, datetime]
T = TypeVar("T")


@dataclass(slots=True)
class Survey:
    """What the first pass found. ``latest``: digest of a pair to (date, line, state) of the line that counts.

    ``strangers``: lines whose mailbox is of no establishment, as a mistyped domain would be.
    """

    now: datetime
    ours: Callable[[Address], bool]
    lines: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    wrong: int = 0
    latest: dict[bytes, tuple[datetime, int, State]] = field(default_factory=dict)
    strangers: list[int] = field(default_factory=list)

    def add(self, line: int, row: Row | BadLine) -> None:
        self.lines += 1
        if isinstance(row, BadLine):
            return self.complain(line, str(row))
        pair, state, date = row
        if date > self.now:
            return self.complain(line, "date: expected a moment that has passed")
        if not self.ours(pair.bal):
            self.strangers.append(line)
        known = self.latest.get(_digest(pair))
        if known is not None and known[0] == date and known[2] is not state:
            return self.complain(line, f"state: line {known[1]} says otherwise of the same pair and date")
        if known is None or date > known[0]:
            self.latest[_digest(pair)] = (date, line, state)
        return None

    def complain(self, line: int, why: str) -> None:
        self.wrong += 1
        if len(self.errors) < SHOWN:
            self.errors.append((line, why))

    def counts(self, line: int, row: Row | BadLine) -> bool:
        """Whether this line is the one that speaks for its pair."""
        if isinstance(row, BadLine):
            return False
        known = self.latest.get(_digest(row[0]))
        return known is not None and known[1] == line


async def run(office: Office, file: BinaryIO, *, skip_errors: bool, as_json: bool) -> None:
    """Check the file, then write it in batches; prints a summary. It is read twice, so it is no pipe.

    Raises Failure with 65 for wrong lines: nothing is written then, or with ``skip_errors`` all the others are.
    """
    if not file.seekable():
        raise Failure(Code.DATA, f"{file.name}: expected a file, which is read twice, not a pipe")
    survey = Survey(datetime.now(UTC), office.ours)
    with progress(file, "checking") as advance:
        for line, row in _rows(file, office.space, advance):
            survey.add(line, row)
    for line, why in survey.errors:
        click.echo(f"mssgw: {file.name}:{line}: {why}", err=True)
    for line in survey.strangers[:SHOWN]:
        click.echo(
            f"warning: {file.name}:{line}: bal: of no [[establishment]] in the configuration; mistyped?", err=True
        )
    more = f" ({survey.wrong - SHOWN} more not shown)" if survey.wrong > SHOWN else ""
    wrong = f"{file.name}: {survey.wrong} of {survey.lines} lines are wrong{more}"
    if survey.wrong and not skip_errors:
        raise Failure(Code.DATA, f"{wrong}; nothing imported")
    imported = await _write(office, file, survey)
    _summarise(survey, imported, as_json)
    if survey.wrong:
        raise Failure(Code.DATA, f"{wrong}; the others are imported")


async def _write(office: Office, file: BinaryIO, survey: Survey) -> int:
    imported = written = 0
    file.seek(0)
    with progress(file, "importing") as advance:
        good = (
            row
            for line, row in _rows(file, office.space, advance)
            if not isinstance(row, BadLine) and survey.counts(line, row)
        )
        while batch := list(islice(good, BATCH)):
            try:
                imported += await office.desk.set_state(batch, operator=operator(), only_absent=True)
            except StoreUnavailable as error:
                raise Failure(
                    Code.UNAVAILABLE, f"{error} ({written} pairs were imported; running it again is harmless)"
                ) from error
            written += len(batch)
    return imported


def _rows(file: BinaryIO, space: PatientSpace, advance: Advance) -> Iterator[tuple[int, Row | BadLine]]:
    """Line number and row of every line after the header. Raises Failure when it is no such CSV file at all."""
    for line, cells in rows(file, HEADER, advance):
        yield line, _row(cells, space)


def _row(cells: list[str], space: PatientSpace) -> Row | BadLine:
    if len(cells) != len(HEADER):
        return BadLine(f"expected {len(HEADER)} columns, found {len(cells)}")
    who, bal, state, date = cells
    faults: list[str] = []

    def read(parse: Callable[[], T]) -> T | None:
        try:
            return parse()
        except BadLine as error:
            faults.append(str(error))
            return None

    person = read(lambda: _column("patient", patient, who, space))
    mailbox = read(lambda: _column("bal", professional, bal, space))
    stands = read(lambda: _state(state))
    since = read(lambda: _date(date))
    if person is None or mailbox is None or stands is None or since is None:
        return BadLine("; ".join(faults))  # all of them: one run, one list of what to mend
    return Pair(person, mailbox), stands, since


def _state(cell: str) -> State:
    if cell.lower() not in pairs.STATES:
        raise BadLine("state: expected open or closed")
    return pairs.STATES[cell.lower()]


def _column(name: str, parse: Callable[[str, PatientSpace], Address], cell: str, space: PatientSpace) -> Address:
    try:
        return parse(cell, space)
    except GatewayError as error:
        raise BadLine(f"{name}: {error}") from None


def _date(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: in UTC it would lie before the year 1 or after 9999
        raise BadLine("date: expected ISO 8601, such as 2026-03-01 or 2026-03-01T08:30:00Z") from None


def _digest(pair: Pair) -> bytes:
    return hashlib.blake2b(f"{pair.patient.key}\0{pair.bal.key}".encode(), digest_size=16).digest()


def _summarise(survey: Survey, imported: int, as_json: bool) -> None:
    good = survey.lines - survey.wrong
    told = {
        "lines": survey.lines,
        "imported": imported,
        "known_already": len(survey.latest) - imported,
        "superseded": good - len(survey.latest),
        "wrong": survey.wrong,
        "of_no_establishment": len(survey.strangers),
    }
    if as_json:
        paper.json_line(told)
    else:
        paper.facts((name.replace("_", " "), number) for name, number in told.items())
