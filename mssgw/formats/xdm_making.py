"""Writes IHE_XDM.zip for tests: METADATA.XML, the documents, README.TXT and INDEX.HTM (FMT-2).

Stored without compression and without a clock, so that the same documents give the same octets everywhere.
"""

import io
import zipfile
from collections.abc import Sequence
from html import escape

from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Order, stamp
from mssgw.formats.ebrim_making import metadata

SUBSET = "IHE_XDM/SUBSET01"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive(orders: Sequence[Order]) -> bytes:
    """The archive of the documents of these orders: one submission set, so one patient.

    Raises ValueError for none, or for two patients.
    """
    if len({order.patient.matricule for order in orders}) != 1:
        raise ValueError("a submission set is about one patient")
    documents = {f"DOC{number:05}.XML": make(order) for number, order in enumerate(orders, 1)}
    entries = {
        "INDEX.HTM": _index(orders, documents),
        "README.TXT": _readme(orders[0], documents),
        f"{SUBSET}/METADATA.XML": metadata(orders, documents),
        **{f"{SUBSET}/{name}": content for name, content in documents.items()},
    }
    return zipped(entries)


def zipped(entries: dict[str, bytes]) -> bytes:
    """A plain archive of these entries, in this order."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_STORED) as written:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 0  # the same on every system that this runs on
            written.writestr(entry, content)
    return octets.getvalue()


def _index(orders: Sequence[Order], documents: dict[str, bytes]) -> bytes:
    """INDEX.HTM: what a person sees who opens the archive. It names no patient: the documents do."""
    items = [
        f'<li><a href="{SUBSET}/{name}">{escape(order.heading)}</a> ({order.at:%d/%m/%Y})</li>'
        for order, name in zip(orders, documents, strict=True)
    ]
    organisation = escape(orders[0].author.organisation)
    page = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="fr">',
        "<head><title>IHE XDM</title></head>",
        f"<body><h1>Documents de {organisation}</h1>",
        "<ul>",
        *items,
        "</ul>",
        f'<p><a href="{SUBSET}/METADATA.XML">METADATA.XML</a>, <a href="README.TXT">README.TXT</a></p>',
        "</body></html>",
    ]
    return ("\r\n".join(page) + "\r\n").encode()


def _readme(order: Order, documents: dict[str, bytes]) -> bytes:  # req: FMT-2
    """README.TXT: sender, application, instructions, tree."""
    author = order.author
    lines = [
        f"Emetteur : {author.organisation}, {author.telecom.removeprefix('tel:')}",
        "Application : mssgw (document de test)",
        f"Date : {stamp(order.at)}",
        "",
        "Mode d'emploi : importer cette archive dans un logiciel de professionnel de sante,",
        "ou ouvrir INDEX.HTM dans un navigateur.",
        "",
        "Arborescence :",
        "  INDEX.HTM",
        "  README.TXT",
        *(f"  {SUBSET}/{name}" for name in ("METADATA.XML", *documents)),
    ]
    return ("\r\n".join(lines) + "\r\n").encode("ascii", "replace")
