"""A letter, or a file, against every rule about clinical documents: they are found here, and judged by assessment.py.

What is a document: any part whose octets are a CDA, or could be read as one, whatever its type, name and encoding; a
zip called IHE_XDM.zip or laid out like one; the same within letters that are attached. Other zips are not opened, nor
is a zip within an archive (SD-14; XDM-ARC-009 warns, an IHE XDM is refused). What cannot be read is told by
``Report.carried``.

Nothing here raises but for a defect of ours: what the guard stops is a finding.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence

from mssgw.core.report import Carried, Order, Report
from mssgw.formats import cms, guard, telling
from mssgw.formats.archive import is_encrypted, is_office
from mssgw.formats.assessment import Assessment
from mssgw.formats.attached import MAX_LETTERS, hints_at_documents, in_wire_form, letters_in
from mssgw.formats.attachments import TAKEN_APART, Attachments, Item
from mssgw.formats.beginnings import REPORTS
from mssgw.formats.cda.installed import NOTHING_INSTALLED, Installed
from mssgw.formats.guard import Stopped
from mssgw.formats.head import MAX_SUBJECT
from mssgw.formats.magic import SNIFFED, Kind, kind_of
from mssgw.formats.mime import Walk
from mssgw.formats.wire import to_wire
from mssgw.formats.words import decoded
from mssgw.formats.wrapped import hides_document

MAX_DEPTH = 5  # letters in letters

_IMAGES = frozenset({Kind.JPEG, Kind.PNG, Kind.TIFF})
_FIELD = re.compile(rb"^(?:content-type|mime-version)[ \t]*:", re.I | re.M)


def judge_letter(wire: Iterable[bytes], order: Order, installed: Installed = NOTHING_INSTALLED) -> Report:
    """A letter in wire form (dot-stuffed, CRLF), in any pieces. Its documents are named by the number of their part
    from 1, those of an archive or an attached letter by that and their own: "3/1"."""
    assessment = Assessment(order, installed)
    _Letters(assessment).judge(wire)
    return assessment.report()


def judge_file(content: bytes, order: Order, installed: Installed = NOTHING_INSTALLED, *, name: str = "") -> Report:
    """A file on its own; the end of its name tells letters (.eml, any line ends) and archives (.zip) from documents.

    The documents of an archive have their paths for names, a lone document has none.
    """
    assessment = Assessment(order, installed)
    if name.lower().endswith(".eml"):
        _Letters(assessment).judge([to_wire(content)])
    elif kind_of(content) is Kind.ZIP or name.lower().endswith(".zip"):
        assessment.archive("", content)
    else:
        assessment.document("", content)
    return assessment.report()


class _Letters:
    """A letter with all that it holds, letters in it one after the other: one at a time is in memory."""

    def __init__(self, assessment: Assessment) -> None:
        self._assessment = assessment
        self._waiting: deque[tuple[str, int, Iterable[bytes]]] = deque()

    def judge(self, wire: Iterable[bytes]) -> None:
        self._waiting.append(("", 1, wire))
        while self._waiting and not self._is_too_much():
            self._letter(*self._waiting.popleft())

    def _letter(self, within: str, depth: int, wire: Iterable[bytes]) -> None:
        attachments = Attachments()
        walk = Walk([attachments])
        for chunk in wire:
            walk.feed(chunk)
        header = walk.end()
        if walk.troubles and (depth == 1 or any(map(hints_at_documents, wire))):  # an attached one is in one piece
            self._assessment.stop(within.rstrip("/"), Stopped(guard.LETTER["structure"], found=walk.troubles[0].value))
        if depth == 1:
            self._assessment.subject = decoded(header.first("subject"))[:MAX_SUBJECT]
        parts = deque(attachments.kept)
        attachments.kept.clear()
        number = 0
        while parts and not self._is_too_much():
            number += 1
            for item in parts.popleft().items():
                self._item(f"{within}{number}", depth, item)

    def _item(self, name: str, depth: int, item: Item) -> None:
        if item.is_certain and cms.content_type(item.content):
            self._smime(name, depth, item)
        elif item.readings and telling.is_letter(item):
            self._attached(name, depth, item)
        elif item.media_type == TAKEN_APART:
            if hints_at_documents(item.content):
                self._assessment.stop(name, Stopped(guard.LETTER["structure"]))
        elif item.media_type == "message/partial":
            self._assessment.stop(name, Stopped(guard.LETTER["partial"]))
        elif not item.is_certain:
            if (
                item.calls_itself_document
                or not item.readings
                or any(telling.is_document(item, each) or telling.is_disguised(item, each) for each in item.readings)
                or any(hides_document(item, each) for each in item.readings)
                or any(telling.may_be_signed(item, each) for each in item.readings)
            ):
                self._assessment.stop(name, Stopped(guard.LETTER["encoding"]))
        elif telling.is_archive(item, item.content):
            self._assessment.archive(name, item.content)
        elif not self._assessment.document(name, item.content):
            self._other(name, item)

    def _attached(self, name: str, depth: int, item: Item) -> None:
        """A letter in the letter, in each of its readings. A document that is called one may be saved as what it is;
        in one called a report, Python takes each block for a part."""
        is_report = item.media_type in REPORTS
        if any(telling.is_document(item, each) or (is_report and hints_at_documents(each)) for each in item.readings):
            self._assessment.stop(name, Stopped(guard.LETTER["structure"]))
        elif depth == MAX_DEPTH:
            self._assessment.stop(name, Stopped(guard.LETTER["depth"]))
        else:
            letters = [each for reading in item.readings for each in _letters_of(item, reading)]
            if len(letters) > MAX_LETTERS:
                self._assessment.stop(name, Stopped(guard.LETTER["structure"]))
                return
            self._waiting += [(f"{name}/", depth + 1, (in_wire_form(each),)) for each in letters]
            if kind_of(item.content) not in (Kind.OTHER, Kind.PDF):  # a letter may speak of PDF where one begins
                self._other(name, item)

    def _smime(self, name: str, depth: int, item: Item) -> None:  # req: SD-14
        """Only what is encrypted is opaque. What is signed is judged: a document, or a letter."""
        try:
            signed = telling.opened_surely(item)
        except cms.UnreadableCms:
            self._assessment.stop(name, Stopped(guard.LETTER["signed"]))
            return
        if signed is None:
            self._assessment.carried.add(Carried.OPAQUE)
        if not signed:  # or a signature alone
            return
        names = tuple(each.removesuffix(".p7m") for each in item.names)
        inner = Item(names=names, media_type="application/octet-stream", readings=(signed,))
        if depth == MAX_DEPTH:
            self._assessment.stop(name, Stopped(guard.LETTER["depth"]))
        elif telling.is_document(inner, signed):
            if _FIELD.search(signed, 0, SNIFFED):  # a letter as well
                self._assessment.stop(name, Stopped(guard.LETTER["structure"]))
            self._item(name, depth + 1, inner)
        elif cms.content_type(signed):
            self._smime(name, depth + 1, inner)
        else:
            self._other(name, inner)
            self._waiting.append((f"{name}/", depth + 1, (in_wire_form(signed),)))

    def _other(self, name: str, item: Item) -> None:
        """What is no document is counted."""
        kind = kind_of(item.content)
        if hides_document(item, item.content):
            self._assessment.stop(name, Stopped(guard.XML["below"]))
        elif telling.is_disguised(item, item.content):
            self._assessment.stop(name, Stopped(guard.LETTER["program"]))
        elif kind is Kind.PDF:
            self._assessment.pdf(item.content)
        elif kind in _IMAGES:
            self._assessment.carried.add(Carried.IMAGE)
        elif kind is Kind.ZIP and not is_office(item.content):
            self._assessment.carried.add(Carried.LOCKED_ZIP if is_encrypted(item.content) else Carried.ARCHIVE)
        elif item.content and cms.is_called_smime(item.media_type, item.names):
            self._assessment.stop(name, Stopped(guard.LETTER["signed"]))
        elif telling.is_pgp(item):
            self._assessment.carried.add(Carried.OPAQUE)
        elif telling.is_winmail(item):
            self._assessment.carried.add(Carried.WINMAIL)

    def _is_too_much(self) -> bool:
        too_much = self._assessment.is_too_much
        if too_much:
            self._assessment.stop("", Stopped(guard.LETTER["documents"]))
            self._waiting.clear()
        return too_much


def _letters_of(item: Item, reading: bytes) -> Sequence[bytes]:
    return letters_in(reading) if item.is_mailbox else (reading,)
