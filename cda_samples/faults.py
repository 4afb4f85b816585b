"""What is wrong with each of the wrong files, and which rules and verdicts it must meet."""

from dataclasses import dataclass

from cda_samples.edits import Make


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One wrong file. ``rules``: the ids of all findings but notes; ``standard`` and ``strict``: the verdicts.

    ``to``: the address that it is judged as sent to, "" for none.
    """

    file: str
    why: str
    make: Make
    rules: tuple[str, ...]
    standard: str = "reject"
    strict: str = "reject"
    to: str = ""

    def expectation(self) -> dict[str, object]:
        """What stands in the file beside it."""
        verdicts = {"strict": self.strict, "standard": self.standard}
        told = {"why": self.why, "to": self.to, "verdicts": verdicts, "rules": sorted(self.rules)}
        return {name: value for name, value in told.items() if value}


def fault(file: str, why: str, make: Make, *rules: str, to: str = "") -> Fault:
    """One that could harm: refused by both."""
    return Fault(file=file, why=why, make=make, rules=rules, to=to)


def form(file: str, why: str, make: Make, *rules: str) -> Fault:
    """One that departs from the French profile and harms nobody: refused by ``strict`` only."""
    return Fault(file=file, why=why, make=make, rules=rules, standard="warn")


def advice(file: str, why: str, make: Make, *rules: str) -> Fault:
    """One that is worth telling."""
    return Fault(file=file, why=why, make=make, rules=rules, standard="warn", strict="warn")
