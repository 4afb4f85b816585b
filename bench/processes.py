"""What processes use: processor time and memory, from /proc."""

import os
import re
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
MB = 1_000_000


def tree(root: int) -> list[int]:
    """A process and all that it and its children have started; those that have just ended left out."""
    try:
        children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    except OSError:
        return [root]
    return [root, *(each for child in children for each in tree(int(child)))]


def processor_seconds(pid: int) -> float:
    """Of a process and of those of its children that have ended; 0 when it is gone itself."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def memory(root: int) -> float:
    """MB (10^6) of a process and its children: resident, what several share counted once (PSS)."""
    total = 0
    for pid in tree(root):
        try:
            found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
        except OSError:  # it has just ended
            continue
        total += int(found[1]) * 1024 if found else 0
    return total / MB


class Peak:
    """The most memory that a process and its children had while the block ran, looked at every 10 ms."""

    def __init__(self, root: int) -> None:
        self._root, self._end = root, threading.Event()
        self.mb = memory(root)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._end.wait(0.01):
            self.mb = max(self.mb, memory(self._root))
