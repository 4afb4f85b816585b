"""Names of entries in an archive: only those that stay what and where they are, on every file system."""

import unicodedata
from collections.abc import Sequence

_MAX_NAME = 255
_FORBIDDEN = frozenset('\\:*?"<>|')
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10))}


def decoded(raw: bytes, *, is_utf8: bool) -> str:
    """Many write UTF-8 without saying so; what is not, is CP437 by the book. "" for what lies about being UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "" if is_utf8 else raw.decode("cp437")


def is_plain(path: str) -> bool:
    """Whether a path leads down from where the archive lies, by names that mean the same everywhere.

    A folder ends in a slash. Neither "..", nor an absolute path, a drive, a backslash, an invisible character, a name
    that Windows keeps for a device or would shorten.
    """
    parts = path.removesuffix("/").split("/")
    return 0 < len(path) <= _MAX_NAME and all(map(_is_plain_part, parts))


def _is_plain_part(part: str) -> bool:
    return not (
        part in ("", ".", "..")
        or part[-1] in ". "
        or part.partition(".")[0].lower() in _DEVICES
        or not _FORBIDDEN.isdisjoint(part)
        # What is printable is neither invisible nor white space, of which some is let pass.
        or (not part.isprintable() and any(unicodedata.category(letter)[0] == "C" for letter in part))
    )


def first_clash(paths: Sequence[str]) -> int | None:
    """Which path is the first that would overwrite an earlier one: the same but for case, or a file as a folder."""
    files: set[str] = set()
    folders: set[str] = set()
    for index, path in enumerate(paths):
        parts = folded(path).split("/")
        name = "/".join(parts)
        above = {"/".join(parts[:length]) for length in range(1, len(parts))}
        is_folder = path.endswith("/")
        listed = folders if is_folder else files
        # A folder may be listed after what lies in it.
        if name in files or (not is_folder and name in folders) or above & files:
            return index
        listed.add(name)
        folders |= above
    return None


def folded(path: str) -> str:
    """A path as it compares: case, and forms of a letter that some file systems take for one, do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold()).removesuffix("/")
