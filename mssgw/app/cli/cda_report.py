"""How a judged file is told: to people in lines, to machines as JSON."""

import click

from mssgw.app.cli import paper
from mssgw.app.cli.cda_files import JudgedFile
from mssgw.core.clinical import Finding, Severity, Verdict
from mssgw.core.report import Judged

_COLOURS = {Verdict.ACCEPT: "green", Verdict.WARN: "yellow", Verdict.REJECT: "red", Verdict.UNVERIFIED: "magenta"}
_WORDS = {Severity.INFO: "note", Severity.WARN: "warn", Severity.REJECT: "reject"}


def show(judged: JudgedFile, *, quiet: bool = False) -> None:
    """One file: its verdict, then each document with its findings. ``quiet``: only what is not accepted."""
    if quiet and judged.verdict is Verdict.ACCEPT:
        return
    click.echo(f"{paper.printable(str(judged.file))}: {_word(judged.verdict)}")
    if not judged.documents:
        click.echo("  no clinical document in it")
    for each in judged.documents:
        indent = "  "
        if each.name:
            click.echo(f"  {paper.printable(each.name)}: {_word(each.verdict)}")
            indent = "    "
        for finding in each.findings:
            _show_finding(finding, indent)


def _show_finding(finding: Finding, indent: str) -> None:
    where = f"line {finding.line}" if finding.line else "-"
    click.echo(f"{indent}{where:<10} {_WORDS[finding.severity]:<6} {finding.rule}  {finding.sentence}")
    below = indent + " " * 11
    if finding.xpath:
        click.echo(f"{below}{finding.xpath}")
    for name in ("found", "expected"):
        if words := getattr(finding, name):
            click.echo(f"{below}{name + ':':<9} {paper.printable(words)}")


def as_json(judged: JudgedFile) -> dict[str, object]:
    """One file as JSON types."""
    return {
        "file": str(judged.file),
        "verdict": judged.verdict.value,
        "documents": [_document(each) for each in judged.documents],
    }


def _document(each: Judged) -> dict[str, object]:
    findings = [
        {
            "rule": finding.rule,
            "severity": _WORDS[finding.severity],
            "line": finding.line,
            "xpath": finding.xpath,
            "sentence": finding.sentence,
            "found": finding.found,
            "expected": finding.expected,
            "source": finding.source,
        }
        for finding in each.findings
    ]
    return {"name": each.name, "verdict": each.verdict.value, "findings": findings}


def _word(verdict: Verdict) -> str:
    return click.style(verdict.value, fg=_COLOURS[verdict], bold=True)
