"""How a right document is made wrong: one thing at a time, and never in silence."""

import base64
import io
import zipfile
from collections.abc import Callable

from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Order
from mssgw.formats.ebrim_making import metadata
from mssgw.formats.xdm_making import SUBSET, zipped

Make = Callable[[], bytes]
DOCUMENT, METADATA = f"{SUBSET}/DOC00001.XML", f"{SUBSET}/METADATA.XML"


def swapped(content: bytes, old: str, new: str, times: int = 1) -> bytes:
    """The content with ``old`` replaced. Raises ValueError unless it stands there exactly so many times."""
    if (found := content.count(old.encode())) != times:
        raise ValueError(f"{found} times, not {times}: {old}")
    return content.replace(old.encode(), new.encode())


def edited(order: Order, old: str, new: str, times: int = 1) -> Make:
    """Its document with a change."""
    return lambda: swapped(make(order), old, new, times)


def without(order: Order, first: str, last: str) -> Make:
    """Its document without what stands from ``first`` to the next ``last``, both included."""

    def cut() -> bytes:
        before, found, rest = make(order).partition(first.encode())
        _, closed, after = rest.partition(last.encode())
        if not (found and closed):
            raise ValueError(f"not there: {first} ... {last}")
        return before.rstrip(b" ") + after.removeprefix(b"\n")

    return cut


def twice(order: Order, first: str, last: str, old: str = "", new: str = "") -> Make:
    """Its document with what stands from ``first`` to the next ``last`` a second time, ``old`` changed in the copy."""

    def doubled() -> bytes:
        content = make(order)
        start = content.index(first.encode())
        end = content.index(last.encode(), start) + len(last.encode())
        copy = swapped(content[start:end], old, new) if old else content[start:end]
        return content[:end] + b"\n" + copy + content[end:]

    return doubled


def embedding(order: Order, octets: bytes, media_type: str = "application/pdf") -> Make:
    """Its document with other octets in the place of its PDF."""

    def embedded() -> bytes:
        content = swapped(make(order), "application/pdf", media_type)
        start = content.index(b'representation="B64">') + len(b'representation="B64">')
        return content[:start] + base64.b64encode(octets) + content[content.index(b"</text>", start) :]

    return embedded


def entries(order: Order) -> dict[str, bytes]:
    """What its archive holds, by name."""
    content = make(order)
    return {
        "INDEX.HTM": b"<html><head><title>IHE XDM</title></head><body/></html>\r\n",
        "README.TXT": b"Document de test.\r\n",
        METADATA: metadata([order], {"DOC00001.XML": content}),
        DOCUMENT: content,
    }


def archived(order: Order, **changed: bytes | None) -> Make:
    """Its archive with other entries: ``metadata`` or ``document`` anew, None for without it."""

    def packed() -> bytes:
        names = {"metadata": METADATA, "document": DOCUMENT}
        whole = {**entries(order), **{names[key]: content for key, content in changed.items()}}
        return zipped({name: content for name, content in whole.items() if content is not None})

    return packed


def described(order: Order, old: str, new: str, times: int = 1) -> Make:
    """Its archive with a change in METADATA.XML."""
    return lambda: archived(order, metadata=swapped(entries(order)[METADATA], old, new, times))()


def added(order: Order, name: str, content: bytes = b"x", *, mode: int = 0) -> Make:
    """Its archive with one entry more; ``mode``: of a Unix file, such as that of a link."""

    def packed() -> bytes:
        octets = io.BytesIO(zipped(entries(order)))
        with zipfile.ZipFile(octets, "a") as archive:
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = (3, mode << 16) if mode else (0, 0)
            archive.writestr(entry, content)
        return octets.getvalue()

    return packed


def bomb(order: Order) -> bytes:
    """Its archive with one entry more, that swells a thousandfold."""
    octets = io.BytesIO(zipped(entries(order)))
    with zipfile.ZipFile(octets, "a", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(f"{SUBSET}/BOMBE.TXT")
        entry.create_system, entry.compress_type = 0, zipfile.ZIP_DEFLATED
        archive.writestr(entry, bytes(10_000_000))
    return octets.getvalue()
