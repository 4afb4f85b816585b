"""The daemon as an administrator has it: a mailbox is added by a reload, a password mended, the service stopped."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collecting import DONE, collects_from
from tests.nodes.hop import Hop
from tests.nodes.load import content
from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.gateway import GatewayProcess, Hops

LIMIT = 30.0  # seconds


@pytest.fixture(scope="module")
def mail_store() -> Iterator[DovecotStore]:
    dovecot.required()
    with DovecotStore() as server:
        yield server


@pytest.fixture
def hop() -> Iterator[Hop]:
    with Hop() as hop:
        yield hop


def settings(mail_store: DovecotStore, *collectors: dict[str, Any]) -> dict[str, Any]:
    """Two workers: one of them collects."""
    return {
        "gateway": {"workers": 2},
        "delivery": {"first_retry": "1s", "longest_retry": "2s", "ca_file": str(mail_store.anchors)},
        "collector": list(collectors),
    }


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def put(mail_store: DovecotStore, account: str, *ids: str) -> None:
    mail_store.put(account, *(content(each, account, 2_000) for each in ids))


def arrived(hop: Hop) -> list[str]:
    return sorted(each.payload_id for each in hop.arrivals)


def test_a_reload_adds_mends_and_removes_a_mailbox(mail_store: DovecotStore, hop: Hop, tmp_path: Path) -> None:
    """The wrong password is an alarm with a hint; the right one is tried at once."""
    account = mail_store.fresh()
    entry = collects_from(mail_store, account)
    wrong = tmp_path / "wrong.password"
    wrong.write_text("autre\n")
    wrong.chmod(0o600)
    hops = Hops(operators=hop.port, inward=hop.port)

    def configure(*collectors: dict[str, Any]) -> None:
        gateway.configure(gateway.configuration(hops), settings(mail_store, *collectors))
        gateway.reload()

    with GatewayProcess(hops, settings=settings(mail_store)) as gateway:
        put(mail_store, account, "one")
        configure({**entry, "password_file": str(wrong)})
        until(lambda: '"collector.login_refused"' in gateway.log())
        assert '"hint":"nothing is collected, nothing lost' in gateway.log()
        assert arrived(hop) == []
        configure(entry)
        until(lambda: arrived(hop) == ["one"])
        until(lambda: len(mail_store.letters(account, DONE)) == 1)
        assert gateway.log().count('"collector.started"') == 2, "one of two workers, before and after the mending"
        traced = gateway.command("trace", "<one@ch-test.mssante.fr>", "--json").stdout
        assert '"client":"officine"' in traced.replace(": ", ":")
        configure()
        until(lambda: gateway.log().count('"collector.stopped"') == 2)
        put(mail_store, account, "two")
        time.sleep(0.5)
        assert arrived(hop) == ["one"]


def test_a_stop_in_the_middle_is_quick_and_costs_nothing(mail_store: DovecotStore, hop: Hop) -> None:
    account = mail_store.fresh()
    ids = [f"stop-{number:03}" for number in range(300)]
    put(mail_store, account, *ids)
    given = settings(mail_store, collects_from(mail_store, account))
    with GatewayProcess(Hops(operators=hop.port, inward=hop.port), settings=given) as gateway:
        until(lambda: len(hop.arrivals) > 30)
        begun = time.monotonic()
        gateway.stop()
        assert time.monotonic() - begun < LIMIT / 2
        assert len(mail_store.letters(account, DONE)) == len(arrived(hop)) < 300, "what was taken is moved"
        gateway.start()
        until(lambda: len(arrived(hop)) >= 300)
        until(lambda: mail_store.letters(account) == [])
    assert arrived(hop) == ids, "each once: a clean stop repeats nothing"
