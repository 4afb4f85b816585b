"""``mssgw cda new``: a valid document for tests, with its archive and its PDF."""

import re
from datetime import date, datetime
from pathlib import Path

import click

from mssgw.app.cli.exits import Code, Failure, no
from mssgw.core.errors import MalformedMatricule
from mssgw.core.ins import InsAuthority, Matricule
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.xdm_making import archive

_AUTHORITIES = {each.name.lower().replace("_", "-"): each for each in InsAuthority}


@click.command(short_help="Write a valid document, its archive and its PDF, for tests.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--kind", "kind_name", type=click.Choice(list(KINDS)), default="crh", show_default=True)
@click.option("--ins", "matricule", metavar="MATRICULE", default="279035121518989", show_default=True)
@click.option(
    "--authority", type=click.Choice(list(_AUTHORITIES)), default="test-nir", show_default=True, help="Whose INS."
)
@click.option("--family", default="EXEMPLE", show_default=True, help="Birth name of the patient.")
@click.option("--given", default="JEANNE MARIE", show_default=True, help="All given names, first one first.")
@click.option("--birth", metavar="YYYY-MM-DD", help="Default: a day in the month that the INS names.")
@click.option("--author", metavar="'GIVEN FAMILY'", default="Claire MARTIN", show_default=True)
@click.option("--rpps", default="99900000012", show_default=True, help="11 digits.")
@click.option("--organisation", default="Centre hospitalier de l'Exemple", show_default=True)
@click.option("--finess", default="999000018", show_default=True, help="9 digits.")
@click.option("--title", default="", help="Default: that of the kind.")
@click.option("--date", "at", metavar="ISO8601", help="When it was written; default: now.")
@click.option("--structured", is_flag=True, help="Sections in place of a PDF.")
@click.option(
    "--pdf",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The PDF to carry; default: one is made.",
)
def new(
    folder: Path,
    kind_name: str,
    matricule: str,
    authority: str,
    family: str,
    given: str,
    birth: str | None,
    author: str,
    rpps: str,
    organisation: str,
    finess: str,
    title: str,
    at: str | None,
    structured: bool,
    pdf: Path | None,
) -> None:
    """Write a valid CDA R2 document for tests to FOLDER, the IHE_XDM.zip around it, and its PDF.

    A PDF in a CDA (N1), or sections with --structured: their text, not the coded entries of the CI-SIS model. The same
    options with the same --date give the same octets. For invented people only. Nothing is overwritten.

    \b
    Examples:
      mssgw cda new essai/
      mssgw cda new essai-2/ --kind biologie --structured --date 2025-11-03T14:30:00+01:00
      mssgw cda new essai-3/ --kind ordonnance --ins 146026322000196 --birth 1946-02-11 --family SPECIMEN --given ANDRE
    """
    name, _, surname = author.strip().partition(" ")
    ins = _matricule(matricule)
    order = Order(
        kind=KINDS[kind_name],
        patient=Patient(
            matricule=ins,
            authority=_AUTHORITIES[authority],
            family=_words("--family", family),
            given=tuple(_words("--given", given).split()),
            birth=_date(birth) if birth else _born(ins),
        ),
        author=Author(
            rpps=_form("--rpps", rpps, r"[0-9]{11}", "11 digits"),
            given=name,
            family=_words("--author", surname, "given name and family name, such as 'Claire MARTIN'"),
            prefix="",
            organisation=_words("--organisation", organisation),
            finess=_form("--finess", finess, r"[0-9][0-9AB][0-9]{7}", "9 digits, or 2A or 2B and 7 digits"),
        ),
        at=_moment(at),
        title=title,
        structured=structured,
        pdf=_pdf(pdf),
    )
    _write(folder, order)


def _write(folder: Path, order: Order) -> None:
    """All three, or nothing when one of them is there."""
    stem = f"{order.begins:%Y%m%d}_{order.kind.label}_{order.patient.family}_{order.patient.given[0]}"
    pdf = re.sub(r"[^\w.-]", "_", f"{stem}.pdf")  # req: FMT-5
    files = {f"{order.kind.name}.xml": make(order), "IHE_XDM.zip": archive([order]), pdf: order.shown()}
    if there := [name for name in files if (folder / name).exists()]:
        raise no(f"cda new: {folder / there[0]} exists; nothing is overwritten")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
            click.echo(folder / name)
    except OSError as error:
        code = Code.NO_PERMISSION if isinstance(error, PermissionError) else Code.DATA
        raise Failure(code, f"cda new: {folder}: cannot be written: {error.strerror}") from None


def _matricule(text: str) -> Matricule:
    try:
        return Matricule.parse(text)
    except MalformedMatricule as error:
        raise Failure(Code.DATA, f"cda new: --ins: {error}") from None


def _born(ins: Matricule) -> date:
    """A birth date that agrees with the matricule: its century is not told, nor always its month."""
    year, month = int(ins.value[1:3]), int(ins.value[3:5])
    century = 2000 if 2000 + year < date.today().year else 1900
    return date(century + year, month if 1 <= month <= 12 else 1, 28)


def _words(option: str, text: str, expected: str = "a name") -> str:
    if not text.strip() or not text.isprintable():
        raise Failure(Code.DATA, f"cda new: {option}: expected {expected}")
    return text.strip()


def _form(option: str, text: str, form: str, expected: str) -> str:
    if not re.fullmatch(form, text):
        raise Failure(Code.DATA, f"cda new: {option}: expected {expected}")
    return text


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Failure(Code.DATA, "cda new: --birth: expected a date such as 1979-03-28") from None


def _moment(text: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text) if text else datetime.now().replace(microsecond=0)
        return moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError):
        raise Failure(Code.DATA, "cda new: --date: expected such as 2025-11-03T14:30:00+01:00") from None


def _pdf(path: Path | None) -> bytes | None:
    content = path.read_bytes() if path else None
    if content is not None and not content.startswith(b"%PDF-"):
        raise Failure(Code.DATA, f"cda new: {path}: not a PDF")
    return content
