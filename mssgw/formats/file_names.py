"""The names that programs may show a part under: they do not read its header alike, and many write it wrongly.

RFC 2231's form beside the plain one, a parameter given twice, white space without quotes (``filename=Lettre 1.eml``),
quoted-pairs, percents without RFC 2231, octets that end or vanish from a name: each reading is a name of its own. It is
by their names that programs open letters, and that archives are judged, whatever else is said of them.
"""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from mssgw.formats.headers import Header
from mssgw.formats.parameters import Parameters, extended
from mssgw.formats.words import decoded

_WHOLE = ("content-description", "content-name", "x-sun-data-name")  # Thunderbird heeds the last two
_NAMED = re.compile(
    r"name(\*)?([0-9]{1,4})?(\*)?\s*+=\s*+(?:\"((?:[^\"\\]++|\\.)*+)|([^;]++))",
    re.I | re.S,
)
_ODD = re.compile(r"[*\\(]")  # what a parameter that is read without doubt may still have
_QUOTED_PAIR = re.compile(r"\\(.)", re.S)
_INVISIBLE = ("Cc", "Cf")


def names_of(header: Header, kind: Parameters, disposition: Parameters) -> tuple[str, ...]:
    """Encoded words read, lower case, without white space or quotes around, or dots at the end, which Windows takes
    away."""
    given: list[str] = []
    for field, parameters, name in (("content-disposition", disposition, "filename"), ("content-type", kind, "name")):
        told, text = parameters.parameters.get(name, ""), header.first(field)
        given += [told] if told else []
        if text and (parameters.doubtful or _ODD.search(text) or (not told and "name" in text.lower())):
            given += _named(text)
    for field in _WHOLE:
        given += header.texts(field)
    return tuple(dict.fromkeys([shown for name in given for shown in _shown(decoded(name))]))


def _named(text: str) -> Iterator[str]:
    """Whatever may be taken for the name in a field, whole or by its sections."""
    sections: list[tuple[int, bool, str]] = []
    for found in _NAMED.finditer(text):
        star, number, percent, quoted, bare = found.groups()
        value = quoted or (bare or "").strip()
        values = [value]
        if "\\" in value:
            values.append(value := _QUOTED_PAIR.sub(r"\1", value))
        if bare and len(words := bare.split()) > 1:
            values.append(words[0])
        if star:
            is_percent = bool(percent or not number)
            sections.append((int(number or 0), is_percent, value))
            values = [extended([(0, is_percent, each)]) for each in values]
        yield from values
    if len(sections) > 1:
        yield extended(sorted(sections))


def _shown(name: str) -> list[str]:
    read = [name]
    if "%" in name:
        read.append(unquote(name))
    if not all(map(str.isprintable, read)):
        read += [each.partition("\0")[0] for each in read]
        read = ["".join(char for char in each if unicodedata.category(char) not in _INVISIBLE) for each in read]
    return [each.strip().strip("'\"").rstrip(". ").strip().lower() for each in read]
