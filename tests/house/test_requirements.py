"""Every rule that code, tests or documents cite exists in docs/requirements.toml, the project's own list."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTIONS = tomllib.loads((ROOT / "docs" / "requirements.toml").read_text("utf-8"))
KNOWN = {rule: line for section in SECTIONS.values() for rule, line in section.items()}
PREFIXES = {rule.partition("-")[0] for rule in KNOWN}

# Anywhere: SD-5, and both ends of "MDN-1 to MDN-6". In a margin or a finding, whatever stands there must be a rule.
_ANYWHERE = re.compile(rf"(?<![\w-])(?:{'|'.join(sorted(PREFIXES))})-[0-9]+(?![\w-]|\.[0-9])")
_MARGIN = re.compile(r"# req: ([A-Z][^#\n]*)")
_FINDING = re.compile(r"""requirement=["']([^"']*)["']""")

FILES = sorted(
    path
    for folder, form in (("mssgw", "*.py"), ("tests", "*.py"), ("docs", "*.md"), ("config", "*"), ("demo", "*.py"))
    for path in (ROOT / folder).rglob(form)
    if path.is_file() and path.suffix != ".pyc" and path != Path(__file__)
)


def cited(text: str) -> Iterator[str]:
    """Every id in the text; odd words of margins and findings too, so that a slip of the pen shows."""
    yield from _ANYWHERE.findall(text)
    for found in _MARGIN.findall(text):
        yield from re.split(r"[,\s]+", found.strip())
    for found in _FINDING.findall(text):
        yield from found.split()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_cited_exists(path: Path) -> None:
    """A reader who follows an id finds its line."""
    assert set(cited(path.read_text("utf-8", "replace"))) - KNOWN.keys() == set()


@pytest.mark.parametrize("wrong", ["# req: SD-99", 'requirement="WHO-3, FIN"', "see (INS-77).", "# req: WHO3"])
def test_a_wrong_id_is_found(wrong: str) -> None:
    """Else the test above could not fail."""
    assert set(cited(wrong)) - KNOWN.keys()


def test_every_rule_has_one_line_of_its_own() -> None:
    """A sentence, and no two rules alike."""
    assert [rule for rule, line in KNOWN.items() if not 8 < len(line) <= 125 or not line.endswith(".")] == []
    assert len(set(KNOWN.values())) == len(KNOWN)


def test_ids_of_a_family_have_no_gap() -> None:
    """A gap is a rule that somebody forgot to list."""
    for prefix in PREFIXES:
        numbers = sorted(int(rule.partition("-")[2]) for rule in KNOWN if rule.startswith(f"{prefix}-"))
        assert numbers == list(range(1, len(numbers) + 1)), prefix
