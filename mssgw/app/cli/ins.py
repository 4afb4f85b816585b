"""``mssgw ins check``: is this a well-formed matricule INS, or patient address?"""

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code
from mssgw.app.cli.opening import json_option
from mssgw.app.cli.people import unseen
from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.errors import GatewayError, MalformedAddress
from mssgw.core.ins import Matricule


@click.group()
def ins() -> None:
    """Matricules INS and patient addresses."""


@ins.command()
@click.argument("subject", metavar="ADDRESS|MATRICULE|-", callback=unseen)
@click.option(
    "--patient-domain", default=PatientSpace().domain, show_default=True, help="Where patients have mailboxes."
)
@json_option
def check(subject: str, patient_domain: str, as_json: bool) -> None:
    """Say whether a matricule or a patient address is well formed, and why not.

    Length, characters, month and key are checked, as at RCPT (INS-1 to INS-5); nothing is stored or logged. A right
    key does not prove that the patient exists. With "-" the value is read from standard input, which keeps it out of
    the shell's history. Exit code 0: valid, 1: not.

    \b
    Examples:
      mssgw ins check 279035121518989
      mssgw ins check 177012a12345670@patient.mssante.fr
      mssgw ins check - < numero.txt
    """
    reason, warning = _judge(subject.strip(), PatientSpace(domain=patient_domain.lower()))
    if as_json:
        paper.json_line({"valid": reason is None, "reason": reason, "warning": warning})
    elif reason is not None:
        click.echo(f"invalid: {reason}")
    else:
        click.echo(f"valid (warning: {warning})" if warning else "valid")
    if reason is not None:
        raise click.exceptions.Exit(Code.NO)


def _judge(text: str, space: PatientSpace) -> tuple[str | None, str | None]:
    """Why it is not valid, and why it deserves a warning though it is; None for none.

    The right key of a number with a wrong one is never told: the typing error may be in the digits before it, and
    "mending" the key would make the address of somebody else.
    """
    try:
        return None, _known(text, space)
    except GatewayError as error:
        return str(error), None


def _known(text: str, space: PatientSpace) -> str | None:
    """The warning that a valid matricule or address deserves, if any. Raises GatewayError with what is wrong."""
    if "@" not in text:
        return Matricule.parse(text).unusual
    address = Address.parse(text)
    if address.domain != space.domain:
        raise MalformedAddress(f"not a patient address: those are in {space.domain}")
    if address.key in space.exceptions:
        return "no matricule, but an address that is excepted on purpose (INS-10)"
    return Matricule.parse(address.local).unusual
