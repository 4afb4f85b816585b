"""Material for a pack as an administrator has it: a folder, or a zip as it was downloaded. Only read, within bounds."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mssgw.core.errors import GatewayError
from mssgw.formats.archive import Bounds, safe_unzip
from mssgw.formats.cda.material import is_wanted
from mssgw.formats.guard import Stopped

_MO = 1024 * 1024
# The published ones have some 3,000 files, of which 30 are wanted; sizes are those of wanted files.
BOUNDS = Bounds(archive=256 * _MO, entries=50_000, entry=16 * _MO, total=64 * _MO, ratio=200, comment=True)
MAX_WANTED = 2_000


class UnreadableMaterial(GatewayError):
    """The folder or zip cannot be read, or is too large. The text says why."""


def read_material(path: Path) -> dict[str, bytes]:
    """The files that a pack may need, by their paths in the folder or zip, with slashes.

    Links are not followed. Raises UnreadableMaterial, OSError.
    """
    material = _in_folder(path) if path.is_dir() else _in_zip(path)
    if len(material) > MAX_WANTED:
        raise UnreadableMaterial(
            f"more than {MAX_WANTED} schema files: is this the whole of the material, and no more?"
        )
    return material


def _in_zip(path: Path) -> dict[str, bytes]:
    if path.stat().st_size > BOUNDS.archive:
        raise UnreadableMaterial(f"more than {BOUNDS.archive // _MO} MB")
    content = path.read_bytes()
    if not content.startswith(b"PK"):
        raise UnreadableMaterial("neither a folder nor a zip")
    try:
        return {entry.path: entry.content for entry in safe_unzip(content, BOUNDS, wanted=is_wanted)}
    except Stopped as stopped:
        where = f", {stopped.found}" if stopped.found else ""
        raise UnreadableMaterial(
            f"the zip is not opened ({stopped.rule.id}{where}): unpack it and name the folder"
        ) from None


def _in_folder(folder: Path) -> dict[str, bytes]:
    material: dict[str, bytes] = {}
    total = 0
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if not is_wanted(name) or (content := _content(path)) is None:
            continue
        total += len(content)
        if total > BOUNDS.total:
            raise UnreadableMaterial(f"more than {BOUNDS.total // _MO} MB of schema files")
        material[name] = content
        if len(material) > MAX_WANTED:
            break
    return material


def _files(folder: Path) -> Iterator[Path]:
    met = 0
    for above, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        met += len(folders) + len(names)
        if met > BOUNDS.entries:
            raise UnreadableMaterial(f"more than {BOUNDS.entries} files")
        yield from (Path(above, name) for name in sorted(names))


def _raise(error: OSError) -> None:
    raise error


def _content(path: Path) -> bytes | None:
    """What is in a file; None for what is none: a link may lead out of the folder, a pipe has no end."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        content = file.read(BOUNDS.entry + 1)
    if len(content) > BOUNDS.entry:
        raise UnreadableMaterial(f"{path.name}: more than {BOUNDS.entry // _MO} MB")
    return content
