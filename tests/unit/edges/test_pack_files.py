"""The installed pack: whole or not at all, whatever happens while another one takes its place."""

import fcntl
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mssgw.core.errors import StoreBusy, StoreFull, StoreUnavailable
from mssgw.edges.pack_files import FOLDER, PackFiles
from mssgw.formats.cda.pack import DamagedPack, Label, Pack
from tests.schemas import PACK, value_set

OTHER = Pack({**PACK.files, "JDV_J07.xml": value_set("a")})
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def label_of(pack: Pack) -> Label:
    return Label(
        digest=pack.digest, installed_at=NOW, source="ans.zip", schema="a/CDA.xsd", missing=("b.xsd",), unreadable=()
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / FOLDER


@pytest.fixture
def files(folder: Path) -> PackFiles:
    return PackFiles(folder.parent)


def test_before_anything_is_installed_there_is_nothing(files: PackFiles, folder: Path) -> None:
    """Looking makes no folder either."""
    assert (files.version(), files.label(), files.read(), files.remove()) == ("", None, None, False)
    assert not folder.parent.exists()


def test_what_is_installed_is_read_again(files: PackFiles, folder: Path) -> None:
    """With its label, by any process, ready to use; nobody else may look into it."""
    files.install(OTHER, label_of(OTHER))
    again = PackFiles(folder.parent)
    assert again.label() == label_of(OTHER)
    kept = again.read()
    assert kept is not None
    assert kept.files == OTHER.files
    installed = kept.opened()
    assert installed.schema is not None
    assert installed.value_sets.has("JDV_J07", "a", "1.2.3")
    for path in (folder.parent, folder, folder / OTHER.digest):
        assert path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o600}


def test_another_pack_takes_its_place_and_leaves_nothing_of_it(files: PackFiles, folder: Path) -> None:
    """The version tells; so it does when the same one is installed again."""
    versions = set()
    for pack in (PACK, OTHER, OTHER):
        files.install(pack, label_of(pack))
        versions.add(files.version())
        assert files.read().files == pack.files
        assert sorted(path.name for path in folder.iterdir()) == sorted([pack.digest, "current.json", "turn"])
    assert len(versions) == 3
    assert files.remove()
    assert (files.version(), files.read()) == ("", None)
    assert [path.name for path in folder.iterdir()] == ["turn"]


@pytest.mark.parametrize("failing", ["fsync", "replace", "rename", "mkdir"])
def test_when_the_disk_fails_the_old_pack_stays(files: PackFiles, folder: Path, monkeypatch, failing: str) -> None:
    """At any step; the next installation clears away what was left."""
    files.install(PACK, label_of(PACK))

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if failing != "fsync" else os, failing, fail)
    with pytest.raises(StoreFull):
        files.install(OTHER, label_of(OTHER))
    monkeypatch.undo()
    assert files.read().files == PACK.files
    files.install(OTHER, label_of(OTHER))
    assert sorted(path.name for path in folder.iterdir()) == sorted([OTHER.digest, "current.json", "turn"])


def test_the_folder_is_whole_and_synced_before_it_is_in_force(files: PackFiles, folder: Path, monkeypatch) -> None:
    """Or a crash would leave a label of nothing."""
    steps: list[str] = []
    sync, replace, rename = os.fsync, Path.replace, Path.rename

    def noted(name: str, call):
        def step(*arguments: object) -> object:
            steps.append(name)
            return call(*arguments)

        return step

    monkeypatch.setattr(os, "fsync", noted("sync", sync))
    monkeypatch.setattr(Path, "replace", noted("label", replace))
    monkeypatch.setattr(Path, "rename", noted("folder", rename))
    files.install(PACK, label_of(PACK))
    assert steps == ["sync"] * 3 + ["folder", "sync", "sync", "label", "sync"]


@pytest.mark.parametrize("damage", ["changed", "gone", "more", "folder gone"])
def test_a_pack_that_was_changed_is_not_used(files: PackFiles, folder: Path, damage: str) -> None:
    """Nobody tried it like this. Installing it again mends it."""
    files.install(PACK, label_of(PACK))
    path = folder / PACK.digest / "001-b.xsd"
    match damage:
        case "changed":
            path.write_bytes(path.read_bytes() + b" ")
        case "gone":
            path.unlink()
        case "more":
            (path.parent / "002-c.xsd").write_bytes(b"<a/>")
        case "folder gone":
            path.parent.rename(folder / "elsewhere")
    with pytest.raises(DamagedPack, match="install it again"):
        files.read()
    files.install(PACK, label_of(PACK))
    assert files.read().files == PACK.files


NOTES = [b"", b"{}", b"[]", b"null", b'{"digest": "../../etc"}', b"\xff"]


@pytest.mark.parametrize("note", NOTES)
def test_a_label_that_was_changed_is_not_believed(files: PackFiles, folder: Path, note: bytes) -> None:
    """Above all not as a path."""
    files.install(PACK, label_of(PACK))
    (folder / "current.json").write_bytes(note)
    with pytest.raises(DamagedPack):
        files.read()
    good = {"installed_at": NOW.isoformat(), "source": "", "schema": "", "missing": [], "unreadable": []}
    for digest in ("../state", "A" * 64, 1, None, PACK.digest + "\n"):
        (folder / "current.json").write_text(json.dumps({**good, "digest": digest}))
        with pytest.raises(DamagedPack):
            files.label()


def test_one_installs_at_a_time(files: PackFiles, folder: Path) -> None:
    """The second is told so."""
    files.install(PACK, label_of(PACK))
    with open(folder / "turn", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreBusy, match="another pack"):
            files.install(OTHER, label_of(OTHER))
        with pytest.raises(StoreBusy):
            files.remove()
    assert files.read().files == PACK.files


def test_whoever_reads_meanwhile_sees_the_old_pack_or_the_new_one(files: PackFiles, folder: Path) -> None:
    """Never a mixture, never a damaged one. Two may come and go between two looks: their labels have other times."""
    files.install(PACK, label_of(PACK))
    over = threading.Event()

    def install() -> None:
        for number in range(60):
            pack = PACK if number % 2 else OTHER
            label = replace(label_of(pack), installed_at=NOW + timedelta(seconds=number))
            PackFiles(folder.parent).install(pack, label)
        over.set()

    installing = threading.Thread(target=install)
    installing.start()
    seen = set()
    while not over.is_set():
        seen.add(files.read().digest)
    installing.join()
    assert seen <= {PACK.digest, OTHER.digest}


def test_a_folder_that_cannot_be_used_is_the_stores_trouble(tmp_path: Path) -> None:
    """Temporary: the letter waits."""
    (tmp_path / "state").write_text("")
    files = PackFiles(tmp_path / "state")
    assert files.read() is None
    with pytest.raises(StoreUnavailable, match="the pack folder failed: "):
        files.install(PACK, label_of(PACK))
