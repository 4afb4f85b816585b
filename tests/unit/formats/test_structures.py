"""Which structures are pharmacies (WHO-3): a table of ours, or the extraction of FINESS."""

import io

import pytest

from mssgw.core.directory import UnusableDirectory
from mssgw.formats.published import published
from mssgw.formats.structures import from_csv, from_finess
from tests.extractions import establishment, finess, zipped

OURS = b"identification;code\n750000001;SA33\n1750000002;SA38\n82012345600012;sa39\n750000004;SA01\n750000005;620\n\n"


def ours(content: bytes) -> frozenset[str]:
    return from_csv(published(io.BytesIO(content), "structures.csv"))


def theirs(content: bytes) -> frozenset[str]:
    return from_finess(published(io.BytesIO(content), "finess.csv"))


@pytest.mark.parametrize(
    "content",
    [OURS, OURS.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + OURS, zipped(OURS), OURS.replace(b"SA33", b'"SA33"')],
)
def test_our_table_names_the_pharmacies(content: bytes) -> None:
    """SA33, SA38 and SA39; the national identification (1 before FINESS) is the same structure as the bare one."""
    assert ours(content) == {"750000001", "750000002", "82012345600012", "750000005"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "line 1: expected the header"),
        (b"750000001;SA33\n", "line 1: expected the header"),
        (b"identification;code\n750000001;SA33\n750000002\n", "line 3: expected"),
        (b"identification;code\n;SA33\n", "line 2: expected"),
        (b"identification;code\n750000001;SA01\n", "no pharmacy in it"),
    ],
)
def test_a_wrong_line_of_our_table_is_named(content: bytes, why: str) -> None:
    """It is written by hand: better mended than half taken."""
    with pytest.raises(UnusableDirectory, match=why):
        ours(content)


def test_finess_names_them_by_category_with_number_and_siret() -> None:
    """Officine, minière, mutualiste; neither a hospital nor a doctor who sells nor the branch of a pharmacy."""
    rows = [
        establishment("750000001", "620", "82012345600012"),
        establishment("750000002", "628"),
        establishment("2A0000003", "629"),
        *(establishment(f"75000001{n}", category) for n, category in enumerate(("355", "627", "641", ""))),
        "geolocalisation;750000001;620;1;2",
    ]
    assert theirs(finess(*rows)) == {"750000001", "82012345600012", "750000002", "2A0000003"}


@pytest.mark.parametrize("octets", [-20, -40, -60, -100])
def test_finess_that_breaks_off_is_refused(octets: int) -> None:
    """The pharmacies after it would be closed to patients."""
    whole = finess(*(establishment(f"75000000{n}", "620") for n in range(9)))
    assert len(theirs(whole)) == len(theirs(whole.rstrip(b"\n"))) == 9
    with pytest.raises(UnusableDirectory, match="breaks off"):
        theirs(whole[:octets])


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r", b"\n\n\n", b"\r\n\r\n", b"\n ", b"\n\r"])
def test_finess_is_whole_however_its_last_row_ends(end: bytes) -> None:
    whole = finess(establishment("750000001", "620"), establishment("750000002", "355"))
    assert theirs(whole.rstrip(b"\r\n") + end) == theirs(whole)


def test_finess_with_headings_is_read_by_them() -> None:
    """In another order than the bare rows."""
    content = b"nofinesset;rs;categetab\n750000001;PHARMACIE;620\n750000002;CH;355\n"
    assert theirs(content) == {"750000001"}


def test_accents_in_latin_1_are_no_obstacle() -> None:
    content = finess(establishment("750000001", "620").replace("EXEMPLE", "L'ÉGLISE"))
    assert theirs(content.decode().encode("latin-1")) == {"750000001"}


@pytest.mark.parametrize("content", [b"", OURS, finess(), b"finess;etalab;111;2026\nstructureet;1;2\n"])
def test_what_is_not_finess_is_refused(content: bytes) -> None:
    with pytest.raises(UnusableDirectory, match="not the extraction of FINESS"):
        theirs(content)


def test_finess_without_a_pharmacy_is_refused() -> None:
    """It would close them all."""
    with pytest.raises(UnusableDirectory, match="no pharmacy in it"):
        theirs(finess(establishment("750000001", "355")))
