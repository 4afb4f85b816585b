"""``mssgw cda``: judge clinical documents as the gateway would; cda_rules, cda_new and cda_pack do the rest."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from mssgw.app.cli import cda_pack, paper
from mssgw.app.cli.cda_new import new
from mssgw.app.cli.cda_rules import rules
from mssgw.app.cli.exits import Code, Failure
from mssgw.app.cli.letters import count
from mssgw.app.cli.opening import config_option, json_option
from mssgw.core.bal import PatientSpace
from mssgw.core.clinical import Environment, Profile, Verdict
from mssgw.core.report import Order

_LARGEST = 64 * 1024 * 1024  # octets of a file; no operator takes a letter, nor the guard an archive, half as large
_WORST_FIRST = {Verdict.REJECT: Code.REJECTED, Verdict.WARN: Code.WARNED, Verdict.ACCEPT: Code.OK}


@click.group()
def cda() -> None:
    """Clinical documents: CDA R2, alone or in an IHE XDM archive."""


cda.add_command(new)
cda.add_command(rules)
cda.add_command(cda_pack.pack)


@cda.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--policy",
    type=click.Choice([each.value for each in Profile]),
    default=Profile.STANDARD.value,
    show_default=True,
    help="How strictly documents are judged.",
)
@click.option(
    "--environment", type=click.Choice([each.value for each in Environment]), help="Whose identities belong here."
)
@click.option(
    "--to", "recipients", metavar="ADDRESS", multiple=True, help="Judge as in a letter to this address; repeatable."
)
@click.option(
    "--patient-domain", default=PatientSpace().domain, show_default=True, help="Where patients have mailboxes."
)
@click.option("--quiet", is_flag=True, help="Say nothing of what is accepted.")
@click.option(
    "--pack",
    metavar="DIR|ZIP",
    type=click.Path(path_type=Path),
    help="Hold documents against the XSD in this material, in place of the one that is installed.",
)
@config_option
@json_option
@click.pass_context
def check(
    context: click.Context,
    paths: Sequence[Path],
    policy: str,
    environment: str | None,
    recipients: Sequence[str],
    patient_domain: str,
    quiet: bool,
    pack: Path | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """Judge XML documents, IHE XDM archives (.zip) and letters (.eml); of a folder, all files that end so.

    Each finding names line, rule, how it should be, what was found and what was expected; it repeats no name, date or
    number of a patient. Nothing is sent or kept. Exit code 0: all accepted, 1: a warning, 2: a refusal. A file
    without a clinical document is accepted, as it is in a letter; the last line says how many were.

    The installed XSD is asked too, where there is a configuration; see `mssgw cda pack`.

    \b
    Examples:
      mssgw cda check compte-rendu.xml
      mssgw cda check --pack TestContenuCDA-3-0-main.zip compte-rendu.xml
      mssgw cda check --policy strict --quiet exports/
      mssgw cda check --to 279035121518989@patient.mssante.fr IHE_XDM.zip
      mssgw cda check --json lettre.eml | jq -r '.documents[].findings[].rule'
    """
    from mssgw.app.cli import cda_files, cda_report  # they pull in lxml: not for --help

    sent_to = cda_files.Recipients.of(recipients, PatientSpace(domain=patient_domain.lower()))
    order = Order(
        profile=Profile(policy),
        now=datetime.now(UTC),
        environment=Environment(environment) if environment else None,
        patients=sent_to.patients,
        professionals=sent_to.professionals,
    )
    files = list(cda_files.found_in(paths))
    if not files:
        raise Failure(Code.DATA, f"cda check: no file that ends in {', '.join(cda_files.SUFFIXES)}")
    installed, digest = cda_pack.in_force(context, config_path, pack)
    verdicts, without = [], 0
    with _progress(len(files)) as advance:
        for file in files:
            judged = cda_files.judge(file, _content(file), order, installed)
            verdicts.append(judged.verdict)
            without += not judged.documents
            if as_json:
                paper.json_line({**cda_report.as_json(judged), "pack": digest or None})
            else:
                cda_report.show(judged, quiet=quiet)
            advance()
    if not as_json:
        _sum_up(verdicts, without)
        if not digest:
            click.echo(cda_pack.NONE_INSTALLED, err=True)
    raise click.exceptions.Exit(next(code for verdict, code in _WORST_FIRST.items() if verdict in verdicts))


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as octets:
            content = octets.read(_LARGEST + 1)
    except FileNotFoundError:
        raise Failure(Code.DATA, f"cda check: {file}: no such file or folder") from None
    if len(content) > _LARGEST:
        raise Failure(Code.DATA, f"cda check: {file}: more than 64 MiB, and no letter is that large")
    return content


def _sum_up(verdicts: Sequence[Verdict], without: int) -> None:
    told = [f"{number} {each.value}" for each in Verdict if (number := verdicts.count(each))]
    lacking = f"; {without} without a clinical document" if without else ""
    click.echo(f"{count(len(verdicts), 'file', 'files')}: {', '.join(told)}{lacking}", err=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr when that is a terminal; the callable says that one more file is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # Where the report goes to the same screen, the bar stays above it; where it goes to a pipe, nothing may touch it.
    screen = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = screen.is_terminal and total > 1
    with Progress(
        *columns, console=screen, transient=True, disable=not shown, redirect_stdout=sys.stdout.isatty()
    ) as progress:
        task = progress.add_task("checking", total=total)
        yield lambda: progress.advance(task)
