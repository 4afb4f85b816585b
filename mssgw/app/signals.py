"""SIGTERM, SIGINT and SIGHUP, from the first moment of ``mssgw serve`` to its last.

Where nobody listens yet (or any more), the default would kill the process in the middle of something. So they are
blocked there, and the kernel keeps them until somebody listens.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio  # this room is loaded before everything else: it loads little itself

STOP = (signal.SIGTERM, signal.SIGINT)
ALL = (*STOP, signal.SIGHUP)


def hold() -> None:
    """Keep them from now on. Threads and forked processes inherit that."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ALL)


def hold_if_serving(argv: Sequence[str]) -> None:
    """The same, when these are the words of ``mssgw serve``; other commands end at Ctrl-C as commands do."""
    words = (word for word in argv[1:] if not word.startswith("-"))
    if argv and argv[0].rpartition("/")[2] == "mssgw" and next(words, "") == "serve":
        hold()


def release() -> None:
    """Let through what was kept, and what comes."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL)


def stop_was_asked() -> bool:
    """Whether one that means "stop" is kept."""
    return not signal.sigpending().isdisjoint(STOP)


def ignore() -> None:
    """Nothing is left to be told: a second SIGTERM must not spoil the exit code of an orderly end."""
    for number in ALL:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def heard(
    loop: "asyncio.AbstractEventLoop", *, stop: Callable[[], object], reload: Callable[[], object]
) -> Iterator[None]:
    """Call these, in the event loop, while the block runs; what was kept comes first. After it, all are ignored."""
    for number in STOP:
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    release()
    try:
        yield
    finally:
        hold()  # removing a handler puts the default in its place
        for number in ALL:
            loop.remove_signal_handler(number)
        ignore()
