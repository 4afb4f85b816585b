"""The pages name the files to open: a room that was renamed, or has gone, is named nowhere any more."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_NAMED = re.compile(r"`((?:core|formats|ports|flow|edges|app)/[a-z0-9_/]+\*?)(?:\.py)?(?:\.\w+)*/?`")


def missing(page: Path) -> Iterator[str]:
    for name in _NAMED.findall(page.read_text("utf-8")):
        if not [*(ROOT / "mssgw").glob(name.rstrip("/")), *(ROOT / "mssgw").glob(f"{name}.py")]:
            yield name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_room_that_a_page_names_is_there(page: Path) -> None:
    """Whoever reads on from docs/flow.md finds the file."""
    assert [*missing(page)] == []


def test_the_journey_is_read_as_it_is_written() -> None:
    """Else the test above would hold for want of names."""
    assert len(_NAMED.findall((ROOT / "docs" / "flow.md").read_text("utf-8"))) > 50
