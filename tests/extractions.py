"""Invented extractions in the forms of the real ones: mailboxes (31 columns), establishments of FINESS.

Names are of nobody: two syllables and a number. The proportions are those that were measured in 2026: 85 persons to 15
organisations, a third of these a pharmacy's, a few mailboxes twice.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator
from random import Random

from mssgw.formats.extraction import COLUMNS

HEADER = "|".join(COLUMNS)
SYLLABLES = ("mar", "lo", "ti", "ber", "sa", "vin", "du", "ga", "pel", "rou", "ne", "cha")
_TWICE = 3_000  # one mailbox of so many is named by two rows
_PHARMACY = 17  # of twenty rows three are organisations: this one is a pharmacy's


def row(kind: str, address: str, structure: str = "", *, name: str = "", place: str = "", **more: str) -> str:
    """One row; ``more`` by number: ``c17="O"``."""
    cells = [""] * len(COLUMNS)
    cells[0], cells[1], cells[5], cells[6] = kind, address, "FINESS" if structure else "", structure
    cells[18], cells[27] = name, place
    for key, value in more.items():
        cells[int(key[1:])] = value
    return "|".join(cells)


def table(*rows: str, header: str = HEADER, end: str = "\n") -> bytes:
    """A whole extraction."""
    return (end.join((header, *rows)) + end).encode()


def mailboxes(count: int, seed: int = 1) -> Iterator[str]:
    """So many rows, as long as real ones."""
    chance, made = Random(seed), ""
    for number in range(count):
        if number % _TWICE != _TWICE - 1:
            made = _organisation(chance, number) if number % 20 >= _PHARMACY else _person(chance, number)
        yield made


def _word(chance: Random) -> str:
    return chance.choice(SYLLABLES) + chance.choice(SYLLABLES)


def _person(chance: Random, number: int) -> str:
    first, last, place = f"{_word(chance)}", f"{_word(chance)}{number}", f"{chance.randrange(95_999):05} VILLEXEMPLE"
    return row(
        "PER",
        f"{first}.{last}@medecin{number % 90:02}.mssante.fr",
        f"{100_000_000 + number % 150_000}",
        name=f"CABINET DU DR {last.upper()}",
        place=place,
        c2="8",
        c3=f"{10_000_000_000 + number}",
        c4=f"8{10_000_000_000 + number}",
        c8="DR",
        c9=last.upper(),
        c10=first.capitalize(),
        c11="C",
        c12="Civil",
        c13="10",
        c14="Médecin",
        c17="O",
        c22=str(number % 99),
        c25="DE L'EXEMPLE",
        c28=place[:5],
        c30="France",
    )


def _organisation(chance: Random, number: int) -> str:
    pharmacy, town = number % 20 == _PHARMACY, f"{chance.randrange(95_999):05} VILLEXEMPLE"
    what = "PHARMACIE" if pharmacy else "CENTRE HOSPITALIER"
    return row(
        "ORG",
        f"{what.split()[0].lower()}.{_word(chance)}.{number}@structure{number % 90:02}.mssante.fr",
        structure(number, pharmacy=pharmacy),
        name=f"{what} {_word(chance).upper()} N° {number}",
        place=town,
        c7="Accueil",
        c17="O",
        c22=str(number % 99),
        c25="DE L'ÉGLISE",
        c28=town[:5],
        c30="France",
    )


def structure(number: int, *, pharmacy: bool) -> str:
    """A FINESS number."""
    return f"{7 if pharmacy else 9}{number:08}"


def establishment(number: str, category: str, siret: str = "") -> str:
    """One row of the extraction of FINESS."""
    cells = ["structureet", number, "750000000", "EXEMPLE", "ETABLISSEMENT D'EXEMPLE", *[""] * 13]
    cells += [category, "Libelle", "3000", "Libelle", siret, "4773Z", "", "", "", "", "2001-01-01", "", "2026-11-01"]
    return ";".join(cells)


def finess(*rows: str) -> bytes:
    """A whole extraction of FINESS."""
    return ("\n".join(("finess;etalab;111;2026-11-20", *rows)) + "\n").encode()


def pharmacies(count: int) -> bytes:
    """FINESS as it goes with ``mailboxes(count)``, with another establishment for each pharmacy."""
    numbers = [number for number in range(count) if number % 20 == _PHARMACY and number % _TWICE != _TWICE - 1]
    rows = [establishment(structure(number, pharmacy=True), "620") for number in numbers]
    return finess(*rows, *(establishment(structure(number, pharmacy=False), "355") for number in numbers))


def zipped(content: bytes | Iterable[str], name: str = "Extraction_Correspondance_MSSante_202611200813.txt") -> bytes:
    """Alone in a zip, as the service publishes it."""
    octets = io.BytesIO()
    with (
        zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        archive.open(name, "w") as file,
    ):
        if isinstance(content, bytes):
            file.write(content)
        else:
            for line in content:
                file.write(line.encode() + b"\n")
    return octets.getvalue()
