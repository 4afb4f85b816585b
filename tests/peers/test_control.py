"""The harness without a gateway: what two Postfix servers do alone, so that a later finding is the gateway's."""

import pytest

from tests.corpus import TEN_MO, letter
from tests.peers.carriage import Carriage, Copy, Kill, cut_off_before_the_reply, next_hop, upstream, wait_for_all

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


def test_the_proof_notices_a_lost_letter_and_one_that_came_twice() -> None:
    """A letter that arrived twice without a kill is a defect, and one that is missing always."""
    run = Carriage()
    with next_hop() as sink, upstream(sink.port) as server:
        for _ in range(2):
            run.submit(server.port, [letter(7, 0)])
        arrived = sink.wait_for(2)
        with pytest.raises(AssertionError, match="did not arrive"):
            run.verify([])
        with pytest.raises(AssertionError, match="came 2 times"):
            run.verify(arrived)


@pytest.mark.parametrize(
    ("kills", "notes", "excused"),
    [
        ([(50, 55)], [60], True),  # handed on, killed, sent again, noted
        ([], [60], False),
        ([(30, 35)], [60], False),  # the kill was before the first copy
        ([(70, 75)], [60], False),  # the kill was after the note
        ([(50, 55)], [45], False),  # noted, and sent again all the same
        ([(50, 55)], [45, 60], False),
        ([(50, 55)], [], False),
    ],
)
def test_a_second_copy_is_excused_by_a_kill_between_the_first_and_its_note_alone(
    kills: list[tuple[float, float]], notes: list[float], excused: bool
) -> None:
    """In flight at a kill means: handed on before it, and noted only after it."""
    run = Carriage(kills=[Kill(*kill) for kill in kills])
    copies = [Copy(40, "1M802T9XPHGT7VTE"), Copy(58, "1M802T9XPHGT7VTE")]
    assert run.in_flight_at_a_kill(copies, {"1M802T9XPHGT7VTE": notes}) is excused


def test_a_letter_accepted_twice_is_not_excused_by_a_kill_of_the_gateway() -> None:
    """Two queue ids: whether upstream had reason to send again, upstream's own log says."""
    run = Carriage(kills=[Kill(50, 55)])
    assert not run.in_flight_at_a_kill([Copy(40, "A"), Copy(58, "B")], {"A": [60], "B": [61]})


def test_postfix_itself_says_which_letters_a_broken_connection_may_double() -> None:
    """The words of its log that the proof relies on."""
    log = (
        "Nov 21 19:45:54 smtp postfix/cleanup[2]: DF8BB20C1C8: message-id=<s2-00010@ch-test.mssante.fr>\n"
        "Nov 21 19:45:55 smtp postfix/smtp[3]: DF8BB20C1C8: to=<x@y.fr>, relay=127.0.0.1[127.0.0.1]:27780, delay=1, "
        "delays=0/0/0/1, dsn=4.4.2, status=deferred (lost connection with 127.0.0.1[127.0.0.1] "
        "while sending end of data -- message may be sent more than once)\n"
    )
    assert cut_off_before_the_reply(log) == {"s2-00010"}
