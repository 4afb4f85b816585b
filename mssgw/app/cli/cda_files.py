"""Files on the command line that hold clinical documents, and to whom they would go."""

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
    """A file with all that it holds; nothing clinical: no ``documents``."""

    file: Path
    documents: tuple[Judged, ...]
    verdict: Verdict


def found_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are meant: those named, and in folders those that end as documents, archives and letters do."""
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
        else:
            yield path


def judge(file: Path, content: bytes, order: Order, installed: Installed = NOTHING_INSTALLED) -> JudgedFile:
    """All that a file holds, against every rule."""
    report = judging.judge_file(content, order, installed, name=file.name)
    return JudgedFile(file=file, documents=report.documents, verdict=report.verdict)
