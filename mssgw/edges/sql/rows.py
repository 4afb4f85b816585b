"""Statements that take many rows at once: the hot path.

``executemany`` lets go of the interpreter lock once a row, and while the event loop is busy each row then waits its
turn; one statement with many rows waits once. Each is compiled by SQLAlchemy for 1, 2, 4 … rows and kept.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Dialect, Table, bindparam
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

MOST_ROWS = 32  # more in one statement gains nothing

Row = tuple[Any, ...]
Place = Callable[[str, int], BindParameter[Any]]  # the parameter of a column in the n-th row


class Rows:
    """One statement on one table; its rows are tuples in the order of ``columns``."""

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        dialect: Dialect,
        build: Callable[[Place, int], ClauseElement],
        *,
        at_once: int = MOST_ROWS,
        contended: bool = False,
    ) -> None:
        """``contended``: other nodes may touch the same rows, found by the first column."""
        self.table = table
        self.contended = contended
        self._columns = columns
        self._dialect = dialect
        self._build = build
        self._at_once = at_once
        self._compiled: dict[int, Compiled] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Execute for all rows and return how many rows of the table were touched. Raises the driver's errors."""
        touched = 0
        cursor = connection.connection.cursor()  # the driver's own: the text is compiled already
        for chunk in self._chunks(rows):
            values = [value for row in chunk for value in row]
            cursor.execute(*self._for(len(chunk)).bind(values))
            touched += cursor.rowcount
        return touched

    def _chunks(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """Cut into powers of two, so that few texts are ever compiled."""
        start = 0
        while left := len(rows) - start:
            size = min(self._at_once, 1 << (left.bit_length() - 1))
            yield rows[start : start + size]
            start += size

    def _for(self, count: int) -> "Compiled":
        if count not in self._compiled:
            self._compiled[count] = self._compile(count)
        return self._compiled[count]

    def _compile(self, count: int) -> "Compiled":
        def place(column: str, row: int) -> BindParameter[Any]:
            return bindparam(f"{column}_{row}", type_=self.table.c[column].type)

        compiled = self._build(place, count).compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)
        return Compiled(compiled, [f"{column}_{row}" for row in range(count) for column in self._columns])


class Compiled:
    """A text, and where in it the values of the rows go."""

    def __init__(self, compiled: SQLCompiler, given: list[str]) -> None:
        constants = {name: value for name, value in compiled.params.items() if name not in given}
        self._sql = str(compiled)
        self._names = given + list(constants)
        self._constants = list(constants.values())
        self._order: list[int] | None = None
        if compiled.positiontup is not None:
            self._order = [self._names.index(name) for name in compiled.positiontup]
        self._as_given = self._order == list(range(len(given)))

    def bind(self, values: list[Any]) -> tuple[str, Any]:
        """The text and its parameters as the driver takes them."""
        if self._as_given:
            return self._sql, tuple(values)
        values = values + self._constants
        if self._order is None:
            return self._sql, dict(zip(self._names, values, strict=True))
        return self._sql, tuple([values[place] for place in self._order])
