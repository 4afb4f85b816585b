"""The national extraction (DIR-1) in all the forms in which it may arrive; what is not it, or not whole, is refused."""

import contextlib
import io
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.bal import BalKind
from mssgw.core.directory import Listing, UnusableDirectory
from mssgw.formats import extraction, published
from mssgw.formats.extraction import COLUMNS, Extraction
from tests import extractions
from tests.extractions import HEADER, row, table, zipped

OFFICINE = row("ORG", "Officine@Pharma-Exemple.mssante.fr", "750000001", name="PHARMACIE DU PORT", place="29200 BREST")
PERSON = row("PER", "anne.canari@liberal-exemple.mssante.fr", "750000009", c9="CANARI", c10="Anne")
EXPECTED = [
    Listing(
        mailbox="officine@pharma-exemple.mssante.fr",
        kind=BalKind.ORG,
        structure="750000001",
        name="PHARMACIE DU PORT",
        place="29200 BREST",
    ),
    Listing(mailbox="anne.canari@liberal-exemple.mssante.fr", kind=BalKind.PER, structure="750000009"),
]
PLAIN = table(OFFICINE, PERSON)


def opened(content: bytes, name: str = "extraction.txt") -> published.Published:
    return published.published(io.BytesIO(content), name)


def read(content: bytes) -> list[Listing]:
    return list(Extraction(opened(content)).listings())


def refusal(content: bytes) -> str:
    with pytest.raises(UnusableDirectory) as caught:
        read(content)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        table(OFFICINE, PERSON, end="\r\n"),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.rstrip(b"\n"),
        PLAIN + b"\n\n",
        PLAIN.decode().encode("cp1252"),
        zipped(PLAIN),
        zipped(b"\xef\xbb\xbf" + table(OFFICINE, PERSON, end="\r\n")),
        "\n".join('"' + '"|"'.join(line.split("|")) + '"' for line in PLAIN.decode().splitlines()).encode(),
    ],
    ids=["plain", "CRLF", "BOM", "no last line end", "empty lines", "Windows-1252", "zip", "zip of CRLF", "quoted"],
)
def test_each_form_of_the_extraction_says_the_same(content: bytes) -> None:
    """Of a person nothing but the address is taken; an address is compared without regard to case."""
    assert read(content) == EXPECTED


def test_columns_are_found_by_their_headings_and_further_ones_ignored() -> None:
    """In another order, in other case, without accents, with a column more."""
    header, cells = ["Date", *reversed(HEADER.split("|"))], ["2026", *reversed(OFFICINE.split("|"))]
    plain = "|".join(header).lower().replace("é", "e")
    assert read(table("|".join(cells), header=plain)) == EXPECTED[:1]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_refused_by_its_name(column: str) -> None:
    """Whichever it is: then it is not what we think it is."""
    header = "|".join(name for name in COLUMNS if name != column)
    assert refusal(table(OFFICINE, header=header)) == f"columns are missing: {column}"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"<html></html>", b"type;adresse\nORG;a@b.fr\n", extractions.finess(), b"%PDF-1.7 \xff"],
)
def test_something_else_is_not_the_extraction(content: bytes) -> None:
    assert refusal(content).startswith("not the extraction")


def test_a_header_alone_is_no_directory() -> None:
    """It would close all pharmacies."""
    assert refusal(table()) == "a header and no row"


def test_other_encodings_are_refused() -> None:
    assert refusal(PLAIN.decode().encode("utf-16")) == "UTF-16: expected UTF-8"
    assert "NUL" in refusal(PLAIN.decode().encode("utf-16-le"))


def test_a_stray_quotation_mark_swallows_no_row() -> None:
    """A sign that begins with one and never ends it stays one cell of one row."""
    odd = row("ORG", "b@exemple.mssante.fr", "750000002", name='"LE BON PORT', place="BREST")
    found = read(table(odd, OFFICINE, PERSON))
    assert [each.name for each in found[:1]] == ['"LE BON PORT']
    assert found[1:] == EXPECTED


def test_a_separator_within_quotation_marks_separates_nothing() -> None:
    quoted = OFFICINE.replace("PHARMACIE DU PORT", '"PHARMACIE | DU ""PORT"""')
    assert read(table(quoted))[0].name == 'PHARMACIE | DU "PORT"'


def test_a_few_unreadable_rows_are_counted_and_many_refused() -> None:
    """A kind that nobody knows, an address that is none, a row of too few cells."""
    bad = [row("XYZ", "a@b.fr"), row("PER", "no address"), "PER|a@b.fr"]
    many = [row("PER", f"n{number}@exemple.mssante.fr") for number in range(400)]
    whole = Extraction(opened(table(*bad, *many)))
    assert len(list(whole.listings())) == 400
    assert (whole.rows, whole.unreadable) == (403, 3)
    assert refusal(table(*bad, *many[:100])).startswith("3 of 103 rows are unreadable")


def test_ten_million_rows_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "MOST_ROWS", 3)
    assert refusal(table(*[PERSON] * 5)).startswith("more than 3 rows")


def test_a_gigabyte_of_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "MOST_OCTETS", 1_000)
    assert "larger than 1000 octets" in refusal(table(*[PERSON] * 50))


def test_a_line_without_end_is_refused() -> None:
    """It would be kept in memory whole."""
    assert "a line is longer" in refusal(b"x" * 1_000_000)


@pytest.mark.parametrize("octets", [30, 500, -1, -100])
def test_a_zip_that_breaks_off_is_refused(octets: int) -> None:
    whole = zipped(table(*extractions.mailboxes(400)))
    assert refusal(whole[:octets]).startswith("the zip cannot be taken")


@pytest.mark.parametrize("octets", [-30, -100, -400, -2_000])
def test_text_that_breaks_off_in_a_row_is_refused(octets: int) -> None:
    """As a download that is piped in leaves it: the rows that are missing may be pharmacies, shut from then on."""
    whole = table(*extractions.mailboxes(400))
    assert refusal(whole[:octets]) == "it breaks off in its last line: not all of it is there"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r", b"\n\n\n", b"\r\n\r\n", b"\n ", b"\n\r"])
def test_text_is_whole_however_its_last_row_ends(end: bytes) -> None:
    assert read(table(OFFICINE, PERSON).rstrip(b"\r\n") + end) == EXPECTED


def test_a_zip_with_a_damaged_octet_is_refused_at_the_latest_at_its_end() -> None:
    """The rows before it were read, and are not taken."""
    whole = bytearray(zipped(table(*extractions.mailboxes(3_000))))
    whole[len(whole) // 2] ^= 0xFF
    assert "the zip cannot be taken" in refusal(bytes(whole))


def test_a_zip_of_several_files_or_none_is_refused() -> None:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        archive.writestr("a.txt", PLAIN)
        archive.writestr("b.txt", PLAIN)
    assert refusal(octets.getvalue()) == "the zip holds 2 files: expected one"
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w"):
        pass
    assert refusal(empty.getvalue()) == "the zip holds 0 files: expected one"


def test_a_bomb_is_stopped_by_what_it_announces() -> None:
    assert "GRD-ZIP-014" in refusal(zipped(bytes(100_000_000)))


def test_the_name_says_when_it_was_made() -> None:
    """Of the file in the zip, or of the text itself; seconds are no matter, other numbers are none."""
    assert opened(zipped(PLAIN)).stamp == datetime(2026, 11, 20, 8, 13, tzinfo=UTC)
    assert opened(PLAIN, "X_20261120081355.txt").stamp == datetime(2026, 11, 20, 8, 13, tzinfo=UTC)
    for name in ("extraction.txt", "X_20261320081355.txt", "X_2026112008135599.txt", "X_20261120.txt"):
        assert opened(PLAIN, name).stamp is None


def test_the_fingerprint_is_of_the_text() -> None:
    """The same zipped and plain."""
    one, other = opened(PLAIN), opened(zipped(PLAIN))
    assert list(one.lines()) == list(other.lines())
    assert one.fingerprint == other.fingerprint
    assert one.read == len(PLAIN) == other.size


@given(st.binary(max_size=400))
def test_any_octets_are_read_or_refused_and_nothing_else(octets: bytes) -> None:
    for content in (octets, HEADER.encode() + b"\n" + octets, b"PK\3\4" + octets):
        with contextlib.suppress(UnusableDirectory):
            assert all(isinstance(each, Listing) for each in read(content))
