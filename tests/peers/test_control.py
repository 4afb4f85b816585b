"""The harness without a gateway: what two Postfix servers do alone, so that a later finding is the gateway's."""

import pytest

from tests.corpus import TEN_MO, letter
from tests.peers.carriage import Carriage, Kill, cut_off_before_the_reply, next_hop, upstream, wait_for_all

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
        for _ in range(2):
            run.submit(server.port, [letter(7, 0)])
        arrived = sink.wait_for(2)
        first = arrived[0].at
        with pytest.raises(AssertionError, match="did not arrive"):
            run.verify([])
        for kills in ([], [Kill(first - 20, first - 10)], [Kill(first + 100, first + 110)]):
            run.kills = kills
            with pytest.raises(AssertionError, match="came 2 times"):
                run.verify(arrived)
        run.kills = [Kill(first, first + 10)]
        run.verify(arrived)


def test_postfix_itself_says_which_letters_a_broken_connection_may_double() -> None:
    """The words of its log that the proof relies on."""
    log = (
        "Nov 21 19:45:54 smtp postfix/cleanup[2]: DF8BB20C1C8: message-id=<s2-00010@ch-test.mssante.fr>\n"
        "Nov 21 19:45:55 smtp postfix/smtp[3]: DF8BB20C1C8: to=<x@y.fr>, relay=127.0.0.1[127.0.0.1]:27780, delay=1, "
        "delays=0/0/0/1, dsn=4.4.2, status=deferred (lost connection with 127.0.0.1[127.0.0.1] "
        "while sending end of data -- message may be sent more than once)\n"
    )
    assert cut_off_before_the_reply(log) == {"s2-00010"}
