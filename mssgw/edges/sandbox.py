"""What a process gives up before it reads what strangers wrote: files, connections, children, and the way back.

For Linux. It needs no privilege and works inside containers and under systemd. Two locks:

1. plain resource limits: a process that may have no descriptor more can neither open a file nor a socket, not even in
   the place of one that it has closed;
2. a filter of system calls (seccomp): what needs no descriptor, such as to remove or truncate a file, to signal or
   trace the gateway, is not asked of the kernel either. It knows the calls of two processors; on others the first lock
   is the only one.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Sequence

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
STANDARD = 3  # descriptors: what is asked, what is answered, what is complained

# By processor: its number in a filter (linux/audit.h), then read, write, mmap, mprotect, munmap, brk, mremap, madvise,
# futex, rt_sigaction, rt_sigprocmask, rt_sigreturn, restart_syscall, clock_gettime, getrandom, getpid, exit and
# exit_group.
_CALLS = {
    "x86_64": (0xC000003E, (0, 1, 9, 10, 11, 12, 25, 28, 202, 13, 14, 15, 219, 228, 318, 39, 60, 231)),
    "aarch64": (0xC00000B7, (63, 64, 222, 226, 215, 214, 216, 233, 98, 134, 135, 139, 128, 113, 278, 172, 93, 94)),
}
_FILTER = 2  # SECCOMP_MODE_FILTER
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # operations of BPF: a word of seccomp_data, a jump, the end
_KILL, _REFUSE, _ALLOW = 0x8000_0000, 0x0005_0000 | errno.EPERM, 0x7FFF_0000


class NotSealed(RuntimeError):
    """The limits are not in force."""


def end_with(parent: int) -> None:
    """The kernel kills this process when its parent dies. Exits at once when that is not ``parent`` any more."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def seal(*, memory: int) -> None:
    """No descriptor but the three standard ones, ever; no file written, no core, no child, no new privilege; and no
    system call but to read, to write, for memory and to end.

    ``memory``: octets of address space. What needs a file (an import, a codec) has to be loaded before. Raises
    NotSealed.
    """
    os.closerange(STANDARD, 65_536)
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),  # with 3, whoever closes one may open another
    ):
        resource.setrlimit(limit, (most, most))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _check_descriptors()
    if platform.machine() in _CALLS:
        _filter(*_CALLS[platform.machine()])
        _check_calls()


class _Program(ctypes.Structure):
    """struct sock_fprog: how many instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter(processor: int, allowed: Sequence[int]) -> None:
    """From here on every other call fails with EPERM; one in the manner of another processor ends the process."""
    tests = [(_EQUAL, len(allowed) - number, 0, call) for number, call in enumerate(allowed)]
    lines = [
        (_LOAD, 0, 0, 4),  # for which processor
        (_EQUAL, 1, 0, processor),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # which call
        *tests,
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = _Program(len(lines), b"".join(struct.pack("=HBBI", *line) for line in lines))
    _prctl(_PR_SET_SECCOMP, _FILTER, ctypes.addressof(program))


def _check_calls() -> None:
    try:
        os.kill(os.getpid(), 0)
    except PermissionError:
        return
    raise NotSealed("another process could still be signalled")


def _check_descriptors() -> None:
    try:
        os.close(os.open("/", os.O_RDONLY))
    except OSError as error:
        if error.errno == errno.EMFILE:
            return
    raise NotSealed("a descriptor could still be opened")


def _prctl(option: int, value: int, address: int = 0) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, ctypes.c_void_p(address), 0, 0):
        raise NotSealed(os.strerror(ctypes.get_errno()))
