"""What trust costs: letters relayed over mutual TLS on both sides, full handshakes a second, and the white list.

*Relaying*: the gateway beside a Postfix with TLS and client certificates on both sides, in turns, with the same load
client (bench/tls_source.py) and the same next hop (bench/tls_sink.py); each of them shows a certificate and wants one.
*Handshakes*: ``openssl s_time`` with a client certificate, one connection after the other, none of them resumed, to the
gateway and to ``openssl s_server`` in turns. *White list*: bench/white_list.py. As root, for Postfix drops to its own
user.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import white_list
from bench.contestants import MAIN_CF, Contestant, started
from bench.part import HOSPITAL_DOCTOR, OPERATOR_DOCTOR, Figures, Missing, needs, parser, say, show
from bench.processes import processor_seconds, tree
from bench.sinks import CountingSink
from bench.throughput import Run, relayed
from tests import white_lists
from tests.peers.ports import free_port
from tests.peers.postfix import PostfixInstance, missing
from tests.pki import TrustSpace, operator_dn, pem_of

LETTERS, SESSIONS, OCTETS = 400, 10, 300_000
HANDSHAKES = 5  # seconds of each turn
OURS, THEIRS, REUSING = "gateway", "postfix", "postfix+reuse"
CLIENT, SINK = "mx.liberal.example", "mx.hopital.example"
_COUNTED = re.compile(r"^(\d+) connections in ([\d.]+) real seconds", re.MULTILINE)

_CONFIGURATION = """
[gateway]
hostname = "mssgw.bench.example"
state_dir = "state"
[store]
master_key_file = "master.key"
[[listener]]
name = "operators"
role = "trust-space"
address = "127.0.0.1:{port}"
[[listener]]
name = "handshakes"
role = "trust-space"
address = "127.0.0.1:{tls_port}"
tls = "implicit"
[[establishment]]
name = "hospital"
domains = ["{hospital}"]
next_hop = "127.0.0.1:{sink}"
[trust]
white_list = "list.xml"
white_list_unsigned = true
anchors = "anchors.pem"
certificate = "relay.pem"
crls = ["root.crl", "intermediate.crl"]
[log]
format = "json"
[metrics]
address = "127.0.0.1:{metrics}"
"""


def lay_out(folder: Path) -> None:
    """Certificates of all who take part (each for 127.0.0.1, P-256), white list, revocation lists."""
    space = TrustSpace()
    # With the intermediate: s_time has no other way to show one.
    (folder / "anchors.pem").write_bytes(pem_of(space.root.certificate, space.intermediate.certificate))
    space.write_crls(folder)
    for name, host in (("client", CLIENT), ("sink", SINK), ("relay", "mssgw.bench.example")):
        space.intermediate.issue(operator_dn(host), host, "127.0.0.1").write(folder, name)
    pairs = ((OPERATOR_DOCTOR, CLIENT), (HOSPITAL_DOCTOR, SINK))
    entries = [(who.partition("@")[2], white_lists.dn(host)) for who, host in pairs]
    (folder / "list.xml").write_bytes(white_lists.white_list(entries))


@contextmanager
def counting_tls_sink(folder: Path) -> Iterator[CountingSink]:
    with tempfile.NamedTemporaryFile(prefix="mssgw-bench-sink-") as log:
        port = free_port()
        command = [sys.executable, "-m", "bench.tls_sink", str(port), str(folder)]
        with started(command, port, output=log.fileno()):
            yield CountingSink(port, Path(log.name))


@contextmanager
def postfix(folder: Path, *, reuse: bool = False) -> Iterator[Contestant]:
    """As Debian sets it up (its sessions to next hops are resumed), with client certificates on both sides.

    ``reuse``: keeps its connections to next hops open, too, as the gateway does; Postfix can, and does not by default.
    """
    if why := missing():
        raise Missing(why)
    certificates = {"chain_files": str(folder / "relay.pem"), "CAfile": str(folder / "anchors.pem")}
    settings = {
        **MAIN_CF,
        **{f"smtpd_tls_{key}": value for key, value in certificates.items()},
        **{f"smtp_tls_{key}": value for key, value in certificates.items()},
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_req_ccert": "yes",
        "smtpd_recipient_restrictions": "permit_tls_all_clientcerts, reject",
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": SINK,
        "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache",
        "smtp_tls_connection_reuse": "yes" if reuse else "no",
    }
    with (
        counting_tls_sink(folder) as sink,
        PostfixInstance("peer.invalid", relay_to=sink.port, settings=settings) as instance,
    ):
        master = int((instance.home / "queue/pid/master.pid").read_text())
        yield Contestant(name=REUSING if reuse else THEIRS, port=instance.port, sink=sink, roots=(master,))


@contextmanager
def gateway(folder: Path) -> Iterator[tuple[Contestant, int]]:
    """With all that it does in earnest; and the port of its listener that begins with TLS."""
    with counting_tls_sink(folder) as sink, tempfile.TemporaryDirectory(prefix="mssgw-bench-") as own:
        home, port, tls_port, metrics = Path(own), free_port(), free_port(), free_port()
        for each in folder.iterdir():
            (home / each.name).write_bytes(each.read_bytes())
        (home / "state").mkdir(mode=0o700)
        (home / "master.key").write_bytes(bytes(range(32)))
        for secret in ("master.key", "relay.pem"):
            (home / secret).chmod(0o600)
        hospital = HOSPITAL_DOCTOR.partition("@")[2]
        configuration = _CONFIGURATION.format(
            port=port, tls_port=tls_port, sink=sink.port, metrics=metrics, hospital=hospital
        )
        (home / "mssgw.toml").write_text(configuration)
        command = [sys.executable, "-m", "bench.mutual_relay", "serve", "--config", str(home / "mssgw.toml")]
        with (home / "log").open("wb") as log, started(command, port, output=log.fileno()) as pid:
            _wait_until_ready(metrics)
            yield Contestant(name=OURS, port=port, sink=sink, roots=(pid,)), tls_port


def _wait_until_ready(metrics: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/readyz", timeout=5) as answer:
                if json.loads(answer.read())["ready"]:
                    break
        except OSError:  # 503 is one
            if time.monotonic() > end:
                raise
        time.sleep(0.1)
    time.sleep(3)  # the other workers follow within two seconds


@contextmanager
def s_server(folder: Path) -> Iterator[tuple[int, int]]:
    """OpenSSL's own server, on which all is the handshake; its pid and port."""
    port, own = free_port(), str(folder / "relay.pem")
    words = ["-cert", own, "-key", own, "-cert_chain", own, "-CAfile", str(folder / "anchors.pem"), "-Verify", "3"]
    with started(
        ["openssl", "s_server", "-accept", str(port), *words, "-num_tickets", "0", "-www", "-verify_quiet"], port
    ) as pid:
        yield pid, port


def figures(
    *, quick: bool = False, rounds: int | None = None, only: str | None = None, white_list_file: Path | None = None
) -> Figures:
    """Rates, medians, the ratio; handshakes a second of both, and the processor time of one; reading the white list."""
    needs("openssl", package="openssl")
    rounds = rounds or (1 if quick else 5)
    made: Figures = {"rounds": rounds, "octets": OCTETS, "sessions": SESSIONS}
    if only in (None, "white-list"):
        made["white_list"] = white_list.figures(quick=quick, given=white_list_file)
    if only != "white-list":
        made |= _beside_others(quick, rounds, only)
    return made


def _beside_others(quick: bool, rounds: int, only: str | None) -> Figures:
    made: Figures = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mssgw-bench-")))
        lay_out(folder)
        ours, tls_port = stack.enter_context(gateway(folder))
        if only in (None, "relaying"):
            theirs = [stack.enter_context(postfix(folder, reuse=reuse)) for reuse in (False, True)]
            made |= _relaying((*theirs, ours), folder, LETTERS // (5 if quick else 1), rounds)
        if only in (None, "handshakes"):
            made["handshakes"] = _handshakes(ours, tls_port, folder, rounds, 2 if quick else HANDSHAKES)
    return made


def _relaying(contestants: Sequence[Contestant], folder: Path, letters: int, rounds: int) -> Figures:
    runs: dict[str, list[Run]] = {each.name: [] for each in contestants}
    for each in contestants:
        relayed(each, 40, _source(each, folder, 40))  # warm
    for _ in range(rounds):
        for each in contestants:
            runs[each.name].append(relayed(each, letters, _source(each, folder, letters)))
    rates = {who: statistics.median(run.per_second for run in all_) for who, all_ in runs.items()}
    say("  relaying: " + ", ".join(f"{who} {rate:.1f}/s" for who, rate in rates.items()))
    return {
        "letters": letters,
        "per_second": {who: round(rate, 1) for who, rate in rates.items()},
        "cpu_ms": {who: round(statistics.median(run.cpu_ms for run in all_), 2) for who, all_ in runs.items()},
        "runs": {who: [round(run.per_second, 1) for run in all_] for who, all_ in runs.items()},
        "ratio": round(rates[OURS] / rates[THEIRS], 2),
        "ratio_reuse": round(rates[OURS] / rates[REUSING], 2),
    }


def _source(contestant: Contestant, folder: Path, letters: int) -> list[str]:
    words = ["--letters", str(letters), "--sessions", str(SESSIONS), "--octets", str(OCTETS)]
    return [sys.executable, "-m", "bench.tls_source", str(contestant.port), str(folder), *words]


def _handshakes(ours: Contestant, port: int, folder: Path, rounds: int, seconds: int) -> Figures:
    counted: dict[str, list[tuple[float, float]]] = {"s_server": [], OURS: []}
    with s_server(folder) as (pid, other):
        for _ in range(rounds):
            counted["s_server"].append(_s_time(other, (pid,), folder, seconds))
            counted[OURS].append(_s_time(port, ours.roots, folder, seconds))
    rates = {who: round(statistics.median(rate for rate, _ in all_), 1) for who, all_ in counted.items()}
    say("  handshakes: " + ", ".join(f"{who} {rate}/s" for who, rate in rates.items()))
    used = {who: round(statistics.median(cpu for _, cpu in all_), 2) for who, all_ in counted.items()}
    return {"per_second": rates, "cpu_ms": used, "ratio": round(rates[OURS] / rates["s_server"], 2)}


def _s_time(port: int, roots: tuple[int, ...], folder: Path, seconds: int) -> tuple[float, float]:
    """Handshakes a second, and the server's processor time of one in milliseconds."""
    own = str(folder / "client.pem")
    words = ["-connect", f"127.0.0.1:{port}", "-new", "-cert", own, "-key", own, "-time", str(seconds)]
    used = _processor_seconds(roots)
    command = ["openssl", "s_time", *words, "-CAfile", str(folder / "anchors.pem"), "-verify", "3"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60)
    found = _COUNTED.search(done.stdout)
    if found is None:
        raise RuntimeError(f"s_time: {done.stdout[-300:]}{done.stderr[-300:]}")
    return int(found[1]) / float(found[2]), 1000 * (_processor_seconds(roots) - used) / int(found[1])


def _processor_seconds(roots: tuple[int, ...]) -> float:
    return sum(processor_seconds(pid) for root in roots for pid in tree(root))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, help="how often each contestant has its turn (default 5; quick: 1)")
    arguments.add_argument("--only", choices=("relaying", "handshakes", "white-list"), help="one of the three")
    arguments.add_argument("--list", type=Path, help="a white list to read as well")
    given = arguments.parse_args()
    show(figures(quick=given.quick, rounds=given.rounds, only=given.only, white_list_file=given.list))


if __name__ == "__main__":
    main()
