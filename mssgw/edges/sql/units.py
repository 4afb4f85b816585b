"""Units of work: what is kept together or not at all, and how many of them share one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from mssgw.edges.sql.rows import Row, Rows

T = TypeVar("T")
Work = Callable[[Connection], T]


@dataclass(slots=True)
class Step:
    """One row for one statement. ``otherwise``: what to raise unless exactly one row was touched."""

    rows: Rows
    row: Row
    otherwise: Exception | None = None


@dataclass(slots=True)
class Unit(Generic[T]):
    """What is kept together or not at all: ``steps`` in order, then ``work``, whose value is the result.

    ``wakes``: it leaves work that nobody holds, so other nodes are told after the commit.
    """

    steps: Sequence[Step] = ()
    work: Work[T] | None = None
    wakes: bool = False


@dataclass(slots=True)
class Upkeep:
    """Work for the writer's connection that no transaction may surround."""

    work: Work[Any]


class Apart(Exception):
    """A unit of the batch failed: run each in a transaction of its own, so that only the bad one fails."""


class Batch:
    """Steps of many units, merged into few statements where that changes nothing.

    A step joins the earlier rows of its statement unless another statement on the same table stands between.
    """

    def __init__(self, refusals: tuple[type[Exception], ...]) -> None:
        """``refusals``: what the driver raises for a row that cannot be."""
        self._refusals = refusals
        self._buckets: list[tuple[Rows, list[Row], bool]] = []
        self._of: dict[tuple[int, bool], int] = {}  # statement -> its latest bucket
        self._last: dict[str, int] = {}  # table -> the latest bucket that touches it

    def add(self, step: Step) -> None:
        table, fenced = step.rows.table.name, step.otherwise is not None
        mine = self._of.get((id(step.rows), fenced))
        if mine is None or mine < self._last[table]:
            mine = len(self._buckets)
            self._buckets.append((step.rows, [], fenced))
            self._of[id(step.rows), fenced] = self._last[table] = mine
        self._buckets[mine][1].append(step.row)

    def flush(self, connection: Connection) -> None:
        for rows, values, fenced in self._buckets:
            if rows.contended:  # everybody in the same order, or two nodes wait for each other; stable: the last counts
                values.sort(key=itemgetter(0))
            try:
                touched = rows.run(connection, values)
            except self._refusals:
                raise Apart from None
            if fenced and touched != len(values):
                raise Apart
        self._buckets, self._of, self._last = [], {}, {}
