"""Commands beside a service that is stopped: its credentials are out of sight, unless systemd-run gives them."""

from pathlib import Path

import pytest

from mssgw.app.cli import opening
from mssgw.app.config import ConfigErrors, load
from mssgw.app.stores import at_rest
from mssgw.core.errors import StoreUnavailable
from mssgw.edges.vault import UnusableKey
from tests import installation


@pytest.fixture(autouse=True)
def outside_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


async def told_without_a_key(folder: Path, named: str = "") -> str:
    """As with the supplied units: no file is named, and the credential is out of sight."""
    config = folder / "mssgw.toml"
    written = 'master_key_file = "master.key"'
    config.write_text(config.read_text().replace(written, named, 1))
    assert written not in config.read_text()
    with pytest.raises(UnusableKey) as refused:
        async with at_rest(load(config), founds=False):
            pass
    return str(refused.value)


@pytest.mark.parametrize(
    ("named", "credential"),
    [("", "LoadCredential=master-key:"), ('master_key_file = "credential:cle"', "LoadCredential=cle:")],
)
@pytest.mark.parametrize("there", ["mssgw.db", "spool/1M/1M8Z7Q4X9TB20KEV"])
async def test_who_finds_no_key_to_a_store_is_never_told_to_make_one(
    tmp_path: Path, there: str, named: str, credential: str
) -> None:
    """A new key opens no letter of it; what to type is said, the key's credential by its name."""
    installation.install(tmp_path, hop=25)
    (sealed := tmp_path / "state" / there).parent.mkdir(parents=True, exist_ok=True)
    sealed.write_bytes(b"sealed")
    told = await told_without_a_key(tmp_path, named)
    assert "key new" not in told
    assert "systemd-run --wait --pipe -p User=mssgw -p " + credential in told


async def test_where_no_key_is_named_the_one_of_the_service_comes_before_a_new_one(tmp_path: Path) -> None:
    """Else an installation with the supplied units gets a second key, beside the letters that it seals."""
    installation.install(tmp_path, hop=25)
    told = await told_without_a_key(tmp_path)
    service = told.index("systemd-run --wait --pipe -p User=mssgw -p LoadCredential=master-key:")
    assert service < told.index("for a trial without systemd, `mssgw key new")
    assert told.endswith(f"`mssgw key new {tmp_path / 'state' / 'master.key'}`")


async def test_a_state_directory_that_cannot_be_made_is_told_with_how_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is the gateway's user already is not told to become it: under /var/lib root alone makes folders."""
    config = load(installation.install(tmp_path, hop=25))
    (tmp_path / "state").rmdir()

    def denied(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(StoreUnavailable, match="does not exist") as refused:
        async with at_rest(config, founds=True):
            pass
    assert str(refused.value).endswith(f"install -d -m 0700 -o mssgw -g mssgw {tmp_path / 'state'}")
    assert refused.value.__cause__ is None


async def test_a_command_needs_no_more_credentials_than_those_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`systemd-run -p LoadCredential=master-key:FILE mssgw queue list`: certificates are for who serves, and checks."""
    tls = 'tls = "starttls"\ncertificate = "credential:tls-certificate"\nkey = "credential:tls-key"'
    config = installation.install(tmp_path, hop=25, listener=tls)
    config.write_text(config.read_text().replace('master_key_file = "master.key"', "", 1))
    (tmp_path / "given").mkdir()
    (tmp_path / "master.key").rename(tmp_path / "given" / "master-key")
    installation.begun(tmp_path / "state")
    monkeypatch.setattr(opening, "CREDENTIALS", tmp_path / "of the service")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "given"))
    async with opening.open_office(config, alone=False) as office:
        assert await office.desk.queue(limit=1) == []
    with pytest.raises(ConfigErrors, match="tls-certificate"):
        load(config)
