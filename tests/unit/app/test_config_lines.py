"""The line finder: every key of valid TOML has its line, whatever stands around it."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mssgw.app.config.lines import Path, key_lines, line_of

HARD = '''\
# [not.a.table]
title = "a # no comment [x]"
"quoted key".'other one' = 1

[a]   # [[b]]
text = """
[fake]
key = "no key" \\"""
"""
raw = \'\'\'
[[fake]]
\'\'\'\'
list = [
    1, # [
    [2, "]"],
    { x = 1, y = [
        5 ] },
]
when = 1979-05-27 07:32:00
[[b]]
k = 1
[[b]]
k = 2
[b.c]
d = { e.f = "}" }
[[b.g]]
h = 1
  [[b.g]]
  h = 2
[ x . "y z" ]
last = true'''

EXPECTED: dict[Path, int] = {
    ("title",): 2,
    ("quoted key", "other one"): 3,
    ("a",): 5,
    ("a", "text"): 6,
    ("a", "raw"): 10,
    ("a", "list"): 13,
    ("a", "list", 0): 14,
    ("a", "list", 1): 15,
    ("a", "list", 1, 1): 15,
    ("a", "list", 2): 16,
    ("a", "list", 2, "y"): 16,
    ("a", "list", 2, "y", 0): 17,
    ("a", "when"): 19,
    ("b", 0): 20,
    ("b", 0, "k"): 21,
    ("b", 1): 22,
    ("b", 1, "k"): 23,
    ("b", 1, "c"): 24,
    ("b", 1, "c", "d", "e", "f"): 25,
    ("b", 1, "g", 0, "h"): 27,
    ("b", 1, "g", 1): 28,
    ("b", 1, "g", 1, "h"): 29,
    ("x", "y z"): 30,
    ("x", "y z", "last"): 31,
}


def paths_in(value: Any, path: Path = ()) -> set[Path]:
    """Every path of a parsed document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path} | {inner for step, each in steps for inner in paths_in(each, (*path, step))}


def test_brackets_in_strings_and_comments_are_no_tables() -> None:
    """Every form of TOML in one text, each line counted by hand."""
    lines = key_lines(HARD)
    assert {path: lines.get(path) for path in EXPECTED} == EXPECTED


def test_a_missing_key_belongs_to_the_table_around_it() -> None:
    """So that the error points where the key should be written."""
    lines = key_lines(HARD)
    assert line_of(lines, ("b", 1, "absent", "deeper")) == 22
    assert line_of(lines, ("absent",)) == 1


_KEYS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True), st.sampled_from(['"a.b"', "'[c]'", '"d#\\""']))
_VALUES = st.recursive(
    st.sampled_from(["1", "true", '"]"', "'#'", '"""\n[x]\n"""', "'''\n}'''", "1979-05-27 07:32:00", '"\\\\"', '""']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[ # [\n{', '.join(each)} ]"),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda each: "{" + ", ".join(f"k{n} = {value}" for n, value in enumerate(each)) + "}"
        ),
    ),
    max_leaves=6,
)
_STATEMENTS = st.one_of(
    st.builds("{} = {}".format, _KEYS, _VALUES),
    st.builds("[{}]".format, _KEYS),
    st.builds("[[{}]] # ]".format, _KEYS),
    st.builds("[{}.{}]".format, _KEYS, _KEYS),
    st.sampled_from(["", "# [a]"]),
)


@given(st.lists(_STATEMENTS, max_size=12))
def test_every_path_of_a_valid_document_has_a_line_of_it(statements: list[str]) -> None:
    """Whatever tomllib takes, the finder follows to the end, and finds the same paths."""
    text = "\n".join(statements)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    assert paths_in(document) - {()} == set(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@given(st.lists(_VALUES, min_size=1, max_size=8))
def test_a_key_stands_on_the_line_where_it_is_written(values: list[str]) -> None:
    """Values of several lines before it do not shift it."""
    text, expected = "", {}
    for n, value in enumerate(values):
        expected[(f"k{n}",)] = text.count("\n") + 1
        text += f"k{n} = {value}\n"
    tomllib.loads(text)
    lines = key_lines(text)
    assert {path: lines[path] for path in expected} == expected
