"""Who may know whom: core <- formats, ports; those <- flow, edges; all <- app (docs: the house)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "mssgw").rglob("*.py"))

KNOWS = {
    "core": {"core"},
    "formats": {"core", "formats"},
    "ports": {"core", "ports"},
    "flow": {"core", "formats", "ports", "flow"},
    "edges": {"core", "formats", "ports", "edges"},
    "app": {"core", "formats", "ports", "flow", "edges", "app"},
    "": set(),  # mssgw/__init__.py
}
# Who may name which libraries; app may name any. A library that is not here belongs to edges or app.
LIBRARIES = {"formats": {"lxml", "pybase64"}, "flow": {"structlog"}}
FREE = {"edges", "app"}


def room(path: Path) -> str:
    """The first folder under mssgw, or the module itself."""
    return path.relative_to(ROOT / "mssgw").with_suffix("").parts[0].replace("__init__", "")


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, dotted."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_knows_only_the_rooms_below_it(path: Path) -> None:
    """flow and edges never meet; core knows the standard library alone."""
    here = room(path)
    for module in imported(path):
        first, _, rest = module.partition(".")
        if first == "mssgw":
            there = rest.split(".")[0]
            assert there in KNOWS[here] | {"", "__version__"}, f"{here} may not know {there}"
        elif first not in sys.stdlib_module_names:
            assert here in FREE or first in LIBRARIES.get(here, set()), f"{here} may not name {first}"


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if room(path) == "core"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_core_has_no_clock_files_sockets_logs_or_loops(path: Path) -> None:
    """What decides is pure: the same facts, the same verdict."""
    forbidden = {"time", "os", "io", "pathlib", "socket", "ssl", "logging", "asyncio", "random", "secrets", "threading"}
    assert not forbidden & {module.partition(".")[0] for module in imported(path)}
    calls = (node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
    named = {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in calls}
    assert not {"open", "now", "utcnow", "today"} & named


def test_xml_is_parsed_in_one_room() -> None:
    """One factory makes every parser: a second one would have its own idea of what is safe."""
    parsers = ("lxml", "xml", "xmlschema", "defusedxml")
    naming = {path.name for path in SOURCES for module in imported(path) if module.split(".")[0] in parsers}
    assert naming == {"safexml.py", "safexsd.py"}  # the second one compiles schemas, with parsers of the first
    makers = {"XMLParser", "XMLPullParser", "HTMLParser", "ParserCreate", "iterparse"}
    making = {
        path.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in makers
    }
    assert making == {"safexml.py"}


ARCHIVES = {"zipfile", "tarfile", "gzip", "bz2", "lzma", "zipimport"}


def test_zips_are_opened_in_one_room() -> None:
    """archive.py reads them without zipfile, which takes what attacks; that one only writes archives for tests."""
    naming = {path.name for path in SOURCES for module in imported(path) if module.split(".")[0] in ARCHIVES}
    assert naming <= {"xdm_making.py"}
    for path in (path for path in SOURCES if path.name in naming):
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "ZipFile":
                assert [getattr(argument, "value", None) for argument in call.args[1:2]] == ["w"], "only to write"


def test_no_archive_is_written_out() -> None:
    """Nothing of an archive reaches a file system, whoever asks for it."""
    named = {
        node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    }
    assert not {"extractall", "unpack_archive", "extractfile", "is_zipfile"} & named
