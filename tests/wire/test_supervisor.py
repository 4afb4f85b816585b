"""Workers that die or hang are noticed and replaced; those who do not leave are made to."""

import ctypes
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mssgw.app import signals, supervisor
from mssgw.app.seat import Seat
from mssgw.app.supervisor import Supervisor
from mssgw.core.errors import NameTaken
from mssgw.edges import systemd
from mssgw.edges.vault import UnusableKey

LIMIT = 20.0
_PR_SET_CHILD_SUBREAPER = 36


class Diary:
    """ports.Telemetry that writes event names to a file that all processes share."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def event(self, name: str, **fields: object) -> None:
        error = f" {fields['error']}" if fields.get("error") else ""
        with self.path.open("a") as file:
            file.write(f"{name} {fields.get('worker') or ''}{error}\n")

    def has(self, line: str, times: int = 1) -> bool:
        return self.path.exists() and self.path.read_text().splitlines().count(line) >= times


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def beat_until_told(seat: Seat, folder: Path, *, deaf: bool = False) -> int:
    """A worker that lives: it leaves its pid, says that it is ready and gives signs of life."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, (lambda *_: None) if deaf else (lambda *_: stop.append(1)))
    signal.signal(signal.SIGHUP, lambda *_: (folder / f"reloaded-{seat.number}").touch())
    signals.release()
    (folder / f"pid-{seat.number}").write_text(str(os.getpid()))
    seat.say(systemd.READY)
    while not stop:
        seat.say(systemd.WATCHDOG)
        time.sleep(0.05)
    return 0


@contextmanager
def supervised(run: Callable[[Seat], int], diary: Diary, *, adopting: bool = False, **limits: float) -> Iterator[int]:
    """A supervisor of two workers in a process of its own; its pid. It is ended, and must end, with the block.

    ``adopting``: it inherits the children of its workers, as the first process of a container does.
    """
    pid = os.fork()
    if pid == 0:
        try:
            if adopting:
                ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            Supervisor(run, {}, 2, diary, again=0.1, **limits).supervise()  # type: ignore[arg-type]
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}\n")
            os._exit(1)
        os._exit(0)
    try:
        wait_for(lambda: diary.has("gateway.ready "))
        yield pid
    finally:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def pid_of(folder: Path, number: int) -> int:
    return int((folder / f"pid-{number}").read_text() or 0)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


def test_a_worker_that_dies_is_replaced(tmp_path: Path, diary: Diary) -> None:
    with supervised(lambda seat: beat_until_told(seat, tmp_path), diary):
        first, second = pid_of(tmp_path, 1), pid_of(tmp_path, 2)
        os.kill(second, signal.SIGKILL)
        wait_for(lambda: pid_of(tmp_path, 2) not in (0, second))
        assert diary.has("gateway.worker_died 2")
        assert pid_of(tmp_path, 1) == first
        last = pid_of(tmp_path, 2)
    assert not is_alive(first)
    assert not is_alive(last)


def test_what_another_worker_would_only_repeat_ends_them_all(tmp_path: Path, diary: Diary) -> None:
    """Replacing it again and again would hide from the service manager why nothing works."""

    def fall(seat: Seat) -> int:
        if seat.number == 1:
            wait_for((tmp_path / "pid-2").exists)
            return 69
        return beat_until_told(seat, tmp_path)

    pid = os.fork()
    if pid == 0:
        try:
            Supervisor(fall, {}, 2, diary, again=0.1, hopeless={69: NameTaken("a")}).supervise()
        except NameTaken:
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 3
    assert not is_alive(pid_of(tmp_path, 2))


def test_a_worker_that_misses_a_file_says_which(tmp_path: Path, diary: Diary) -> None:
    """One that was there at the start: who is told of a defect of ours does not look for it."""

    def run(seat: Seat) -> int:
        if (tmp_path / "pid-2").exists() and seat.number == 2:
            (tmp_path / "password").read_bytes()
        return beat_until_told(seat, tmp_path)

    with supervised(run, diary):
        os.kill(pid_of(tmp_path, 2), signal.SIGKILL)
        wait_for(lambda: diary.has(f"gateway.worker_failed 2 {tmp_path}/password: No such file or directory"))


def test_a_worker_that_may_not_use_the_master_key_says_so(tmp_path: Path, diary: Diary) -> None:
    """Whoever changed the mode of its file is not told to report a defect of ours."""

    def run(seat: Seat) -> int:
        if (tmp_path / "pid-2").exists() and seat.number == 2:
            raise UnusableKey("/etc/mssgw/master.key: everybody may read or change it; chmod 0400 it")
        return beat_until_told(seat, tmp_path)

    with supervised(run, diary):
        os.kill(pid_of(tmp_path, 2), signal.SIGKILL)
        said = "/etc/mssgw/master.key: everybody may read or change it; chmod 0400 it"
        wait_for(lambda: diary.has(f"gateway.worker_failed 2 {said}"))


def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path: Path, diary: Diary) -> None:
    with supervised(lambda seat: beat_until_told(seat, tmp_path), diary, hang=1.0):
        hanging = pid_of(tmp_path, 1)
        os.kill(hanging, signal.SIGSTOP)
        wait_for(lambda: pid_of(tmp_path, 1) not in (0, hanging))
        assert diary.has("gateway.worker_hangs 1")
        assert not is_alive(hanging)


def test_a_worker_may_take_longer_to_start_than_to_say_that_it_lives(tmp_path: Path, diary: Diary) -> None:
    """A database that fails over: killed each time, it would never be there. But it is not waited for without end."""

    def run(seat: Seat) -> int:
        slow = tmp_path / "slow"
        if seat.number == 2 and not slow.exists():
            slow.touch()
            time.sleep(1.5)
        if seat.number == 1 and slow.exists() and not (tmp_path / "hung").exists() and (tmp_path / "pid-1").exists():
            (tmp_path / "hung").touch()
            time.sleep(60)
        return beat_until_told(seat, tmp_path)

    with supervised(run, diary, hang=0.5, starting=4.0):
        assert not diary.has("gateway.worker_hangs 2")
        os.kill(pid_of(tmp_path, 1), signal.SIGKILL)
        wait_for((tmp_path / "hung").exists)
        wait_for(lambda: diary.has("gateway.worker_hangs 1"))


def test_workers_are_not_killed_because_all_stood_still(tmp_path: Path, diary: Diary) -> None:
    """A machine or a container that was suspended: they hang no more than the supervisor did."""
    with supervised(lambda seat: beat_until_told(seat, tmp_path), diary, hang=3.5) as pid:
        everybody = pid, pid_of(tmp_path, 1), pid_of(tmp_path, 2)
        for each in everybody:
            os.kill(each, signal.SIGSTOP)
        time.sleep(4.5)
        for each in everybody:
            os.kill(each, signal.SIGCONT)
        time.sleep(0.5)
        assert everybody[1:] == (pid_of(tmp_path, 1), pid_of(tmp_path, 2))
    assert "hangs" not in diary.path.read_text()


def test_systemd_is_not_told_that_all_is_well_while_a_worker_is_missing(
    tmp_path: Path, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first worker said last stood there for as long as it could not start."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    well = "STATUS=ready: 0 waiting, 0 sending, 0 held, oldest 0 s"
    missing = "STATUS=NOT READY (workers): 1 of 2 serve"

    def run(seat: Seat) -> int:
        if (tmp_path / "fall").exists():
            return 70
        if seat.number == 1:
            seat.say(well)
        return beat_until_told(seat, tmp_path)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(LIMIT)

        def next_status(but: str) -> str:
            end = time.monotonic() + LIMIT
            while True:
                assert time.monotonic() < end, "it never came"
                said = heard.recv(1000).decode()
                if said.startswith("STATUS=") and said != but:
                    return said

        with supervised(run, diary):
            assert next_status("") == well
            (tmp_path / "fall").touch()
            os.kill(pid_of(tmp_path, 1), signal.SIGKILL)
            assert next_status(well) == missing
            (tmp_path / "fall").unlink()
            assert next_status(missing) == well


def test_a_worker_that_not_even_its_kill_ends_counts_as_missing(
    tmp_path: Path, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waits for a disk which hangs stays as it is, and so did what the first worker had said last."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    end = os.kill
    monkeypatch.setattr(os, "kill", lambda pid, number: None if number == signal.SIGKILL else end(pid, number))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(LIMIT)
        with supervised(lambda seat: beat_until_told(seat, tmp_path), diary, hang=1.0):
            waiting = pid_of(tmp_path, 1)
            os.kill(waiting, signal.SIGSTOP)
            try:
                wait_for(lambda: diary.has("gateway.worker_hangs 1"))
                wait_for(lambda: heard.recv(1000) == b"STATUS=NOT READY (workers): 1 of 2 serve")
            finally:
                os.kill(waiting, signal.SIGCONT)


def test_a_reload_reaches_every_worker(tmp_path: Path, diary: Diary) -> None:
    with supervised(lambda seat: beat_until_told(seat, tmp_path), diary) as pid:
        os.kill(pid, signal.SIGHUP)
        wait_for(lambda: (tmp_path / "reloaded-1").exists() and (tmp_path / "reloaded-2").exists())


def test_a_worker_that_does_not_leave_is_made_to(tmp_path: Path, diary: Diary) -> None:
    with supervised(lambda seat: beat_until_told(seat, tmp_path, deaf=True), diary, leave=0.5):
        deaf = pid_of(tmp_path, 1)
    assert not is_alive(deaf)
    assert diary.has("gateway.worker_killed 1")


def test_workers_that_leave_before_a_busy_supervisor_looks_are_no_alarm(tmp_path: Path, diary: Diary) -> None:
    """systemd and a terminal tell all processes at once to stop; with few cores the supervisor may come last."""
    with supervised(lambda seat: beat_until_told(seat, tmp_path), diary) as supervising:
        workers = [pid_of(tmp_path, number) for number in (1, 2)]
        os.kill(supervising, signal.SIGSTOP)
        for pid in (supervising, *workers):
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not any(is_alive(pid) for pid in workers))
        os.kill(supervising, signal.SIGCONT)
    assert not diary.has("gateway.worker_died 1")
    assert not diary.has("gateway.worker_died 2")


def test_workers_do_not_outlive_their_supervisor(tmp_path: Path, diary: Diary) -> None:
    """Orphans would hold ports and leases."""
    pid = os.fork()
    if pid == 0:
        Supervisor(lambda seat: beat_until_told(seat, tmp_path), {}, 2, diary).supervise()
        os._exit(0)
    wait_for(lambda: diary.has("gateway.ready "))
    workers = [pid_of(tmp_path, 1), pid_of(tmp_path, 2)]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_for(lambda: not any(map(is_alive, workers)))


def test_a_worker_that_dies_as_soon_as_it_lives_is_forked_less_and_less_often(tmp_path: Path) -> None:
    """A fault that meets every start must not fill the log, nor take the time of those who work."""
    born = tmp_path / "born"

    def run(seat: Seat) -> int:
        if seat.number == 1:
            return beat_until_told(seat, tmp_path)
        with born.open("a") as file:
            file.write(f"{time.monotonic()}\n")
        seat.say(systemd.READY)
        return 1

    with supervised(run, Diary(tmp_path / "diary")):
        wait_for(lambda: len(born.read_text().splitlines()) >= 4)
    at = [float(line) for line in born.read_text().splitlines()]
    assert [after - before > pause for before, after, pause in zip(at, at[1:], (0.2, 0.4, 0.8), strict=False)] == [
        True
    ] * 3


def test_a_process_that_a_worker_leaves_behind_is_reaped_and_no_worker(tmp_path: Path, diary: Diary) -> None:
    """As the first process of a container the supervisor inherits the children of a worker that was killed."""

    def run(seat: Seat) -> int:
        worker = os.getpid()
        if os.fork() == 0:
            while os.getppid() == worker:
                time.sleep(0.02)
            os._exit(0)
        return beat_until_told(seat, tmp_path)

    with supervised(run, diary, adopting=True):
        first = pid_of(tmp_path, 1)
        for _ in range(2):
            second = pid_of(tmp_path, 2)
            os.kill(second, signal.SIGKILL)
            wait_for(lambda gone=second: pid_of(tmp_path, 2) not in (0, gone))
        assert pid_of(tmp_path, 1) == first


def test_a_fork_that_fails_is_tried_again_while_the_other_worker_goes_on(
    tmp_path: Path, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many processes, or no memory: no reason to end those who work."""
    forks, fork = iter([True, True, True, False]), os.fork  # the supervisor, two workers, and the first replacement

    def sometimes() -> int:
        if next(forks, True):
            return fork()
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", sometimes)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.2)
    with supervised(lambda seat: beat_until_told(seat, tmp_path), diary):
        first, second = pid_of(tmp_path, 1), pid_of(tmp_path, 2)
        os.kill(second, signal.SIGKILL)
        wait_for(lambda: pid_of(tmp_path, 2) not in (0, second))
        assert diary.has("gateway.worker_failed 2 Resource temporarily unavailable")
        assert pid_of(tmp_path, 1) == first
