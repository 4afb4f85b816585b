"""Finding next hops by MX: against a small DNS server of the tests on loopback UDP."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from mssgw.core.delivery import Bounced, Deferred, Delivered
from mssgw.core.routes import TlsPolicy
from mssgw.edges import resolver as look_ups
from mssgw.edges import smtp_dial
from mssgw.edges.resolver import DnsResolver, Unreachable
from mssgw.edges.smtp_limits import PoolLimits
from tests.pki import Authority, server_context
from tests.wire.outbound import ONE, letter, route, transport
from tests.wire.scripted_server import ALL, CLOSE, Answer, Script, ScriptedServer

ZONE = {
    ("first.example.", "MX"): ["20 b.example.", "10 a.example.", "20 c.example."],
    ("null.example.", "MX"): ["0 ."],
    ("implicit.example.", "A"): ["127.0.0.1"],
    ("a.example.", "A"): ["127.0.0.1"],
    ("b.example.", "AAAA"): ["::1"],
    ("b.example.", "A"): ["127.0.0.2"],
    ("many.example.", "A"): [f"127.0.0.{n}" for n in range(11, 17)],
    ("many.example.", "AAAA"): ["::1"],
    ("dangling.example.", "MX"): ["10 gone.example.", "20 a.example."],
    ("broken.example.", "MX"): None,  # SERVFAIL
    ("nowhere.example.", "MX"): ["10 gone.example."],
}


class NameServer(asyncio.DatagramProtocol):
    """Answers from ZONE: NXDOMAIN for names that it does not know, silence for ``silent.example``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        [question] = query.question
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        if name == "silent.example.":
            return
        answer = dns.message.make_response(query)
        records = ZONE.get((name, kind), ())
        if records is None:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            answer.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *records))
        elif not any(known == name for known, _ in ZONE):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), peer)


@pytest.fixture
async def resolver() -> AsyncIterator[DnsResolver]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    yield DnsResolver(["127.0.0.1"], port, lifetime=0.5)
    transport.close()


async def test_exchangers_come_by_preference(resolver: DnsResolver) -> None:
    first, *equals = await resolver.exchangers("first.example")
    assert first == "a.example"
    assert sorted(equals) == ["b.example", "c.example"]


async def test_equal_exchangers_take_turns(resolver: DnsResolver) -> None:
    seconds = {(await resolver.exchangers("first.example"))[1] for _ in range(64)}
    assert seconds == {"b.example", "c.example"}


async def test_without_mx_the_domain_is_its_own_exchanger(resolver: DnsResolver) -> None:
    assert await resolver.exchangers("implicit.example") == ("implicit.example",)
    assert await resolver.addresses("implicit.example", mx=True) == ["127.0.0.1"]


async def test_addresses_of_both_families_are_found(resolver: DnsResolver) -> None:
    assert await resolver.addresses("b.example", mx=True) == ["127.0.0.2", "::1"]


async def test_a_host_of_many_ipv4_addresses_is_reached_by_its_ipv6_one(resolver: DnsResolver) -> None:
    """A gateway without IPv4 tried the first four, and never that one."""
    async with ScriptedServer(address="::1") as server:
        assert isinstance(await mx_attempt(resolver, "many.example", server), Delivered)


async def test_a_domain_that_takes_no_mail_bounces(resolver: DnsResolver) -> None:
    """RFC 7505."""
    with pytest.raises(Unreachable) as trouble:
        await resolver.exchangers("null.example")
    outcome = trouble.value.outcome
    assert isinstance(outcome, Bounced)
    assert (outcome.reply.code, outcome.reply.status) == (556, "5.1.10")


@pytest.mark.parametrize(
    ("domain", "alarm"),
    [("unknown.example", True), ("broken.example", False), ("silent.example", False), ("a..b", False)],
)
async def test_a_domain_that_is_not_found_waits(resolver: DnsResolver, domain: str, alarm: bool) -> None:
    """Even NXDOMAIN: routes name their domains, so it is a mistake that somebody repairs."""
    with pytest.raises(Unreachable) as trouble:
        await resolver.exchangers(domain)
    outcome = trouble.value.outcome
    assert isinstance(outcome, Deferred)
    assert (outcome.reply.status, outcome.alarm) == ("4.4.3", alarm)


async def test_an_address_needs_no_look_up(resolver: DnsResolver) -> None:
    assert await resolver.addresses("192.0.2.1", mx=False) == ("192.0.2.1",)
    assert await resolver.addresses("::1", mx=True) == ("::1",)


async def test_a_configured_host_is_looked_up_as_the_system_does(resolver: DnsResolver) -> None:
    assert "127.0.0.1" in await resolver.addresses("localhost", mx=False)


async def test_a_host_whose_look_up_hangs_keeps_no_other_from_being_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty letters to it would take all threads, and what is for other next hops would be deferred with them."""
    go_on, asked = threading.Event(), []

    def lookup(host: str) -> list[tuple[object, ...]]:
        asked.append(host)
        if host == "hangs.example":
            go_on.wait(10)
        return [(0, 0, 0, "", ("192.0.2.9", 0))]

    monkeypatch.setattr(look_ups, "_system_lookup", lookup)
    resolver = DnsResolver(lifetime=0.3)
    try:
        for _ in range(2):
            hanging = [asyncio.create_task(resolver.addresses("hangs.example", mx=False)) for _ in range(20)]
            await asyncio.sleep(0)
            assert await resolver.addresses("mx.example", mx=False) == ["192.0.2.9"]
            ends = await asyncio.gather(*hanging, return_exceptions=True)
            assert {type(end) for end in ends} == {Unreachable}
        assert asked == ["hangs.example", "mx.example", "mx.example"]
    finally:
        go_on.set()
    assert await resolver.addresses("hangs.example", mx=False) == ["192.0.2.9"]


async def test_a_configured_host_that_is_not_found_waits(resolver: DnsResolver) -> None:
    with pytest.raises(Unreachable) as trouble:
        await resolver.addresses("no such host.invalid", mx=False)
    assert trouble.value.outcome.reply.status == "4.4.3"


async def mx_attempt(resolver: DnsResolver, domain: str, server: ScriptedServer | int) -> object:
    async with transport(resolver=resolver) as out:
        return (await out.send(route(server, host=domain, mx=True), letter(), ONE))[0]


@pytest.mark.parametrize("domain", ["first.example", "implicit.example", "dangling.example"])
async def test_a_letter_goes_to_the_first_exchanger_that_is_there(resolver: DnsResolver, domain: str) -> None:
    async with ScriptedServer() as server:
        outcome = await mx_attempt(resolver, domain, server)
    assert isinstance(outcome, Delivered)
    assert outcome.next_hop == ("implicit.example" if domain == "implicit.example" else "a.example")


async def test_the_next_exchanger_takes_over_when_one_cannot_be_reached() -> None:
    """And its name is the next hop of the outcome."""

    class Table:
        async def exchangers(self, domain: str) -> tuple[str, ...]:
            return ("down.example", "closing.example", "up.example")

        async def addresses(self, host: str, *, mx: bool) -> tuple[str, ...]:
            return {
                "down.example": ("127.0.0.3", "127.0.0.4"),
                "closing.example": ("127.0.0.1",),
                "up.example": ("127.0.0.1",),
            }[host]

    async with (
        ScriptedServer({"GREETING": [CLOSE, b"220 up.example\r\n"]}) as server,
        transport(resolver=Table()) as out,
    ):
        outcomes = await out.send(route(server, host="x.example", mx=True), letter(), ONE)
    assert isinstance(outcomes[0], Delivered)
    assert outcomes[0].next_hop == "up.example"


class Pair:
    """Two exchangers, the better one first."""

    async def exchangers(self, domain: str) -> tuple[str, ...]:
        return ("best.example", "next.example")

    async def addresses(self, host: str, *, mx: bool) -> tuple[str, ...]:
        return {"best.example": ("127.0.0.1",), "next.example": ("127.0.0.2",)}[host]


@pytest.mark.parametrize(
    ("moment", "answer"),
    [
        ("MAIL", b"452 4.3.1 Insufficient system storage\r\n"),
        ("MAIL", b"421 4.3.2 Closing\r\n"),
        ("DATA", b"451 4.3.0 No queue file\r\n"),
        ("DOT", b"451 4.3.0 Filter is away\r\n"),
        ("RCPT", CLOSE),
    ],
)
async def test_an_exchanger_that_takes_no_letter_for_now_gives_way_to_the_next_one(moment: str, answer: Answer) -> None:
    """Each attempt was made at the best one, and after 48 hours all bounced."""
    async with (
        ScriptedServer({moment: answer}) as best,
        ScriptedServer(address="127.0.0.2", port=best.port) as second,
        transport(resolver=Pair()) as out,
    ):
        [first] = (await out.send(route(best, host="x.example", mx=True), letter(), ONE)).values()
        [again] = (await out.send(route(best, host="x.example", mx=True), letter(), ONE)).values()
        [other] = (await out.send(route(best, host="x.example", mx=True), letter(), ONE)).values()
    assert isinstance(first, Deferred)
    assert isinstance(again, Delivered)
    assert isinstance(other, Delivered)
    assert (again.next_hop, other.next_hop) == ("next.example", "next.example")
    assert len(best.sessions) == 1
    assert len(second.bodies) == 2


async def test_where_all_exchangers_put_letters_off_the_best_one_is_tried_first() -> None:
    busy: Script = {"MAIL": b"451 4.3.2 Busy\r\n"}
    async with (
        ScriptedServer(dict(busy)) as best,
        ScriptedServer(dict(busy), address="127.0.0.2", port=best.port) as second,
        transport(resolver=Pair()) as out,
    ):
        for _ in range(3):
            await out.send(route(best, host="x.example", mx=True), letter(), ONE)
    assert (len(best.sessions), len(second.sessions)) == (2, 1)


async def test_an_avoided_exchanger_is_dialled_first_again_where_no_other_can_be_reached() -> None:
    """Behind a firewall the other one took half a minute of each letter, for an hour after one letter was put off."""
    asked = []

    class Alone(Pair):
        async def addresses(self, host: str, *, mx: bool) -> tuple[str, ...]:
            asked.append(host)
            return await super().addresses(host, mx=mx)

    async with (
        ScriptedServer({"DOT": [b"451 4.7.1 Greylisted\r\n", *[b"250 2.0.0 ok\r\n"] * 2]}) as best,
        transport(resolver=Alone(), limits=PoolLimits(messages=1)) as out,
    ):
        for _ in range(3):
            await out.send(route(best, host="x.example", mx=True), letter(), ONE)
    assert asked == ["best.example", "next.example", "best.example", "best.example"]
    assert len(best.bodies) == 3


async def test_an_avoided_exchanger_is_reached_past_one_that_may_not_have_the_letter(tmp_path: Path) -> None:
    """Nobody had ever met that one, which offers no STARTTLS; for an hour no letter went out to the domain."""
    authority = Authority()
    tls, context = server_context(authority.issue(tmp_path, "best.example")), authority.trusting_context()
    script: Script = {"DOT": [b"451 4.7.1 Greylisted\r\n", *[b"250 2.0.0 ok\r\n"] * 2]}
    async with (
        ScriptedServer(script, offers=(*ALL, "STARTTLS"), tls=tls) as best,
        ScriptedServer(address="127.0.0.2", port=best.port) as second,
        transport(resolver=Pair(), tls_contexts=lambda _: context) as out,
    ):
        to_both = route(best, host="x.example", mx=True, tls=TlsPolicy.REQUIRE)
        outcomes = [(await out.send(to_both, letter(), ONE))[0] for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Deferred, Delivered, Delivered]
    assert second.bodies == []


async def test_an_avoided_exchanger_is_reached_past_however_many_that_are_away() -> None:
    class Many(Pair):
        async def exchangers(self, domain: str) -> tuple[str, ...]:
            return "best.example", *("next.example",) * smtp_dial.MOST_HOSTS

    async with (
        ScriptedServer({"DOT": [b"451 4.7.1 Greylisted\r\n", b"250 2.0.0 ok\r\n"]}) as best,
        transport(resolver=Many()) as out,
    ):
        outcomes = [(await out.send(route(best, host="x.example", mx=True), letter(), ONE))[0] for _ in range(2)]
    assert [type(outcome) for outcome in outcomes] == [Deferred, Delivered]


async def test_an_exchanger_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_dial, "AVOIDED", 0.1)
    async with (
        ScriptedServer({"MAIL": [b"451 4.3.2 Busy\r\n", b"250 2.1.0 ok\r\n"]}) as best,
        ScriptedServer(address="127.0.0.2", port=best.port),
        transport(resolver=Pair(), limits=PoolLimits(messages=1)) as out,
    ):
        hops = []
        for pause in (0.0, 0.2, 0.0):
            [outcome] = (await out.send(route(best, host="x.example", mx=True), letter(), ONE)).values()
            hops.append(outcome.next_hop)
            await asyncio.sleep(pause)
    assert hops == ["best.example", "next.example", "best.example"]


async def test_who_is_refused_alone_changes_nothing_about_the_exchanger() -> None:
    script: Script = {"RCPT": b"450 4.2.0 Greylisted\r\n", "DATA": b"554 5.5.1 No valid recipients\r\n"}
    async with (
        ScriptedServer(script) as best,
        ScriptedServer(address="127.0.0.2", port=best.port) as second,
        transport(resolver=Pair()) as out,
    ):
        for _ in range(2):
            await out.send(route(best, host="x.example", mx=True), letter(), ONE)
    assert (len(best.sessions), len(second.sessions)) == (1, 0)


async def test_a_refused_letter_is_not_offered_to_the_next_exchanger(resolver: DnsResolver) -> None:
    async with ScriptedServer({"MAIL": CLOSE}) as server:
        outcome = await mx_attempt(resolver, "dangling.example", server)
    assert isinstance(outcome, Deferred)
    assert len(server.sessions) == 1


@pytest.mark.parametrize(
    ("domain", "kind", "status"),
    [
        ("null.example", Bounced, "5.1.10"),
        ("nowhere.example", Deferred, "4.4.3"),
        ("silent.example", Deferred, "4.4.3"),
    ],
)
async def test_look_up_trouble_is_an_outcome(resolver: DnsResolver, domain: str, kind: type, status: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = await mx_attempt(resolver, domain, unused.getsockname()[1])
    assert isinstance(outcome, kind)
    assert outcome.reply.status == status


async def test_exchangers_are_trusted_no_more_than_others(resolver: DnsResolver) -> None:
    """A TLS failure at the first exchanger is not a reason to try the next."""
    nobody = ssl.create_default_context(cadata=Authority().pem)
    async with ScriptedServer() as server, transport(resolver=resolver, tls_contexts=lambda _: nobody) as out:
        outcomes = await out.send(route(server, host="first.example", mx=True, tls=TlsPolicy.REQUIRE), letter(), ONE)
    assert isinstance(outcomes[0], Deferred)
    assert outcomes[0].alarm
    assert len(server.sessions) == 1
