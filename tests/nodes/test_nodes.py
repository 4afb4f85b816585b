"""Three gateway nodes over one PostgreSQL: nodes are killed, the database is restarted, and no letter is lost."""

import contextlib
import random
import signal
import smtplib
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.nodes.hop import Hop
from tests.nodes.load import LARGE, Load
from tests.nodes.rules import Watch
from tests.peers import postgresql
from tests.peers.gateway import GatewayProcess, Hops, Settings
from tests.peers.postgresql import PostgresServer

TAKE_OVER = 20.0  # seconds; see delivery.take_over_after
_SLACK = 15.0  # of a busy machine: a restart, a claim, an SMTP session
_CALM = 60.0  # seconds for all that waits to arrive


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    postgresql.required()
    with PostgresServer() as server:
        server.create("mssgw")
        yield server


@pytest.fixture(scope="module")
def hop() -> Iterator[Hop]:
    with Hop() as hop:
        yield hop


@pytest.fixture(scope="module")
def nodes(server: PostgresServer, hop: Hop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[GatewayProcess]]:
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as pool:
        yield list(pool.map(stack.enter_context, make_nodes(3, server, hop, tmp_path_factory.mktemp("nodes"))))


def make_nodes(count: int, server: PostgresServer, hop: Hop, place: Path, **more: Settings) -> list[GatewayProcess]:
    """Nodes that share the database and the master key, and nothing else."""
    key = place / "master.key"
    key.write_bytes(random.Random(1).randbytes(32))
    key.chmod(0o600)
    settings: Settings = {
        **more,
        "store": {"url": server.url("mssgw"), "master_key_file": str(key)},
        "delivery": {"first_retry": "1s", "longest_retry": "2s", "take_over_after": f"{TAKE_OVER:.0f}s"},
    }
    hops = Hops(operators=hop.port, inward=hop.port)
    made = []
    for number in range(count):
        node = GatewayProcess(hops, settings=settings)
        gateway = {**node.configuration(hops)["gateway"], "node": f"node-{number}", "workers": 1}
        node.configure(node.configuration(hops), {**settings, "gateway": gateway})
        made.append(node)
    return made


def storm(
    nodes: list[GatewayProcess], server: PostgresServer, *, kills: int, restarts: int, every: float, seed: int
) -> None:
    """Kill a random node every few seconds, and restart PostgreSQL in between: a clean stop, then as by a crash."""
    dice = random.Random(seed)
    for number in range(kills):
        time.sleep(dice.uniform(0.5, 1.5) * every)
        node = dice.choice(nodes)
        node.kill()
        if (number + 1) * restarts // kills > number * restarts // kills:
            time.sleep(dice.uniform(0, 1))
            server.restart(dice.choice((signal.SIGINT, signal.SIGQUIT)))
        node.start()


def judge(load: Load, hop: Hop) -> Counter[str]:
    """Nothing lost, nothing changed, nothing refused for good. How often each letter came."""
    ledger = load.ledger
    missing = hop.wait_for(set(ledger.accepted), limit=_CALM)
    assert not missing, (
        f"{len(missing)} of {len(ledger.accepted)} accepted letters did not arrive: {sorted(missing)[:9]}"
    )
    assert not [reply for reply in ledger.refused if reply.startswith("5")], ledger.refused
    mine = [arrival for arrival in hop.arrivals if arrival.payload_id in ledger.digests]
    changed = [each.payload_id for each in mine if each.digest != ledger.digests[each.payload_id]]
    assert not changed, f"changed on the way: {changed[:9]}"
    stray = {each.payload_id for each in mine} - ledger.accepted.keys() - ledger.doubtful
    assert not stray, "only what was accepted, or left in doubt, may arrive"
    return Counter(each.payload_id for each in mine)


def run_storm(
    nodes: list[GatewayProcess], server: PostgresServer, hop: Hop, *, kills: int, restarts: int, every: float
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    load = Load([node.port for node in nodes], clients=2)
    watch = Watch(nodes, seed=seed)
    load.start()
    watch.start()
    try:
        storm(nodes, server, kills=kills, restarts=restarts, every=every, seed=seed)
    finally:
        load.stop()
        watch.stop()
    assert not watch.violations, watch.violations[:5]
    copies = judge(load, hop)
    twice = sum(count - 1 for count in copies.values())
    print(
        f"{len(load.ledger.accepted)} accepted, {len(load.ledger.doubtful)} in doubt, {twice} second copies,"
        f" {watch.checked} answers to patients checked, {dict(load.ledger.refused)}"
    )
    assert len(load.ledger.accepted) > 20 * kills, "there was hardly any load"
    assert watch.checked > 3 * kills
    # A kill or a restart can repeat what was on its way then: at most 20 a route and node.
    assert twice <= (kills + 3 * restarts) * 60
    nodes[0].wait_until_nothing_waits(limit=_CALM)


def test_no_letter_is_lost_and_no_rule_broken_while_nodes_and_database_fall(
    nodes: list[GatewayProcess], server: PostgresServer, hop: Hop
) -> None:
    run_storm(nodes, server, hop, kills=3, restarts=2, every=2.0)


@pytest.mark.soak
def test_the_same_for_long(nodes: list[GatewayProcess], server: PostgresServer, hop: Hop) -> None:
    run_storm(nodes, server, hop, kills=40, restarts=10, every=4.0)


def test_others_take_over_what_a_dead_node_was_at(nodes: list[GatewayProcess], hop: Hop) -> None:
    """Large letters too: their bodies were never on the dead node alone. And nobody waits longer than the lease."""
    first, *_ = nodes
    hop.shut()
    load = Load([first.port], clients=0)
    with smtplib.SMTP("127.0.0.1", first.port, timeout=60) as client:
        wanted = {load.send(client, size=size) for size in (2_000, 20_000, LARGE, LARGE)}
    end = time.monotonic() + 30
    while hop.begun < len(wanted):
        assert time.monotonic() < end, "the node does not deliver"
        time.sleep(0.05)
    first.kill()
    dead = time.monotonic()
    hop.answer()  # what the dead node had sent is taken too: those are second copies
    time.sleep(0.2)
    before = len(hop.arrivals)
    while len({each.payload_id for each in hop.arrivals[before:]} & wanted) < len(wanted):
        assert time.monotonic() < dead + TAKE_OVER + _SLACK, "nobody takes over"
        time.sleep(0.05)
    assert set(judge(load, hop)) == wanted
    nodes[1].wait_until_nothing_waits()
    first.start()


def test_an_installation_moves_to_postgres_with_what_waits_in_it(server: PostgresServer, tmp_path: Path) -> None:
    """`mssgw db copy`, as an operator types it: refused while the gateway runs, then nothing is lost."""
    url = server.create("moved")
    with Hop() as later:
        hops = Hops(operators=later.port)
        with GatewayProcess(hops) as gateway:
            later.shut()
            load = Load([gateway.port], clients=0)
            with smtplib.SMTP("127.0.0.1", gateway.port, timeout=60) as client:
                wanted = {load.send(client, size=size) for size in (2_000, LARGE)}
            assert gateway.command("db", "copy", "--to", url).returncode == 69, "somebody has it open"
            gateway.kill()
            later.answer()
            copied = gateway.command("db", "copy", "--to", url)
            assert copied.returncode == 0, copied.stderr
            assert gateway.command("queue", "list").returncode != 0, "the source opens no more"
            store = {"url": url, "master_key_file": str(gateway.home / "master.key")}
            gateway.configure(gateway.configuration(hops), {"store": store})
            gateway.start()
            assert set(judge(load, later)) == wanted
            gateway.wait_until_nothing_waits()
