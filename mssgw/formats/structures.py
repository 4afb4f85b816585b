"""Which structures are pharmacies: the extraction of mailboxes does not say. Two tables do, either is enough.

*Ours*: ``identification;code``, with codes of the national directory (SA33…) or of FINESS (620…). *FINESS*: the
extraction of establishments, a first line ``finess;etalab;…`` and rows ``structureet;…`` without headings; with
headings it is taken too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from mssgw.core.directory import PHARMACY_CATEGORIES, PHARMACY_CODES, UnusableDirectory, structure_key
from mssgw.formats.cells import cells, decoded, heading, places
from mssgw.formats.published import Published

SEPARATOR = ";"
_OURS = ("identification", "code")
_STRUCTURE = re.compile(r"[0-9A-Z./ -]{5,40}")
_FINESS = re.compile(r"[0-9][0-9A-Z][0-9]{7}")
_SIRET = re.compile(r"[0-9]{14}")
# Where the columns of a row "structureet" are, counted from 0.
_NUMBER, _CATEGORY, _OWN_SIRET = "nofinesset", "categetab", "siret"
_PLACES: Mapping[str, int] = {_NUMBER: 1, _CATEGORY: 18, _OWN_SIRET: 22}
_ROW = "structureet"


def from_csv(table: Published) -> frozenset[str]:
    """The pharmacies of a table of ours, as structure_key. Raises UnusableDirectory, with the line."""
    lines = (cells(decoded(line), SEPARATOR) for line in table.lines())
    header = tuple(heading(cell) for cell in next(lines, []))
    if header[:2] != _OURS:
        raise UnusableDirectory('line 1: expected the header "identification;code"')
    found = set()
    for number, row in enumerate(lines, 2):
        if not any(row):
            continue
        structure = structure_key(row[0])
        if len(row) < 2 or not _STRUCTURE.fullmatch(structure):
            raise UnusableDirectory(f'line {number}: expected "identification;code", such as "750000001;SA33"')
        if row[1].strip().upper() in PHARMACY_CODES | PHARMACY_CATEGORIES:  # req: WHO-3
            found.add(structure)
    return _some(found)


def from_finess(table: Published) -> frozenset[str]:
    """The pharmacies of an extraction of FINESS, by FINESS and SIRET. Raises UnusableDirectory."""
    rows = _whole_rows(table)
    first = next(rows, [])
    named = places(first)
    if _NUMBER in named and _CATEGORY in named:
        return _some(_pharmacies(rows, {name: named[name] for name in _PLACES if name in named}))
    marked = (row for row in chain([first], rows) if row[:1] == [_ROW])  # others place them on a map
    return _some(_pharmacies(marked, _PLACES))


def _whole_rows(table: Published) -> Iterator[Sequence[str]]:
    """All of them; the last one is as wide as the one before, for rows of a kind stand together."""
    width = 0
    for line in table.lines():
        row = cells(decoded(line), SEPARATOR)
        table.check_whole(len(row), width)
        width = len(row)
        yield row


def _pharmacies(rows: Iterator[Sequence[str]], at: Mapping[str, int]) -> set[str]:
    found, seen = set(), 0
    for row in rows:
        if len(row) <= at[_CATEGORY] or not _FINESS.fullmatch(row[at[_NUMBER]].strip()):
            continue
        seen += 1
        if row[at[_CATEGORY]].strip() in PHARMACY_CATEGORIES:  # req: WHO-3
            found.add(structure_key(row[at[_NUMBER]]))
            siret = row[at[_OWN_SIRET]].strip() if len(row) > at.get(_OWN_SIRET, len(row)) else ""
            if _SIRET.fullmatch(siret):
                found.add(siret)
    if not seen:
        raise UnusableDirectory('not the extraction of FINESS: expected rows "structureet;…"')
    return found


def _some(found: set[str]) -> frozenset[str]:
    if not found:
        codes = ", ".join(sorted(PHARMACY_CODES | PHARMACY_CATEGORIES))
        raise UnusableDirectory(f"no pharmacy in it: expected some of {codes}")
    return frozenset(found)
