"""Bodies in a spool: a large one, how it is put there and read, and its file."""

from dataclasses import replace
from pathlib import Path

from mssgw.edges.spool_disk import SEGMENT
from mssgw.ports import Body, Spool

LARGE = bytes(range(256)) * (3 * SEGMENT // 256) + b"the end"  # four segments


async def put(spool: Spool, spool_id: str, content: bytes, *, chunk: int = 100_000) -> Body:
    sink = spool.create(spool_id)
    for start in range(0, len(content), chunk):
        await sink.write(content[start : start + chunk])
    return await sink.close(size=len(content) - 1)


async def read(spool: Spool, body: Body) -> bytes:
    return b"".join([segment async for segment in spool.read(body)])


def cold(body: Body) -> Body:
    """As after a restart."""
    return replace(body, hot=None)


def names(under: Path, pattern: str) -> list[str]:
    return [path.name for path in under.rglob(pattern)]


def file_of(spool_id: str, under: Path) -> Path:
    (path,) = under.rglob(spool_id)
    return path
