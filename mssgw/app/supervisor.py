"""Several workers on one machine: forked over the same listening sockets, watched, and replaced.

The supervisor has no event loop and no threads, so that it can fork at any time and nothing in it can hang:

1. fork one worker for each number, over listeners that are bound already (descriptors.py);
2. every worker writes a byte a second to its pipe; one that is silent for ``hang`` seconds is killed, or ``starting``
   before it is ready;
3. one that dies is reaped, and a new one is forked with the same number: it frees the leases of the old one;
4. SIGHUP goes on to all; SIGTERM too, and those who do not leave in time are killed.
"""

import ctypes
import os
import re
import select
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mssgw.app import signals
from mssgw.app.seat import Seat
from mssgw.core.errors import GatewayError
from mssgw.edges import systemd
from mssgw.edges.vault import UnusableKey
from mssgw.ports import Telemetry

BEAT = 1.0  # seconds between signs of life
LONGEST_PAUSE = 30.0  # seconds
_PR_SET_PDEATHSIG = 1
READY, ALIVE = b"R", b"."

Sockets = Mapping[str, Sequence[socket.socket]]
Run = Callable[[Seat], int]


@dataclass(slots=True)
class _Worker:
    number: int
    pid: int
    pipe: int
    heard: float
    born: float
    ready: bool = False
    killed: bool = False


@dataclass(slots=True)
class Supervisor:
    """``run`` is what a worker does with its Seat, in the forked process; it returns the exit code.

    It begins with SIGTERM, SIGINT and SIGHUP held: when it listens, it releases them (signals.py).
    """

    run: Run
    sockets: Sockets
    workers: int
    telemetry: Telemetry
    reload: Callable[[], None] = lambda: None  # so that workers to come start with what the others take now
    each_turn: Callable[[], None] = lambda: None  # once a second or more: what workers to come inherit stays fresh
    hang: float = 30.0  # seconds of silence after which a worker is taken for dead
    starting: float = 120.0  # the same until it is ready: a database that fails over, a machine that boots, take longer
    leave: float = 29.0  # seconds that workers have to finish after SIGTERM
    hopeless: Mapping[int, Exception] = field(default_factory=dict)  # exit codes after which another would end alike
    again: float = 1.0  # seconds before a worker that died is replaced; twice as many after each early death
    early: float = 10.0  # seconds of life before which a death is early
    _alive: dict[int, _Worker] = field(default_factory=dict)
    _due: dict[int, float] = field(default_factory=dict)  # number to when it is forked (again)
    _early: Counter[int] = field(default_factory=Counter)  # number to early deaths in a row
    _told: list[int] = field(default_factory=list)  # signals that came
    _announced: bool = False
    _end: Exception | None = None
    _turned: float = field(default_factory=time.monotonic)  # when the last turn ended
    _line: str = ""  # the STATUS line of the first worker
    _shown: str = ""  # what systemd was told last

    def supervise(self) -> None:
        """Run until SIGTERM or SIGINT, then until all workers have left. Raises what is ``hopeless``."""
        wake, poke = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
        for number in signals.ALL:
            signal.signal(number, lambda which, _frame: self._told.append(which))
        self._due = dict.fromkeys(range(1, self.workers + 1), 0.0)
        interval = systemd.watchdog_interval() or BEAT
        try:
            while not self._stop_was_asked() and self._end is None:
                self._fork_what_is_due()
                self._listen(wake, min(interval, BEAT))
                if self._is_to_stop():  # so are the workers, by a service manager: those that have left did not die
                    break
                self._reap()
                self._kill_the_hanging()
                self._show_status()
                self.each_turn()
                systemd.notify(systemd.WATCHDOG)
        finally:
            self._stop()
            signals.ignore()
        if self._end is not None:
            raise self._end

    def _is_to_stop(self) -> bool:
        return bool(set(self._told) - {signal.SIGHUP})

    def _stop_was_asked(self) -> bool:
        told, self._told = self._told, []
        if set(told) - {signal.SIGHUP}:
            return True
        if told:  # several in the meantime mean one
            if self._announced:  # else READY would come before we are
                systemd.notify(systemd.reloading(time.monotonic()))
            self.reload()
            self._signal(signal.SIGHUP)
            if self._announced:
                systemd.notify(systemd.READY)
        return False

    # --- workers -----------------------------------------------------------------------------------------------

    def _fork_what_is_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, when in self._due.items() if when <= now]:
            del self._due[number]
            try:
                self._fork(number, now)
            except OSError as error:  # no memory, or too many processes: those that live go on
                if not self._alive:
                    raise
                self._due[number] = now + LONGEST_PAUSE
                why = error.strerror
                self.telemetry.event("gateway.worker_failed", alarm=True, worker=number, error=why, failure=error)

    def _fork(self, number: int, now: float) -> None:
        hear, tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        parent = os.getpid()
        signals.hold()  # or the child would take one for the supervisor, and forget it
        try:
            pid = os.fork()
            if pid == 0:
                self._become_worker(number, tell, parent)
        except OSError:
            os.close(hear)
            raise
        finally:
            os.close(tell)
            signals.release()  # what came before the first fork is heard by the workers, too
        self._alive[pid] = _Worker(number, pid, hear, now, now)

    def _become_worker(self, number: int, tell: int, parent: int) -> None:
        """In the child, with its signals held until ``run`` listens: never returns."""
        code = 70
        try:
            _die_with(parent)
            signal.set_wakeup_fd(-1)
            for given in signals.ALL:
                signal.signal(given, signal.SIG_DFL)

            def say(message: str) -> None:
                if said := _BYTES.get(message) or _status(message):
                    os.write(tell, said)

            seat = Seat(number=number, of=self.workers, sockets=self.sockets, say=say, interval=BEAT)
            code = self.run(seat)
        except BaseException as error:
            self.telemetry.event("gateway.worker_failed", alarm=True, worker=number, error=_said(error), failure=error)
        finally:
            os._exit(code)

    def _listen(self, wake: int, limit: float) -> None:
        """Wait for signs of life, a death or a signal."""
        pipes = {worker.pipe: worker for worker in self._alive.values()}
        readable, _, _ = select.select([wake, *pipes], [], [], limit)
        for descriptor in readable:
            said = _read(descriptor)
            if (worker := pipes.get(descriptor)) is not None and said:
                worker.heard = time.monotonic()
                said = _STATUS.sub(self._keep_line, said)
                worker.ready = worker.ready or READY in said
        if not self._announced and len(self._alive) == self.workers and all(w.ready for w in self._alive.values()):
            self._announced = True
            self.telemetry.event("gateway.ready", workers=self.workers)
            systemd.notify(systemd.READY, systemd.status(f"ready, {self.workers} workers"))

    def _reap(self) -> None:
        while self._alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            worker = self._alive.pop(pid, None)
            if worker is None:  # as the first process of a container it inherits what others leave behind
                continue
            os.close(worker.pipe)
            self._due[worker.number] = time.monotonic() + self._pause(worker)
            code = os.waitstatus_to_exitcode(status)
            self.telemetry.event("gateway.worker_died", alarm=True, worker=worker.number, exit_code=code)
            self._end = self._end or self.hopeless.get(code)

    def _pause(self, died: _Worker) -> float:
        """Seconds before it is replaced: one that cannot even start must not be forked, and alarm, every second."""
        is_early = time.monotonic() - died.born < self.early
        self._early[died.number] = self._early[died.number] + 1 if is_early else 0
        return min(self.again * (1 << min(self._early[died.number], 10)), LONGEST_PAUSE)

    def _kill_the_hanging(self) -> None:
        """While we stood still, or read a configuration, nobody listened: that is no silence.

        After a machine or a container was suspended, all workers would else be killed, at letters that then go twice.
        """
        now = time.monotonic()
        deaf, self._turned = max(0.0, now - self._turned - 2 * BEAT), now
        for worker in self._alive.values():
            worker.heard = min(now, worker.heard + deaf)
            if now - worker.heard > (self.hang if worker.ready else self.starting) and not worker.killed:
                worker.killed = True
                self.telemetry.event("gateway.worker_hangs", alarm=True, worker=worker.number)
                os.kill(worker.pid, signal.SIGKILL)

    # --- systemctl status --------------------------------------------------------------------------------------

    def _keep_line(self, found: "re.Match[bytes]") -> bytes:
        """The first worker may not send it itself (NotifyAccess=main)."""
        self._line = found[0].decode().rstrip()
        return b""

    def _show_status(self) -> None:
        """The first worker's line, as long as all serve: it knows of itself alone, and dead it says what was."""
        serving = sum(worker.ready and not worker.killed for worker in self._alive.values())
        missing = systemd.status(f"NOT READY (workers): {serving} of {self.workers} serve")
        line = self._line if serving == self.workers else missing
        if self._announced and line and line != self._shown and systemd.notify(line):  # again when its queue was full
            self._shown = line

    # --- the end -----------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        systemd.notify(systemd.STOPPING)
        self._signal(signal.SIGTERM)
        for sockets in self.sockets.values():  # or newcomers would wait in a queue that nobody empties
            for given in sockets:
                given.close()
        end = time.monotonic() + self.leave
        while self._alive and time.monotonic() < end:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid:
                self._alive.pop(pid, None)
            else:
                time.sleep(0.02)
        for pid in self._alive:
            self.telemetry.event("gateway.worker_killed", alarm=True, worker=self._alive[pid].number)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _signal(self, number: int) -> None:
        for pid in self._alive:
            os.kill(pid, number)


_STATUS = re.compile(rb"STATUS=[^\n]*\n")


def _status(message: str) -> bytes:
    return f"{message}\n".encode() if message.startswith("STATUS=") else b""


def _said(error: BaseException) -> str | None:
    """Which file is to be mended: one that went, or was spoilt, since the start is no defect of ours."""
    match error:
        case GatewayError() | UnusableKey() | FileNotFoundError(errno=None):  # the latter: a credential
            return str(error)
        case OSError(filename=str()):
            return f"{error.filename}: {error.strerror}"
        case _:
            return None


_BYTES = {systemd.READY: READY, systemd.WATCHDOG: ALIVE}


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except BlockingIOError:
        return b""


def _die_with(parent: int) -> None:
    """The kernel kills this process when the supervisor dies: orphans would hold ports and leases."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
