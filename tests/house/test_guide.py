"""Whoever finds a reply or an event in a log finds it in the administrator's guide."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from mssgw.app.telemetry.hints import HINTS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "administrateur.md").read_text("utf-8")
_FAMILIES = (
    "collector|config|delivery|directory|disk|gateway|letter|metrics|notice|notification|queue|receipts|report|retention|smtp"
    "|store|sweep|trust|validator"
)
_EVENT = re.compile(rf"(?:{_FAMILIES})\.[a-z_.]+")
_CALLS = {"event", "_event", "_tell", "_last", "_over", "debug", "info", "warning", "error"}


def calls() -> Iterator[ast.Call]:
    """All calls in the gateway's code."""
    for path in sorted((ROOT / "mssgw").rglob("*.py")):
        yield from (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))


def named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def texts(node: ast.AST) -> Iterator[str]:
    """The texts that an argument may be: both of a conditional expression."""
    yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))


def test_every_refusal_stands_in_the_guide() -> None:
    """By code and enhanced status: the guide may say the text in its own words."""
    said = {
        f"{call.args[0].value} {call.args[1].value}"
        for call in calls()
        if named(call) == "Reply" and len(call.args) == 3
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[1], ast.Constant)
    }
    refusals = {each for each in said if each[0] in "45"}
    assert len(refusals) > 30
    assert sorted(each for each in refusals if each not in GUIDE) == []


def test_every_event_stands_in_the_guide() -> None:
    """The guide's table may say sweep.*_failed for three."""
    events = {
        text
        for call in calls()
        if named(call) in _CALLS and call.args
        for text in texts(call.args[0])
        if _EVENT.fullmatch(text)
    }
    assert len(events) >= 30
    events |= set(HINTS)
    known = re.findall(rf"`((?:{_FAMILIES})\.[a-z_.*]+)`", GUIDE)
    assert sorted(each for each in events if not any(fnmatch(each, pattern) for pattern in known)) == []
