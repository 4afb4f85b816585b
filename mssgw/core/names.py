"""Distinguished names of certificates, compared by what they say and not by how they are written (WL-4).

As X.520 caseIgnoreMatch does (RFC 4518): neither case, nor spacing, nor how an accent is composed makes a difference.
Nor does order: the white list writes CN first, certificates have it last.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mssgw.core.errors import MalformedName

LONGEST = 2048  # characters of a whole DN; the longest of the real list has 130
_LONGEST_VALUE = 256
_MOST_ATTRIBUTES = 32
_TYPE = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,63}|(?:(?:OID|oid)\.)?[0-9]{1,10}(?:\.[0-9]{1,10}){1,15}) *= *")
_HEX = re.compile(r"(?:\\[0-9A-Fa-f]{2})+")
_SPACES = re.compile(r" +")
_SPECIAL = frozenset('\\"+,;<>#= ')
#: Control, format (zero width, direction), surrogate and private characters: what one reader shows and another drops.
_UNREADABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_OIDS = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "TITLE",
    "2.5.4.17": "POSTALCODE",
    "2.5.4.42": "GIVENNAME",
    "2.5.4.97": "ORGANIZATIONIDENTIFIER",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "EMAILADDRESS",
}
_SYNONYMS = {
    "COMMONNAME": "CN",
    "SURNAME": "SN",
    "COUNTRYNAME": "C",
    "LOCALITYNAME": "L",
    "S": "ST",
    "STATEORPROVINCENAME": "ST",
    "STREETADDRESS": "STREET",
    "ORGANIZATIONNAME": "O",
    "ORGANIZATIONALUNITNAME": "OU",
    "T": "TITLE",
    "G": "GIVENNAME",
    "GN": "GIVENNAME",
    "USERID": "UID",
    "DOMAINCOMPONENT": "DC",
    "E": "EMAILADDRESS",
    "EMAIL": "EMAILADDRESS",
}


@dataclass(frozen=True, slots=True)
class Name:
    """A DN. Two are equal when they have the same attributes with the same values, whatever the order and spacing.

    ``key``: (type, value) of each attribute, sorted; one that stands there twice is there twice. ``text`` is the DN as
    it was written, for people: one line without control characters.
    """

    key: tuple[tuple[str, str], ...]
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> "Name":
        """The DN that a text in the manner of RFC 4514 says, quoted values (RFC 1779) included. Raises MalformedName.

        A quotation mark within a value is taken as it stands: the real list has such.
        """
        clean = _clean(text, LONGEST)
        return cls(key=_key(_Scanner(clean).pairs()), text=clean)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Name":
        """The DN with these attributes, as (short name or dotted OID, value). Raises MalformedName."""
        given = list(pairs)
        key = _key(given)  # first: what it refuses is in no text
        return cls(key=key, text=",".join(f"{_short(kind)}={_written(value)}" for kind, value in given))

    @property
    def common_name(self) -> str:
        """Its one CN, in lower case: with operators, a host name."""
        return next(value for kind, value in self.key if kind == "CN")

    def __str__(self) -> str:
        return self.text


def _key(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Raises MalformedName for what could be taken for another name, or for several."""
    key = tuple(sorted((_short(kind), _comparable(value)) for kind, value in pairs))
    common_names = [value for kind, value in key if kind == "CN"]
    if len(key) > _MOST_ATTRIBUTES:
        raise MalformedName("too many attributes")
    if len(common_names) != 1:
        raise MalformedName(f"{len(common_names) or 'no'} CN")
    if "*" in common_names[0]:
        raise MalformedName("a wildcard in its CN")
    return key


def _short(kind: str) -> str:
    upper = kind.upper().removeprefix("OID.")
    return _OIDS.get(upper) or _SYNONYMS.get(upper) or upper


def _comparable(value: str) -> str:
    folded = unicodedata.normalize("NFC", _clean(value, _LONGEST_VALUE).casefold())
    if not (collapsed := _SPACES.sub(" ", folded).strip(" ")):
        raise MalformedName("an empty value")
    return collapsed


def _clean(text: str, longest: int) -> str:
    """Composed, and with plain spaces only."""
    if len(text) > longest:
        raise MalformedName("too long")
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFC", text)
    categories = [unicodedata.category(each) for each in composed]
    if not _UNREADABLE.isdisjoint(categories):
        raise MalformedName("a NUL" if "\0" in text else "a control or invisible character")
    return "".join(" " if category == "Zs" else each for each, category in zip(composed, categories, strict=True))


def _written(value: str) -> str:
    escaped = re.sub(r'[\\",+;<>]', r"\\\g<0>", _clean(value, _LONGEST_VALUE))
    return f"\\{escaped}" if escaped.startswith(("#", " ")) else escaped


class _Scanner:
    """Reads a DN from left to right, each character once."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text.strip(" "), 0

    def pairs(self) -> Iterator[tuple[str, str]]:
        while True:
            kind = _TYPE.match(self._text, self._at)
            if kind is None:
                raise MalformedName("an attribute without a type")
            self._at = kind.end()
            yield kind[1], self._quoted() if self._next() == '"' else self._plain()
            if not self._next():
                return
            if self._next() not in ",+":
                raise MalformedName("something after a closing quotation mark")
            self._at += 1
            self._skip_spaces()

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_spaces(self) -> None:
        while self._next() == " ":
            self._at += 1

    def _quoted(self) -> str:
        self._at += 1
        value = self._until('"')
        if not self._next():
            raise MalformedName("an unclosed quotation mark")
        self._at += 1
        self._skip_spaces()
        return value

    def _plain(self) -> str:
        if self._next() == "#":
            raise MalformedName("a value in hexadecimal")  # its type decides what it says: nobody writes an operator so
        return self._until(",+")

    def _until(self, ends: str) -> str:
        read = []
        while (here := self._next()) and here not in ends:
            if here == "\\":
                read.append(self._escaped())
            else:
                read.append(here)
                self._at += 1
        return "".join(read)

    def _escaped(self) -> str:
        if octets := _HEX.match(self._text, self._at):
            self._at = octets.end()
            try:
                return bytes.fromhex(octets[0].replace("\\", "")).decode()
            except UnicodeDecodeError:
                raise MalformedName("an escape that is no UTF-8") from None
        here = self._text[self._at + 1 : self._at + 2]
        if here not in _SPECIAL:  # "" too: a backslash at the end
            raise MalformedName("an unknown escape")
        self._at += 2
        return here
