"""Mail relays to measure beside each other. Each listens on ``port`` and relays all it takes to a sink of its own."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.bars import READING_MILTER
from bench.part import Missing
from bench.processes import processor_seconds, tree
from bench.sinks import CountingSink, counting_sink
from tests.peers.ports import free_port, wait_until_it_listens
from tests.peers.postfix import PostfixInstance, missing

HERE = Path(__file__).resolve().parent
DEBIAN_PYTHON = "/usr/bin/python3"
# As an administrator in a hurry would set it; deliveries side by side, as many as the gateway has and more.
MAIN_CF = {
    "message_size_limit": "10485760",
    "default_process_limit": "100",
    "smtp_destination_concurrency_limit": "50",
    "default_destination_concurrency_limit": "50",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """``roots``: its processes, with their children, do the work."""

    name: str
    port: int
    sink: CountingSink
    roots: tuple[int, ...]

    def processor_seconds(self) -> float:
        """What they have used so far, those that ended included."""
        return sum(processor_seconds(pid) for root in self.roots for pid in tree(root))


@contextmanager
def postfix(name: str = "postfix", beside: tuple[int, ...] = (), **settings: str) -> Iterator[Contestant]:
    """A private Debian Postfix, which decides nothing. ``beside``: processes that work for it."""
    if why := missing():
        raise Missing(why)
    with (
        counting_sink() as sink,
        PostfixInstance("peer.invalid", relay_to=sink.port, settings=MAIN_CF | settings) as instance,
    ):
        master = int((instance.home / "queue/pid/master.pid").read_text())
        yield Contestant(name=name, port=instance.port, sink=sink, roots=(master, *beside))


@contextmanager
def postfix_with_milter(*, documents: bool = False) -> Iterator[Contestant]:
    """The same behind bench/policy_milter.py, told to open archives and parse ``documents`` or not.

    Raises Missing where Debian's packages for it are not there.
    """
    probe = [DEBIAN_PYTHON, "-c", "import Milter"]
    if not Path(DEBIAN_PYTHON).exists() or subprocess.run(probe, stderr=subprocess.DEVNULL, timeout=30).returncode:
        raise Missing("needs Debian's packages: apt-get install python3-milter")
    with ExitStack() as stack:
        folder, port = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mssgw-bench-"))), free_port()
        milter = [DEBIAN_PYTHON, "-I", str(HERE / "policy_milter.py"), str(port), str(folder / "policy.db")]
        milter += ["documents"] if documents else []
        with started(milter, port) as pid:
            settings = {"smtpd_milters": f"inet:127.0.0.1:{port}", "milter_default_action": "tempfail"}
            name = READING_MILTER if documents else "postfix+milter"
            yield stack.enter_context(postfix(name, (pid,), **settings))


@contextmanager
def gateway() -> Iterator[Contestant]:
    """bench/relay: the gateway with all that it does in earnest."""
    with counting_sink() as sink, tempfile.TemporaryDirectory(prefix="mssgw-bench-") as folder:
        port = free_port()
        with started([str(HERE / "relay"), str(port), str(sink.port), folder], port) as pid:
            yield Contestant(name="gateway", port=port, sink=sink, roots=(pid,))


@contextmanager
def started(command: list[str], port: int, *, output: int = subprocess.DEVNULL) -> Iterator[int]:
    """A process while the block runs, ready when it listens; its pid. ``output``: where what it prints goes."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, start_new_session=True)
    try:
        if not wait_until_it_listens(port, limit=30, alive=lambda: process.poll() is None):
            raise RuntimeError(f"{Path(command[0]).name} does not start")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(10)
