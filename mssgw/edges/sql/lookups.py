"""Look-ups of many rows by one column: the hot path, as rows.py is for what is written.

Compiled by SQLAlchemy for 1, 2, 4 … values and kept; the driver's own cursor takes a tenth of the time that a
``Connection.execute`` takes.
"""

from collections import namedtuple
from collections.abc import Collection
from typing import Any

from sqlalchemy import BindParameter, Column, Connection, Dialect, bindparam, select
from sqlalchemy.sql.compiler import SQLCompiler

from mssgw.edges.sql.rows import Compiled

_MOST = 512  # values in one IN list


class Lookup:
    """``columns`` of the rows whose ``key`` is among the values that are wanted, and whose ``of`` is a given one."""

    def __init__(self, *columns: Column[Any], key: Column[Any], of: Column[Any] | None = None) -> None:
        self._columns, self._key, self._of = columns, key, of
        self._row: Any = namedtuple("_row", [column.name for column in columns])  # type: ignore[misc]
        self._compiled: dict[tuple[str, int], Compiled] = {}

    def rows(self, connection: Connection, wanted: Collection[Any], of: Any = None) -> list[Any]:
        """Rows with the columns as attributes, in no order. Raises the driver's errors."""
        given = [] if self._of is None else [of]
        every, found = sorted(wanted), list[Any]()
        for start in range(0, len(every), _MOST):
            some = every[start : start + _MOST]
            some += some[-1:] * ((1 << (len(some) - 1).bit_length()) - len(some))  # few texts are ever compiled
            cursor = connection.connection.cursor()
            cursor.execute(*self._for(connection.dialect, len(some)).bind(some + given))
            found += map(self._row._make, cursor.fetchall())
        return found

    def _for(self, dialect: Dialect, count: int) -> Compiled:
        known = self._compiled.get((dialect.name, count))
        if known is None:
            known = self._compiled[dialect.name, count] = self._compile(dialect, count)
        return known

    def _compile(self, dialect: Dialect, count: int) -> Compiled:
        names = [f"wanted_{number}" for number in range(count)]
        places: list[BindParameter[Any]] = [bindparam(name, type_=self._key.type) for name in names]
        statement = select(*self._columns).where(self._key.in_(places))
        if self._of is not None:
            statement, names = statement.where(self._of == bindparam("of", type_=self._of.type)), [*names, "of"]
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        return Compiled(compiled, names)
