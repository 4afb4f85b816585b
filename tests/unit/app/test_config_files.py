"""Files and folders that the configuration names: who may read them, where they lie, what has to be in them."""

import os
from pathlib import Path

import pytest

from mssgw.app import config
from mssgw.app.config import file_advice
from mssgw.app.config.places import SecretFile
from mssgw.app.stores import with_password
from tests.pki import Authority
from tests.unit.app.conftest import Load


def test_root_is_warned_of_a_configuration_that_the_service_cannot_read(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor that left it 0600: root's check is content, and the service does not start."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(file_advice, "_service_reads", lambda path: path.name != "mssgw.toml")
    told = [each.message for each in config.warnings(load()) if "may not read this file" in each.message]
    assert [each.endswith(f"chmod 0640 {tmp_path / 'mssgw.toml'}") for each in told] == [True]
    monkeypatch.setattr(file_advice, "_service_reads", lambda path: True)
    assert not [each for each in config.warnings(load()) if "this file" in each.message]


def test_a_master_key_that_every_user_can_read_is_refused(load: Load, tmp_path: Path) -> None:
    """A key for all is no key; the daemon would not start with it, so `mssgw check` says so."""
    key = tmp_path / "master.key"
    key.write_bytes(bytes(32))
    named = {"old": 'state_dir = "state"', "new": f'state_dir = "state"\n[store]\nmaster_key_file = "{key.name}"'}
    for mode in (0o640, 0o600):
        key.chmod(mode)
        assert load(**named).master_key.path == key
    key.chmod(0o644)
    with pytest.raises(config.ConfigErrors) as refused:
        load(**named)
    (problem,) = refused.value.problems
    assert (problem.key, problem.message) == (
        "store.master_key_file",
        f"every user of the machine may use it: chmod 0400 {key}",
    )


def test_a_missing_key_is_replaced_only_where_nothing_is_sealed_yet(load: Load, tmp_path: Path) -> None:
    """Beside a database, another key would open none of its letters."""
    named = {"old": 'state_dir = "state"', "new": 'state_dir = "state"\n[store]\nmaster_key_file = "k"'}
    with pytest.raises(config.ConfigErrors, match="for a new store: mssgw key new"):
        load(**named)
    (tmp_path / "state" / "mssgw.db").write_bytes(b"sealed")
    with pytest.raises(config.ConfigErrors, match="give back the key that this store was made with") as refused:
        load(**named)
    assert "key new" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"short", b"00" * 31])
def test_a_file_that_holds_no_master_key_is_refused(load: Load, tmp_path: Path, content: bytes) -> None:
    """The daemon would end at its start. Where no file is named, the one beside the letters is only warned of."""
    named = {"old": 'state_dir = "state"', "new": 'state_dir = "state"\n[store]\nmaster_key_file = "state/master.key"'}
    (key := tmp_path / "state" / "master.key").write_bytes(content)
    key.chmod(0o400)
    with pytest.raises(config.ConfigErrors) as refused:
        load(**named)
    expected = f"{key}: expected 32 bytes, raw or as hex or base64 text"
    assert [(each.key, each.message) for each in refused.value.problems] == [("store.master_key_file", expected)]
    told = [each.message for each in config.warnings(load()) if each.key == "store.master_key_file"]
    assert told[1:] == [f"the service would not start with it: {expected}"]


def test_each_credential_that_is_not_seen_is_warned_of(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a shell nobody sees whether the unit loads it; the service does not start without it."""
    new = '[store]\nmaster_key_file = "credential:master"\npassword_file = "credential:database"\n\n[policy]'
    told = {each.key: each.message for each in config.warnings(load(old="[policy]", new=new))}
    assert "LoadCredential=master:" in told["store.master_key_file"]
    assert "LoadCredential=database:" in told["store.password_file"]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "master").write_bytes(bytes(32))
    (tmp_path / "master").chmod(0o400)
    (tmp_path / "database").write_text("geheim")
    told = {each.key: each.message for each in config.warnings(load(old="[policy]", new=new))}
    assert not told.keys() & {"store.master_key_file", "store.password_file"}


def test_a_state_directory_open_to_all_is_warned_of(load: Load, tmp_path: Path) -> None:
    """Names of files and sizes of letters are nobody else's."""
    (tmp_path / "state").chmod(0o755)
    assert "gateway.state_dir" in {each.key for each in config.warnings(load())}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("file", "is not a folder: "),
        ("file/state", "cannot be made: Not a directory"),
        ("absent/state", "cannot be made: no such folder: "),
        ("link", "cannot be made: a link that leads nowhere"),
        ("x" * 300, "cannot be made: File name too long"),
    ],
)
def test_a_state_directory_that_is_none_and_cannot_be_one_is_an_error(
    load: Load, tmp_path: Path, named: str, expected: str
) -> None:
    """The daemon would not start. Holds for root as well, whom permissions do not stop."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(config.ConfigErrors) as caught:
        load(old='state_dir = "state"', new=f'state_dir = "{named}"')
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (3, "gateway.state_dir")
    assert problem.message.startswith(expected)


def test_a_state_directory_that_a_first_start_makes_is_no_error(load: Load) -> None:
    assert not load(old='state_dir = "state"', new='state_dir = "state/new"').gateway.state_dir.exists()


def test_a_credential_is_found_where_systemd_puts_it(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And outside the service its absence is no error: `mssgw check` runs from a shell."""
    old, new = '2525"\ntls = "none"', '2525"\ncertificate = "credential:cert"\nkey = "credential:key"'
    assert load(old=old, new=new).listeners[0].certificate == SecretFile("credential:cert", None)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    Authority().issue(tmp_path, "gw.exemple.fr").rename(tmp_path / "cert")
    with pytest.raises(config.ConfigErrors) as caught:
        load(old=old, new=new)
    assert [each.key for each in caught.value.problems] == ["listener[0].key"]
    (tmp_path / "key").write_bytes((tmp_path / "cert").read_bytes())
    assert load(old=old, new=new).listeners[0].key == SecretFile("credential:key", tmp_path / "key")


def test_the_master_key_is_the_file_else_the_credential_else_beside_the_database(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file says wins; a trial needs no key to be named."""
    assert load().master_key.path == tmp_path / "state" / "master.key"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load().master_key.path == tmp_path / "state" / "master.key"
    (tmp_path / "master-key").touch()
    assert load().master_key.path == tmp_path / "master-key"
    (tmp_path / "named.key").write_bytes(bytes(32))
    (tmp_path / "named.key").chmod(0o600)
    new = 'state_dir = "state"\n[store]\nmaster_key_file = "named.key"'
    assert load(old='state_dir = "state"', new=new).master_key.path == tmp_path / "named.key"


def test_the_database_lies_in_the_state_directory(load: Load, tmp_path: Path) -> None:
    """A relative state directory lies beside the file, wherever the daemon was started."""
    assert load().database_url == f"sqlite:///{tmp_path}/state/mssgw.db"


def test_a_folder_that_does_not_exist_yet_is_no_warning_where_it_can_be_made(load: Load, tmp_path: Path) -> None:
    """The daemon makes its state directory at the first start."""
    os.rmdir(tmp_path / "state")
    assert "gateway.state_dir" not in {each.key for each in config.warnings(load())}


@pytest.mark.skipif(os.geteuid() != 0, reason="others see an error: they cannot read it themselves")
def test_root_is_warned_of_files_that_the_service_cannot_read(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check` as root finds nothing wrong with a file of mode 0600, and then the unit does not start."""
    monkeypatch.setattr(file_advice, "SERVICE_USER", "nobody")
    (secret := tmp_path / "password").write_text("geheim\n")
    secret.chmod(0o600)
    new = f'[store]\npassword_file = "{secret}"\n\n[policy]'
    (told,) = [each for each in config.warnings(load(old="[policy]", new=new)) if each.key == "store.password_file"]
    assert "the service's user nobody" in told.message
    assert f"LoadCredential=NAME:{secret}" in told.message


@pytest.mark.skipif(os.geteuid() != 0, reason="others see an error: they cannot read it themselves")
def test_root_is_warned_of_files_that_the_unit_hides(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """InaccessiblePaths= hides them whatever their modes are."""
    monkeypatch.setattr(file_advice, "HIDDEN", (tmp_path / "secrets",))
    (folder := tmp_path / "secrets").mkdir()
    (secret := folder / "password").write_text("geheim\n")
    new = f'[store]\npassword_file = "{secret}"\n\n[policy]'
    told = [each.message for each in config.warnings(load(old="[policy]", new=new))]
    assert any("InaccessiblePaths=" in message and "credential:NAME" in message for message in told)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_somebody_else_left_in_the_state_directory_is_warned_of(load: Load, tmp_path: Path) -> None:
    """A command typed by root before its time, a restored backup: the daemon fails over it later, and far from it."""
    state = tmp_path / "state"
    os.chown(state, 12345, 12345)
    (state / "spool").mkdir()
    for name, owner in (("mssgw.db", 0), ("lock", 12345), ("lost+found", 0), ("master.key", 0)):
        (state / name).write_bytes(bytes(32))
        os.chown(state / name, owner, 12345)
    told = [each.message for each in config.warnings(load()) if each.key == "gateway.state_dir"]
    assert told == [f"not of the folder's owner: mssgw.db, spool; chown -R --reference={state} {state}"]
    os.chown(state / "mssgw.db", 12345, 12345)
    os.chown(state / "spool", 12345, 12345)
    assert "gateway.state_dir" not in {each.key for each in config.warnings(load())}


def test_what_is_hidden_is_what_the_unit_hides() -> None:
    unit = (Path(__file__).parents[3] / "systemd" / "mssgw.service").read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("InaccessiblePaths=")]
    assert line.partition("=")[2].split() == [f"-{folder}" for folder in file_advice.HIDDEN]


def test_the_password_of_the_database_comes_from_its_file(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential too; in the URL that the driver gets, it is quoted, and several hosts stay several."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "db").write_text("a/b@c:%\n")
    loaded = load(old="[policy]", new='[store]\npassword_file = "credential:db"\n\n[policy]')
    url = with_password("postgresql+psycopg://mssgw@db1,db2/mssgw?sslmode=verify-full", loaded)
    assert url == "postgresql+psycopg://mssgw:a%2Fb%40c%3A%25@db1,db2/mssgw?sslmode=verify-full"
    assert with_password("sqlite:////x/mssgw.db", loaded) == "sqlite:////x/mssgw.db"
