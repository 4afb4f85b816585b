"""What judging documents cannot cost less than with lxml: parse each, hold it against the XSD, ask it 45 XPaths.

Two processes, each with the documents and the schema at hand: nothing is sent to them, no letter is taken apart and no
rule of ours is asked. Our validators are measured beside it (bench/documents.py).
"""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from lxml import etree

from mssgw.edges.pack_files import PackFiles
from mssgw.formats.safexsd import Schema

_NAMES = ("id", "code", "title", "effectiveTime", "languageCode", "setId", "recordTarget", "author", "custodian")
_HEADER = "/h:ClinicalDocument/h:{}"
_PATHS = (_HEADER, f"count({_HEADER})", f"string({_HEADER}/@root)", f"{_HEADER}/@nullFlavor", f"{_HEADER}/*")


class _Bare:
    """What one process holds."""

    documents: Sequence[bytes] = ()
    schema: Schema | None = None
    paths: Sequence[etree.XPath] = ()


def rate(folder: Path, state_dir: Path | None, *, processes: int, rounds: int) -> float:
    """Documents a second over so many rounds of all of them, for each process."""
    documents = [path.read_bytes() for path in sorted(folder.rglob("*.xml"))]
    given = (documents, state_dir)
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_load, initargs=given) as pool:
        list(pool.map(_round, range(processes)))
        begin = time.perf_counter()
        list(pool.map(_round, range(processes * rounds)))
        seconds = time.perf_counter() - begin
    return round(processes * rounds * len(documents) / seconds, 1)


def _load(documents: Sequence[bytes], state_dir: Path | None) -> None:
    pack = PackFiles(state_dir).read() if state_dir is not None else None
    _Bare.documents, _Bare.schema = documents, pack.opened().schema if pack is not None else None
    named = {"h": "urn:hl7-org:v3"}
    _Bare.paths = [etree.XPath(path.format(name), namespaces=named) for path in _PATHS for name in _NAMES]


def _round(_number: int) -> None:
    for document in _Bare.documents:
        root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
        if _Bare.schema is not None:
            _Bare.schema.troubles(root, 1)
        for path in _Bare.paths:
            path(root)
