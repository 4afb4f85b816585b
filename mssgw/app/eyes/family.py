"""Several workers answer as one gateway."""

import asyncio
import re
from collections.abc import Sequence
from functools import partial

from mssgw.edges.status_http import Page, ask

_PATIENCE = 7.0  # seconds for a sibling to answer: longer than it takes it to find out that it is not alive
_SAMPLE = re.compile(rb"^([a-zA-Z_:][\w:]*)(\{)?")


class Family:
    """The siblings of one worker, by number; empty when it is the only one."""

    def __init__(self, addresses: dict[int, bytes]) -> None:
        self._addresses = addresses

    async def ask(self, path: str) -> dict[int, Page | None]:
        """Every sibling's page; None for one that does not answer in time."""
        answers = await asyncio.gather(*(self._ask(address, path) for address in self._addresses.values()))
        return dict(zip(self._addresses, answers, strict=True))

    async def _ask(self, address: bytes, path: str) -> Page | None:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await ask(address, path)
        except (OSError, TimeoutError, ValueError, EOFError):
            return None


def together(expositions: Sequence[tuple[int, bytes]]) -> bytes:
    """One exposition of several: each sample gets a label ``worker``, each family its head once.

    They are not added up here: when a worker is replaced, its counters begin at 0 again, which Prometheus understands
    of a series and would take for a flood in a sum.
    """
    families: dict[bytes, list[bytes]] = {}
    for worker, text in expositions:
        family: list[bytes] = []
        label = partial(_labelled, b'worker="%d"' % worker)
        for line in text.splitlines():
            if line.startswith(b"# HELP "):
                family = families.setdefault(line.split(b" ", 3)[2], [])
            if line.startswith(b"#"):
                if line not in family:
                    family.append(line)
            elif line:
                family.append(_SAMPLE.sub(label, line, count=1))
    return b"".join(line + b"\n" for lines in families.values() for line in lines)


def of_one_missing(sibling: bytes) -> bytes:
    """What is shown of a worker that does not answer: an alert on ``mssgw_ready == 0`` needs a series to fire on.

    ``sibling``: the exposition of one that does.
    """
    heads = (b"# HELP mssgw_ready ", b"# TYPE mssgw_ready ")
    return b"".join(line + b"\n" for line in sibling.splitlines() if line.startswith(heads)) + b"mssgw_ready 0.0\n"


def _labelled(label: bytes, found: "re.Match[bytes]") -> bytes:
    return found[1] + b"{" + label + (b"," if found[2] else b"}")
