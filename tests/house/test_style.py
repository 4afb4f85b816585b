"""Small rules that reviews forget."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "mssgw").rglob("*.py"))
CONTRACTS = [path for path in SOURCES if path.relative_to(ROOT / "mssgw").parts[0] in ("core", "flow", "ports")]

FORBIDDEN = {
    "a note for later": r"\b(TODO|FIXME|XXX)\b",
    "a path of somebody's machine": r"/(home|root|work|Users)/|/tmp/\w",
    "material that the project does not ship": r"\.\./shared",
    "a package index": r"(index|extra-index)-url|pypi\.org/simple",
    "a real domain in place of an example": r"@(gmail|orange|wanadoo|yahoo|hotmail)\.",
}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_source_file_mentions_nothing_of_its_workplace(path: Path) -> None:
    """What ships must make sense to a stranger."""
    text = path.read_text("utf-8")
    assert {what: found[0] for what, form in FORBIDDEN.items() if (found := re.search(form, text))} == {}


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_module_begins_with_what_it_is(path: Path) -> None:
    """One line at least; a package with nothing to say may stay empty."""
    text = path.read_text("utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no module docstring"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_is_printed_past_the_log(path: Path) -> None:
    """print() knows no redaction. Modules that print when run say so; the command line writes with click and rich."""
    text = path.read_text("utf-8")
    lines = text.splitlines()
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert [line for line in prints if "# noqa: T201 - " not in lines[line - 1]] == []


@pytest.mark.parametrize("path", CONTRACTS, ids=named)
def test_what_others_call_says_what_it_does(path: Path) -> None:
    """Public functions of core, flow and ports have a docstring, unless something else says it all.

    That is: one statement; a contract that ports documents; a rule whose margin cites its requirement.
    """
    text = path.read_text("utf-8")
    lines = text.splitlines()
    silent = [
        name
        for name, node in public(ast.parse(text))
        if not ast.get_docstring(node) and "# req: " not in lines[node.lineno - 1] and not promised(name)
    ]
    assert silent == []


Function = ast.FunctionDef | ast.AsyncFunctionDef


def public(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Public functions of the module, and public methods of its classes as ``Class.method``; one-liners left out."""
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for each in members:
            hidden = (isinstance(each, Function) and each.name.startswith("_")) or prefix.startswith("_")
            if isinstance(each, Function) and len(each.body) > 1 and not hidden:
                yield prefix + each.name, each


def promised(name: str) -> bool:
    """Whether a port documents this method: its class answers there."""
    return "." in name and name.rpartition(".")[2] in _PORT_METHODS


_PORT_METHODS = {
    method.name
    for path in (ROOT / "mssgw" / "ports").glob("*.py")
    for port in ast.parse(path.read_text("utf-8")).body
    if isinstance(port, ast.ClassDef)
    for method in port.body
    if isinstance(method, Function) and ast.get_docstring(method)
}
