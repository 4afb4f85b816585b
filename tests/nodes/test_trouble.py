"""A node whose database hangs, or knows another by its name, does not go on as if nothing were."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.nodes.hop import Hop
from tests.nodes.test_nodes import make_nodes
from tests.peers import postgresql
from tests.peers.gateway import GatewayProcess
from tests.peers.ports import free_port
from tests.peers.postgresql import PostgresServer

_LIMIT = 40.0  # seconds


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    postgresql.required()
    with PostgresServer() as server:
        server.create("mssgw")
        yield server


@pytest.fixture
def node(server: PostgresServer, tmp_path: Path) -> Iterator[tuple[GatewayProcess, int]]:
    """A node, and the port of its pages."""
    port = free_port()
    with Hop() as hop:
        (node,) = make_nodes(1, server, hop, tmp_path, metrics={"address": f"127.0.0.1:{port}"})
        with node:
            yield node, port


def test_a_node_whose_database_hangs_says_so_and_can_be_stopped(
    server: PostgresServer, node: tuple[GatewayProcess, int]
) -> None:
    """Nor does anybody restart it for that: it would not help."""
    gateway, port = node
    wait_for(lambda: page(port, "readyz") == 200)
    with server.frozen():
        wait_for(lambda: page(port, "readyz") == 503)
        assert page(port, "livez") == 200
        begun = time.monotonic()
        gateway.stop()
        assert time.monotonic() < begun + 30


def test_a_node_whose_name_another_has_taken_ends(server: PostgresServer, node: tuple[GatewayProcess, int]) -> None:
    gateway, port = node
    wait_for(lambda: page(port, "readyz") == 200)  # one that has not its name yet would end without the event
    key = "hashtextextended('mssgw node node-0-1', 0)"
    held = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with psycopg.connect(f"host={server.home} user=mssgw dbname=mssgw", autocommit=True) as other:
        cursor = other.cursor()
        end = time.monotonic() + _LIMIT
        while not cursor.execute(f"SELECT pg_try_advisory_lock({key})").fetchall()[0][0]:
            assert time.monotonic() < end
            server.sql(f"{held} AND (classid::bigint << 32 | objid::bigint) = {key}")
        assert gateway.wait(_LIMIT) == 69
    assert '"event":"gateway.name_taken"' in gateway.log()


def page(port: int, name: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _LIMIT
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
