"""What reading the white list costs a worker: seconds and memory, unsigned and signed (WL-2, WL-6).

Each reading is that of a fresh process (bench/list_reader.py). The list is one that is made here, with the shape and
size of the published one of 2025; ``--list FILE`` measures that file as well.
"""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.part import Figures, parser, say, show
from mssgw.formats import white_list
from tests.white_lists import Entry, Signer, dn
from tests.white_lists import white_list as document

# Of the published list; LARGEST: domains of one operator; SHARED: domains of several.
ENTRIES, DOMAINS, OPERATORS, LARGEST, SHARED = 6_554, 5_002, 392, 2_768, 1_058
ROUNDS = 5
MADE, GIVEN = "made", "given"


def made() -> bytes:
    """As many entries, domains, operators and octets, one operator with half of the domains."""
    text = document(_entries()).decode()
    text = text.replace("Exemple</Description>", "Etablissement de sante d'exemple, sites et services 1</Description>")
    text = text.replace(">x</", ">01 23 45 67 89, contact@exemple.invalid</")
    text = text.replace("><", ">\n            <").replace("            <Domaine>", "        <Domaine>")
    return text.encode()


def _entries() -> Iterator[Entry]:
    names = [dn(f"mta{number}.operateur.exemple.fr") for number in range(OPERATORS)]
    others = itertools.cycle(names[1:])
    for number in range(ENTRIES):
        again = number >= DOMAINS
        domain = (number - DOMAINS) % SHARED if again else number
        name = names[0] if not again and number >= DOMAINS - LARGEST else next(others)
        yield f"etablissement{domain}.mssante.fr", name


def figures(*, quick: bool = False, given: Path | None = None) -> Figures:
    """Of the list made here, and of the one given: what is in it, and what it costs unsigned and signed."""
    rounds = 1 if quick else ROUNDS
    lists = {MADE: made()} | ({GIVEN: given.read_bytes()} if given is not None else {})
    return {"rounds": rounds} | {name: _of(name, content, rounds) for name, content in lists.items()}


def _of(name: str, content: bytes, rounds: int) -> Figures:
    index, signer = white_list.read(content), Signer()
    found: Figures = {"octets": len(content), "entries": index.entries}
    found |= {"domains": len(index.operators), "operators": len(index.domains)}
    with tempfile.TemporaryDirectory(prefix="mssgw-bench-") as folder:
        file, certificate = Path(folder, "list.xml"), Path(folder, "signer.pem")
        certificate.write_bytes(signer.pem)
        for form, octets, words in (("unsigned", content, ()), ("signed", signer.sign(content), (certificate,))):
            file.write_bytes(octets)
            found[form] = _together([in_a_fresh_process(file, *words) for _ in range(rounds)])
            say(f"  white list, {name}, {form}: {found[form]['seconds']} s, {found[form]['above_mb']} MB above idle")
    return found


def _together(runs: list[Figures]) -> Figures:
    """The median of the seconds; of memory the worst."""
    seconds = [round(run.pop("seconds"), 3) for run in runs]
    worst = {key: round(max(run[key] for run in runs), 1) for key in runs[0]}
    return {"seconds": statistics.median(seconds), "runs": seconds, **worst}


def in_a_fresh_process(*files: Path) -> Figures:
    """A list, and the certificate of who signed it, if it is signed."""
    command = [sys.executable, "-m", "bench.list_reader", *map(str, files)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"the list could not be read: {done.stderr[-300:]}")
    return dict(json.loads(done.stdout))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--list", type=Path, help="a list to measure beside the one that is made here")
    given = arguments.parse_args()
    show(figures(quick=given.quick, given=given.list))


if __name__ == "__main__":
    main()
