"""What all parts of the suite share: how to run one alone, and how to say that it cannot be run here."""

import argparse
import json
import shutil
import sys
from typing import Any

Figures = dict[str, Any]

SENDER, PATIENT = "dr.martin@ch-test.mssante.fr", "279035121518989@patient.mssante.fr"
OPERATOR_DOCTOR, HOSPITAL_DOCTOR = "dr.durand@liberal.mssante.fr", SENDER


class Missing(Exception):
    """This machine lacks something that the part needs; the text says what to install."""


def needs(*programs: str, package: str) -> None:
    """Raise Missing unless all these programs are there."""
    if lacking := [each for each in programs if shutil.which(each) is None]:
        raise Missing(f"needs {', '.join(lacking)}: apt-get install {package}")


def parser(what: str | None) -> argparse.ArgumentParser:
    """Arguments that every part takes."""
    made = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="a short form: to see that it runs, not to quote")
    return made


def say(text: str) -> None:
    """Progress, on stderr: stdout is for figures."""
    print(text, file=sys.stderr, flush=True)


def show(figures: Figures) -> None:
    print(json.dumps(figures, indent=1))
