"""``mssgw cda``: judge clinical documents as the gateway would; cda_rules, cda_new and cda_pack do the rest."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mssgw.app.cli import cda_pack, paper
from mssgw.app.cli.cda_new import new
from mssgw.app.cli.cda_rules import rules
from mssgw.app.cli.exits import Code, Failure
from mssgw.app.cli.letters import count
from mssgw.app.cli.opening import config_option, json_option
from mssgw.app.cli.people import recipients_option
from mssgw.core.bal import PatientSpace
from mssgw.core.clinical import Environment, Profile, Verdict
from mssgw.core.report import Order

if TYPE_CHECKING:
    from mssgw.app.cli.cda_files import JudgedFile


@click.group()
def cda() -> None:
    """Clinical documents: CDA R2, alone or in an IHE XDM archive."""


cda.add_command(new)
cda.add_command(rules)
cda.add_command(cda_pack.pack)


@cda.command(short_help="Judge documents, archives and letters, and say what is wrong.")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(readable=False, path_type=Path))
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
@recipients_option('Judge as in a letter to this address, "-": one read from standard input; repeatable.')
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
    number of a patient. Nothing is sent or kept. Exit code 0: all accepted, 1: a warning, 2: a refusal; 65: no refusal,
    but a file that cannot be read, one that was named and holds no clinical document, or none in all of them. A letter
    without documents is accepted, and so is what in a folder is none; the last line says how many were.

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
    tally = _Tally(named=frozenset(paths))
    with _progress(len(files)) as advance:
        for file in files:
            try:
                judged = cda_files.judge(file, cda_files.content_of(file), order, installed)
            except cda_files.NotRead as why:
                tally.not_read += 1
                click.echo(f"mssgw: cda check: {paper.printable(str(file))}: {why}", err=True)
                if as_json:
                    paper.json_line({"file": str(file), "error": str(why)})
            else:
                tally.count(judged)
                if as_json:
                    paper.json_line({**cda_report.as_json(judged), "pack": digest or None})
                else:
                    cda_report.show(judged, quiet=quiet and judged.file not in tally.empty)
            advance()
    if not as_json and tally.read:
        click.echo(tally.summed_up(), err=True)
        if not digest:
            click.echo(cda_pack.NONE_INSTALLED, err=True)
    raise click.exceptions.Exit(tally.code)


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What became of all files. ``named``: those on the command line; ``empty``: those of them without a document."""

    named: frozenset[Path]
    verdicts: list[Verdict | None] = field(default_factory=list)
    empty: set[Path] = field(default_factory=set)
    without: int = 0
    not_read: int = 0

    def count(self, judged: "JudgedFile") -> None:
        self.verdicts.append(judged.verdict)
        self.without += not judged.documents
        if judged.verdict is None and judged.file in self.named:
            self.empty.add(judged.file)

    @property
    def read(self) -> int:
        return len(self.verdicts)

    @property
    def code(self) -> Code:
        """A refusal is certain; after it comes that something was not judged, which a warning must not hide."""
        if Verdict.REJECT in self.verdicts:
            return Code.REJECTED
        if self.not_read or self.empty or not any(self.verdicts):
            return Code.DATA
        return Code.WARNED if Verdict.WARN in self.verdicts else Code.OK

    def summed_up(self) -> str:
        told = [f"{number} {each.value}" for each in Verdict if (number := self.verdicts.count(each))]
        told += [f"{self.not_read} not read"] if self.not_read else []
        told += [f"{self.without} without a clinical document"] if self.without else []
        return f"{count(self.read + self.not_read, 'file', 'files')}: {', '.join(told)}"


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
