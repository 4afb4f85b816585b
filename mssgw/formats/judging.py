"""A letter, or a file, against every rule about clinical documents: by itself, as sent to its recipients, and its
documents against each other.

What is a document: any part whose octets are a CDA, or could be read as one, whatever its type, name and encoding; a
zip called IHE_XDM.zip or laid out like one; the same within letters that are attached. Other zips are not opened, nor
is a zip within an archive (SD-14; XDM-ARC-009 warns, an IHE XDM is refused). What cannot be read is told by
``Report.carried``.

Nothing here raises but for a defect of ours: what the guard stops is a finding.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mssgw.core.clinical import Finding, Mark
from mssgw.core.document_patients import DocumentPatient, Match, match_address
from mssgw.core.report import Carried, Judged, Order, Report
from mssgw.formats import cms, documents, guard, telling, xdm
from mssgw.formats.archive import is_encrypted, is_office
from mssgw.formats.attached import MAX_LETTERS, hints_at_documents, in_wire_form, letters_in
from mssgw.formats.attachments import TAKEN_APART, Attachments, Item
from mssgw.formats.beginnings import REPORTS
from mssgw.formats.cda import coherence, hidden, together
from mssgw.formats.cda.installed import NOTHING_INSTALLED, Installed
from mssgw.formats.cda.rulebook import check
from mssgw.formats.cda.survey import survey
from mssgw.formats.guard import Stopped
from mssgw.formats.head import MAX_SUBJECT
from mssgw.formats.magic import SNIFFED, Kind, kind_of
from mssgw.formats.mime import Walk
from mssgw.formats.wire import to_wire
from mssgw.formats.words import decoded
from mssgw.formats.wrapped import hides_document
from mssgw.formats.xdm.header import Header

MAX_DEPTH = 5  # letters in letters
MAX_DOCUMENTS = 200
MAX_FINDINGS = 1_000  # that a report repeats; more say nothing new

_KINDS = {Kind.PDF: Carried.PDF, Kind.JPEG: Carried.IMAGE, Kind.PNG: Carried.IMAGE, Kind.TIFF: Carried.IMAGE}
_FIELD = re.compile(rb"^(?:content-type|mime-version)[ \t]*:", re.I | re.M)
_CODE = re.compile(r"[A-Za-z0-9._-]{1,32}")


def judge_letter(wire: Iterable[bytes], order: Order, installed: Installed = NOTHING_INSTALLED) -> Report:
    """A letter in wire form (dot-stuffed, CRLF), in any pieces. Its documents are named by the number of their part
    from 1, those of an archive or an attached letter by that and their own: "3/1"."""
    judging = _Judging(order, installed)
    judging.letter(wire)
    return judging.report()


def judge_file(content: bytes, order: Order, installed: Installed = NOTHING_INSTALLED, *, name: str = "") -> Report:
    """A file on its own; the end of its name tells letters (.eml, any line ends) and archives (.zip) from documents.

    The documents of an archive have their paths for names, a lone document has none.
    """
    judging = _Judging(order, installed)
    if name.lower().endswith(".eml"):
        judging.letter([to_wire(content)])
    elif kind_of(content) is Kind.ZIP or name.lower().endswith(".zip"):
        judging.archive("", content)
    else:
        judging.document("", content)
    return judging.report()


class _Judging:
    """One letter while it is judged: documents so far, whom they are about, and attached letters that wait."""

    def __init__(self, order: Order, installed: Installed) -> None:
        self._order = order
        self._conditions = installed.conditions(order)
        self._judged: list[Judged] = []
        self._patients: list[DocumentPatient] = []
        self._carried: set[Carried] = set()
        self._company = together.Company()
        self._tally = documents.Tally()
        self._is_letter = False
        self._subject = ""  # of the letter itself, not of one attached to it
        self._waiting: deque[tuple[str, int, Iterable[bytes]]] = deque()

    # --- what comes in ------------------------------------------------------------------------------------------

    def letter(self, wire: Iterable[bytes]) -> None:
        """A letter with all that it holds, letters in it one after the other: one at a time is in memory."""
        self._is_letter = True
        self._waiting.append(("", 1, wire))
        while self._waiting and not self._is_too_much():
            self._letter(*self._waiting.popleft())

    def archive(self, name: str, content: bytes) -> None:
        """An IHE XDM archive. Of one without a name, the documents have their paths for names."""
        package = xdm.read(content, self._order.profile)
        self._carried.add(Carried.XDM)
        findings = [*package.findings, *self._hidden(package.marks)]
        # Where there are documents, those that METADATA.XML does not name by an INS are compared by way of them.
        patients = [each for each in package.patients if each.ins or not package.documents]
        unchecked = bool(patients) and self._is_unchecked(patients)
        if patients:
            findings += self._addressed(patients)
        self._add(name or "IHE XDM", findings, unchecked=unchecked)
        self._patients += package.patients
        named = [patient for patient in package.patients if patient.ins]
        for number, header in enumerate(package.headers, 1):
            self._one(f"{name}/{number}" if name else header.document.name, header, archived=True, named=named)

    def document(self, name: str, content: bytes) -> bool:
        """What may be a CDA document; whether it is one, or would be if it could be read."""
        try:
            document = documents.read(content, name=name)
        except Stopped as stopped:
            self._stop(name, stopped)
            return True
        if document is None:
            return False
        self._one(name, Header(document), archived=False)
        return True

    def report(self) -> Report:
        """Everything judged, and what only all of it together tells."""
        if found := [*self._together()]:
            self._add("", found)
        return Report(documents=_bounded(self._judged), carried=frozenset(self._carried))

    # --- letters ------------------------------------------------------------------------------------------------

    def _letter(self, within: str, depth: int, wire: Iterable[bytes]) -> None:
        attachments = Attachments()
        walk = Walk([attachments])
        for chunk in wire:
            walk.feed(chunk)
        header = walk.end()
        if walk.troubles and (depth == 1 or any(map(hints_at_documents, wire))):  # an attached one is in one piece
            self._stop(within.rstrip("/"), Stopped(guard.LETTER["structure"], found=walk.troubles[0].value))
        if depth == 1:
            self._subject = decoded(header.first("subject"))[:MAX_SUBJECT]
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
                self._stop(name, Stopped(guard.LETTER["structure"]))
        elif item.media_type == "message/partial":
            self._stop(name, Stopped(guard.LETTER["partial"]))
        elif not item.is_certain:
            if (
                item.calls_itself_document
                or not item.readings
                or any(telling.is_document(item, each) or telling.is_disguised(item, each) for each in item.readings)
                or any(hides_document(item, each) for each in item.readings)
                or any(telling.may_be_signed(item, each) for each in item.readings)
            ):
                self._stop(name, Stopped(guard.LETTER["encoding"]))
        elif telling.is_archive(item, item.content):
            self.archive(name, item.content)
        elif not self.document(name, item.content):
            self._other(name, item)

    def _attached(self, name: str, depth: int, item: Item) -> None:
        """A letter in the letter, in each of its readings. A document that is called one may be saved as what it is;
        in one called a report, Python takes each block for a part."""
        is_report = item.media_type in REPORTS
        if any(telling.is_document(item, each) or (is_report and hints_at_documents(each)) for each in item.readings):
            self._stop(name, Stopped(guard.LETTER["structure"]))
        elif depth == MAX_DEPTH:
            self._stop(name, Stopped(guard.LETTER["depth"]))
        else:
            letters = [each for reading in item.readings for each in _letters_of(item, reading)]
            if len(letters) > MAX_LETTERS:
                self._stop(name, Stopped(guard.LETTER["structure"]))
                return
            self._waiting += [(f"{name}/", depth + 1, (in_wire_form(each),)) for each in letters]
            if kind_of(item.content) not in (Kind.OTHER, Kind.PDF):  # a letter may speak of PDF where one begins
                self._other(name, item)

    def _smime(self, name: str, depth: int, item: Item) -> None:  # req: SD-14
        """Only what is encrypted is opaque. What is signed is judged: a document, or a letter."""
        try:
            signed = telling.opened_surely(item)
        except cms.UnreadableCms:
            self._stop(name, Stopped(guard.LETTER["signed"]))
            return
        if signed is None:
            self._carried.add(Carried.OPAQUE)
        if not signed:  # or a signature alone
            return
        names = tuple(each.removesuffix(".p7m") for each in item.names)
        inner = Item(names=names, media_type="application/octet-stream", readings=(signed,))
        if depth == MAX_DEPTH:
            self._stop(name, Stopped(guard.LETTER["depth"]))
        elif telling.is_document(inner, signed):
            if _FIELD.search(signed, 0, SNIFFED):  # a letter as well
                self._stop(name, Stopped(guard.LETTER["structure"]))
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
            self._stop(name, Stopped(guard.XML["below"]))
        elif telling.is_disguised(item, item.content):
            self._stop(name, Stopped(guard.LETTER["program"]))
        elif kind in _KINDS:
            self._carried.add(_KINDS[kind])
            if kind is Kind.PDF:
                self._company.pdfs.append(item.content)
        elif kind is Kind.ZIP and not is_office(item.content):
            self._carried.add(Carried.LOCKED_ZIP if is_encrypted(item.content) else Carried.ARCHIVE)
        elif item.content and cms.is_called_smime(item.media_type, item.names):
            self._stop(name, Stopped(guard.LETTER["signed"]))
        elif telling.is_pgp(item):
            self._carried.add(Carried.OPAQUE)
        elif telling.is_winmail(item):
            self._carried.add(Carried.WINMAIL)

    def _is_too_much(self) -> bool:
        too_much = len(self._judged) > MAX_DOCUMENTS or self._tally.is_too_much
        if too_much:
            self._stop("", Stopped(guard.LETTER["documents"]))
            self._waiting.clear()
        return too_much

    # --- documents ----------------------------------------------------------------------------------------------

    def _one(self, name: str, header: Header, *, archived: bool, named: Sequence[DocumentPatient] = ()) -> None:
        """``named``: whose INS the METADATA.XML beside it tells; the document may have none, or not be told of."""
        document, patients = header.document, header.patients
        self._patients += patients
        self._tally.add(document)
        self._carried.add(Carried.CDA)
        if self._is_letter:
            self._company.meet(header, archived=archived)
        surveyed = survey(document.root, document.nodes)
        marked = self._hidden(hidden.marks_among(surveyed.secrets))
        code = header.get("code", "code")
        self._add(
            name,
            [*check(document.root, self._conditions, surveyed), *marked, *self._addressed((*patients, *named))],
            cda=True,
            code=code if _CODE.fullmatch(code) else "",
            qualified=len(patients) == 1 and patients[0].is_qualified,
            unchecked=self._is_unchecked(patients),
        )

    def _addressed(self, patients: Sequence[DocumentPatient]) -> Iterator[Finding]:  # req: INS-1, SD-11
        for matricule in self._order.patients:
            yield from coherence.check_address(patients, matricule, self._order.profile)

    def _is_unchecked(self, patients: Sequence[DocumentPatient]) -> bool:
        return any(match_address(patients, each) is Match.UNCHECKED for each in self._order.patients)

    def _hidden(self, marks: Iterable[Mark]) -> list[Finding]:
        return hidden.check_hidden(
            frozenset(marks),
            self._order.profile,
            patients=self._order.patients,
            to_professionals=self._order.professionals,
            today=self._order.now.date(),
        )

    def _together(self) -> Iterator[Finding]:
        profile, met = self._order.profile, self._company.documents
        yield from coherence.check_one_patient(self._patients, profile)
        yield from together.check_documents(met, profile)
        if self._is_letter:
            yield from together.check_copies(self._company, profile)
            yield from together.check_subject(self._subject, met, profile)

    def _stop(self, name: str, stopped: Stopped) -> None:
        self._add(name, [stopped.finding(self._order.profile)])

    def _add(
        self,
        name: str,
        findings: Iterable[Finding],
        *,
        cda: bool = False,
        code: str = "",
        qualified: bool = False,
        unchecked: bool = False,
    ) -> None:
        self._judged.append(
            Judged(name=name, findings=tuple(findings), cda=cda, code=code, qualified=qualified, unchecked=unchecked)
        )


def _letters_of(item: Item, reading: bytes) -> Sequence[bytes]:
    return letters_in(reading) if item.is_mailbox else (reading,)


def _bounded(judged: Sequence[Judged]) -> tuple[Judged, ...]:
    """The documents with no more findings than a report should repeat: the gravest of each are always among them."""
    room = MAX_FINDINGS
    bounded = []
    for each in judged:
        findings = each.findings
        if len(findings) > room:
            worst = max(findings, key=lambda finding: (finding.danger, finding.severity))
            findings = (worst, *findings[:room])
        room = max(0, room - len(findings))
        bounded.append(replace(each, findings=findings))
    return tuple(bounded)
