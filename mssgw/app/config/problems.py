"""What is wrong in a configuration file, and where."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from mssgw.app.config.lines import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. ``line`` counts from 1, 0 for the file as a whole; ``key`` such as ``listener[0].tls``."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (f"{self.file}:{self.line}" if self.line else self.file, self.key, self.message)))


class ConfigErrors(Exception):
    """Everything that keeps a configuration from being used, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Complaint:
    """A problem before it is known in which file and on which line: what checks find."""

    path: Path
    message: str


Found = Iterator[Complaint]


def repeated(values: Iterable[tuple[Path, object]], what: str) -> Found:
    """Every value but the first of its kind; None is no value. ``what``: what they are called."""
    seen: set[object] = set()
    for path, value in values:
        if value is not None and value in seen:
            yield Complaint(path, f"another entry has the same {what}")
        seen.add(value)


def did_you_mean(given: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """What to say behind "there is no such name" where one of the known is near; "" where none is."""
    near = get_close_matches(given, list(known), n=1, cutoff=cutoff)
    return f'; did you mean "{near[0]}"?' if near else ""


def dotted(path: Path) -> str:
    """``("listener", 0, "tls")`` as people write it: ``listener[0].tls``."""
    written = ""
    for step in path:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else step
    return written
