"""Where each key of a TOML text stands: tomllib reads values but forgets their lines.

Only for text that tomllib accepted: the scanner follows valid TOML and never judges it.
"""

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")  # between statements, and inside arrays
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")  # numbers, booleans, dates (one form of which holds a space)


def key_lines(text: str) -> dict[Path, int]:
    """Take valid TOML; give the line (from 1) of every table, key and array element by its path.

    Elements of arrays and arrays of tables are numbered from 0: ``("listener", 1, "tls")``.
    """
    return _Scanner(text).document()


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of that path, or of the nearest table around it: where a missing key belongs. 1 at worst."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.newlines = [found.start() for found in re.finditer("\n", text)]
        self.last_index: dict[Path, int] = {}  # of each array of tables

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self.skip(_FILLER) < len(self.text):
            if self.peek("[["):
                table = self.header(2)
            elif self.peek("["):
                table = self.header(1)
            else:
                self.pair(table)
        return self.lines

    def header(self, brackets: int) -> Path:
        """``[a.b]`` or ``[[a.b]]``: the path of the table that begins."""
        start = self.at
        self.at += brackets
        *parents, last = self.key()
        self.skip(_BLANK)
        self.at += brackets
        path: Path = ()
        for name in parents:
            self.note((*path, name), start)
            path = self.inside((*path, name))
        path = (*path, last)
        if brackets == 2:
            self.note(path, start)
            self.last_index[path] = self.last_index.get(path, -1) + 1
            path = self.inside(path)
        self.note(path, start)
        return path

    def inside(self, path: Path) -> Path:
        """A header's name means the latest element when it names an array of tables."""
        return (*path, self.last_index[path]) if path in self.last_index else path

    def pair(self, table: Path) -> None:
        start = self.at
        path = table
        for name in self.key():
            path = (*path, name)
            self.note(path, start)
        self.skip(_BLANK)
        self.at += 1  # =
        self.skip(_BLANK)
        self.value(path)

    def key(self) -> list[str]:
        """A key with its dots; leaves the scanner after it."""
        names: list[str] = []
        while True:
            self.skip(_BLANK)
            if self.peek('"') or self.peek("'"):
                names.append(tomllib.loads(f"k = {self.take(_STRING)}")["k"])
            else:
                names.append(self.take(_BARE_KEY))
            self.skip(_BLANK)
            if not self.peek("."):
                return names
            self.at += 1

    def value(self, path: Path) -> None:
        if self.peek("["):
            self.array(path)
        elif self.peek("{"):
            self.inline_table(path)
        elif self.peek('"') or self.peek("'"):
            self.take(_STRING)
        else:
            self.take(_SCALAR)

    def array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.skip(_FILLER) < len(self.text) and not self.peek("]"):
            self.note((*path, index), self.at)
            self.value((*path, index))
            index += 1
            self.skip(_FILLER)
            if self.peek(","):
                self.at += 1
        self.at += 1

    def inline_table(self, path: Path) -> None:
        self.at += 1
        while self.skip(_FILLER) < len(self.text) and not self.peek("}"):
            self.pair(path)
            self.skip(_FILLER)
            if self.peek(","):
                self.at += 1
        self.at += 1

    def note(self, path: Path, offset: int) -> None:
        self.lines.setdefault(path, bisect_right(self.newlines, offset - 1) + 1)

    def peek(self, what: str) -> bool:
        return self.text.startswith(what, self.at)

    def skip(self, what: re.Pattern[str]) -> int:
        self.take(what)
        return self.at

    def take(self, what: re.Pattern[str]) -> str:
        found = what.match(self.text, self.at)
        if found is None:  # not the TOML that tomllib accepted: never loop on it
            raise ValueError("the line finder lost its way")
        self.at = found.end()
        return found.group()
