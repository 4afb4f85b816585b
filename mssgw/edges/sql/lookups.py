"""Look-ups of many rows by one column: the hot path, as rows.py is for what is written.

Compiled by SQLAlchemy for 1, 2, 4 … values and kept; the driver's own cursor takes a tenth of the time that a
``Connection.execute`` takes.
"""

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Collection, Sequence
from itertools import accumulate, pairwise
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    bindparam,
    cast,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

from mssgw.edges.sql.rows import Compiled

_MOST = 512  # values in one IN list


class _Texts(ABC):
    """A statement, compiled for each number of values and each database, and kept."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, int], Compiled] = {}

    def execute(self, connection: Connection, count: int, given: list[Any]) -> Sequence[Any]:
        """The rows that it finds; ``count``: for how many values it is compiled."""
        dialect = connection.dialect
        compiled = self._compiled.get((dialect.name, count))
        if compiled is None:
            statement, names = self.statement(count)
            text = statement.compile(dialect=dialect)
            assert isinstance(text, SQLCompiler)
            compiled = self._compiled[dialect.name, count] = Compiled(text, names)
        cursor = connection.connection.cursor()  # the driver's own
        cursor.execute(*compiled.bind(given))
        return cursor.fetchall()

    @abstractmethod
    def statement(self, count: int) -> tuple[ClauseElement, list[str]]:
        """For so many values; the names of its parameters in the order in which they are given."""


class Lookup(_Texts):
    """``columns`` of the rows whose ``key`` is among the values that are wanted, and whose ``of`` is a given one."""

    def __init__(self, *columns: Column[Any], key: Column[Any], of: Column[Any] | None = None) -> None:
        self.columns, self._key, self._of = columns, key, of
        self.row: Any = namedtuple("row", [column.name for column in columns])  # type: ignore[misc]
        super().__init__()

    def rows(self, connection: Connection, wanted: Collection[Any], of: Any = None) -> list[Any]:
        """Rows with the columns as attributes, in no order. Raises the driver's errors."""
        given = [] if self._of is None else [of]
        every, found = sorted(wanted), list[Any]()
        for start in range(0, len(every), _MOST):
            some = _padded(every[start : start + _MOST])
            found += map(self.row._make, self.execute(connection, len(some), some + given))
        return found

    def statement(self, count: int) -> tuple[ClauseElement, list[str]]:
        names = [f"wanted_{number}" for number in range(count)]
        statement = select(*self.columns).where(self.is_wanted(names))
        if self._of is None:
            return statement, names
        return statement.where(self._of == bindparam("of", type_=self._of.type)), [*names, "of"]

    def is_wanted(self, names: Sequence[str]) -> ColumnElement[bool]:
        """``key`` is among the values that go by these names."""
        return self._key.in_([bindparam(name, type_=self._key.type) for name in names])


class Lookups(_Texts):
    """Several look-ups by one statement: the thread lets go of the interpreter lock, or waits for a server, once."""

    def __init__(self, *each: Lookup) -> None:
        """None of them with ``of``."""
        self._each = each
        ends = list(accumulate((len(one.columns) for one in each), initial=1))
        self._own = [(one.row._make, slice(*span)) for one, span in zip(each, pairwise(ends), strict=True)]
        super().__init__()

    def rows(self, connection: Connection, *wanted: Collection[Any]) -> list[list[Any]]:
        """Rows of each, as of Lookup.rows(); the values that each wants, of none or of all there are some."""
        every = [sorted(values) for values in wanted]
        found: list[list[Any]] = [[] for _ in self._each]
        for start in range(0, max(map(len, every)), _MOST):
            some = [values[start : start + _MOST] or values[-1:] for values in every]
            count = len(_padded(max(some, key=len)))
            given = [value for values in some for value in _padded(values, count)]
            for row in self.execute(connection, count, given):
                make, own = self._own[row[0]]
                found[row[0]].append(make(row[own]))
        return found

    def statement(self, count: int) -> tuple[ClauseElement, list[str]]:
        """Each row: the number of its look-up, then the columns of all of them, null but for its own."""
        names, parts = [], []
        for number, one in enumerate(self._each):
            mine = [f"wanted_{number}_{place}" for place in range(count)]
            columns = [column if other is one else _null(column) for other in self._each for column in other.columns]
            parts.append(select(literal_column(str(number)), *columns).where(one.is_wanted(mine)))
            names += mine
        return union_all(*parts), names


def _padded(values: list[Any], count: int = 0) -> list[Any]:
    """So many, or 1, 2, 4 …: few texts are ever compiled. The last one is repeated."""
    count = count or 1 << (len(values) - 1).bit_length()
    return values + values[-1:] * (count - len(values))


def _null(column: Column[Any]) -> ColumnElement[Any]:
    return cast(null(), column.type)
