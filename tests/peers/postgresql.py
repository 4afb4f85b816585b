"""A PostgreSQL of the tests' own: Debian's package, in a private directory, as its own user, on a socket there.

It runs as in production (fsync on), so that a kill of it is a kill.
"""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pytest

_LIMIT = 60.0  # seconds to start or to stop


@lru_cache
def binaries() -> Path | None:
    """Debian's newest PostgreSQL, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(Path(path).parts[4]))
    return Path(found[-1]).parent if found else None


def required() -> None:
    """Skip where PostgreSQL is missing; fail under CI, which installs it."""
    if binaries() is None:
        why = "needs PostgreSQL: apt-get install postgresql"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


class PostgresServer:
    """One cluster, from start to the end of the ``with`` block."""

    def __init__(self, *settings: str, port: int | None = None) -> None:
        """``settings``: lines such as ``max_connections=50``, beyond the defaults. ``port``: on loopback too."""
        self.home = Path(tempfile.mkdtemp(prefix="mssgw-pg-", dir="/tmp"))
        self._settings = settings if port is None else (*settings, "listen_addresses=127.0.0.1", f"port={port}")
        self._port = port or 5432
        self._process: subprocess.Popen[bytes] | None = None
        found = binaries()
        assert found is not None
        self._bin = found
        self._account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self._account:
            os.chown(self.home, self._account.pw_uid, self._account.pw_gid)

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """For ``store.url``."""
        return f"postgresql+psycopg://mssgw@/{database}?host={self.home}"

    def sql(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run it outside any transaction; the rows, if there are any."""
        with psycopg.connect(
            f"host={self.home} port={self._port} user=mssgw dbname={database}", autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def create(self, database: str) -> str:
        """A new empty database; its URL."""
        self.sql(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def __enter__(self) -> Self:
        try:
            made = [self._bin / "initdb", "-D", self.home / "data", "-U", "mssgw", "-A", "trust"]
            made += ["-E", "UTF8", "--locale=C", "--no-sync"]
            subprocess.run(made, check=True, capture_output=True, timeout=_LIMIT, preexec_fn=self._become())
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        self._remove()

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = ["listen_addresses=", f"unix_socket_directories={self.home}", *self._settings]
        arguments = [word for line in settings for word in ("-c", line)]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.home / "data", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._become(),
            )
        end = time.monotonic() + _LIMIT
        while True:
            try:
                self.sql("SELECT 1")
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.home / "log").read_text()[-2_000:]
                assert time.monotonic() < end, "PostgreSQL does not start"
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast stop, SIGQUIT as good as a crash: it recovers from its WAL at the next start."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(_LIMIT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes stand still while the block runs, as on a dead disk; the kernel acknowledges for them."""
        still = [self.pid, *_children(self.pid)]
        for pid in still:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(still):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def _become(self) -> Callable[[], None] | None:
        """PostgreSQL refuses to run as root."""
        account = self._account
        if account is None:
            return None

        def become() -> None:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os.chdir("/")

        return become

    def _remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.home, ignore_errors=True)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(each) for each in listed.split()]
