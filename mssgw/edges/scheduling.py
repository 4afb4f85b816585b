"""How the threads of a worker share its core."""

import os
from contextlib import suppress


def do_not_preempt() -> None:
    """For a thread that serves an event loop: woken, it lets whoever runs go on until they wait or their slice ends.

    The loop wakes its threads while it holds the interpreter's lock. A thread that the kernel let run at once could
    only ask for that lock and sleep again: two changes of context for nothing, several times a letter. Linux has
    SCHED_BATCH for it (sched(7)); the shares of the processor stay what they are. Where a sandbox forbids it, the
    thread goes without.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
