"""``mssgw cda pack``: the XSD and value sets of the ANS that documents are held against, and which of them to use."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code, Failure, no
from mssgw.app.cli.letters import count
from mssgw.app.cli.opening import config_option, configured, json_option, read_configuration
from mssgw.core.errors import GatewayError

if TYPE_CHECKING:
    from mssgw.formats.cda.installed import Installed
    from mssgw.formats.cda.material import Found
    from mssgw.formats.cda.pack import Pack

NONE_INSTALLED = "no XSD is installed: only the gateway's own rules were asked (see `mssgw cda pack install --help`)"
_SHOWN = 20  # lines of one sort


@click.group()
def pack() -> None:
    """The XSD and value sets of the ANS: install, status, remove."""


@pack.command(short_help="Install XSD and value sets from the ANS material.")
@click.argument("path", metavar="DIR|ZIP", type=click.Path(path_type=Path))
@config_option
def install(path: Path, config_path: Path) -> None:
    """Install the XSD and value sets in the ANS material, as it is downloaded: a folder, or a zip.

    They are found wherever they lie in it. Letter case of included files is repaired; nothing is fetched or taken from
    elsewhere. The schema is compiled and tried before it takes the place of the one in force, at once or not at all.
    What was missing is told.

    \b
    Examples:
      mssgw cda pack install TestContenuCDA-3-0-main.zip
      mssgw cda pack install /srv/ans/TestContenuCDA-3-0/
    """
    from mssgw.edges.pack_files import PackFiles  # it pulls in lxml: not for --help
    from mssgw.formats.cda.pack import Label

    found = _found(path, "cda pack install")
    files = PackFiles(configured(config_path, keyless=True).gateway.state_dir)
    label = Label(
        digest=found.pack.digest,
        installed_at=datetime.now(UTC),
        source=path.resolve().name,
        schema=found.schema,
        missing=found.missing,
        unreadable=found.unreadable,
    )
    files.install(found.pack, label)
    _tell(found)


def _found(path: Path, command: str) -> "Found":
    """The pack in a folder or zip, or one line that says why not."""
    from mssgw.edges.material_files import UnreadableMaterial, read_material
    from mssgw.formats.cda.material import UnusableMaterial, pack_from

    try:
        return pack_from(read_material(path))
    except FileNotFoundError:
        raise Failure(Code.DATA, f"{command}: {path}: no such file or folder") from None
    except (UnreadableMaterial, UnusableMaterial) as error:
        raise Failure(Code.DATA, f"{command}: {path}: {error}") from None


def _tell(found: "Found") -> None:
    paper.facts(
        [
            ("installed", found.pack.digest),
            ("schema", f"{found.schema} ({count(len(found.pack.schemas), 'file', 'files')})"),
            ("value sets", " ".join(found.value_sets) or "none"),
            ("not found", f"{' '.join(found.absent)}: nothing is held against them" if found.absent else ""),
            (
                "repaired",
                f"{count(len(found.repaired), 'name', 'names')} in another letter case" * bool(found.repaired),
            ),
        ]
    )
    for what, told in (("missing", found.missing), ("cannot be read", found.unreadable)):
        for each in told[:_SHOWN]:
            paper.sentence(f"{what}: {each}")
        if len(told) > _SHOWN:
            click.echo(f"{what}: {len(told) - _SHOWN} more")


@pack.command()
@config_option
@json_option
def status(config_path: Path, as_json: bool) -> None:
    """Say which XSD and value sets are in force, and since when. Exit code 1: none.

    The files are compared with what was installed, and the schema is compiled again.

    \b
    Examples:
      mssgw cda pack status
      mssgw cda pack status --json | jq -r .digest
    """
    from mssgw.edges.pack_files import PackFiles

    files = PackFiles(read_configuration(config_path, keyless=True).gateway.state_dir)
    label, kept = files.label(), _usable(files.read())
    if label is None or kept is None:
        raise no("cda pack status: no XSD is installed: only the gateway's own rules are asked")
    if as_json:
        paper.json_line({**paper.plain(label, full=True), "files": sorted(kept.files), "value_sets": kept.value_sets})
        return
    paper.facts(
        [
            ("installed", label.digest),
            ("since", paper.when(label.installed_at)),
            ("from", label.source),
            ("schema", f"{label.schema} ({count(len(kept.schemas), 'file', 'files')})"),
            ("value sets", " ".join(kept.value_sets) or "none"),
            ("missing", count(len(label.missing), "file", "files") if label.missing else ""),
            ("cannot be read", count(len(label.unreadable), "file", "files") if label.unreadable else ""),
        ]
    )


def _usable(kept: "Pack | None") -> "Pack | None":
    if kept is not None:
        kept.opened()
    return kept


@pack.command()
@config_option
def remove(config_path: Path) -> None:
    """Go on without XSD and value sets. Exit code 1: there were none.

    \b
    Example:
      mssgw cda pack remove
    """
    from mssgw.edges.pack_files import PackFiles

    if not PackFiles(configured(config_path, keyless=True).gateway.state_dir).remove():
        raise no("cda pack remove: no XSD is installed")
    click.echo("removed: only the gateway's own rules are asked from now on")


def in_force(context: click.Context, config_path: Path, one_off: Path | None) -> tuple["Installed", str]:
    """What `cda check` holds documents against, and its digest; "" without: a pack named for once, else the one that
    is installed where a configuration says. One that nobody named but that cannot be used is told, and done without.
    """
    from mssgw.app.config.problems import ConfigErrors
    from mssgw.formats.cda.installed import NOTHING_INSTALLED

    if one_off is not None:
        found = _found(one_off, "cda check")
        return found.pack.opened(), found.pack.digest
    named = context.get_parameter_source("config_path") is not ParameterSource.DEFAULT
    try:
        if not named and not config_path.exists():
            return NOTHING_INSTALLED, ""
        return _installed(config_path)
    except (GatewayError, ConfigErrors) as error:
        if named:
            raise
        click.echo(f"the XSD that may be installed cannot be used: {str(error).splitlines()[0]}", err=True)
        return NOTHING_INSTALLED, ""


def _installed(config_path: Path) -> tuple["Installed", str]:
    from mssgw.edges.pack_files import PackFiles
    from mssgw.formats.cda.installed import NOTHING_INSTALLED

    kept = PackFiles(read_configuration(config_path, keyless=True).gateway.state_dir).read()
    return (kept.opened(), kept.digest) if kept is not None else (NOTHING_INSTALLED, "")
