"""A gateway as a process of its own: ``mssgw serve`` with a configuration made for the test.

Two worlds meet in it. The establishment ``ch-test.mssante.fr`` submits on ``port`` from all of loopback (or logs in on
``tls_port``); operators of the trust space speak to ``trust_port``, each from a loopback address of its own. When it is
closed, what it logged and what it stored is searched for planted canaries: see tests/canaries.py.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from argon2 import PasswordHasher

from tests.canaries import assert_no_leak
from tests.peers.ports import free_port, wait_until_it_listens

LOGIN, PASSWORD = "compte-cr", "correct-cheval-pile-agrafe"
PATIENT_OPERATOR, COLLEAGUE_OPERATOR = "127.0.0.2", "127.0.0.3"  # source addresses of the two operators
_START_LIMIT, _STOP_LIMIT = 30.0, 30.0  # seconds

Settings = Mapping[str, Any]  # as TOML: section -> key -> value; a list of tables for [[section]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hops:
    """Loopback ports where mail goes on: to the operators, and inward to the establishment's server."""

    operators: int
    inward: int | None = None


class GatewayProcess:
    """One gateway. ``settings`` are laid over the defaults of ``configuration``, section by section; ``product`` is
    that of the establishment.

    ``environment`` and ``under`` (words before the command) are those of the daemon alone, from its next start on.
    """

    def __init__(self, hops: Hops, *, settings: Settings | None = None, tls: bool = False, product: str = "") -> None:
        self.environment: dict[str, str] = {}
        self.under: list[str] = []
        self.home = Path(tempfile.mkdtemp(prefix="mssgw-gateway-"))
        self.home.chmod(0o700)
        self.state_dir.mkdir(mode=0o700)  # systemd makes it in service
        self.port, self.trust_port = free_port(), free_port()
        self.tls_port = free_port() if tls else None
        self._process: subprocess.Popen[bytes] | None = None
        (self.home / "master.key").write_bytes(secrets.token_bytes(32))
        (self.home / "master.key").chmod(0o600)
        if tls:
            _make_certificate(self.home)
        made = self.configuration(hops)
        if product:
            made["establishment"][0]["product"] = product
        self.configure(made, settings or {})

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._running().pid

    @property
    def config_file(self) -> Path:
        return self.home / "mssgw.toml"

    @property
    def log_file(self) -> Path:
        return self.home / "log"

    @property
    def state_dir(self) -> Path:
        return self.home / "state"

    def configuration(self, hops: Hops) -> dict[str, Any]:
        """The configuration that most tests use."""
        operators = f"127.0.0.1:{hops.operators}"
        establishment: dict[str, Any] = {
            "name": "ch-test",
            "domains": ["ch-test.mssante.fr"],
            "notice_domains": ["smtp.ch-test.invalid"],
            "networks": ["127.0.0.1"],
            "next_hop_tls": "none",
        }
        if hops.inward is not None:
            establishment["next_hop"] = f"127.0.0.1:{hops.inward}"
        clear = {"next_hop": operators, "next_hop_tls": "none"}
        made: dict[str, Any] = {
            "gateway": {"hostname": "mssgw.ch-test.invalid", "state_dir": str(self.state_dir)},
            "store": {"master_key_file": str(self.home / "master.key")},
            "listener": [
                {"name": "inside", "role": "establishment", "address": f"127.0.0.1:{self.port}", "tls": "none"},
                {"name": "outside", "role": "trust-space", "address": f"127.0.0.1:{self.trust_port}", "tls": "none"},
            ],
            "establishment": [establishment],
            "trusted_domain": [
                {"name": "mes", "domains": ["patient.mssante.fr"], "networks": [PATIENT_OPERATOR], **clear},
                {"name": "liberal", "domains": ["liberal.mssante.fr"], "networks": [COLLEAGUE_OPERATOR], **clear},
            ],
            "delivery": {"first_retry": "1s", "longest_retry": "2s"},
            "log": {"level": "debug", "format": "json"},
        }
        if self.tls_port is not None:
            certificate = {"certificate": str(self.home / "tls.crt"), "key": str(self.home / "tls.key")}
            address = f"127.0.0.1:{self.tls_port}"
            made["listener"].append(
                {"name": "people", "role": "establishment", "address": address, "auth": True, **certificate}
            )
            cheap = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
            made["login"] = [{"user": LOGIN, "password_hash": cheap, "establishment": "ch-test"}]
        return made

    def configure(self, made: dict[str, Any], settings: Settings) -> None:
        """Write the configuration file; a running gateway reads it on SIGHUP."""
        for section, values in settings.items():
            made[section] = {**made.get(section, {}), **values} if isinstance(values, Mapping) else values
        self.config_file.write_text(as_toml(made))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            error.add_note(self.last_log_lines())
        try:
            self.stop()
            if error is None:
                self.assert_no_canary()
        finally:
            self._end()

    def start(self) -> None:
        """Start it and wait until its listeners accept connections."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.under, program(), "--debug", "serve", "--config", str(self.config_file)],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that kill -9 takes its children too
            )
        process = self._process
        for port in filter(None, (self.port, self.trust_port, self.tls_port)):
            up = wait_until_it_listens(port, limit=_START_LIMIT, alive=lambda: process.poll() is None)
            assert up, f"it does not start\n{self.last_log_lines()}"

    def reload(self) -> None:
        """SIGHUP."""
        self._running().send_signal(signal.SIGHUP)

    @property
    def group(self) -> int:
        """The process group: of the process that was started, and of all that it started."""
        return self._running().pid

    def kill(self) -> float:
        """``kill -9``, to the whole process group; returns when it is dead, with the time just before the kill."""
        process = self._running()
        before = time.time()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_LIMIT)
        return before

    def stop(self) -> None:
        """SIGTERM, and the exit code must be 0."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        code = self._process.wait(_STOP_LIMIT)
        assert code == 0, f"exit code {code} on SIGTERM\n{self.last_log_lines()}"

    def wait(self, limit: float) -> int:
        """For its end, which it came to by itself; the exit code."""
        assert self._process is not None
        return self._process.wait(limit)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``mssgw`` with this gateway's configuration, as an operator would."""
        command = [program(), "--debug", *words, "--config", str(self.config_file)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def wait_until_nothing_waits(self, *, limit: float = 60.0) -> None:
        """Wait until every letter has its final outcome, so that no further copy can be on its way."""
        end = time.monotonic() + limit
        while (listed := self.command("queue", "list", "--json")).stdout or listed.returncode:
            assert time.monotonic() < end, f"still waiting:\n{listed.stdout[-2_000:]}{listed.stderr}"
            time.sleep(0.2)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def last_log_lines(self, count: int = 25) -> str:
        return "\n".join(["--- gateway log", *self.log().splitlines()[-count:]])

    def assert_no_canary(self) -> None:
        """Neither the log nor anything below the state directory (database, WAL, spool) holds a planted canary."""
        assert_no_leak([self.log_file, *(path for path in self.state_dir.rglob("*") if path.is_file())])

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        assert self._process.poll() is None, f"the gateway has ended\n{self.last_log_lines()}"
        return self._process

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOP_LIMIT)
        shutil.rmtree(self.home, ignore_errors=True)


def program() -> str:
    """The command ``mssgw`` of the environment that runs the tests."""
    return str(Path(sys.executable).with_name("mssgw"))


def as_toml(tables: Mapping[str, Any]) -> str:
    """Tables of plain values, and lists of such tables, as TOML."""
    lines = []
    for name, content in tables.items():
        several = isinstance(content, list)
        for table in content if several else [content]:
            lines.append(f"[[{name}]]" if several else f"[{name}]")
            lines += [f"{key} = {_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _make_certificate(folder: Path) -> None:
    """A self-signed certificate for 127.0.0.1, by Debian's openssl."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -batch"
    names = ["-subj", "/CN=mssgw.ch-test.invalid", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True, timeout=60)
