"""Watches over the certificates in use: takes our own anew when its files change, and says in time when one ends."""

import asyncio
import contextlib
from collections.abc import Callable

from mssgw.app.reloading import Ready
from mssgw.edges.identity import POLL, Ending, Endings, in_file
from mssgw.edges.tls import TlsMisconfigured
from mssgw.ports import Clock, Telemetry

ENDINGS = 3600.0  # seconds between looks at the dates


class Vigil:
    """One a process. ``aloud``: where the dates are told; one process of several is enough."""

    def __init__(
        self, ready: Callable[[], Ready], *, clock: Clock, aloud: Telemetry, renewed: Callable[[], None]
    ) -> None:
        """``ready``: what is in force. ``renewed``: called in the event loop when our certificate was taken anew."""
        self._ready, self._clock, self._renewed = ready, clock, renewed
        self._endings = Endings(aloud)

    async def run(self) -> None:
        """Watch until cancelled."""
        next_look = 0.0
        loop = asyncio.get_running_loop()
        while True:
            ready = self._ready()
            if ready.identity is not None and await asyncio.to_thread(ready.identity.look):
                self._renewed()
                next_look = 0.0
            if loop.time() >= next_look:
                next_look = loop.time() + ENDINGS
                self._endings.look(await asyncio.to_thread(_in_use, ready), self._clock.now())
            await asyncio.sleep(POLL)


def _in_use(ready: Ready) -> list[Ending]:
    """Our own, those whom we trust, and those of our listeners. A file that cannot be read now has its own alarm."""
    found = list(ready.identity.pair.certificates if ready.identity is not None else ())
    for listener in ready.config.listeners:
        if listener.certificate is not None:
            with contextlib.suppress(TlsMisconfigured, OSError):
                found += in_file(listener.certificate.require())
    return found
