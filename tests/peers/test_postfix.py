"""Postfix on both sides, beyond fidelity: TLS, a next hop that is down, one that refuses."""

import email
import time
from collections.abc import Callable, Iterator
from email.message import Message

import pytest

from tests.corpus import PATIENTS, letter, letter_of_size
from tests.peers.carriage import NEXT_HOP, Carriage, next_hop, upstream, wait_for_all
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.ports import free_port
from tests.peers.postfix import PostfixInstance

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("needs_postfix")]


def test_postfix_relays_over_starttls() -> None:
    """Letters of several kinds through TLS; upstream defers rather than send in clear text."""
    run = Carriage()
    with next_hop() as sink, GatewayProcess(Hops(operators=sink.port), tls=True) as gateway:
        assert gateway.tls_port is not None
        encrypt = {"smtp_tls_security_level": "encrypt", "smtp_tls_loglevel": "1"}
        with upstream(gateway.tls_port, settings=encrypt) as server:
            run.submit(server.port, [letter(5, index) for index in range(0, 100, 5)])
            run.verify(wait_for_all(sink, run, limit=60))
            assert "TLS connection established to 127.0.0.1" in server.log()


def test_a_next_hop_that_is_down_gets_its_letters_when_it_is_back() -> None:
    """Deferred, not bounced, and nothing is lost or doubled meanwhile."""
    run = Carriage()
    with next_hop() as sink, GatewayProcess(Hops(operators=sink.port)) as gateway, upstream(gateway.port) as server:
        sink.stop()
        run.submit(server.port, [letter(6, index) for index in range(10)])
        _wait_until(server, lambda log: log.count("status=sent (250 2.0.0") == 10)  # the gateway has them all
        sink.start()
        run.verify(wait_for_all(sink, run, limit=60))


@pytest.fixture
def refusing() -> Iterator[PostfixInstance]:
    """A next hop that knows nobody."""
    with PostfixInstance(NEXT_HOP, settings={"smtpd_recipient_restrictions": "reject"}) as made:
        yield made


def test_a_next_hop_that_refuses_brings_the_sender_a_notice(refusing: PostfixInstance) -> None:
    """An RFC 3464 report comes back through Postfix into the sender's mailbox, with the hop's own words."""
    inward = free_port()
    with (
        GatewayProcess(Hops(operators=refusing.port, inward=inward)) as gateway,
        upstream(gateway.port, port=inward) as server,
    ):
        sent = letter_of_size(6, 10, 5_000)
        Carriage().submit(server.port, [sent])
        notice = email.message_from_bytes(server.wait_for(1)[0].raw())
    assert notice["Return-Path"] == "<>"
    assert notice.get_content_type() == "multipart/report"
    assert notice.get_param("report-type") == "delivery-status"
    status = _part(notice, "message/delivery-status").as_string()
    assert f"Final-Recipient: rfc822; {PATIENTS[0]}" in status
    assert "Action: failed" in status
    assert "Diagnostic-Code: smtp; 554 5.7.1" in status
    assert sent.message_id in notice.as_string()


def _part(message: Message, content_type: str) -> Message:
    return next(part for part in message.walk() if part.get_content_type() == content_type)


def _wait_until(server: PostfixInstance, holds: Callable[[str], bool]) -> None:
    end = time.monotonic() + 30
    while not holds(server.log()):
        assert time.monotonic() < end, server.last_log_lines()
        time.sleep(0.05)
