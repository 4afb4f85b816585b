"""How rules speak: short constructors, so that each rule reads as its sentence."""

from mssgw.core.replies import Reply
from mssgw.core.verdict import Finding, Severity


def refuse(rule: str, requirement: str, reply: Reply, detail: str = "") -> Finding:
    return Finding(rule=rule, requirement=requirement, severity=Severity.REFUSE, reply=reply, detail=detail)


def defer(rule: str, requirement: str, reply: Reply, detail: str = "") -> Finding:
    return Finding(rule=rule, requirement=requirement, severity=Severity.DEFER, reply=reply, detail=detail)


def note(rule: str, requirement: str, detail: str = "") -> Finding:
    return Finding(rule=rule, requirement=requirement, severity=Severity.NOTE, detail=detail)


def not_allowed(text: str) -> Reply:
    """550 5.7.1 with a French sentence."""
    return Reply(550, "5.7.1", text)
