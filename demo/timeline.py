"""What the demo prints: scenes as they happen, each with what came of it and whether that is as it should be."""

import sys
import time
from datetime import datetime

from rich.console import Console
from rich.text import Text

INDENT = " " * 14


class Timeline:
    """Prints scenes and counts what went wrong. Plain text unless it goes to a terminal."""

    def __init__(self) -> None:
        tty = sys.stdout.isatty()
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(
            force_terminal=tty, color_system="auto" if tty else None, highlight=False, markup=False, soft_wrap=True
        )
        self._marks = ("✓", "✗", "→") if _shows("✓✗→") else ("ok", "FAIL", "->")
        self._began = time.monotonic()
        self._scenes = 0
        self.checks = self.failures = 0

    def title(self, text: str) -> None:
        self._console.print(Text(text, style="bold"))

    def scene(self, who: str, whom: str, what: str, detail: str = "") -> None:
        """A step begins: ``who`` does something to ``whom``."""
        self._scenes += 1
        now = f"{datetime.now():%H:%M:%S.%f}"[:-5]
        parties = f"{who} {self._marks[2]} {whom}" if whom else who
        line = Text.assemble("\n", (f"{now} {self._scenes:>2} ", "dim"), (parties, "bold cyan"), (f"  {what}", "bold"))
        self._console.print(line)
        if detail:
            self._console.print(Text(INDENT + detail, style="dim"))

    def check(self, right: bool, happened: str, expected: str) -> bool:
        """What came of it, a mark, and what was expected; gives ``right`` back."""
        self.checks += 1
        self.failures += not right
        mark = (self._marks[0], "bold green") if right else (self._marks[1], "bold red")
        self._console.print(Text.assemble(INDENT, mark, f" {happened}  ", (f"(expected: {expected})", "dim")))
        return right

    def show(self, command: str, output: str) -> None:
        """A command line and what it printed."""
        lines = [f"$ {command}", *output.splitlines()]
        self._console.print(Text("\n".join(INDENT + _plain(line) for line in lines), style="dim"))

    def note(self, text: str) -> None:
        self._console.print(Text("\n".join(_plain(line) for line in text.splitlines())))

    def end(self) -> bool:
        """The last line; True when everything was as it should be."""
        took = time.monotonic() - self._began
        good = self.checks > 0 and not self.failures
        told = "everything as it should be" if good else f"{self.failures} NOT as it should be"
        text = f"\n{self._scenes} steps, {self.checks} checks in {took:.1f} s: {told}"
        self._console.print(Text(text, style="bold green" if good else "bold red"))
        return good


def _shows(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _plain(line: str) -> str:
    """Without what would steer a terminal: replies and logs may quote strangers."""
    return "".join(char if char.isprintable() else "?" for char in line)
