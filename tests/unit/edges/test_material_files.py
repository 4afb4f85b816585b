"""Material is read from a folder or a zip alike, within bounds, and nothing but what lies in it."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mssgw.edges import material_files
from mssgw.edges.material_files import MAX_WANTED, UnreadableMaterial, read_material
from mssgw.formats.cda.material import is_wanted, pack_from
from tests import zips
from tests.schemas import MATERIAL, value_set, written

WANTED = {path: content for path, content in MATERIAL.items() if is_wanted(path)}
BULK = {f"ExemplesCDA/{number}.xml": b"<a/>" for number in range(10_000)}


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[..., Path]:
    def made(entries: dict[str, bytes], comment: bytes = b"") -> Path:
        content = zips.zipped(entries)
        path = tmp_path / "material.zip"
        path.write_bytes(content[:-2] + len(comment).to_bytes(2, "little") + comment)
        return path

    return made


def test_a_folder_and_a_zip_of_it_hold_the_same(tmp_path: Path, zipped: Callable[..., Path]) -> None:
    """Only what a pack may need; the zip as code hosts make it, with a folder around and the revision at its end."""
    sets = {"jeux/JDV_J07.xml": value_set("a"), "jeux/JDV_J99.xml": value_set("b")}
    assert read_material(written({**MATERIAL, **sets}, tmp_path / "folder")).keys() == {*WANTED, "jeux/JDV_J07.xml"}
    around = {f"TestContenuCDA-main/{path}": content for path, content in MATERIAL.items()}
    found = read_material(zipped(around, comment=b"4803b0f7cc14c708c2890e699730d25409292772"))
    assert found == {f"TestContenuCDA-main/{path}": content for path, content in WANTED.items()}
    assert pack_from(found).pack.digest == pack_from(WANTED).pack.digest


def test_ten_thousand_other_files_do_no_harm(tmp_path: Path, zipped: Callable[..., Path]) -> None:
    """The published material has thousands of examples."""
    assert read_material(zipped({**MATERIAL, **BULK})) == WANTED
    few = dict(list(BULK.items())[:1_000])
    assert read_material(written({**MATERIAL, **few}, tmp_path / "folder")) == WANTED


def test_ten_thousand_schema_files_are_no_material(tmp_path: Path, zipped: Callable[..., Path]) -> None:
    """Nor is a whole disk."""
    many = {f"{number}.xsd": b"" for number in range(10_000)}
    with pytest.raises(UnreadableMaterial, match=f"more than {MAX_WANTED} schema files"):
        read_material(zipped(many))
    few = {f"{number}.xsd": b"" for number in range(MAX_WANTED + 1)}
    with pytest.raises(UnreadableMaterial, match=f"more than {MAX_WANTED} schema files"):
        read_material(written(few, tmp_path / "folder"))


def test_links_and_what_is_no_file_are_passed_by(tmp_path: Path) -> None:
    """A link may lead anywhere, a pipe has no end."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.xsd").write_bytes(b"<secret/>")
    folder = written(MATERIAL, tmp_path / "folder")
    (folder / "link.xsd").symlink_to(tmp_path / "outside" / "secret.xsd")
    (folder / "linked").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe.xsd")
    (folder / "folder.xsd").mkdir()
    assert read_material(folder) == WANTED


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: Callable[..., Path]) -> None:
    """Of the archive, of a file, of all of them, of the number of files."""
    path, folder = zipped(dict(MATERIAL)), written(MATERIAL, tmp_path / "folder")
    for smaller, in_zip, in_folder in (
        ({"archive": 100}, "more than 0 MB", None),
        ({"entries": 2}, "GRD-ZIP-005, 4", "more than 2 files"),
        ({"entry": 100}, r"GRD-ZIP-012, .* 1\)", "more than 0 MB"),
        ({"total": 900}, r"GRD-ZIP-013, .* 2\)", "more than 0 MB of schema files"),
    ):
        monkeypatch.setattr(material_files, "BOUNDS", replace(material_files.BOUNDS, **smaller))
        with pytest.raises(UnreadableMaterial, match=in_zip):
            read_material(path)
        if in_folder is not None:
            with pytest.raises(UnreadableMaterial, match=in_folder):
                read_material(folder)
        monkeypatch.undo()


@pytest.mark.parametrize("content", [b"", b"<a/>", b"PK", b"%PDF-1.4"])
def test_what_is_neither_folder_nor_zip_is_said_to_be_so(tmp_path: Path, content: bytes) -> None:
    """Whatever it is called."""
    path = tmp_path / "material.zip"
    path.write_bytes(content)
    with pytest.raises(UnreadableMaterial):
        read_material(path)


@pytest.mark.parametrize(
    "attack", ["path traversal", "symlink", "encrypted", "same name twice", "truncated", "trailing", "overlapping"]
)
def test_zips_are_opened_in_the_one_way(tmp_path: Path, attack: str) -> None:
    """What is stopped in mail is stopped here, with the rule and a way out."""
    path = tmp_path / "material.zip"
    path.write_bytes(zips.ATTACKS[attack][0]())
    with pytest.raises(UnreadableMaterial, match=r"GRD-ZIP-[0-9]{3}.*unpack it"):
        read_material(path)
