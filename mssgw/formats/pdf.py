"""The smallest PDF that shows a letter: lines of text on A4 pages, in the Helvetica that every reader has.

For test documents only: it is a valid PDF 1.4, not a PDF/A (which needs an embedded font). The same lines give the same
octets. Latin text only: what windows-1252 lacks becomes a question mark.
"""

import hashlib
import textwrap
from collections.abc import Iterator, Sequence

_COLUMNS, _ROWS = 88, 54  # of 10 points, within margins of 50
_ESCAPES = {ord("\\"): "\\\\", ord("("): "\\(", ord(")"): "\\)"}
_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def letter(title: str, lines: Sequence[str]) -> bytes:
    """A PDF with the title in its information and at its head, and the lines below; an empty line is a gap."""
    pages = list(_pages([title, "", *lines]))
    first = 5  # objects: 1 catalogue, 2 pages, 3 font, 4 information, then a page and its content, and so on
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (fr-FR) >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode(),
        _FONT,
        b"<< /Title (" + _shown(title) + b") /Producer (mssgw) >>",
    ]
    for number, content in enumerate(pages):
        objects.append(_page(first + 2 * number + 1))
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _file(objects)


def _pages(lines: Sequence[str]) -> Iterator[bytes]:
    """The content stream of each page."""
    rows = [row for line in lines for row in textwrap.wrap(line, _COLUMNS) or [""]]
    for start in range(0, len(rows), _ROWS):
        shown = b"\n".join(b"(%s) Tj T*" % _shown(row) for row in rows[start : start + _ROWS])
        yield b"BT /F1 10 Tf 14 TL 50 790 Td\n" + shown + b"\nET"


def _page(content: int) -> bytes:
    box = "/MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
    return f"<< /Type /Page /Parent 2 0 R {box} /Contents {content} 0 R >>".encode()


def _shown(words: str) -> bytes:
    return words.translate(_ESCAPES).encode("cp1252", "replace")


def _file(objects: Sequence[bytes]) -> bytes:
    """Header, objects, cross-reference table of their offsets, trailer."""
    octets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"  # the second line says that it is binary
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(octets))
        octets += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    name = hashlib.sha256(octets).hexdigest()[:32].encode()
    trailer = b"<< /Size %d /Root 1 0 R /Info 4 0 R /ID [<%s> <%s>] >>" % (len(objects) + 1, name, name)
    size = b"0 %d" % (len(objects) + 1)
    return octets + b"xref\n%s\n%strailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (size, table, trailer, len(octets))
