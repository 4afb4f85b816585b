"""The decision: Facts in, Verdict out. Pure, so that ``mssgw explain`` can replay it."""

from collections.abc import Iterator
from dataclasses import replace

from mssgw.core.facts import Facts
from mssgw.core.moves import closes_at_once, moves
from mssgw.core.replies import INTERNAL_ERROR
from mssgw.core.rules.rulebook import NEED_THE_STORE, RULEBOOK, Rulebook
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, Severity, Verdict, strictest


class EmptyRulebook(ValueError):
    """An empty rulebook would admit everything."""


def findings_of(facts: Facts, rulebook: Rulebook = RULEBOOK) -> tuple[Finding, ...]:
    """What every rule says of these facts, in the order of the rulebook."""
    if not rulebook.exchange or not rulebook.message:
        raise EmptyRulebook
    return tuple(_ask(facts, rulebook))


def decide(facts: Facts, rulebook: Rulebook = RULEBOOK) -> Verdict:
    """The strictest finding decides (SD-7). Before DATA (``facts.head`` None) an Admit means: go on."""
    return _verdict(facts, findings_of(facts, rulebook))


def hold_undecided(facts: Facts, why: Finding) -> Verdict:  # req: SD-10
    """After repeated time-outs of the store: refuse what the letter itself forbids, else keep it for a person."""
    known = (finding for finding in findings_of(facts) if finding.rule not in NEED_THE_STORE)
    return _verdict(facts, (*known, why))


def _ask(facts: Facts, rulebook: Rulebook) -> Iterator[Finding]:
    for index, exchange in enumerate(facts.exchanges):
        for about_one in rulebook.exchange:
            if finding := about_one(facts, exchange):
                yield replace(finding, recipient=index)
    for about_all in rulebook.message:
        if finding := about_all(facts):
            yield finding
    for about_documents in rulebook.documents:
        yield from about_documents(facts)


def _verdict(facts: Facts, findings: tuple[Finding, ...]) -> Verdict:
    worst = strictest(findings)
    reply = (worst and worst.reply) or INTERNAL_ERROR
    match worst.severity if worst else Severity.NOTE:
        case Severity.REFUSE | Severity.DEFER:
            return Refuse(findings=findings, reply=reply)
        case Severity.HOLD:
            all_moves = moves(facts)
            now = tuple(move for move in all_moves if closes_at_once(facts, move))
            later = tuple(move for move in all_moves if not closes_at_once(facts, move))
            return Hold(findings=findings, moves=now, withheld=later)
        case _:
            return Admit(findings=findings, moves=moves(facts))
