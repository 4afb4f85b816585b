"""What the disk alone costs: the least that a durable 250 can take on this machine, in the rhythm of the latency part.

One thread does for each letter what no durable server can do without, in a file whose blocks are there already: one
write of 4 kB and one fdatasync, together for all that became due during the last one. Nothing else runs.
"""

import os
import queue
import tempfile
import threading
import time
from pathlib import Path

from bench.numbers import schedule, spread
from bench.part import Figures, say

_BLOCK, _BLOCKS = 4_096, 64


def floor(folder: Path | None = None, *, seconds: float, rate: float) -> Figures:
    """Percentiles in milliseconds from when a letter is due to its commit; ``folder``: on the disk to look at."""
    due: queue.SimpleQueue[float | None] = queue.SimpleQueue()
    took: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        os.pwrite(file.fileno(), bytes(_BLOCK * _BLOCKS), 0)
        os.fsync(file.fileno())
        committer = threading.Thread(target=_commit, args=(file.fileno(), due, took))
        committer.start()
        begin = time.monotonic()
        for offset in schedule(rate, seconds):
            time.sleep(max(0.0, begin + offset - time.monotonic()))
            due.put(begin + offset)
        due.put(None)
        committer.join()
    figures: Figures = spread(took)
    say(f"  the disk alone: {figures} ms")
    return figures


def _commit(descriptor: int, due: "queue.SimpleQueue[float | None]", took: list[float]) -> None:
    place = 0
    while (first := due.get()) is not None:
        together = [first]
        while not due.empty():
            if (more := due.get()) is None:
                due.put(None)  # ends the next turn
                break
            together.append(more)
        for _ in together:
            os.pwrite(descriptor, os.urandom(_BLOCK), place % _BLOCKS * _BLOCK)
            place += 1
        os.fdatasync(descriptor)
        now = time.monotonic()
        took += [now - each for each in together]
