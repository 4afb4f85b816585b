"""What a process gives up before it reads what strangers wrote: files, connections, children, and the way back.

For Linux. Plain resource limits, so that it needs no privilege and works inside containers and under systemd: a
process that may have no more descriptors than it has can neither open a file nor a socket.
"""

import ctypes
import errno
import os
import resource
import signal

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
STANDARD = 3  # descriptors: what is asked, what is answered, what is complained


class NotSealed(RuntimeError):
    """The limits are not in force."""


def end_with(parent: int) -> None:
    """The kernel kills this process when its parent dies. Exits at once when that is not ``parent`` any more."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def seal(*, memory: int) -> None:
    """No descriptor but the three standard ones, ever; no file written, no core, no child, no new privilege.

    ``memory``: octets of address space. What needs a file (an import, a codec) has to be loaded before. Raises
    NotSealed.
    """
    os.closerange(STANDARD, 65_536)
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, STANDARD),
    ):
        resource.setrlimit(limit, (most, most))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _check()


def _check() -> None:
    try:
        os.close(os.dup(0))
    except OSError as error:
        if error.errno == errno.EMFILE:
            return
    raise NotSealed("a descriptor could still be opened")


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise NotSealed(os.strerror(ctypes.get_errno()))
