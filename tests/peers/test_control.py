"""The harness without a gateway: what two Postfix servers do alone, so that a later finding is the gateway's."""

import dataclasses

import pytest

from tests.corpus import TEN_MO, letter
from tests.peers.carriage import Carriage, next_hop, upstream, wait_for_all

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("needs_postfix")]


def test_postfix_to_postfix_alone_changes_no_octet() -> None:
    """One hundred letters, every kind, and one of exactly 10 485 760 octets behind the first server."""
    run = Carriage()
    with next_hop() as sink, upstream(sink.port) as server:
        added = run.measure_added(server.port, sink)
        run.submit_mixed(server.port, seed=7, count=100)
        run.submit_exact(server.port, index=0, added=added)
        run.verify(wait_for_all(sink, run, limit=60))
        # What upstream will declare in MAIL FROM SIZE= is exact for short lines, as the boundary tests need.
        assert f"size={TEN_MO}," in server.log()


def test_the_proof_notices_a_server_that_wraps_lines() -> None:
    """What all fidelity tests rest on can fail: Postfix's default limit of 998 octets breaks long lines."""
    run = Carriage()
    with next_hop() as sink, upstream(sink.port, settings={"smtp_line_length_limit": "998"}) as server:
        run.submit_mixed(server.port, seed=7, count=40)
        arrived = wait_for_all(sink, run, limit=60)
        with pytest.raises(AssertionError, match="changed"):
            run.verify(arrived)


def test_the_proof_notices_a_lost_letter_and_forgives_a_second_copy_only_around_a_kill() -> None:
    """A letter that arrived twice without a kill is a defect of the gateway, and one that is missing always."""
    run = Carriage()
    with next_hop() as sink, upstream(sink.port) as server:
        run.submit(server.port, [letter(7, 0)])
        first = run.sent["s7-00000"].at
        run.submit(server.port, [letter(7, 0)])
        arrived = sink.wait_for(2)
        with pytest.raises(AssertionError, match="did not arrive"):
            run.verify([])
        with pytest.raises(AssertionError, match="came 2 times"):
            run.verify(arrived)
        run.sent["s7-00000"] = dataclasses.replace(run.sent["s7-00000"], at=first)
        run.kills.append(first)
        run.verify(arrived)
