"""How a server of a test hangs up on everybody, so that nothing is left to the next test."""

import asyncio
from collections.abc import Iterable


async def hung_up(server: asyncio.Server, tasks: Iterable[asyncio.Task[None]]) -> None:
    """``tasks``: one for each connection, also of those that come in yet."""
    server.close()
    await asyncio.sleep(0)  # a connection that has just come in begins: cancelled before, it would never be closed
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.wait_closed()
    for _ in range(3):  # TLS over TCP: each closes in a turn of its own
        await asyncio.sleep(0)
