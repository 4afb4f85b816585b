"""What the documents of a letter decide. What is wrong with them stands in the report (core.report), by rule id."""

from collections.abc import Iterator, Sequence

from mssgw.core import clinical
from mssgw.core.bal import Party
from mssgw.core.document_policy import Rejected
from mssgw.core.facts import Facts
from mssgw.core.replies import Reply, ascii_folded
from mssgw.core.report import Carried, Report
from mssgw.core.rules.findings import note
from mssgw.core.verdict import Finding, Severity

UNVERIFIED = Finding(rule="documents-verified", requirement="SD-10", severity=Severity.HOLD, detail="unverified")
REASONS = 3  # findings that the reply names; the others stand in the report
_ROOM = 330  # characters of a reply: with code, status and the report's id it stays below the 512 octets of a line


def documents_are_verified(facts: Facts) -> Iterator[Finding]:  # req: SD-10
    """What no validator could judge is kept back, also when a person would release it: nobody knows whose it is."""
    if facts.report is not None and not facts.report.complete:
        yield UNVERIFIED


def documents_are_right(facts: Facts) -> Iterator[Finding]:  # req: SD-10, SD-11, SD-14, SD-15
    """Each finding of the report, the refusing ones first. In danger the letter is refused, whoever would hold it."""
    if facts.report is None:
        return
    found = [(each.name, finding) for each in facts.report.documents for finding in each.findings]
    found.sort(key=lambda pair: (not pair[1].danger, -pair[1].severity))
    reply = _reply([finding for _, finding in found if finding.severity is clinical.Severity.REJECT])
    for name, finding in found:
        severity = _severity(facts, finding)
        yield Finding(
            rule=finding.rule,
            requirement=finding.requirement,
            severity=severity,
            reply=reply if severity is Severity.REFUSE else None,
            detail=_place(name, finding),
        )


def _place(name: str, finding: clinical.Finding) -> str:
    told = (
        f"document {name}" if name else "",
        f"line {finding.line}" if finding.line else "",
        finding.xpath,
        f"found {finding.found}" if finding.found else "",
        f"expected {finding.expected}" if finding.expected else "",
    )
    return "; ".join(filter(None, told))


def is_about_documents(facts: Facts, finding: Finding) -> bool:
    """Whether a rule's finding repeats one of the report."""
    return facts.report is not None and any(each.rule == finding.rule for each in facts.report.findings)


def _severity(facts: Facts, finding: clinical.Finding) -> Severity:
    if finding.severity is not clinical.Severity.REJECT:
        return Severity.NOTE
    if finding.danger or (facts.policy.documents.rejected is Rejected.REFUSE and not facts.released):
        return Severity.REFUSE
    return Severity.NOTE if facts.released else Severity.HOLD


def _reply(rejected: Sequence[clinical.Finding]) -> Reply | None:
    """The first reasons: what the first one asks, then rule ids and XPaths; never a value of the document."""
    if not rejected:
        return None
    reasons: list[str] = []
    for finding in rejected:
        reason = " ".join(filter(None, (finding.rule, finding.xpath)))
        if reason not in reasons and len(reasons) < REASONS:
            reasons.append(reason)
    # A rule's sentence says how things should be: alone, it would read as the opposite of what is wrong.
    text = f"Document refuse, regle non respectee : {ascii_folded(rejected[0].sentence)} ({', '.join(reasons)})"
    return Reply(554, "5.6.0", text if len(text) <= _ROOM else f"{text[: _ROOM - 4]}...)")


def fields_tell_the_truth(facts: Facts) -> Iterator[Finding]:  # req: FMT-9, FMT-10, FMT-11, FMT-12
    """X-MSS-NIL against the product that is configured for the sender, X-MSS-INS and X-MSS-CODECDA against the
    documents: what the sender set stays; the journal says what is wrong."""
    head = facts.head
    if head is None:
        return
    told, product = head.mss, facts.policy.product
    if told.product and product and told.product != product:
        yield note("mss-nil-tells-the-truth", "FMT-9", "told-otherwise")
    report = Report() if facts.report is None and not head.may_hold_documents else facts.report
    if report is None or not report.complete:
        return
    if told.ins and told.ins != ("O" if report.is_qualified else "N"):
        yield note("mss-ins-tells-the-truth", "FMT-10", "told-otherwise")
    if told.codes is not None and set(told.codes) != set(report.codes):
        yield note("mss-codes-tell-the-truth", "FMT-11", "told-otherwise")


def what_cannot_be_read(facts: Facts) -> Iterator[Finding]:  # req: SD-14
    """Encrypted mail, winmail.dat and ordinary archives are delivered; the journal says that nobody looked inside."""
    carried = set(counted(facts))
    for what in (Carried.OPAQUE, Carried.WINMAIL, Carried.ARCHIVE, Carried.LOCKED_ZIP):
        if what in carried:
            yield note("documents-can-be-read", "SD-14", what.value)


def counted(facts: Facts) -> tuple[str, ...]:
    """What is worth counting of a letter: what it carries, and what could not be checked (SD-11, SD-14)."""
    head, report = facts.head, facts.report
    if head is None:
        return ()
    carried = head.carried | (report.carried if report is not None else frozenset())
    words: list[str] = sorted(carried)
    if any(exchange.party is Party.PATIENT for exchange in facts.exchanges):
        if carried & {Carried.PDF, Carried.IMAGE} and not carried & {Carried.CDA, Carried.XDM}:
            words.append("pdf-only")  # nothing tells whose it is
        if report is not None and any(each.unchecked for each in report.documents):
            words.append("patient-unchecked")
    return tuple(words)
