"""Rows of tables as text: cells between separators, and columns by their headings."""

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence

_NO_LETTER = re.compile(r"[^a-z0-9]+")


def cells(line: str, separator: str, width: int | None = None) -> list[str]:
    """The cells of one line. A quotation mark in the middle means itself; around a cell it goes, doubled ones too.

    ``width``: how many there should be. A row never goes on in the next line: one that lacks its closing mark must not
    swallow those after it.
    """
    plain = line.split(separator)
    if '"' not in line:
        return plain
    if len(plain) == width or (width is None and _is_balanced(plain)):
        return [_unquoted(cell) for cell in plain]
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error:
        return plain


def _is_balanced(plain: Sequence[str]) -> bool:
    """Whether no separator stands within quotation marks."""
    return all(cell.startswith('"') == cell.endswith('"') and cell != '"' for cell in plain)


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def decoded(line: bytes) -> str:
    """As UTF-8, else as Windows writes French."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def heading(cell: str) -> str:
    """A heading as it is compared: letters and digits, without case and accents."""
    plain = unicodedata.normalize("NFKD", cell).casefold().encode("ascii", "ignore").decode()
    return _NO_LETTER.sub("", plain)


def places(header: Sequence[str]) -> Mapping[str, int]:
    """Where each column stands, by heading()."""
    return {heading(cell): number for number, cell in reversed(list(enumerate(header)))}
