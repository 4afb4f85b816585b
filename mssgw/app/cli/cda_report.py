"""How a judged file is told: to people in lines, to machines as JSON."""

import re
import shutil
from collections.abc import Iterable

import click

from mssgw.app.cli import paper
from mssgw.app.cli.cda_files import JudgedFile
from mssgw.core.clinical import Finding, Severity, Verdict
from mssgw.core.report import Judged

_BREAKS = re.compile(r" (?![:;?!»])")  # French puts a space before these, and no line begins with one
_COLOURS = {Verdict.ACCEPT: "green", Verdict.WARN: "yellow", Verdict.REJECT: "red", Verdict.UNVERIFIED: "magenta"}
_WORDS = {Severity.INFO: "note", Severity.WARN: "warn", Severity.REJECT: "reject"}


def show(judged: JudgedFile, *, quiet: bool = False) -> None:
    """One file: its verdict, then each document with its findings. ``quiet``: only what is not accepted."""
    if quiet and judged.verdict in (Verdict.ACCEPT, None):
        return
    word = "no clinical document in it" if judged.verdict is None else _word(judged.verdict)
    click.echo(f"{paper.printable(str(judged.file))}: {word}")
    if not judged.documents and judged.verdict is not None:
        click.echo("  no clinical document in it")
    for each in judged.documents:
        indent = "  "
        if each.name:
            click.echo(f"  {paper.printable(each.name)}: {_word(each.verdict)}")
            indent = "    "
        for finding in _by_line(each.findings):
            _show_finding(finding, indent)


def _by_line(findings: Iterable[Finding]) -> list[Finding]:
    """As one reads the document, of one line the gravest first; before all what is said of the whole document."""
    return sorted(findings, key=lambda finding: (finding.line or 0, -finding.severity))


def _show_finding(finding: Finding, indent: str) -> None:
    where = f"line {finding.line}" if finding.line else "-"
    below = indent + " " * 11
    said = f"{finding.rule} non respectée : {finding.sentence}"  # what it asks: alone, the opposite of what is wrong
    _fold(f"{where:<10} {_WORDS[finding.severity]:<6} {said}", indent, below)
    if finding.xpath:
        _fold(finding.xpath.replace("/", " /").strip(), below, below + "  ", glue="")
    for name in ("found", "expected"):
        if words := getattr(finding, name):
            _fold(f"{name + ':':<9} {paper.printable(words)}", below, below + " " * 10)


def _fold(text: str, first: str, rest: str, *, glue: str = " ") -> None:
    """Lines no wider than the terminal, or 80 characters; ``glue``: what stands for a space where none is broken."""
    width = max(shutil.get_terminal_size().columns, len(rest) + 20)
    line, space = first, ""
    for word in _BREAKS.split(text):
        if line.strip() and len(line) + len(space) + len(word) > width:
            click.echo(line.rstrip())
            line, space = rest, ""
        line, space = line + space + word, glue
    click.echo(line)


def as_json(judged: JudgedFile) -> dict[str, object]:
    """One file as JSON types."""
    return {
        "file": str(judged.file),
        "verdict": judged.verdict.value if judged.verdict is not None else None,
        "documents": [_document(each) for each in judged.documents],
    }


def _document(each: Judged) -> dict[str, object]:
    findings = [
        {
            "rule": finding.rule,
            "requirement": finding.requirement,
            "severity": _WORDS[finding.severity],
            "line": finding.line,
            "xpath": finding.xpath,
            "sentence": finding.sentence,
            "found": finding.found,
            "expected": finding.expected,
            "source": finding.source,
        }
        for finding in _by_line(each.findings)
    ]
    return {"name": each.name, "verdict": each.verdict.value, "findings": findings}


def _word(verdict: Verdict) -> str:
    return click.style(verdict.value, fg=_COLOURS[verdict], bold=True)
