"""What ends ``mssgw serve`` before anybody connects, in one sentence."""

import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from mssgw.app import config as configuration
from mssgw.app import crew
from mssgw.app.cli.exits import Code, code_and_lines
from mssgw.app.config import Config
from mssgw.app.descriptors import bind
from mssgw.app.seat import Seat
from mssgw.app.telemetry.events import Silence
from mssgw.core.errors import NameTaken
from mssgw.edges import systemd
from tests.installation import IN_CLEAR, install

NOBODY = 65534


def said_before_the_sockets(
    path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> tuple[Code, list[str]]:
    """How ``mssgw serve`` ends, and what it says."""
    monkeypatch.setattr(crew, "bind", lambda *_: pytest.fail("it went on to the sockets"))
    monkeypatch.setattr(crew, "allow_open_files", lambda: None)
    try:
        with pytest.raises(kind) as refused:
            crew.serve(path)
    finally:
        structlog.reset_defaults()
    return code_and_lines(refused.value)


def test_root_does_not_serve_over_the_store_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would leave letters on disk that the service cannot read."""
    path, state = install(tmp_path, hop=25), tmp_path / "state"
    if os.geteuid() == 0:
        os.chown(state, NOBODY, NOBODY)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PermissionError) as refused:
        crew.serve(path)
    code, (line,) = code_and_lines(refused.value)
    assert code is Code.NO_PERMISSION
    name = crew.name_of(state.stat().st_uid)
    assert line == f"{state} belongs to {name}: systemctl start mssgw, or sudo -u {name} mssgw serve"
    assert list(state.iterdir()) == []


@pytest.mark.parametrize(
    ("listener", "section"),
    [
        ('tls = "starttls"\ncertificate = "credential:tls-certificate"\nkey = "credential:tls-key"', ""),
        (IN_CLEAR, '[delivery]\nca_file = "credential:tls-certificate"'),
    ],
    ids=["listener", "delivery"],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_credential_that_only_the_service_has_is_said_before_there_are_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: str, section: str, workers: int
) -> None:
    """Each of them would fall over it, and be replaced for ever."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = install(tmp_path, section, hop=25, workers=workers, listener=listener)
    code, (line,) = said_before_the_sockets(path, monkeypatch, FileNotFoundError)
    assert code is Code.CONFIG
    assert line == "credential:tls-certificate exists only inside the systemd service, from its next start on"


def test_a_user_without_a_name_is_named_as_a_shell_passes_it_to_sudo() -> None:
    assert crew.name_of(4_000_000_000) == "'#4000000000'"


def test_a_port_that_is_taken_is_said_with_the_name_of_its_listener(tmp_path: Path) -> None:
    """There may be several, and the address alone says little."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = configuration.load(install(tmp_path, hop=25, port=port))
        with pytest.raises(OSError) as refused:
            bind(config, Silence())
    code, (line,) = code_and_lines(refused.value)
    assert code is Code.UNAVAILABLE
    assert line.startswith("listener house: Address already in use")
    assert str(port) in line
    assert line.endswith("`ss -ltnp` tells who listens there")


def test_a_port_that_systemd_holds_and_no_listener_asks_for_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd goes on listening there: who connects is never answered, while the gateway says that it is ready."""
    config = configuration.load(install(tmp_path, hop=25))
    told: list[tuple[str, dict[str, object]]] = []

    class Ears(Silence):
        def event(self, name: str, **fields: object) -> None:  # type: ignore[override]
            told.append((name, fields))

    with socket.create_server(("127.0.0.1", 0)) as held, socket.create_server(("127.0.0.1", 0)) as asked:
        monkeypatch.setattr(systemd, "listen_sockets", lambda: {"home": [held.dup()], "house": [asked.dup()]})
        bound = bind(config, Ears())
        assert [each.getsockname() for each in bound["house"]] == [asked.getsockname()]
        bound["house"][0].close()
    assert told == [("gateway.socket_unused", {"alarm": True, "socket": "home"})]


def test_a_name_that_another_node_has_is_said_before_there_are_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them would fall over it, and be replaced for ever."""
    monkeypatch.setattr(crew, "at_rest", _taken)
    code, (line,) = said_before_the_sockets(install(tmp_path, hop=25, workers=2), monkeypatch, NameTaken)
    assert code is Code.UNAVAILABLE
    assert re.fullmatch(r'another node runs as ".+-1": give each its own \[gateway\] node', line)


def test_a_worker_whose_name_is_taken_tells_the_supervisor_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a defect of ours: another worker would only find the same."""
    monkeypatch.setattr(crew, "at_rest", _taken)
    path = install(tmp_path, hop=25, workers=2)
    assert crew.Crew(path, configuration.load(path)).member(Seat(number=2, of=2)) == crew.NAME_TAKEN


@asynccontextmanager
async def _taken(_config: Config, *, node: str, **_given: object) -> AsyncIterator[None]:
    raise NameTaken(node)
    yield
