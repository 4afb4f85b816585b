"""Every regular expression that meets what strangers send is linear: one letter must not stop the letters of others."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

import mssgw.core
import mssgw.edges
import mssgw.formats
from mssgw.formats.received import own_hop
from tests.watchdog import watchdog

WAYS = ("match", "fullmatch", "search", "finditer", "findall", "sub", "split")
LENGTH = 131_072  # characters; what is quadratic takes many seconds
LIMIT = 0.5  # seconds of our own CPU for one input; what is linear takes a few milliseconds

PLAIN = [*' "\\<(a0,']
RUNS = [
    *"\t\n>)[]=;.:/*+@?-_\u00e9\ufdfa",
    "\r\n ",
    " \r\n",
    "a ",
    "a,",
    '"a"',
    "\\a",
    '\\"',
    "=?",
    "?=",
    "%a",
    "<a",
    "a:",
]
RUNS += ["=?u?q?", "(a)", "<a@b>,", ";a=", "a=", '="', "a.", "[a", ";a=b", "by ", "@a:", "&a;", "--", "+A0"]
OPENINGS = ["a", '"', "<", "a=", "=?u?q?a", "a;a/a", "x by", "\r\n (Authenticated sender: a", "12345678901234@a"]
ENDING = '"x\x01'  # so that hardly anything matches as a whole: only then is it tried in all ways


def modules() -> Iterator[ModuleType]:
    for package in (mssgw.core, mssgw.formats, mssgw.edges):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith("mssgw.edges.sql.migrations."):  # they run where they are imported
                yield importlib.import_module(found.name)


def written_in(tree: ast.AST) -> Iterator[tuple[str, "re.Pattern[str] | re.Pattern[bytes]"]]:
    """What is handed to re.sub() and the like as it stands."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=way), args=[ast.Constant(value=text), *_]):
                if way in WAYS:
                    yield way, re.compile(cast(str, text))  # or bytes: either compiles


@cache
def patterns() -> dict[str, tuple["re.Pattern[str] | re.Pattern[bytes]", set[str]]]:
    """Each pattern, by the name that it has or the text that it is, and how it is used, by whoever imports it too."""
    found: dict[str, tuple[re.Pattern[str] | re.Pattern[bytes], set[str]]] = {}
    known: dict[int, set[str]] = {}
    for module in modules():
        source = Path(str(module.__file__)).read_text("utf-8")
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                ways = known.setdefault(id(value), set())
                ways |= set(re.findall(rf"\b{name}\.({'|'.join(WAYS)})\(", source))
                found[f"{module.__name__}.{name}"] = value, ways
        for way, pattern in written_in(ast.parse(source)):
            found[f"{module.__name__} {pattern.pattern!r}"] = pattern, {way}
    # Some are handed on, as part of a rule: then any way has to be a good one.
    return {name: (pattern, ways or {"search", "fullmatch"}) for name, (pattern, ways) in found.items()}


def apply(pattern: "re.Pattern[str] | re.Pattern[bytes]", way: str, text: str) -> None:
    given = text.encode() if isinstance(pattern.pattern, bytes) else text
    use: Callable[..., object] = getattr(pattern, way)
    if way == "sub":
        use(given[:0], given)
    elif way == "finditer":
        for _ in use(given):  # type: ignore[attr-defined]
            pass
    else:
        use(given)


def hostile(length: int = LENGTH) -> Iterator[str]:
    for opening, run in (*(("", run) for run in PLAIN + RUNS), *product(OPENINGS, ' a"')):
        yield opening + run * (length // len(run)) + ENDING


def test_every_pattern_is_found() -> None:
    """The search for them is no empty one."""
    assert len(patterns()) > 50


def try_all(pattern: "re.Pattern[str] | re.Pattern[bytes]", ways: set[str], length: int = LENGTH) -> None:
    with watchdog(repr(pattern.pattern), LIMIT) as begin:
        for text in hostile(length):
            for way in ways:
                begin()
                apply(pattern, way, text)


@pytest.mark.parametrize("name", patterns())
def test_every_pattern_is_linear(name: str) -> None:
    try_all(*patterns()[name])


def test_looking_for_our_own_name_is_linear() -> None:
    """Its pattern is made of the host name."""
    with watchdog("own_hop", LIMIT) as begin:
        for text in hostile():
            begin()
            own_hop([text], "gw.example")


@pytest.mark.parametrize(
    ("bad", "way"), [(r"a=\s*([^\s;\"]*)\s*;", "match"), (r"\s+x", "search"), (r"(a|a)*b", "match")]
)
def test_what_is_not_linear_would_be_found(bad: str, way: str) -> None:
    """The watchdog bites."""
    with pytest.raises(pytest.fail.Exception, match="not linear"):
        try_all(re.compile(bad), {way}, LENGTH // 4)  # quadratic: 1 s instead of 18
