"""A crowd that keeps a gateway's connections and sends nothing; a process of its own, beside bench.memory.

    python -m bench.crowd PORT CLIENTS

So many clients finish the TLS handshake and then are silent; as many more stop in the middle of it. Whoever is thrown
out comes back at once. Prints ``in N M`` when all have been in, and goes on until SIGTERM.
"""

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bench.latency import Peer, Refused, session, unverified

HALF_A_HELLO = bytes.fromhex("1603010200" + "010001fc03")  # promises 508 octets and ends after five
PER_ADDRESS = 20  # clients on one loopback address, well below limits.connections_per_ip
AT_A_TIME = 20  # get in side by side, or they would run into each other's time limits

Client = Callable[[int, str, asyncio.Semaphore, asyncio.Event], Awaitable[None]]


def source(number: int) -> str:
    """Where a client connects from: none of the addresses that the configuration knows."""
    return f"127.0.9.{1 + number // PER_ADDRESS}"


async def idle(port: int, address: str, gate: asyncio.Semaphore, is_in: asyncio.Event) -> None:
    """Stay after the handshake until thrown out."""
    async with AsyncExitStack() as stack:
        async with gate:
            peer = await stack.enter_async_context(session(port, unverified(), address))
        is_in.set()
        await peer.reader.read()


async def half_open(port: int, address: str, gate: asyncio.Semaphore, is_in: asyncio.Event) -> None:
    """Stay in the middle of the handshake until thrown out."""
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        peer = Peer(reader, writer)
        await peer.expect(220)
        await peer.ask("EHLO bench.example", 250)
        await peer.ask("STARTTLS", 220)
        writer.write(HALF_A_HELLO)
        is_in.set()
        await reader.read()
    finally:
        writer.close()


async def _for_ever(client: Client, port: int, address: str, gate: asyncio.Semaphore, is_in: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(OSError, EOFError, Refused):
            await client(port, address, gate, is_in)
        await asyncio.sleep(0.1)


async def run(port: int, clients: int) -> None:
    gate, stop = asyncio.Semaphore(AT_A_TIME), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    everybody = [asyncio.Event() for _ in range(2 * clients)]
    tasks = []
    for number, is_in in enumerate(everybody):
        client = idle if number < clients else half_open
        tasks.append(asyncio.create_task(_for_ever(client, port, source(number), gate, is_in)))
    await asyncio.gather(*(each.wait() for each in everybody))
    print(f"in {clients} {clients}", flush=True)
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    port, clients = map(int, sys.argv[1:])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(run(port, clients))


if __name__ == "__main__":
    main()
