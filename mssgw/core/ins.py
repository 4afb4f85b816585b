"""The matricule INS (INS-1 to INS-6): 13 characters and a key of two digits, and what it tells of an age."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from mssgw.core.errors import MalformedMatricule

LENGTH = 15
# Sex, year, month, department (Corsica: 2A, 2B), commune and order; then the key.  req: INS-2
_FORM = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}[0-9]{2}")
_CORSICA = {"2A": "19", "2B": "18"}  # req: INS-3


class InsAuthority(StrEnum):
    """OIDs that say what kind of identity a matricule is (INS-6)."""

    NIR = "1.2.250.1.213.1.4.8"
    NIA = "1.2.250.1.213.1.4.9"
    TEST_NIR = "1.2.250.1.213.1.4.10"
    DEMONSTRATION_NIR = "1.2.250.1.213.1.4.11"


def key_of(thirteen: str) -> str:
    """The two-digit key of the first 13 characters (INS-3): 97 - (N mod 97), with 2A as 19 and 2B as 18."""
    department = thirteen[5:7]
    number = int(thirteen[:5] + _CORSICA.get(department, department) + thirteen[7:])
    return f"{97 - number % 97:02d}"


@dataclass(frozen=True, slots=True)
class Matricule:
    """A well-formed matricule: upper case, 15 characters, key checked. Parse once; holding one is the proof."""

    value: str

    @classmethod
    def parse(cls, text: str) -> "Matricule":
        """Take the local part of a patient address, any case.

        Raises MalformedMatricule with the reason in French (INS-1 to INS-3). A first digit other than 1 or 2 passes:
        Mon espace sante refuses on length, characters and key only (INS-5); see ``unusual``.
        """
        return _parse(text.upper())

    @property
    def unusual(self) -> str | None:
        """Why this matricule deserves a warning though it passes (INS-5), or None."""
        match self.value[0]:
            case "1" | "2":
                return None
            case "7" | "8":
                return "numero provisoire (NNP), retire depuis le 31/12/2022"
            case "5" | "6":
                return "numero de migrant, qui n'est pas un INS"
            case _:
                return "premier chiffre inattendu"

    def __repr__(self) -> str:
        return "<Matricule>"  # never the value: it is a social security number

    __str__ = __repr__


@lru_cache(4_096)  # each is asked for several times a letter
def _parse(value: str) -> Matricule:
    if len(value) != LENGTH:
        raise MalformedMatricule(f"un matricule INS compte {LENGTH} caracteres, et non {len(value)}")
    if not _FORM.fullmatch(value):
        raise MalformedMatricule("un matricule INS est fait de chiffres, sauf 2A ou 2B pour la Corse")
    month = int(value[3:5])
    if not (1 <= month <= 12 or 20 <= month <= 99):
        raise MalformedMatricule("le mois de naissance du matricule INS n'existe pas")
    if value[13:] != key_of(value[:13]):
        raise MalformedMatricule("la cle du matricule INS est fausse")
    return Matricule(value)


def may_be_minor(matricule: Matricule, today: date) -> bool:
    """Whether this patient may be under 18: the two digits of the year leave a doubt, which counts as minor (SD-15).

    The day is unknown: somebody who turns 18 this month may be minor still. So may who was born in an unknown month.
    """
    year, month = int(matricule.value[1:3]), int(matricule.value[3:5])
    latest = month if 1 <= month <= 12 else 12
    earliest = month if 1 <= month <= 12 else 1
    for born in (1900 + year, 2000 + year):
        months = (today.year - born) * 12 + today.month
        if months - earliest >= 0 and months - latest <= 18 * 12:
            return True
    return False
