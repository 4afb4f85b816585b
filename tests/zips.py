"""Archives for tests: honest ones, and every attack on who opens them, each under the rule that must stop it."""

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from random import Random

PLAIN = {"INDEX.HTM": b"<html/>", "IHE_XDM/SUBSET01/METADATA.XML": b"<a/>", "IHE_XDM/SUBSET01/DOC00001.XML": b"<b/>"}


def zipped(entries: Mapping[str, bytes] | Iterable[tuple[str, bytes]], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these entries, names as they are."""
    pairs = entries.items() if isinstance(entries, Mapping) else entries
    octets = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(octets, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names given twice
        for name, content in pairs:
            info = zipfile.ZipInfo("x" * len(name))
            info.compress_type = method
            info.filename = name  # ZipInfo would mend backslashes and NULs
            archive.writestr(info, content)
    return octets.getvalue()


def patched(content: bytes, at: int, form: str, *values: int | bytes) -> bytes:
    """The same with other numbers at an offset."""
    octets = bytearray(content)
    struct.pack_into(form, octets, at, *values)
    return bytes(octets)


def central(content: bytes, number: int = 0) -> int:
    """Where a line of the directory begins."""
    at = -1
    for _ in range(number + 1):
        at = content.index(b"PK\1\2", at + 1)
    return at


def end(content: bytes) -> int:
    return content.rindex(b"PK\5\6")


def _both(content: bytes, local: int, directory: int, form: str, value: int) -> bytes:
    """A field of the first entry changed in its header and in the directory alike."""
    return patched(patched(content, local, form, value), central(content) + directory, form, value)


def _with_mode(mode: int) -> bytes:
    content = zipped(PLAIN)
    return patched(content, central(content) + 38, "<L", mode << 16)


def _noise(size: int, seed: int = 1) -> bytes:
    return Random(seed).randbytes(size)


def _overlapping() -> bytes:
    """Two lines of the directory that share one entry's octets."""
    content = zipped({"A.XML": b"a" * 100, "B.XML": b"a" * 100})
    second = central(content, 1)
    return patched(content, second + 42, "<L", 0)


def _hidden_entry() -> bytes:
    """An entry that the directory does not list, as a reader that streams would find it."""
    content = zipped({"A.XML": b"a", "HIDDEN.XML": b"b", "C.XML": b"c"})
    line, after, stop = central(content, 1), central(content, 2), end(content)
    short = content[:line] + content[after:stop]
    start = central(content)
    return short + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(short) - start, start, 0)


def _zip64() -> bytes:
    """A ZIP64 end record and locator, that only some readers follow."""
    content = zipped(PLAIN)
    stop = end(content)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 0, 0, 0, 0)
    return content[:stop] + record + struct.pack("<4sLQL", b"PK\6\7", 0, stop, 1) + content[stop:]


def _lie_about_size(shown: int) -> bytes:
    content = zipped({"A.XML": b"a" * 50_000})
    return _both(content, 22, 24, "<L", shown)


def _second_name() -> bytes:
    """A Unicode path field with another name than the entry's."""
    other = b"B.XML"
    field = struct.pack("<HHBL", 0x7075, 5 + len(other), 1, zlib.crc32(b"A.XML")) + other
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        info = zipfile.ZipInfo("A.XML")
        info.extra = field
        archive.writestr(info, b"a")
    return octets.getvalue()


def _second_name_in_entry() -> bytes:
    """The same, in the entry only: its directory names it once."""
    before, other, after = _second_name().rpartition(b"B.XML")
    return before + other.replace(b"B", b"A") + after


def _named(*names: str) -> Callable[[], bytes]:
    return lambda: zipped([(name, b"x") for name in names])


def _behind(content: bytes) -> Callable[[], bytes]:
    return lambda: zipped(PLAIN) + content


# What it is: how it is made, and the rule that stops it.
ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"hello", "GRD-ZIP-002"),
    "empty": (lambda: b"", "GRD-ZIP-002"),
    "over 20 MB": (lambda: b"PK\3\4" + bytes(20 * 1024 * 1024), "GRD-ZIP-001"),
    "truncated": (lambda: zipped(PLAIN)[:-30], "GRD-ZIP-002"),
    "cut in the middle": (lambda: zipped(PLAIN)[:80], "GRD-ZIP-002"),
    "directory cut": (lambda: patched(c := zipped(PLAIN), end(c) + 8, "<HH", 4, 4), "GRD-ZIP-002"),
    "a line too many": (lambda: patched(c := zipped(PLAIN), end(c) + 8, "<HH", 2, 2), "GRD-ZIP-002"),
    "prepended": (lambda: b"MZ" + zipped(PLAIN), "GRD-ZIP-003"),
    "comment": (lambda: patched(c := zipped(PLAIN), end(c) + 20, "<H", 5) + b"hello", "GRD-ZIP-003"),
    "trailing": (_behind(b"hello, this comes after the archive"), "GRD-ZIP-003"),
    "second end record": (_behind(zipped({})), "GRD-ZIP-003"),
    "two archives in a row": (_behind(zipped({"B.XML": b"b"})), "GRD-ZIP-003"),
    "hidden entry": (_hidden_entry, "GRD-ZIP-003"),
    "zip64": (_zip64, "GRD-ZIP-004"),
    "several volumes": (lambda: patched(c := zipped(PLAIN), end(c) + 4, "<HH", 1, 1), "GRD-ZIP-004"),
    "201 entries": (lambda: zipped({f"D{n}": b"" for n in range(201)}), "GRD-ZIP-005"),
    "10,000 entries": (lambda: zipped({f"D{n}": b"" for n in range(10_000)}), "GRD-ZIP-005"),
    "lzma": (lambda: zipped(PLAIN, method=zipfile.ZIP_LZMA), "GRD-ZIP-006"),
    "bzip2": (lambda: zipped(PLAIN, method=zipfile.ZIP_BZIP2), "GRD-ZIP-006"),
    "unknown method": (lambda: _both(zipped(PLAIN), 8, 10, "<H", 99), "GRD-ZIP-006"),
    "encrypted": (lambda: _both(zipped(PLAIN), 6, 8, "<H", 1), "GRD-ZIP-007"),
    "strongly encrypted": (lambda: _both(zipped(PLAIN), 6, 8, "<H", 0x41), "GRD-ZIP-007"),
    "masked headers": (lambda: _both(zipped(PLAIN), 6, 8, "<H", 0x2000), "GRD-ZIP-007"),
    "encrypted, says only the entry": (lambda: patched(zipped(PLAIN), 6, "<H", 1), "GRD-ZIP-015"),
    "path traversal": (_named("../A.XML"), "GRD-ZIP-008"),
    "traversal in the middle": (_named("A/../../B.XML"), "GRD-ZIP-008"),
    "absolute": (_named("/etc/A.XML"), "GRD-ZIP-008"),
    "drive": (_named("C:/A.XML"), "GRD-ZIP-008"),
    "drive, relative": (_named("C:A.XML"), "GRD-ZIP-008"),
    "backslash": (_named("..\\A.XML"), "GRD-ZIP-008"),
    "backslash inside": (_named("IHE_XDM\\SUBSET01\\METADATA.XML"), "GRD-ZIP-008"),
    "NUL in a name": (_named("A.XML\0.PDF"), "GRD-ZIP-008"),
    "line end in a name": (_named("A\n.XML"), "GRD-ZIP-008"),
    "right-to-left override": (_named("A\u202eLMX.EXE"), "GRD-ZIP-008"),
    "device": (_named("SUB/NUL.XML"), "GRD-ZIP-008"),
    "trailing dot": (_named("A.XML."), "GRD-ZIP-008"),
    "empty part": (_named("A//B.XML"), "GRD-ZIP-008"),
    "no name": (_named(""), "GRD-ZIP-008"),
    "long name": (_named("A" * 300), "GRD-ZIP-008"),
    "stream of a file": (_named("A.XML:B"), "GRD-ZIP-008"),
    "two names": (_second_name, "GRD-ZIP-008"),
    "two names, says only the entry": (_second_name_in_entry, "GRD-ZIP-008"),
    "same name twice": (_named("A.XML", "A.XML"), "GRD-ZIP-009"),
    "same name but for case": (_named("A.XML", "a.xml"), "GRD-ZIP-009"),
    "same name but for accents' form": (_named("\u00e9.XML", "e\u0301.XML"), "GRD-ZIP-009"),
    "file and folder": (_named("A", "A/B.XML"), "GRD-ZIP-009"),
    "folder and file": (_named("A/B.XML", "A"), "GRD-ZIP-009"),
    "symlink": (lambda: _with_mode(0o120777), "GRD-ZIP-010"),
    "device node": (lambda: _with_mode(0o020666), "GRD-ZIP-010"),
    "folder with content": (lambda: zipped({"A/": b"x"}), "GRD-ZIP-010"),
    "overlapping": (_overlapping, "GRD-ZIP-011"),
    "17 MB announced": (lambda: _lie_about_size(17 * 1024 * 1024), "GRD-ZIP-012"),
    "48 MB in all": (lambda: zipped({f"{n}": (_noise(4_000) + bytes(60_000)) * 220 for n in range(4)}), "GRD-ZIP-013"),
    "bomb": (lambda: zipped({"A.XML": bytes(15 * 1024 * 1024)}), "GRD-ZIP-014"),
    "100 MB bomb": (lambda: zipped({"A.XML": bytes(100 * 1024 * 1024)}), "GRD-ZIP-012"),
    "other name in the entry": (lambda: patched(zipped(PLAIN), 30, "9s", b"OTHER.HTM"), "GRD-ZIP-015"),
    "other size in the entry": (lambda: patched(zipped(PLAIN), 22, "<L", 9), "GRD-ZIP-015"),
    "other method in the entry": (lambda: patched(zipped(PLAIN), 8, "<H", 0), "GRD-ZIP-015"),
    "bad CRC": (lambda: _both(zipped(PLAIN), 14, 16, "<L", 1), "GRD-ZIP-016"),
    "smaller than it is": (lambda: _lie_about_size(10), "GRD-ZIP-016"),
    "larger than it is": (lambda: _lie_about_size(60_000), "GRD-ZIP-016"),
    "broken deflate": (lambda: patched(zipped({"A.XML": _noise(500)}), 35, "20s", b"\xff" * 20), "GRD-ZIP-016"),
    "more after the stream": (lambda: _longer_stream(), "GRD-ZIP-016"),
}


def _longer_stream() -> bytes:
    """An entry whose octets go on after the deflate stream has ended."""
    plain = b"a" * 100
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(plain) + packer.flush() + b"secret"
    numbers = struct.pack("<3L", zlib.crc32(plain), len(packed), len(plain))
    local = struct.pack("<4s5H", b"PK\3\4", 20, 0, 8, 0, 0x21) + numbers + struct.pack("<2H", 5, 0) + b"A.XML"
    line = struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, 8, 0, 0x21) + numbers
    line += struct.pack("<5H2L", 5, 0, 0, 0, 0, 0, 0) + b"A.XML"
    start = len(local) + len(packed)
    return local + packed + line + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(line), start, 0)
