"""The national extraction of mailboxes (DIR-1): a table of 31 columns, one mailbox a row; 536,000 rows in 2026."""

from collections.abc import Iterator, Mapping, Sequence

from mssgw.core.addresses import Address
from mssgw.core.bal import BalKind
from mssgw.core.directory import Listing, UnusableDirectory, structure_key
from mssgw.core.errors import MalformedAddress
from mssgw.formats.cells import cells, decoded, heading, places
from mssgw.formats.published import Published

SEPARATOR = "|"
COLUMNS = (  # req: DIR-1
    "Type de BAL",
    "Adresse BAL",
    "Type Identifiant PP",
    "Identifiant PP",
    "Identification nationale PP",
    "Type identifiant structure",
    "Identification Structure",
    "Service de rattachement",
    "Civilité d'exercice",
    "Nom d'exercice",
    "Prénom d'exercice",
    "Catégorie profession",
    "Libellé de catégorie profession",
    "Code Profession",
    "Libellé Profession",
    "Code savoir-faire",
    "Libellé savoir-faire",
    "Dématérialisation",
    "Raison Sociale structure BAL",
    "Enseigne commerciale structure BAL",
    "L2COMPLEMENTLOCALISATION",
    "L3COMPLEMENTDISTRIBUTION",
    "L4NUMEROVOIE",
    "L4COMPLEMENTNUMEROVOIE",
    "NL4TYPEVOIE",
    "L4LIBELLEVOIE",
    "L5LIEUDITMENTION",
    "L6LIGNEACHEMINEMENT",
    "Code postal",
    "Département",
    "Pays",
)
MOST_ROWS = 2_000_000
MOST_UNREADABLE = 0.01  # of the rows: more, and it is something else, or damaged
_LONGEST = 120  # characters kept of a name or place
_KINDS = {each.value: each for each in BalKind if each is not BalKind.UNKNOWN}


class Extraction:
    """Its rows, once. ``rows`` and ``unreadable`` count them as they are read."""

    def __init__(self, table: Published) -> None:
        self._table = table
        self.rows = self.unreadable = 0

    def listings(self) -> Iterator[Listing]:
        """Each row as far as it matters; whether a structure is a pharmacy is not among it.

        Raises UnusableDirectory: at once when a column is missing, at the end when it breaks off there, or too many
        rows are unreadable.
        """
        lines = self._table.lines()
        width, at = _header(next(lines, b""))
        for line in lines:
            if line:
                self.rows += 1
                if self.rows > MOST_ROWS:
                    raise UnusableDirectory(f"more than {MOST_ROWS} rows: the extraction has about 536 000")
                row = cells(decoded(line), SEPARATOR, width)
                self._table.check_whole(len(row), width)
                try:
                    yield _listing(row, width, at)
                except (ValueError, MalformedAddress):
                    self.unreadable += 1
        if not self.rows:
            raise UnusableDirectory("a header and no row")
        if self.unreadable > max(1, MOST_UNREADABLE * self.rows):
            raise UnusableDirectory(f"{self.unreadable} of {self.rows} rows are unreadable: damaged, or something else")


def _header(line: bytes) -> tuple[int, Mapping[str, int]]:
    """How many columns there are, and where each is."""
    header = cells(decoded(line), SEPARATOR)
    at = places(header)
    missing = [name for name in COLUMNS if heading(name) not in at]
    if len(missing) > len(COLUMNS) // 2:
        raise UnusableDirectory('not the extraction: expected "Type de BAL|Adresse BAL|…" in its first line')
    if missing:
        raise UnusableDirectory(f"columns are missing: {', '.join(missing)}")
    return len(header), at


_KIND, _ADDRESS, _STRUCTURE, _NAME, _SIGN, _PLACE = map(
    heading,
    (
        "Type de BAL",
        "Adresse BAL",
        "Identification Structure",
        "Raison Sociale structure BAL",
        "Enseigne commerciale structure BAL",
        "L6LIGNEACHEMINEMENT",
    ),
)


def _listing(row: Sequence[str], width: int, at: Mapping[str, int]) -> Listing:
    """Raises ValueError or MalformedAddress for a row that is none."""
    if len(row) != width:
        raise ValueError("another number of cells than columns")
    kind = _KINDS.get(row[at[_KIND]].strip().upper())
    if kind is None:
        raise ValueError("no kind of mailbox")
    mailbox = Address.parse(row[at[_ADDRESS]].strip()).key
    structure = structure_key(row[at[_STRUCTURE]])[:_LONGEST]
    if kind is not BalKind.ORG:
        return Listing(mailbox=mailbox, kind=kind, structure=structure)
    name = row[at[_SIGN]].strip() or row[at[_NAME]].strip()  # what stands over the door
    return Listing(mailbox=mailbox, kind=kind, structure=structure, name=_short(name), place=_short(row[at[_PLACE]]))


def _short(text: str) -> str:
    """On one line, without what steers a terminal."""
    return "".join(each if each.isprintable() else " " for each in text.strip()[:_LONGEST])
