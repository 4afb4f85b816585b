"""Latency: 50 letters a second of 50 kB over STARTTLS, each on a connection of its own, through the gateway to a sink.

Letters begin at times fixed beforehand, however slow the answers are (open loop): a stall of the gateway meets as many
letters as come in while it lasts, not only the one that waits. Two times of each letter are taken: from its final dot
to the 250, and from the time it was due to its final dot at the next hop (connection and TLS handshake included).
``late``: how late letters began beside the schedule; it tells what this client itself adds. ``loop_lag`` is the
gateway's own, from its /metrics. ``disk``: what the disk alone costs in the same rhythm, measured before (bench.floor).
"""

import asyncio
import contextlib
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bench.floor import floor
from bench.letters import numbered
from bench.numbers import lag_buckets, quantile_between, schedule, spread
from bench.part import PATIENT, SENDER, Figures, parser, say, show
from bench.sinks import Arrivals, timing_sink
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.ports import free_port

RATE, OCTETS = 50.0, 50_000
LIMIT = 60.0  # seconds for one letter
WARM = 2.0  # seconds of the same load before
Make = Callable[[int, int], bytes]


@dataclass(slots=True)
class Times:
    """What was measured, in seconds; ``due`` by the monotonic clock."""

    due: dict[int, float] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    to_250: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def running(hop: int, **settings: Any) -> Iterator[GatewayProcess]:
    """A gateway as in production that takes mail over STARTTLS and shows its metrics; log at its default level."""
    shown = free_port()
    settings = {"metrics": {"address": f"127.0.0.1:{shown}"}, "log": {"level": "info", "format": "json"}, **settings}
    with GatewayProcess(Hops(operators=hop), tls=True, settings=settings) as gateway:
        yield gateway


def metrics_of(gateway: GatewayProcess) -> str:
    found = gateway.config_file.read_text().partition("[metrics]\naddress = ")[2].split('"')[1]
    with urllib.request.urlopen(f"http://{found}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def figures(*, quick: bool = False, seconds: float | None = None, rate: float = RATE, octets: int = OCTETS) -> Figures:
    """Percentiles of the times to the 250 and end to end, and of the event loop's lag, in milliseconds."""
    seconds = seconds or (8.0 if quick else 60.0)
    disk = floor(seconds=seconds / 2, rate=rate)
    return asyncio.run(_figures(seconds, rate, octets)) | {"disk_ms": disk}


async def _figures(seconds: float, rate: float, octets: int) -> Figures:
    async with timing_sink() as arrivals:
        with running(arrivals.port) as gateway:
            return await measure(gateway, arrivals, seconds=seconds, rate=rate, octets=octets)


async def measure(
    gateway: GatewayProcess,
    arrivals: Arrivals,
    *,
    seconds: float,
    rate: float = RATE,
    octets: int = OCTETS,
    make: Make = numbered,
) -> Figures:
    """Put that load on a running gateway whose next hop is ``arrivals``, after a little of it that does not count."""
    assert gateway.tls_port is not None
    warm = await load(gateway.tls_port, seconds=WARM, rate=rate, octets=octets, make=make)
    if not await arrivals.wait_for(round(WARM * rate), LIMIT):
        raise RuntimeError(f"the letters that warm it up do not arrive: {warm.errors[:1]}")
    arrivals.at.clear()
    before = await asyncio.to_thread(metrics_of, gateway)
    times = await load(gateway.tls_port, seconds=seconds, rate=rate, octets=octets, make=make)
    await arrivals.wait_for(len(times.to_250), LIMIT)
    after = await asyncio.to_thread(metrics_of, gateway)
    whole = [arrivals.at[number] - due for number, due in times.due.items() if number in arrivals.at]
    lags = lag_buckets(before), lag_buckets(after)
    made: Figures = {
        "rate": rate,
        "octets": octets,
        "seconds": seconds,
        "letters": len(times.due),
        "errors": len(times.errors),
        "not_arrived": len(times.to_250) - len(whole),
        "twice": arrivals.twice,
        "late_ms": spread(times.late),
        "to_250_ms": spread(times.to_250),
        "end_to_end_ms": spread(whole),
        "loop_lag_ms": {name: round(1000 * quantile_between(*lags, share), 2) for name, share in _SHARES.items()},
    }
    made |= {"first_error": times.errors[0]} if times.errors else {}
    to_250, whole_way = made["to_250_ms"], made["end_to_end_ms"]
    say(f"  250 after {to_250} ms, at the next hop after {whole_way} ms, {len(times.errors)} errors")
    arrivals.at.clear()
    return made


_SHARES = {"p50": 0.5, "p99": 0.99}


async def load(port: int, *, seconds: float, rate: float, octets: int, make: Make = numbered) -> Times:
    """Send letters numbered from 0 at that rate; returns when each has its answer or an error.

    ``make``: a letter by its number and how long it is to be.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = (
        False,
        ssl.CERT_NONE,
    )  # loopback, self-signed; the cost is the server's
    times, begin = Times(), time.monotonic() + 0.2
    tasks = []
    for number, offset in enumerate(schedule(rate, seconds)):
        times.due[number] = due = begin + offset
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(_letter(port, context, make(number, octets), due, times)))
    await asyncio.gather(*tasks)
    return times


async def _letter(port: int, context: ssl.SSLContext, letter: bytes, due: float, times: Times) -> None:
    times.late.append(time.monotonic() - due)
    try:
        async with asyncio.timeout(LIMIT), session(port, context) as peer:
            for command, expected in ((f"MAIL FROM:<{SENDER}>", 250), (f"RCPT TO:<{PATIENT}>", 250), ("DATA", 354)):
                await peer.ask(command, expected)
            peer.writer.write(letter)
            await peer.writer.drain()
            dotted = time.monotonic()
            await peer.ask(".", 250)
            times.to_250.append(time.monotonic() - dotted)
    except (OSError, TimeoutError, EOFError, Refused) as error:
        times.errors.append(f"{type(error).__name__}: {error}")


@lru_cache
def unverified() -> ssl.SSLContext:
    """For a self-signed certificate on loopback: what is measured is the server."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Refused(Exception):
    """Not the reply that was wanted."""


@dataclass(frozen=True, slots=True)
class Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, command: str, expected: int) -> None:
        self.writer.write(command.encode() + b"\r\n")
        await self.expect(expected)

    async def expect(self, expected: int) -> None:
        while (line := await self.reader.readline())[3:4] == b"-":
            pass
        if line[:3] != b"%d" % expected:
            raise Refused(line.decode(errors="replace").strip() or "the connection was closed")


@asynccontextmanager
async def session(port: int, context: ssl.SSLContext, source: str = "127.0.0.1") -> AsyncIterator[Peer]:
    """An SMTP connection after STARTTLS and the second EHLO."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        peer = Peer(reader, writer)
        await peer.expect(220)
        await peer.ask("EHLO bench.example", 250)
        await peer.ask("STARTTLS", 220)
        await writer.start_tls(context)
        await peer.ask("EHLO bench.example", 250)
        yield peer
        writer.write(b"QUIT\r\n")
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await writer.wait_closed()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, help="how long (default 60; quick: 8)")
    arguments.add_argument("--rate", type=float, default=RATE, help="letters a second (default %(default)g)")
    arguments.add_argument("--octets", type=int, default=OCTETS, help="of a letter (default %(default)d)")
    given = arguments.parse_args()
    show(figures(quick=given.quick, seconds=given.seconds, rate=given.rate, octets=given.octets))


if __name__ == "__main__":
    main()
