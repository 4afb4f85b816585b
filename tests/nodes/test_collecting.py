"""Two nodes over one PostgreSQL and one mailbox: one of them collects; when it is killed, the other goes on."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.collecting import DONE, collects_from
from tests.nodes.hop import Hop
from tests.nodes.load import content
from tests.nodes.test_nodes import TAKE_OVER, make_nodes
from tests.peers import dovecot, postgresql
from tests.peers.dovecot import DovecotStore
from tests.peers.gateway import GatewayProcess, as_toml
from tests.peers.postgresql import PostgresServer

LETTERS = 60
_SLACK = 30.0  # seconds of a busy machine


@pytest.fixture
def mail_store() -> Iterator[DovecotStore]:
    dovecot.required()
    with DovecotStore() as server:
        yield server


def test_one_node_collects_and_the_other_takes_over_when_it_is_killed(mail_store: DovecotStore, tmp_path: Path) -> None:
    postgresql.required()
    account = mail_store.fresh()
    with Hop() as hop, PostgresServer() as server, ExitStack() as stack:
        server.create("mssgw")
        nodes = make_nodes(2, server, hop, tmp_path)
        for node in nodes:
            text = node.config_file.read_text().replace("[delivery]", f'[delivery]\nca_file = "{mail_store.anchors}"')
            node.config_file.write_text(text + as_toml({"collector": [collects_from(mail_store, account)]}))
            stack.enter_context(node)
        first = put(mail_store, account, "first")
        until(lambda: {each.payload_id for each in hop.arrivals} >= first)
        (busy,) = [node for node in nodes if started(node)]
        busy.kill()
        second = put(mail_store, account, "second")
        until(lambda: {each.payload_id for each in hop.arrivals} >= first | second, TAKE_OVER + _SLACK)
        assert all(started(node) for node in nodes)
        kept = Counter(server.sql("SELECT message_id FROM journal WHERE event = 'accepted'", "mssgw"))
        assert len(kept) == 2 * LETTERS
        assert set(kept.values()) == {1}
        busy.start()
        until(lambda: len(mail_store.letters(account, DONE)) == 2 * LETTERS)


def put(mail_store: DovecotStore, account: str, prefix: str) -> set[str]:
    ids = {f"{prefix}-{number:03}" for number in range(LETTERS)}
    mail_store.put(account, *(content(each, account, 5_000) for each in sorted(ids)))
    return ids


def started(node: GatewayProcess) -> bool:
    return '"collector.started"' in node.log()


def until(what: Callable[[], bool], limit: float = _SLACK) -> None:
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)
