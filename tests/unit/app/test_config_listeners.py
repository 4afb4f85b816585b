"""What a listener shows, and whom a next hop is verified by: what would stop the daemon is told before (TLS-1)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mssgw.app import config
from tests.pki import Authority, TrustSpace, pem_of
from tests.unit.app.configurations import GOOD, problems_of
from tests.unit.app.configurations import write as written

SECURED = 'address = "127.0.0.1:2525"\ntls = "starttls"\ncertificate = "ours.pem"\nkey = "ours.key"\n'
SOUND = GOOD.replace('address = "127.0.0.1:2525"\ntls = "none"\n', SECURED) + (
    'ca_file = "authority.pem"\n\n[notifications]\nca_file = "authority.pem"\n'
)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A configuration that holds together, and its files; then ``old`` is replaced by ``new``, once."""
    space = TrustSpace()
    space.operator("gw.exemple.fr").write_apart(tmp_path, "ours")
    space.operator("gw.exemple.fr").write_apart(tmp_path, "renewed")
    (tmp_path / "authority.pem").write_bytes(pem_of(space.root.certificate))
    (tmp_path / "junk.pem").write_text("junk\n")

    def write(old: str = "", new: str = "") -> Path:
        assert not old or old in SOUND
        return written(tmp_path, SOUND.replace(old, new, 1) if old else SOUND)

    return write


MISTAKES = [
    ('"ours.pem"', '"ours.key"', "listener[0].certificate", "ours.key: no PEM certificate in it"),
    ('"ours.pem"', '"renewed.pem"', "listener[0].certificate", "is not the private key of"),
    ('"ours.pem"', '"junk.pem"', "listener[0].certificate", "junk.pem: no PEM certificate in it"),
    ('"ours.key"', '"junk.pem"', "listener[0].key", "junk.pem: no PEM private key in it"),
    ('"ours.key"', '"absent.key"', "listener[0].key", "cannot be read"),
    ('ca_file = "authority.pem"', 'ca_file = "junk.pem"', "delivery.ca_file", "no PEM certificate in it"),
    ('ca_file = "authority.pem"', 'ca_file = "ours.key"', "delivery.ca_file", "no PEM certificate in it"),
    ('s]\nca_file = "authority.pem"', 's]\nca_file = "junk.pem"', "notifications.ca_file", "no PEM certificate in it"),
    ('s]\nca_file = "authority.pem"', 's]\nca_file = "absent"', "notifications.ca_file", "cannot be read"),
]


def test_what_the_mistakes_start_from_is_sound(write: Write) -> None:
    """Else every refusal below would prove nothing."""
    assert config.load(write()).listeners[0].certificate is not None


@pytest.mark.parametrize(("old", "new", "key", "expected"), MISTAKES)
def test_a_file_that_would_stop_the_daemon_is_told_once_with_its_line(
    write: Write, old: str, new: str, key: str, expected: str
) -> None:
    path = write(old, new)
    (problem,) = problems_of(path)
    line = path.read_text().splitlines()[problem.line - 1]
    assert problem.key == key
    assert line.startswith(key.rpartition(".")[2])
    assert expected in problem.message


def test_a_listener_without_tls_shows_nothing(write: Write) -> None:
    """Its certificate is not used, so it keeps nobody from starting."""
    path = write('tls = "starttls"\ncertificate = "ours.pem"', 'tls = "none"\ncertificate = "renewed.pem"')
    assert config.load(path).listeners[0].certificate is not None


@pytest.mark.parametrize("named", ['"ours.key"', '"ours.pem"', '"authority.pem"'])
def test_a_credential_outside_its_service_is_no_error(
    write: Write, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Nobody can look into it there; what is named beside it is not held against it."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    config.load(write(named, '"credential:tls"'))


def test_a_credential_inside_its_service_is_held_against_its_certificate(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    config.load(write('"ours.key"', '"credential:ours.key"'))
    (problem,) = problems_of(write('"ours.key"', '"credential:renewed.key"'))
    assert problem.key == "listener[0].certificate"


def test_commands_that_only_read_need_no_pair(write: Write) -> None:
    """In the middle of a renewal one may still look."""
    path = write('"ours.pem"', '"renewed.pem"')
    assert config.load(path, keyless=True).listeners[0].name == "inside"


def doubts(path: Path) -> list[str]:
    return [each.message for each in config.warnings(config.load(path)) if each.key == "listener[0].certificate"]


@pytest.mark.parametrize(
    ("names", "days", "doubted"),
    [
        (["mssgw.chu-exemple.fr"], 60, []),
        (["smtp.chu-exemple.fr", "MSSGW.chu-exemple.fr"], 60, []),
        (["*.chu-exemple.fr"], 60, []),
        (["chu-exemple.fr"], 60, ["does not name gateway.hostname, mssgw.chu-exemple.fr, but chu-exemple.fr"]),
        (["*.fr"], 60, ["does not name"]),
        (["mssgw.chu-exemple.fr"], 14, ["ends in 13 days"]),
        (["mssgw.chu-exemple.fr"], -1, ["has ended"]),
        (["autre.fr"], -1, ["has ended", "does not name"]),
    ],
)
def test_a_certificate_that_clients_would_not_take_is_warned_of(
    write: Write, tmp_path: Path, names: list[str], days: int, doubted: list[str]
) -> None:
    """It has ended or soon will, or is another host's. No error: whoever does not verify it goes on sending."""
    Authority().issue(tmp_path, *names, days=days).rename(tmp_path / "both.pem")
    told = doubts(write('"ours.pem"\nkey = "ours.key"', '"both.pem"\nkey = "both.pem"'))
    assert len(told) == len(doubted)
    assert all(expected in message for expected, message in zip(doubted, told, strict=True))


def test_a_certificate_of_tomorrow_is_warned_of(write: Write, tmp_path: Path) -> None:
    """A renewal that was put in place too early: clients that verify take it no more than one that has ended."""
    Authority().issue(tmp_path, "mssgw.chu-exemple.fr", days=60, begins=1).rename(tmp_path / "both.pem")
    (told,) = doubts(write('"ours.pem"\nkey = "ours.key"', '"both.pem"\nkey = "both.pem"'))
    assert "is not valid yet: from" in told


def test_nothing_is_said_of_a_certificate_that_is_not_shown(write: Write) -> None:
    assert doubts(write())  # another host's
    assert not doubts(write('tls = "starttls"', 'tls = "none"'))
