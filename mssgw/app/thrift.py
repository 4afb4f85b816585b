"""What spares a worker processor time, whatever it does."""

import gc
import os
from contextlib import suppress

# Containers that may be made before the garbage collector looks for cycles (Python: 700). A letter leaves none behind,
# so it mostly walks over letters that are alive, for nothing.
YOUNG = 20_000


def spare_the_collector() -> None:
    """What has been made so far stays: the garbage collector need not look at it again.

    To be called before a fork too: looking at an object writes to its page, which the workers then no longer share.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def stay_on_a_core(number: int) -> None:
    """Give the worker of this number a core of its own, and all threads that it will start.

    They take turns with the interpreter's lock anyway, and handing it over within a core is cheaper. Where a sandbox
    forbids it, they go without.
    """
    cores = sorted(os.sched_getaffinity(0))
    with suppress(OSError):
        os.sched_setaffinity(0, {cores[(number - 1) % len(cores)]})
