"""What memory the gateway takes, and that it gives it back: bounds on sizes, never on times."""

import asyncio
import contextlib
import gc
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import mssgw
from mssgw.app import config as configuration
from mssgw.app.daemon import Daemon as InProcess
from mssgw.app.descriptors import bind
from mssgw.app.eyes.eyes import Eyes
from mssgw.app.seat import Seat
from mssgw.app.stores import at_rest
from mssgw.app.telemetry.events import FanOut, Silence
from mssgw.edges import vault
from tests.installation import DOCTOR, PATIENT, install
from tests.pki import Authority
from tests.wire.inbound import Peer
from tests.wire.running import Daemon, Hop, large, letter, running, send

MB = 1_000_000
TEN_MO = 10 * MB
PER_TLS_CLIENT = 200_000  # octets: 64 KiB of asyncio, about as much of OpenSSL, and ours


class Peak:
    """The most memory that the process had while the block ran, in octets above ``idle``."""

    def __init__(self, daemon: Daemon, idle: int) -> None:
        self._daemon, self._idle, self.above = daemon, idle, 0

    async def __aenter__(self) -> "Peak":
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            self.above = max(self.above, self._daemon.rss() - self._idle)
            await asyncio.sleep(0.005)


async def test_twenty_letters_of_ten_mo_at_once_take_less_than_150_mb(tmp_path: Path) -> None:
    """Above the idle process; and the next twenty take no more, for nothing stays."""
    async with running(tmp_path) as daemon:
        await daemon.send(letter())
        await daemon.shows({"mssgw_hot_bodies_bytes": 0})
        idle, content = daemon.rss(), large(TEN_MO)
        for _ in range(2):
            async with Peak(daemon, idle) as peak:
                replies = await asyncio.gather(*(daemon.send(content) for _ in range(20)))
            assert {reply[:4] for reply in replies} == {"250 "}
            assert peak.above < 150 * MB
        await daemon.shows({'mssgw_deliveries_total{outcome="delivered",route="operator:mes"}': 41})
        await daemon.shows({"mssgw_hot_bodies_bytes": 0, "mssgw_letters_in_data": 0})


async def test_when_memory_is_short_senders_wait_for_their_turn(tmp_path: Path) -> None:
    """Two places for eight letters: never more than two come in, all are taken, and nobody is refused."""
    async with running(tmp_path, limits='body_memory = "3 MiB"') as daemon:
        seen: list[dict[str, float]] = []

        async def look() -> None:
            while True:
                seen.append(await daemon.scrape())

        # Two peers begin a letter and fall silent; six more have to wait for their 354.
        async with daemon.client() as one, daemon.client() as other:
            for peer in (one, other):
                await peer.envelope(f"MAIL FROM:<{DOCTOR}>", f"RCPT TO:<{PATIENT}>")
                assert (await peer.ask("DATA")).startswith("354 ")
            looking = asyncio.create_task(look())
            rest = [asyncio.create_task(daemon.send(large(MB))) for _ in range(6)]
            await daemon.shows({"mssgw_letters_waiting_for_memory": 6, "mssgw_letters_in_data": 2})
            assert not any(task.done() for task in rest)
            for peer in (one, other):
                await peer.send(letter() + b".\r\n")
                assert (await peer.hear()).startswith("250 ")
            assert {reply[:4] for reply in await asyncio.gather(*rest)} == {"250 "}
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        assert max(each["mssgw_letters_in_data"] for each in seen) == 2
        await daemon.shows({"mssgw_letters_in_data": 0, "mssgw_letters_waiting_for_memory": 0})


@pytest.mark.parametrize("crowd", [40, pytest.param(500, marks=pytest.mark.soak)])
async def test_honest_mail_flows_among_idle_and_half_open_tls_clients(
    tmp_path: Path, authority: Authority, trust: ssl.SSLContext, crowd: int
) -> None:
    """As many that finished the handshake and say nothing, as that said STARTTLS and never shook hands."""
    pem = authority.issue(tmp_path, "localhost")
    listener = f'certificate = "{pem}"\nkey = "{pem}"\nrequire_tls = true'
    limits = 'handshake = "5m"\nidle = "5m"'
    async with running(tmp_path, listener=listener, limits=limits) as daemon, contextlib.AsyncExitStack() as stack:

        async def honest() -> None:
            async with daemon.client() as peer:
                await peer.starttls(trust)
                assert (await peer.ask("EHLO serveur.chu.fr")).startswith("250")
                assert (await send(peer, letter())).startswith("250 ")

        await honest()
        before = daemon.rss()
        for _ in range(crowd):
            idle: Peer = await stack.enter_async_context(daemon.client())
            await idle.starttls(trust)
            half: Peer = await stack.enter_async_context(daemon.client())
            assert (await half.ask("STARTTLS")).startswith("220 ")
        await daemon.shows({'mssgw_connections_open{listener="house"}': 2 * crowd})
        assert daemon.rss() - before < 2 * crowd * PER_TLS_CLIENT + 8 * MB
        await asyncio.gather(*(honest() for _ in range(5)))


@asynccontextmanager
async def here(folder: Path) -> AsyncIterator[tuple[int, InProcess, Eyes, Hop]]:
    """The whole daemon in this process, so that its memory can be looked into; the port of its listener."""
    hop, port = Hop(), asyncio.get_running_loop().create_future()

    class Heard:
        def event(self, name: str, **fields: Any) -> None:
            if name == "gateway.listening":
                port.set_result(fields["port"])

    path = install(folder, hop=await hop.listen())
    loaded = configuration.load(path)
    seat = Seat(sockets=bind(loaded, Silence()))
    eyes = Eyes(loaded, seat)
    eyes.telemetry = FanOut(Heard())  # the log would be what grows
    async with at_rest(loaded, founds=True, meter=eyes.meter) as rest:
        daemon = InProcess(path, loaded, rest, eyes, seat)
        async with daemon.running():
            yield await port, daemon, eyes, hop
    hop.close()


async def test_memory_returns_to_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After hundreds of letters, large ones and refused ones among them: nothing of ours is left over."""
    monkeypatch.setattr(vault, "_CACHED", 16)  # of keyed hashes: bounded, but filled by thousands of letters only
    async with here(tmp_path) as (port, _, eyes, hop):

        async def hundred(rounds: int) -> None:
            for _ in range(rounds):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                peer = Peer(reader, writer)
                await peer.hear()
                await peer.ask("EHLO serveur.chu.fr")
                for number in range(10):
                    content = large(100_000) if number == 5 else letter()
                    assert (await send(peer, content)).startswith("250 ")
                assert (await peer.ask("RCPT TO:<x>")).startswith("503 ")
                await peer.envelope(f"MAIL FROM:<{DOCTOR}>", f"RCPT TO:<{PATIENT}>")
                assert (await peer.data(b"bare\nLF\r\n")).startswith("554 ")
                await peer.close()

        async def quiet(letters: int) -> int:
            async with asyncio.timeout(30):
                while hop.letters < letters or eyes.intake.taken:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # connections of the last letters end
            gc.collect()
            return sum(each.size for each in tracemalloc.take_snapshot().filter_traces(OURS).statistics("filename"))

        await hundred(10)
        tracemalloc.start()
        try:
            await hundred(5)
            before = await quiet(150)
            await hundred(30)
            after = await quiet(450)
        finally:
            tracemalloc.stop()
        assert (eyes.intake.taken, eyes.intake.waiting) == (0, 0)
        assert after - before < 300 * 100  # octets: whatever stayed of each letter would be more


LAST = None
OURS = (tracemalloc.Filter(True, f"{Path(mssgw.__file__).parent}/*"),)  # a clone is called mssgw as well


@pytest.mark.soak
async def test_twenty_thousand_letters_leave_less_than_a_megabyte_a_thousand(tmp_path: Path) -> None:
    """Resident memory after as many that fill the caches (SQLite's are 16 MB for each connection), and after these."""
    async with running(tmp_path) as daemon:

        async def one(letters: int) -> None:
            async with daemon.client() as peer:
                for _ in range(letters):
                    assert (await send(peer, letter())).startswith("250 ")

        async def twenty_thousand() -> int:
            for _ in range(5):
                await asyncio.gather(*(one(400) for _ in range(10)))
            await daemon.shows({"mssgw_octets_delivered_total": (await daemon.scrape())["mssgw_octets_accepted_total"]})
            return daemon.rss()

        before = await twenty_thousand()
        assert await twenty_thousand() - before < 20 * MB
        assert daemon.hop.letters == 40_000
