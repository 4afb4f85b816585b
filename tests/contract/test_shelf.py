"""Where the last good white list is kept: in memory and on disk alike."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.memory.trust import MemoryShelf
from mssgw.edges.trust_files import TrustFiles
from mssgw.ports.white_list import Kept, Shelf

NOW = datetime(2026, 1, 5, 9, 0, 0, 123_457, tzinfo=UTC)


def kept(file: bytes, at: datetime = NOW) -> Kept:
    return Kept(file=file, fingerprint=sha256(file).hexdigest(), generated_at=NOW - timedelta(hours=2), verified_at=at)


@pytest.fixture(params=["memory", "disk"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    return MemoryShelf() if request.param == "memory" else TrustFiles(tmp_path / "trust")


async def test_at_first_nothing_is_kept_and_nobody_has_tried(shelf: Shelf) -> None:
    """As on the day of installation."""
    assert await shelf.version() == ""
    assert await shelf.read() is None
    assert await shelf.tried_at() is None


async def test_what_was_kept_last_is_what_is_read(shelf: Shelf) -> None:
    """Each time under another version."""
    versions = set()
    for each in (kept(b"one"), kept(b"two"), kept(b"two", NOW + timedelta(hours=1)), kept(b"one")):
        await shelf.keep(each)
        assert await shelf.read() == each
        versions.add(await shelf.version())
    assert len(versions) == 4


async def test_when_it_was_tried_is_told_to_the_microsecond(shelf: Shelf) -> None:
    """It is compared with other times of the same clock."""
    await shelf.mark_tried(NOW)
    assert await shelf.tried_at() == NOW
    await shelf.mark_tried(NOW - timedelta(hours=1))
    assert await shelf.tried_at() == NOW - timedelta(hours=1)


async def test_the_turn_is_had_by_one_at_a_time(shelf: Shelf) -> None:
    """Whoever does not have it goes on without waiting."""
    async with shelf.turn() as first, shelf.turn() as second:
        assert (first, second) == (True, False)
    async with shelf.turn() as third:
        assert third


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trust"


def lies_in(folder: Path) -> tuple[int, set[int], list[str]]:
    """Its mode, those of its files, their suffixes."""
    files = list(folder.iterdir())
    mode = folder.stat().st_mode & 0o777
    return mode, {each.stat().st_mode & 0o777 for each in files}, sorted(each.suffix for each in files)


async def test_on_disk_only_its_owner_reads_it_and_only_one_list_stays(folder: Path) -> None:
    """Nothing is left of older lists, nor of half-written ones."""
    files = TrustFiles(folder)
    for each in (b"one", b"two"):
        await files.keep(kept(each))
    assert lies_in(folder) == (0o700, {0o600}, [".json", ".xml"])
    assert await TrustFiles(folder).read() == kept(b"two")


def lose_lists(folder: Path) -> None:
    for path in folder.glob("*.xml"):
        path.unlink()


async def test_a_lost_file_still_leaves_its_times(folder: Path) -> None:
    """So that the next list is no older one."""
    files = TrustFiles(folder)
    await files.keep(kept(b"one"))
    lose_lists(folder)
    found = await files.read()
    assert found is not None
    assert (found.file, found.generated_at) == (b"", kept(b"one").generated_at)
    await files.keep(kept(b"one"))
    assert await files.read() == kept(b"one")


async def test_a_list_that_is_replaced_while_it_is_read_is_not_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its note and its file, another worker kept the next one and removed this."""
    files, other, where = TrustFiles(folder), TrustFiles(folder), TrustFiles._file
    await files.keep(kept(b"one"))
    next_ones = [kept(b"three"), kept(b"two")]

    def replaced(self: TrustFiles, fingerprint: str) -> Path:
        path = where(self, fingerprint)
        if self is files and next_ones:
            other._keep(next_ones.pop())
        return path

    monkeypatch.setattr(TrustFiles, "_file", replaced)
    assert await files.read() == kept(b"three")


@pytest.mark.parametrize(
    "note", ["", "[]", "{}", "null", '{"fingerprint": "../../x", "generated_at": "x", "verified_at": "x"}', "\xff" * 9]
)
async def test_a_note_that_was_damaged_is_no_note(folder: Path, note: str) -> None:
    """An error that can be told, whatever stands there."""
    files = TrustFiles(folder)
    (folder / "white-list.json").write_bytes(note.encode("latin-1"))
    with pytest.raises(StoreUnavailable):
        await files.read()


async def test_a_folder_that_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    """At start, and later."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable):
        TrustFiles(tmp_path / "file" / "trust")
    files = TrustFiles(tmp_path / "trust")
    (tmp_path / "trust").rmdir()
    for call in (files.keep(kept(b"x")), files.mark_tried(NOW)):
        with pytest.raises(StoreUnavailable):
            await call
    with pytest.raises(StoreUnavailable):
        async with files.turn():
            pytest.fail("there is no turn to have")
