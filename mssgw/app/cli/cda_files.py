"""Files on the command line that hold clinical documents, and to whom they would go."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mssgw.app.cli.exits import Code, Failure
from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.clinical import Verdict
from mssgw.core.errors import MalformedAddress, MalformedMatricule
from mssgw.core.ins import Matricule
from mssgw.core.report import Judged, Order
from mssgw.formats import judging
from mssgw.formats.cda.installed import NOTHING_INSTALLED, Installed

SUFFIXES = (".xml", ".zip", ".eml")
_LETTER = ".eml"
_LARGEST = 64 * 1024 * 1024  # octets of a file; no operator takes a letter, nor the guard an archive, half as large


class NotRead(Exception):
    """A file cannot be judged; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """To whom a file would go."""

    patients: tuple[Matricule, ...] = ()
    professionals: bool = False

    @classmethod
    def of(cls, addresses: Iterable[str], space: PatientSpace) -> "Recipients":
        """By their addresses. Raises Failure."""
        try:
            parsed = [Address.parse(text) for text in addresses]
            patients = [each for each in parsed if each.domain == space.domain and each.key not in space.exceptions]
            matricules = tuple(Matricule.parse(each.local) for each in patients)
        except (MalformedAddress, MalformedMatricule) as error:
            raise Failure(Code.DATA, f"cda check: --to: {error}") from None
        return cls(patients=matricules, professionals=len(patients) < len(parsed))


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFile:
    """A file with all that it holds; nothing clinical: no ``documents``.

    ``verdict`` None: there was nothing to judge. A letter without documents is accepted, as it would be on its way.
    """

    file: Path
    documents: tuple[Judged, ...]
    verdict: Verdict | None


def found_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are meant: those named, and in folders those that end as documents, archives and letters do.

    What cannot be looked into is among them: whoever reads it is told why.
    """
    for path in paths:
        if os.path.isdir(path):  # Path.is_dir() raises where a folder above is closed
            yield from sorted(_below(path))
        else:
            yield path


def _below(folder: Path) -> Iterator[Path]:
    closed: list[OSError] = []
    for where, _, names in os.walk(folder, onerror=closed.append):
        found = (Path(where, name) for name in names if name.lower().endswith(SUFFIXES))
        yield from (each for each in found if _may_be_read(each))
    yield from (Path(error.filename) for error in closed)


def _may_be_read(entry: Path) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return True


def content_of(file: Path) -> bytes:
    """All octets of a file. Raises NotRead: a pipe or a device may have no end, and never any."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as octets:
            if not stat.S_ISREG(os.fstat(octets.fileno()).st_mode):
                raise NotRead("not a regular file")
            content = octets.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NotRead("no such file or folder") from None
    except OSError as error:
        raise NotRead(f"cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise NotRead("more than 64 MiB, and no letter is that large")
    return content


def judge(file: Path, content: bytes, order: Order, installed: Installed = NOTHING_INSTALLED) -> JudgedFile:
    """All that a file holds, against every rule."""
    report = judging.judge_file(content, order, installed, name=file.name)
    judged = report.documents or file.name.lower().endswith(_LETTER)
    return JudgedFile(file=file, documents=report.documents, verdict=report.verdict if judged else None)
