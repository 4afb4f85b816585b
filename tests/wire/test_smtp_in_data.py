"""DATA on real sockets: every octet or none, exactly up to the limit, and a 250 that means kept."""

import asyncio
import socket
import struct

import pytest
from structlog.testing import capture_logs

from mssgw.core.envelope import Role
from mssgw.core.errors import MalformedAddress, StoreFull
from mssgw.edges import smtpd_data
from mssgw.edges.smtpd_receiver import BUFFER
from tests.wire.inbound import LETTER, QUEUED, Recorder, house

SMUGGLED = b"RSET\r\nMAIL FROM:<forged@hopital.fr>\r\nRCPT TO:<victim@ville.fr>\r\nDATA\r\n"


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_octets_arrive_as_they_were_sent_however_they_were_cut(step):
    """Dot lines stay stuffed, eight bits stay eight bits, and SIZE counts no stuffed dot."""
    wire = "Subject: é\r\n\r\n..\r\n..deux\r\n...trois\r\ntexte.\r\n".encode() + bytes(range(128, 256)) + b"\r\n"
    async with house() as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        stream = wire + b".\r\n"
        for start in range(0, len(stream), step):
            await peer.send(stream[start : start + step])
            await asyncio.sleep(0)
        assert await peer.hear() == str(QUEUED)
        assert home.reception.kept[0].content == wire
        assert home.reception.kept[0].size == len(wire) - 3


async def test_a_large_letter_passes_through_small_buffers():
    """The store is slower than the peer: the peer waits, and nothing is lost."""
    gate = asyncio.Event()
    wire = b"".join(b"%060d\r\n" % n for n in range(100_000))
    async with house(Recorder(write_gate=gate), size_limit=10_485_760) as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        sending = asyncio.create_task(peer.send(wire + b".\r\n"))
        await asyncio.sleep(0.05)
        assert home.reception.letters[0].content == b""
        gate.set()
        await sending
        assert await peer.hear() == str(QUEUED)
        assert home.reception.kept[0].content == wire
        assert len(wire) > 4 * BUFFER


async def test_commands_pipelined_behind_a_message_are_answered():
    """Two messages in one write; bytes sent before our 354 belong to the message."""
    async with house() as home:
        peer = await home.meet()
        message = b"MAIL FROM:<dr@hopital.fr>\r\nRCPT TO:<p@ville.fr>\r\nDATA\r\n" + LETTER + b".\r\n"
        await peer.send(message * 2 + b"NOOP\r\nQUIT\r\n")
        heard = [line[:3] for line in await peer.hear_all(10)]
        assert heard == ["250", "250", "354", "250"] * 2 + ["250", "221"]
        assert [letter.content for letter in home.reception.kept] == [LETTER] * 2


@pytest.mark.parametrize("lines", [1, 60_000])
async def test_commands_that_arrive_while_the_end_is_being_stored_are_answered(lines):
    """They came after the final dot, few or more than a buffer full, and are neither lost nor taken for content."""
    gate = asyncio.Event()
    async with house(Recorder(write_gate=gate), commands={"*": 100_000}) as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(LETTER + b".\r\n")
        await asyncio.sleep(0.02)
        sending = asyncio.create_task(peer.send(b"NOOP\r\n" * lines + b"VRFY a\r\n"))
        await asyncio.sleep(0.02)
        gate.set()
        assert await peer.hear() == str(QUEUED)
        heard = await peer.hear_all(lines)
        await sending
        assert set(heard) == {"250 2.0.0 OK"}
        assert (await peer.hear())[:9] == "252 2.5.0"
        assert home.reception.kept[0].content == LETTER


@pytest.mark.parametrize("dots", [b"", b"..\r\n", b"..a\r\n..b\r\n...\r\n"])
@pytest.mark.parametrize(("role", "limit"), [(Role.ESTABLISHMENT, 10_485_760), (Role.TRUST_SPACE, 10_551_296)])
async def test_the_size_limit_is_exact_on_both_sides(dots, role, limit):
    """SD-1: 10 485 760 octets without stuffed dots pass, one more is 552 5.3.4; 64 KiB more on the trust space."""
    stuffed = dots.count(b"\r\n")
    lines = b"x" * 998 + b"\r\n"
    room = limit - (len(dots) - stuffed)
    body = dots + lines * (room // 1000)
    body += b"y" * (room % 1000 - 2) + b"\r\n" if room % 1000 >= 2 else b""
    body = body if len(body) - stuffed == limit else body[:-2] + b"y" * (limit - len(body) + stuffed) + b"\r\n"
    async with house(size_limit=limit, role=role) as home:
        peer = await home.meet()
        await peer.envelope()
        assert await peer.data(body) == str(QUEUED)
        assert (home.reception.kept[0].size, len(home.reception.kept[0].content)) == (limit, limit + stuffed)
        await peer.envelope()
        assert (await peer.data(body[:-2] + b"y\r\n"))[:9] == "552 5.3.4"
        assert len(home.reception.kept) == 1
        assert home.reception.letters[1].end_called == ["abort"]
        assert await peer.ask("NOOP") == "250 2.0.0 OK"


NO_ENDS = [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\n.\r"]
NO_ENDS += [b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\r\n.\r\r\n"]


@pytest.mark.parametrize("payload", NO_ENDS)
async def test_a_smuggled_message_is_one_refused_message(payload):
    """What another server may take for the end is neither an end nor passed on (VU#302671)."""
    with capture_logs() as logs:
        async with house() as home:
            peer = await home.meet()
            await peer.envelope()
            assert (await peer.data(b"Subject: a\r\n\r\nb" + payload + SMUGGLED))[:9] == "554 5.6.0"
            assert await peer.ask("NOOP") == "250 2.0.0 OK"
            assert len(home.reception.senders) == 1
            assert (len(home.reception.letters), home.reception.kept) == (1, [])
            refused = home.reception.letters[0].refused_with
            assert refused is not None
            assert refused.code == 554
    assert not [line for line in logs if line["event"] == "smtp.refused"]  # the letter itself logs why it ended


@pytest.mark.parametrize("naked", [b"\r", b"\n", b"\0"])
async def test_naked_octets_are_refused(naked):
    async with house() as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.data(b"a" + naked + b"b\r\n"))[:9] == "554 5.6.0"
        assert home.reception.kept == []


async def test_a_line_over_1_mib_is_refused():
    async with house(size_limit=10_485_760) as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.data(b"x" * 1_048_577 + b"\r\n"))[:9] == "554 5.6.0"
        await peer.envelope()
        assert (await peer.data(b"x" * 1_048_576 + b"\r\n")) == str(QUEUED)


async def test_a_client_that_closes_in_the_middle_leaves_nothing():
    async with house() as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(b"Subject: a\r\n\r\nhalf\r\n.\r")
        await peer.close()
        await home.quiet()
        letter = home.reception.letters[0]
        assert (letter.end_called, letter.refused_with, home.reception.kept) == (["abort"], None, [])


async def test_a_refused_letter_is_given_up_once_even_if_the_client_leaves_then():
    async with house() as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(b"a\nb\r\n")
        await peer.close()
        await home.quiet()
        assert home.reception.letters[0].end_called == ["abort"]


async def test_a_client_that_resets_in_the_middle_leaves_nothing():
    async with house() as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(b"half")
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.writer.transport.abort()
        await home.quiet()
        assert home.reception.letters[0].end_called == ["abort"]


@pytest.mark.parametrize("how", ["close", "reset", "half"])
async def test_a_client_that_closes_right_after_the_final_dot_loses_nothing(how):
    """The commit goes on without it; a client that only closed its sending side hears the 250."""
    gate = asyncio.Event()
    async with house(Recorder(end_gate=gate)) as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(LETTER + b".\r\n")
        if how == "half":
            peer.writer.write_eof()
        elif how == "close":
            await peer.close()
        await asyncio.wait_for(home.reception.committing.wait(), 5)
        if how == "reset":
            sock = peer.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.writer.transport.abort()
        await asyncio.sleep(0.02)
        gate.set()
        if how == "half":
            assert await peer.hear() == str(QUEUED)
        await home.quiet()
        assert [letter.content for letter in home.reception.kept] == [LETTER]
        assert home.reception.letters[0].end_called == ["end"]


async def test_a_silent_client_is_cut_and_its_message_forgotten():
    with capture_logs() as logs:
        async with house(idle=0.05) as home:
            peer = await home.meet()
            await peer.envelope()
            assert (await peer.ask("DATA")).startswith("354 ")
            await peer.send(b"Subject: a\r\n")
            assert (await peer.hear())[:9] == "421 4.4.2"
            assert await peer.hear() == ""
            await home.quiet()
            refused = home.reception.letters[0].refused_with
            assert refused is not None
            assert refused.status == "4.4.2"
    assert ("smtp.refused", "4.4.2") in [(line["event"], line.get("status")) for line in logs]


async def test_a_slow_client_that_goes_on_is_waited_for():
    """DATA may last longer than a command may; the least rate is what counts."""
    async with house(idle=0.1, data_rate=10) as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        for _ in range(20):
            await peer.send(b"encore un peu\r\n")
            await asyncio.sleep(0.02)
        await peer.send(b".\r\n")
        assert await peer.hear() == str(QUEUED)


async def test_a_trickle_below_the_least_rate_is_cut():
    async with house(idle=0.1, data_rate=10_000) as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        heard = asyncio.create_task(peer.hear())
        while not heard.done():
            peer.writer.write(b"x")
            await asyncio.sleep(0.01)
        assert (await heard)[:9] == "421 4.4.2"


@pytest.mark.parametrize(
    ("error", "reply"),
    [(StoreFull(), "452 4.3.1"), (OSError(28, "full"), "452 4.3.1"), (OSError(5, "io"), "451 4.3.0")],
)
async def test_a_store_that_fails_in_the_middle_is_answered_after_the_dot(error, reply):
    """4xx: the letter stays with its sender. What was begun is given up once, whatever comes after."""
    async with house(Recorder(write_error=error)) as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(LETTER)
        await asyncio.sleep(0.01)
        await peer.send(LETTER + b".\r\n")
        assert (await peer.hear())[:9] == reply
        assert home.reception.letters[0].end_called == ["abort"]
        assert await peer.ask("NOOP") == "250 2.0.0 OK"


async def test_a_commit_that_fails_is_451_and_nothing_of_its_text():
    with capture_logs() as logs:
        async with house(Recorder(end_error=RuntimeError("279035121518989"))) as home:
            peer = await home.meet()
            await peer.envelope()
            assert await peer.data() == "451 4.3.0 Incident interne, reessayez plus tard"
    assert "2790" not in str(logs)
    assert "smtp.error" in [line["event"] for line in logs]


async def test_a_commit_that_hangs_is_not_waited_for_for_ever():
    """It is not cancelled either: the log says how it ended, since the sender may send the letter again."""
    gate = asyncio.Event()
    with capture_logs() as logs:
        async with house(Recorder(end_gate=gate), end_within=0.05) as home:
            peer = await home.meet()
            await peer.envelope()
            assert (await peer.data())[:9] == "451 4.3.0"
            gate.set()
    assert ("smtp.late", 250) in [(line["event"], line.get("code")) for line in logs]


async def test_a_refused_message_without_end_ends_the_connection(monkeypatch):
    """What is refused is read up to the final dot, for the reply's sake, but not for ever."""
    monkeypatch.setattr(smtpd_data, "_MOST_DISCARDED", 100_000)
    async with house() as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        heard = asyncio.create_task(peer.hear())
        while not heard.done():
            peer.writer.write(b"x" * 998 + b"\r\n")
            await asyncio.sleep(0)
        assert (await heard)[:9] == "421 4.7.0"
        assert home.reception.letters[0].end_called == ["abort"]


async def test_stopping_waits_for_the_message_under_way_and_sends_the_others_home():
    """Accepting stops, DATA finishes with its true reply, the rest hear 421 4.3.2."""
    gate = asyncio.Event()
    async with house(Recorder(end_gate=gate)) as home:
        idle, sending = await home.meet(), await home.meet()
        await sending.envelope()
        assert (await sending.ask("DATA")).startswith("354 ")
        stopping = asyncio.create_task(home.door.stop(within=60))
        assert (await idle.hear())[:9] == "421 4.3.2"
        await sending.send(LETTER + b".\r\n")
        gate.set()
        assert await sending.hear() == str(QUEUED)
        assert (await sending.hear())[:9] == "421 4.3.2"
        await asyncio.wait_for(stopping, 5)
        assert len(home.reception.kept) == 1
        with pytest.raises(ConnectionError):
            await home.connect()


async def test_stopping_gives_up_a_message_that_does_not_come_to_its_end():
    async with house() as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await asyncio.wait_for(home.door.stop(within=0.05), 5)
        assert (await peer.hear())[:9] == "421 4.3.2"
        assert home.reception.letters[0].end_called == ["abort"]


async def test_stopping_never_cancels_a_commit():
    gate = asyncio.Event()
    async with house(Recorder(end_gate=gate)) as home:
        peer = await home.meet()
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(LETTER + b".\r\n")
        await asyncio.wait_for(home.reception.committing.wait(), 5)
        stopping = asyncio.create_task(home.door.stop(within=0.02))
        await asyncio.sleep(0.1)
        assert not stopping.done()
        gate.set()
        await asyncio.wait_for(stopping, 5)
        assert len(home.reception.kept) == 1


async def test_when_we_fail_in_the_middle_of_data_the_rest_is_not_read_as_commands():
    """The client still sends its letter: read on after a 451, and the letter could speak SMTP."""
    with capture_logs():
        async with house(Recorder(abort_error=RuntimeError())) as home:
            peer = await home.meet()
            await peer.envelope()
            await peer.ask("DATA")
            await peer.send(b"Subject: a\r\n\r\nbare\nline\r\n" + b"MAIL FROM:<evil@hopital.fr>\r\n" * 100)
            assert (await peer.hear())[:9] == "421 4.3.0"
            assert await peer.hear() == ""
            assert len(home.reception.senders) == 1


async def test_a_connection_closed_in_data_is_never_told_a_permanent_status():
    """Whatever failed: 421 says to come again, and its enhanced status must say the same (RFC 3463)."""
    async with house(Recorder(abort_error=MalformedAddress())) as home:
        peer = await home.meet()
        await peer.envelope()
        await peer.ask("DATA")
        await peer.send(b"Subject: a\r\n\r\nbare\nline\r\n")
        assert (await peer.hear())[:9] == "421 4.3.0"
