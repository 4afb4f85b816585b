"""The header fields that we prepend to what we relay: where it came from, and what its documents are."""

from collections.abc import Iterator
from datetime import datetime

from mssgw.core.clinical import Severity, Verdict
from mssgw.core.facts import Facts
from mssgw.core.message import CODE, PRODUCT
from mssgw.core.report import Carried, Report
from mssgw.formats.received import received

_RULES = 10  # of a long report; the id leads to all of it


def trace_fields(facts: Facts, *, hostname: str, spool_id: str, accepted_at: datetime) -> bytes:
    """ASCII fields with their line ends: Received (RFC 5321 section 4.4), then X-Mssgw-Cda and those of FMT-9 to 11.

    What the sender set is never said again, nor contradicted (FMT-12).
    """
    above = received(facts.envelope.origin, hostname=hostname, spool_id=spool_id, accepted_at=accepted_at)
    return above + "".join(f"{field}\r\n" for field in _fields(facts, spool_id)).encode("ascii")


def _fields(facts: Facts, spool_id: str) -> Iterator[str]:
    report = facts.report
    if report is not None and report.verdict is not Verdict.ACCEPT:
        yield f"X-Mssgw-Cda: {report.verdict.value}; {_rules(report)}report={spool_id}"
    if not facts.policy.adds_fields or facts.head is None:
        return
    told = facts.head.mss
    if report is not None and report.complete and Carried.XDM in report.carried:  # req: FMT-10, FMT-11
        if not told.ins:
            yield f"X-MSS-INS: {'O' if report.is_qualified else 'N'}"
        codes = ",".join(filter(CODE.fullmatch, report.codes))  # what stands in a document reaches no header unseen
        if told.codes is None and codes:
            yield f"X-MSS-CODECDA: {codes}"
    if not told.product and PRODUCT.fullmatch(facts.policy.product):  # req: FMT-9
        yield f"X-MSS-NIL: {facts.policy.product}"


def _rules(report: Report) -> str:
    gravest_first = sorted(report.findings, key=lambda finding: (finding.danger, finding.severity), reverse=True)
    told = dict.fromkeys(finding.rule for finding in gravest_first if finding.severity > Severity.INFO)
    rules = ",\r\n\t".join([*told][:_RULES])
    return f"rules={rules}; " if rules else ""
