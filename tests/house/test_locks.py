"""What gets installed: the lock of a node in production, and the one that adds what develops and tests it."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCTION, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
LOCKS = (PRODUCTION, DEVELOPMENT)


def named(path: Path) -> str:
    return path.name


def locked(path: Path) -> dict[str, str]:
    """Each distribution with its version and marker; hashes apart."""
    text = path.read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(==[^\\\n]+?) *\\$", text, re.M))


def asked_for(requirements: list[object]) -> set[str]:
    """The names of requirements of pyproject.toml; groups that they include apart."""
    names = (re.match(r"[A-Za-z0-9._-]+", each) for each in requirements if isinstance(each, str))
    return {name[0].lower().replace("_", "-") for name in names if name}


def project() -> dict[str, set[str]]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {
        "runtime": asked_for(told["project"]["dependencies"]),
        "extras": set().union(*map(asked_for, told["project"]["optional-dependencies"].values())),
        "build": asked_for(told["build-system"]["requires"]),
        "dev": asked_for(told["dependency-groups"]["dev"]),
    }


@pytest.mark.parametrize("path", LOCKS, ids=named)
def test_everything_in_a_lock_is_pinned_by_hash_and_names_no_index(path: Path) -> None:
    """pip takes each file by its content, from wherever the site gets its packages."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    blocks = re.split(r"\n(?=\S)", "\n".join(lines))
    assert len(blocks) == len(locked(path)) > 10
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    assert re.findall(r"://|--(?:extra-)?index|--find-links", path.read_text("utf-8")) == []


def test_a_node_in_production_gets_all_it_runs_with_and_no_tool_of_ours() -> None:
    """Compilers of types, test runners and linters have no business beside letters."""
    wanted = project()
    production = set(locked(PRODUCTION))
    assert wanted["runtime"] | wanted["extras"] | wanted["build"] <= production
    assert (wanted["dev"] - wanted["extras"] - wanted["build"]) & production == set()


def test_the_tests_run_on_the_very_versions_of_production() -> None:
    """The second lock is the first and the tools: what passes here is what runs there."""
    production, development = locked(PRODUCTION), locked(DEVELOPMENT)
    assert {name: development.get(name) for name in production} == production
    assert project()["dev"] <= set(development)
