"""Whom a clinical document is about, and whether two are about the same person (SD-11).

No repr shows a matricule or a name.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mssgw.core.ins import InsAuthority, Matricule


@dataclass(frozen=True, slots=True, repr=False)
class PersonId:
    """An identifier of a person as a document writes it: OID of whoever gave it, and the value."""

    root: str
    extension: str

    @property
    def is_ins(self) -> bool:
        """Whether the root is one of INS-6, behind ``urn:oid:`` and other octets as well."""
        return self.root in _INS_ROOTS or _oid_in(self.root) in _INS_ROOTS

    @property
    def person(self) -> str:
        """The part of an INS that tells persons apart: 13 characters without the key, upper case."""
        return self.extension.upper()[:13]

    def __repr__(self) -> str:
        return "<PersonId>"


_INS_ROOTS = frozenset(InsAuthority)
_OID = re.compile(r"[0-9][0-9.]*+")


def _oid_in(root: str) -> str:
    found = _OID.search(root)
    return found[0] if found is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DocumentPatient:
    """A patient as a header or METADATA.XML tells of them. Texts as written, trimmed; "" for what is not there.

    ``birth_date`` is YYYYMMDD or its beginning; ``birth_place`` the COG code.
    """

    ids: tuple[PersonId, ...] = ()
    family: str = ""  # birth name
    given: str = ""  # first given name
    gender: str = ""
    birth_date: str = ""
    birth_place: str = ""
    names: tuple[str, ...] = field(default=())  # every family name, used ones too

    @property
    def ins(self) -> tuple[PersonId, ...]:
        """Those of its identifiers that are an INS."""
        return tuple(each for each in self.ids if each.is_ins)

    @property
    def is_qualified(self) -> bool:
        """Whether X-MSS-INS may say O: matricule, OID, birth name, first given name, birth date, sex (FMT-10)."""
        return bool(self.ins and self.family and self.given and self.birth_date and self.gender)

    def __repr__(self) -> str:
        return "<DocumentPatient>"


class Match(StrEnum):
    """What comparing patients tells."""

    SAME = "same"
    SAME_WRONG_KEY = "same-wrong-key"  # SD-11's warning
    DIFFERENT = "different"
    UNCHECKED = "unchecked"  # nothing that could be compared


def match_address(patients: Sequence[DocumentPatient], matricule: Matricule) -> Match:
    """Whether the patients of a document are the one of the address; one INS of somebody else is enough to differ.

    Compared on 13 characters, upper case: the key of the address was checked (INS-3), that of a document may be wrong.
    """
    everyone = [each for patient in patients for each in patient.ins]
    if any(each.person != matricule.value[:13] for each in everyone):
        return Match.DIFFERENT
    if not patients or not all(patient.ins for patient in patients):
        return Match.UNCHECKED
    wrong = any(each.extension.upper() != matricule.value for each in everyone)
    return Match.SAME_WRONG_KEY if wrong else Match.SAME


def match_patients(one: DocumentPatient, other: DocumentPatient) -> Match:
    """Whether two documents are about the same person: by INS, else by a common identifier, else by traits.

    Without an INS on both sides, only birth date and family name that both differ make two persons of them.
    """
    if one.ins and other.ins:
        persons = {each.person for each in (*one.ins, *other.ins)}
        return Match.SAME if len(persons) == 1 else Match.DIFFERENT
    if set(one.ids) & set(other.ids):
        return Match.SAME
    born, names = _born_apart(one, other), _named_apart(one, other)
    if born and names:
        return Match.DIFFERENT
    return Match.SAME if born is False and names is False else Match.UNCHECKED


def _born_apart(one: DocumentPatient, other: DocumentPatient) -> bool | None:
    first, second = one.birth_date[:8], other.birth_date[:8]
    if not first or not second:
        return None
    return not (first.startswith(second) or second.startswith(first))


def _named_apart(one: DocumentPatient, other: DocumentPatient) -> bool | None:
    first, second = ({folded(name) for name in (each.family, *each.names) if name} for each in (one, other))
    return None if not first or not second else first.isdisjoint(second)


def folded(name: str) -> str:
    """A name as it compares: letters only, upper case, without accents."""
    decomposed = unicodedata.normalize("NFKD", name).upper()
    return "".join(letter for letter in decomposed if letter.isalpha())
