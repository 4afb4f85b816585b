"""The harness without a gateway: what two Postfix servers do alone, so that a later finding is the gateway's."""

import pytest

from tests.corpus import TEN_MO
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
