"""What is judged of a letter or a file: its clinical documents, each by itself, as sent to its recipients, and against
each other.

Nothing here raises but for a defect of ours: what the guard stops is a finding.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mssgw.core.clinical import Finding, Mark
from mssgw.core.document_patients import DocumentPatient, Match, match_address
from mssgw.core.report import Carried, Judged, Order, Report
from mssgw.formats import documents, xdm
from mssgw.formats.cda import coherence, hidden, together
from mssgw.formats.cda.installed import Installed
from mssgw.formats.cda.rulebook import check
from mssgw.formats.cda.survey import survey
from mssgw.formats.guard import Stopped
from mssgw.formats.xdm.header import Header

MAX_DOCUMENTS = 200
MAX_FINDINGS = 1_000  # that a report repeats; more say nothing new

_CODE = re.compile(r"[A-Za-z0-9._-]{1,32}")


class Assessment:
    """Documents that were judged so far, and whom they are about.

    ``subject``: of the letter that they came with, None for a file. ``carried``: what was met besides, told as it is.
    """

    def __init__(self, order: Order, installed: Installed) -> None:
        self.subject: str | None = None
        self.carried: set[Carried] = set()
        self._order = order
        self._conditions = installed.conditions(order)
        self._judged: list[Judged] = []
        self._patients: list[DocumentPatient] = []
        self._company = together.Company()
        self._tally = documents.Tally()

    def archive(self, name: str, content: bytes) -> None:
        """An IHE XDM archive. Of one without a name, the documents have their paths for names."""
        package = xdm.read(content, self._order.profile)
        self.carried.add(Carried.XDM)
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
            self.stop(name, stopped)
            return True
        if document is None:
            return False
        self._one(name, Header(document), archived=False)
        return True

    def stop(self, name: str, stopped: Stopped) -> None:
        """What the guard stopped."""
        self._add(name, [stopped.finding(self._order.profile)])

    def pdf(self, content: bytes) -> None:
        """A PDF beside the documents: it may be the copy that people read of one."""
        self.carried.add(Carried.PDF)
        self._company.pdfs.append(content)

    @property
    def is_too_much(self) -> bool:
        """Whether a letter holds more than is judged of one."""
        return len(self._judged) > MAX_DOCUMENTS or self._tally.is_too_much

    def report(self) -> Report:
        """Everything judged, and what only all of it together tells."""
        if found := [*self._together()]:
            self._add("", found)
        return Report(documents=_bounded(self._judged), carried=frozenset(self.carried))

    def _one(self, name: str, header: Header, *, archived: bool, named: Sequence[DocumentPatient] = ()) -> None:
        """``named``: whose INS the METADATA.XML beside it tells; the document may have none, or not be told of."""
        document, patients = header.document, header.patients
        self._patients += patients
        self._tally.add(document)
        self.carried.add(Carried.CDA)
        if self.subject is not None:
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
        if self.subject is not None:
            yield from together.check_copies(self._company, profile)
            yield from together.check_subject(self.subject, met, profile)

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
