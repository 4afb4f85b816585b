"""What demo and tests ask of an IMAP server, whoever made it: accounts, a way in for others, a bounded start and stop.

``DovecotStore`` (dovecot.py) and ``PymapStore`` (pymap.py) are such stores, so that nothing is fitted to one of them.
"""

import contextlib
import imaplib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from demo.pki import TrustSpace
from demo.ports import free_port, listens, wait_until_it_listens

LIMIT = 30.0  # seconds to start or to stop
HOST = "localhost"  # the name in their certificates
PASSWORD = "mot de passe é"
MASTER = "passerelle"  # with MASTER_PASSWORD it logs in for any account
MASTER_PASSWORD = "tous les guichets"


class MailStore(ABC):
    """One server on loopback, in a directory of its own. As a context manager it is started and surely stopped.

    ``port`` speaks STARTTLS, ``tls_port`` TLS from the first byte (None: it cannot); ``anchors`` is the authority of
    its certificate.
    """

    name = ""

    def __init__(self, *accounts: str) -> None:
        """``accounts``: all have PASSWORD."""
        self.accounts = accounts
        self.port = free_port()
        self.tls_port: int | None = None
        self.home = Path(tempfile.mkdtemp(prefix=f"mssgw-{self.name}-", dir="/tmp"))
        self.home.chmod(0o755)
        space = TrustSpace()
        self.anchors = space.write_anchors(self.home)
        self.chain, self.key = space.operator(HOST).write_apart(self.home)
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What starts it, in the foreground."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            error.add_note(self.last_log_lines())
        self.close()

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        with (self.home / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        alive = self.process
        assert wait_until_it_listens(self.port, limit=LIMIT, alive=lambda: alive.poll() is None), self.last_log_lines()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it with all its processes; what it keeps stays. SIGKILL: as a crash would."""
        if self.process is None:
            return
        group, self.process = self.process, None
        if how is not signal.SIGKILL and group.poll() is None:
            group.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                group.wait(LIMIT / 3)
        with contextlib.suppress(ProcessLookupError):  # it leads a process group of its own, which may outlive it
            os.killpg(group.pid, signal.SIGKILL)
        group.wait(LIMIT)
        end = time.monotonic() + LIMIT
        while listens(self.port) and time.monotonic() < end:
            time.sleep(0.02)

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.stop(how)
        self.start()

    def close(self) -> None:
        """Stop it and remove all it had."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    @contextlib.contextmanager
    def client(self, account: str) -> Iterator[imaplib.IMAP4]:
        """Somebody else at that mailbox: the standard library's client, over TLS. It blocks, but not for long."""
        client = imaplib.IMAP4(HOST, self.port, timeout=LIMIT)
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each letter put waits 40 ms
        try:
            client.starttls(ssl.create_default_context(cafile=str(self.anchors)))
            client.authenticate("PLAIN", lambda _: f"\0{account}\0{PASSWORD}".encode())
            yield client
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def letters(self, account: str, folder: str = "INBOX") -> list[bytes]:
        """All letters of a folder, oldest first."""
        with self.client(account) as client:
            if client.select(f'"{folder}"', readonly=True)[0] != "OK":
                return []
            found = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
            return [each[1] for each in found if isinstance(each, tuple)]

    def put(self, account: str, *letters: bytes, folder: str = "INBOX", flags: str = "") -> None:
        """Letters that somebody else brought."""
        with self.client(account) as client:
            for letter in letters:
                said = client.append(f'"{folder}"', flags, "", letter)
                assert said[0] == "OK", said

    def last_log_lines(self, count: int = 25) -> str:
        """The end of its logs, for a failure's text."""
        lines: list[str] = []
        for name in ("output", "log"):
            with contextlib.suppress(FileNotFoundError):
                lines += (self.home / name).read_text(errors="replace").splitlines()[-count:]
        return "\n".join([f"--- {self.name}", *lines])
