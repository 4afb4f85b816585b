"""What becomes a new store, and what is taken for one whose other half is elsewhere."""

import errno
import os
import time
from pathlib import Path

import pytest

from mssgw.app import config
from mssgw.app.stores import at_rest, served_by_us_alone
from mssgw.core.errors import StoreBusy, StoreUnavailable
from mssgw.edges import store_lock
from tests.installation import begun, install


async def open_and_close(path: Path, *, founds: bool = True) -> None:
    async with at_rest(config.load(path), founds=founds):
        pass


async def test_a_first_start_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    """The spool is made before the database, and that before its first page."""
    path, state = install(tmp_path, hop=25), tmp_path / "state"
    (state / "spool" / "00").mkdir(parents=True)
    (state / "mssgw.db").touch()
    await open_and_close(path)
    await open_and_close(path, founds=False)


@pytest.mark.parametrize("founds", [False, True])
async def test_no_spool_is_made_for_a_database_that_had_one(tmp_path: Path, founds: bool) -> None:
    """It is elsewhere for a while, and letters in the new one would be out of sight when it is back."""
    path, spool = install(tmp_path, hop=25), tmp_path / "state" / "spool"
    begun(spool.parent)
    spool.rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable, match=f"no spool in {spool}: was it moved"):
        await open_and_close(path, founds=founds)
    assert not spool.exists()
    (tmp_path / "away").rename(spool)
    await open_and_close(path, founds=founds)


@pytest.mark.parametrize("left", ["elsewhere/letters.db-wal", "state/spool/1M/1M7ZTY3TH5M3REAG"])
async def test_no_store_is_made_over_what_is_left_of_one_wherever_its_database_was(tmp_path: Path, left: str) -> None:
    file = tmp_path / "elsewhere" / "letters.db"
    path = install(tmp_path, hop=25, store=f'url = "sqlite:///{file}"')
    remains = tmp_path / left
    remains.parent.mkdir(parents=True)
    remains.write_bytes(b"sealed")
    with pytest.raises(StoreUnavailable, match="give it back from a backup") as raised:
        await open_and_close(path)
    assert str(raised.value).startswith(f"no {file}, but what belongs to one, {tmp_path}/{left.partition('/1M')[0]}: ")
    assert not file.exists()
    remains.unlink()
    await open_and_close(path)
    assert file.exists()


@pytest.mark.parametrize("shared", ["state", "database"])
def test_gateways_share_neither_state_directory_nor_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: str
) -> None:
    """Over one database their letters go twice; in one spool each takes the other's bodies for garbage."""
    monkeypatch.setattr(store_lock, "_PREDECESSOR", 0.0)
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir(), other.mkdir()
    first = config.load(install(one, hop=25))
    url = "other.db" if shared == "state" else "mssgw.db"
    path = install(other, hop=25, store=f'url = "sqlite:///{first.gateway.state_dir}/{url}"')
    if shared == "state":
        path.write_text(path.read_text().replace('"state"', f'"{first.gateway.state_dir}"'))
    with served_by_us_alone(first), pytest.raises(StoreBusy, match="another gateway serves here"):
        served_by_us_alone(config.load(path)).__enter__()
    with served_by_us_alone(config.load(path)):
        pass


def test_a_gateway_begins_when_the_last_worker_of_the_one_before_has_ended(tmp_path: Path) -> None:
    """It may still be sending a letter when its supervisor is dead already."""
    ours = config.load(install(tmp_path, hop=25))
    with served_by_us_alone(ours):
        worker = os.fork()
        if worker == 0:
            time.sleep(0.5)
            os._exit(0)
        begun_at = time.monotonic()
    with served_by_us_alone(ours):
        assert time.monotonic() > begun_at + 0.4
    os.waitpid(worker, 0)


def test_nodes_over_a_servers_database_go_by_their_names_alone(tmp_path: Path) -> None:
    url = 'url = "postgresql+psycopg://mssgw@127.0.0.1/mssgw"'
    ours = config.load(install(tmp_path, hop=25, store=url))
    with served_by_us_alone(ours), served_by_us_alone(ours):
        pass


async def test_a_folder_that_the_unit_keeps_read_only_says_what_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ProtectSystem=strict: state_dir was moved, and `mssgw check`, which is not in the unit, sees nothing of that."""
    path = install(tmp_path, hop=25)
    state = tmp_path / "state"
    begun(state)

    def read_only(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(store_lock.os, "open", read_only)
    with pytest.raises(StoreUnavailable, match=f"Read-only file system: .*ReadWritePaths={state}"):
        await open_and_close(path, founds=False)
