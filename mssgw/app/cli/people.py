"""People on the command line: who the operator is, which patient is meant, and what of an address may be shown."""

import os
import pwd
import re
import sys
from collections.abc import Callable
from typing import Any

import click

from mssgw.app.cli.ordinary import PrivateAddress
from mssgw.core.addresses import Address
from mssgw.core.bal import Party, PatientSpace
from mssgw.core.errors import MalformedAddress
from mssgw.core.ins import LENGTH, Matricule

_ALIAS = re.compile(r"(?![0-9]{13,}$)[0-9A-Za-z_:+/=-]{6,64}")
_QUEUE_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{16}")  # Crockford's base 32, see flow/ids.py
_MISREAD = str.maketrans("OIL", "011")
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,63}")


def operator() -> str:
    """Who types, for the journal: SUDO_USER, else the login of the user id (TRC-1)."""
    sudo = os.environ.get("SUDO_USER", "")
    if _LOGIN.fullmatch(sudo):
        return sudo
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid{os.getuid()}"


def unseen(context: click.Context, parameter: click.Parameter, given: Any) -> Any:
    """The callback of what may name a patient: as it was typed, and for each "-" the next line of standard input.

    What is typed is seen in `ps`, in the shell's history and in what sudo and systemd-run log. Raises BadParameter
    when no line comes, or one that is no text.
    """
    if isinstance(given, tuple):
        return tuple(unseen(context, parameter, each) for each in given)
    if given != "-" or context.resilient_parsing:  # a shell that completes the line asks what may come next
        return given
    if sys.stdin.isatty():
        asked = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        click.echo(f"{asked}: ", nl=False, err=True)
    try:
        line = sys.stdin.readline().removeprefix("\ufeff").strip()  # a mark that shells of Windows put before it
    except UnicodeDecodeError:
        raise click.BadParameter("expected text in UTF-8 on standard input", context, parameter) from None
    if not line:
        raise click.BadParameter("no line on standard input", context, parameter)
    return line


def recipients_option(about: str) -> Callable[[Any], Any]:
    """``--to``, as often as there are forward-paths; it may name patients."""
    return click.option("--to", "recipients", metavar="ADDRESS", multiple=True, callback=unseen, help=about)


def patient(text: str, space: PatientSpace) -> Address:
    """The mailbox of a patient, from his address or his bare matricule.

    Raises MalformedMatricule or MalformedAddress.
    """
    address = Address.parse(text if "@" in text else f"{text}@{space.domain}")
    if space.is_patient(address):
        space.matricule(address)
    return address


def matricule(text: str, space: PatientSpace) -> Matricule:
    """The number of a patient, bare or in his address. Raises MalformedMatricule or MalformedAddress."""
    address = patient(text, space)
    found = space.matricule(address) if address.domain == space.domain else None
    if found is None:
        raise MalformedAddress("expected a matricule INS, or an address that it makes in the patient domain")
    return found


def ordinary(text: str, space: PatientSpace) -> Address:
    """An address outside the patient domain, where a word sent would be told of again. Raises MalformedAddress."""
    address = Address.parse(text)
    if address.domain == space.domain:
        raise MalformedAddress("expected an ordinary address, not one of the patient domain")
    return address


def professional(text: str, space: PatientSpace) -> Address:
    """The mailbox of a professional. Raises MalformedAddress."""
    address = Address.parse(text)
    if space.sender(address) is not Party.PROFESSIONAL:
        raise MalformedAddress("expected the mailbox of a professional, not one of the patient domain")
    return address


def looks_like_matricule(text: str) -> bool:
    """Whether a bare word is meant as a matricule, right or wrong, and not as a queue id, which has 16 characters."""
    return len(text) == LENGTH and text[0].isdigit()


def shown(address: Address | None, *, full: bool) -> str:
    """An address for a table: ``<>`` for none; a patient's is masked to its key, or domain, unless ``full``.

    The key tells the patients of a listing apart most of the time, and tells nobody who they are.
    """
    if address is None:
        return "<>"
    if not full and isinstance(address, PrivateAddress):
        return f"{'*' * LENGTH}@{address.domain}"
    if full or not is_patient_like(address):
        return address.text
    return f"{'*' * (LENGTH - 2)}{address.local[-2:]}@{address.domain}"


def is_patient_like(address: Address) -> bool:
    """Whether the local part may be a matricule, right or mistyped, in whatever domain."""
    return sum(char.isdigit() for char in address.local) >= 8


def may_be_alias(text: str) -> bool:
    """Whether the word may be the keyed hash of an address, as the log shows it; never a mistyped matricule."""
    return bool(_ALIAS.fullmatch(text))


def queue_id(text: str) -> str:
    """A queue id as it was typed or read out: letters in any case, O for 0 and I or L for 1.

    Raises BadParameter otherwise.
    """
    if not is_queue_id(text):
        raise click.BadParameter("expected a queue id of 16 letters and digits, as the 250 reply named it")
    return _as_written(text)


def is_queue_id(text: str) -> bool:
    """Whether ``queue_id`` would take it."""
    return bool(_QUEUE_ID.fullmatch(_as_written(text)))


def _as_written(text: str) -> str:
    return text.strip().upper().translate(_MISREAD)
