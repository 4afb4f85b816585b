"""What becomes a new store, and what is taken for one whose other half is elsewhere."""

from pathlib import Path

import pytest

from mssgw.app import config
from mssgw.app.stores import at_rest
from mssgw.core.errors import StoreUnavailable
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
