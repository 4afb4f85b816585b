"""Postfix -> gateway -> Postfix: every octet of every letter arrives, whatever happens to the gateway meanwhile."""

import time

import pytest

from tests.corpus import TEN_MO, letter_of_size
from tests.peers.carriage import Carriage, Kill, in_background, next_hop, upstream, wait_for_all
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.postfix import PostfixInstance

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("needs_postfix")]


def test_a_hundred_letters_of_every_kind_arrive_unchanged() -> None:
    """8-bit, long lines, dot lines, signed, empty; and one of exactly 10 485 760 octets as the gateway gets it."""
    run = Carriage()
    with next_hop() as sink, GatewayProcess(Hops(operators=sink.port)) as gateway, upstream(gateway.port) as server:
        added = run.measure_added(server.port, sink)
        run.submit_mixed(server.port, seed=1, count=100)
        run.submit_exact(server.port, index=0, added=added)
        run.verify(wait_for_all(sink, run, limit=90))


@pytest.mark.parametrize("declared", [True, False])
def test_one_octet_over_ten_mo_comes_back_to_its_sender(declared: bool) -> None:
    """Whether upstream declares SIZE= or not, the limit holds (SD-1) and its own bounce tells the sender 5.3.4."""
    quiet = {} if declared else {"smtp_discard_ehlo_keywords": "size"}
    run = Carriage()
    with (
        next_hop() as sink,
        GatewayProcess(Hops(operators=sink.port)) as gateway,
        upstream(gateway.port, settings=quiet) as server,
    ):
        added = run.measure_added(server.port, sink)
        Carriage().submit(server.port, [letter_of_size(1, 0, TEN_MO + 1 - added)])
        bounce = server.wait_for(1, limit=60)[0].raw()
        assert b"\r\nStatus: 5.3.4\r\n" in bounce
        run.submit_exact(server.port, index=1, added=added)
        run.verify(wait_for_all(sink, run, limit=60))  # the same chain still takes one octet less


def test_a_thousand_letters_survive_five_kills() -> None:
    """1,000 mixed letters, five kill -9: none lost, none changed, twice only what was in flight at a kill."""
    _survive(letters=1_000, kills=5, seed=2)


@pytest.mark.soak
def test_twenty_thousand_letters_survive_a_hundred_kills() -> None:
    """The same for as long as it takes."""
    _survive(letters=20_000, kills=100, seed=3)


def _survive(*, letters: int, kills: int, seed: int) -> None:
    run = Carriage()
    with next_hop() as sink, GatewayProcess(Hops(operators=sink.port)) as gateway, upstream(gateway.port) as server:
        added = run.measure_added(server.port, sink)
        with in_background(lambda: run.submit_mixed(server.port, seed=seed, count=letters)):
            run.submit_exact(server.port, index=0, added=added)
            for nth in range(1, kills + 1):
                _wait_for_count(sink, nth * letters // (kills + 1))
                killed_at = gateway.kill()
                sink.wait_until_idle()  # what it handed on is in the files now, so that later copies are told apart
                run.kills.append(Kill(killed_at, time.time()))
                gateway.start()
                server.flush()
            run.submit_exact(server.port, index=1, added=added)
        wait_for_all(sink, run, limit=180)
        gateway.wait_until_nothing_waits()
        run.verify(sink.arrived(), upstream_log=server.log(), gateway_log=gateway.log())


def _wait_for_count(sink: PostfixInstance, count: int) -> None:
    """Wait without naming the letters: quick enough to stop in the midst of the stream. Fails when nothing moves."""
    seen, end = -1, 0.0
    while (now := sink.count()) < count:
        if now > seen:
            seen, end = now, time.monotonic() + 120
        assert time.monotonic() < end, f"only {now} letters arrived\n{sink.last_log_lines()}"
        time.sleep(0.01)
