"""``mssgw cda rules``: every rule about documents, how grave it is, why it exists, and how a document is mended."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code, Failure
from mssgw.app.cli.letters import count
from mssgw.app.cli.opening import json_option
from mssgw.core.clinical import Profile, Rule, Severity, severity_of

_WORDS = {Severity.INFO: "note", Severity.WARN: "warn", Severity.REJECT: "reject"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """For integrators, in French: why a rule exists, and what to do about a document that breaks it."""

    why: str
    mending: str


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by id."""
    from mssgw.formats import guard, xdm  # they pull in lxml: not for --help
    from mssgw.formats.cda import rulebook

    return tuple(sorted((*guard.RULES, *rulebook.RULES.values(), *xdm.RULES.values()), key=lambda rule: rule.id))


def reasons() -> dict[str, Reason]:
    """The reasons of cda_reasons.toml, by rule id."""
    told = tomllib.loads(files("mssgw.app.cli").joinpath("cda_reasons.toml").read_text("utf-8"))
    return {number: Reason(why=why, mending=mending) for number, (why, mending) in told.items()}


@click.command(short_help="List the rules for documents; --explain tells all of one.")
@click.option("--explain", "wanted", metavar="ID", multiple=True, help="Tell all of this rule; repeatable.")
@json_option
def rules(wanted: Sequence[str], as_json: bool) -> None:
    """List all rules for documents and archives: id, severity under each policy, what is asked, and where it is said.

    \b
    Examples:
      mssgw cda rules
      mssgw cda rules --explain CDA-INS-003
      mssgw cda rules --json | jq -r 'select(.standard == "reject") | .rule'
    """
    listed = tuple(_chosen(wanted)) if wanted else all_rules()
    if as_json:
        told = reasons()
        for rule in listed:
            why, mending = told[rule.id].why, told[rule.id].mending
            words = {
                "sentence": rule.sentence,
                "requirement": rule.requirement,
                "source": rule.source,
                "why": why,
                "mending": mending,
            }
            paper.json_line({"rule": rule.id, **severities(rule), **words})
    elif wanted:
        _explain(listed)
    else:
        rows = [(rule.id, *severities(rule).values(), rule.requirement, rule.source, rule.sentence) for rule in listed]
        paper.table(("rule", *(profile.value for profile in Profile), "requirement", "source", "sentence"), rows)
        click.echo(count(len(listed), "rule", "rules"), err=True)


def severities(rule: Rule) -> dict[str, str]:
    """What the rule's findings do to a document, by profile."""
    return {profile.value: _WORDS[severity_of(rule.weight, profile)] for profile in Profile}


def _chosen(wanted: Sequence[str]) -> Iterator[Rule]:
    known = {rule.id: rule for rule in all_rules()}
    for number in wanted:
        if (rule := known.get(number.upper())) is None:
            raise Failure(Code.DATA, f"cda rules: {paper.printable(number)}: no such rule; mssgw cda rules lists them")
        yield rule


def _explain(listed: Sequence[Rule]) -> None:
    told = reasons()
    for number, rule in enumerate(listed):
        if number:
            click.echo()
        click.echo(click.style(rule.id, bold=True))
        paper.sentence(rule.sentence)
        paper.sentence(f"Pourquoi : {told[rule.id].why}")
        paper.sentence(f"Corriger : {told[rule.id].mending}")
        click.echo(", ".join(f"{profile}: {severity}" for profile, severity in severities(rule).items()))
        paper.sentence(f"source: {rule.source}; requirement: {rule.requirement}")
