"""What systemd is told and gives: on real sockets, with a real child process for the descriptors."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mssgw.edges import systemd


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    """A datagram socket as systemd's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(5)
        yield heard


def test_systemd_hears_what_happens(supervisor: socket.socket) -> None:
    """sd_notify(3): one datagram, assignments on lines."""
    environ = {"NOTIFY_SOCKET": supervisor.getsockname()}
    assert systemd.notify(systemd.READY, systemd.status("42 en file\nREADY=0"), environ=environ)
    assert supervisor.recv(1000) == b"READY=1\nSTATUS=42 en file"
    assert systemd.notify(systemd.reloading(12.5), environ=environ)
    assert supervisor.recv(1000) == b"RELOADING=1\nMONOTONIC_USEC=12500000"
    for message in (systemd.WATCHDOG, systemd.STOPPING):
        assert systemd.notify(message, environ=environ)
        assert supervisor.recv(1000) == message.encode()


def test_the_abstract_namespace_is_reached(tmp_path: Path) -> None:
    """systemd in containers uses names that begin with @."""
    name = f"mssgw-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0{name}")
        heard.settimeout(5)
        assert systemd.notify(systemd.READY, environ={"NOTIFY_SOCKET": f"@{name}"})
        assert heard.recv(100) == b"READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_a_supervisor_nothing_happens(environ: dict[str, str]) -> None:
    """A terminal, a test, a supervisor that died: no error."""
    assert not systemd.notify(systemd.READY, environ=environ)


def test_a_supervisor_that_does_not_listen_does_not_stop_us(supervisor: socket.socket) -> None:
    """Its full buffer must not block the loop that carries mail."""
    environ = {"NOTIFY_SOCKET": supervisor.getsockname()}
    told = [systemd.notify("STATUS=" + "x" * 1000, environ=environ) for _ in range(5000)]
    assert told[0]
    assert not told[-1]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_at_twice_its_pace(environ: dict[str, str], seconds: float | None) -> None:
    """sd_watchdog_enabled(3) advises half the time; another process's dog is not ours."""
    assert systemd.watchdog_interval(environ) == seconds


CHILD = """
import os, sys
from mssgw.edges import systemd
os.environ["LISTEN_PID"] = str(os.getpid())
found = systemd.listen_sockets()
for name, sockets in sorted(found.items()):
    for each in sockets:
        print(name, each.getsockname()[1], os.get_inheritable(each.fileno()))
print("LISTEN_FDS" in os.environ, systemd.listen_sockets())
"""


def test_sockets_are_known_by_their_names() -> None:
    """FileDescriptorName= says which listener a socket is for; no child inherits it."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [each.getsockname()[1] for each in (one, other)]
        for number, each in enumerate((one, other)):
            os.set_inheritable(each.fileno(), True)
            assert each.fileno() > 3 + number
        # The shell puts the descriptors where systemd would: from 3 on.
        script = f'exec 3<&{one.fileno()} 4<&{other.fileno()}; exec "$0" -c "$1"'
        child = subprocess.run(
            ["/bin/bash", "-c", script, sys.executable, CHILD],
            env=os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "trust-space:establishment"},
            pass_fds=(one.fileno(), other.fileno()),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    assert child.stdout.splitlines() == [
        f"establishment {ports[1]} False",
        f"trust-space {ports[0]} False",
        "False {}",
    ]


def test_sockets_of_another_process_are_left_alone() -> None:
    """The variables may be inherited by mistake; descriptor 3 is then something else."""
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}
    assert systemd.listen_sockets(environ) == {}


def test_credentials_are_files_in_their_directory(tmp_path: Path) -> None:
    """LoadCredential= puts them there; outside systemd there are none."""
    (tmp_path / "master-key").touch()
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert systemd.credential("master-key", environ) == tmp_path / "master-key"
    assert systemd.credential("tls-key", environ) is None
    assert systemd.credential("master-key", {}) is None
