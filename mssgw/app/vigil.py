"""Watches over the certificates in use: takes our own anew when its files change, says in time when one ends, and at
once when other operators have something against ours.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from mssgw.app.config import Config
from mssgw.app.ourselves import Ourselves
from mssgw.app.reloading import Ready
from mssgw.edges.identity import POLL, Ending, Endings, in_file
from mssgw.edges.tls import TlsMisconfigured
from mssgw.ports import Clock, Telemetry

ENDINGS = 3600.0  # seconds between looks at the dates


class Vigil:
    """One a process. ``aloud``: where the dates are told; one process of several is enough."""

    def __init__(
        self,
        ready: Callable[[], Ready],
        *,
        clock: Clock,
        aloud: Telemetry,
        renewed: Callable[[], None],
        ourselves: Ourselves | None = None,
    ) -> None:
        """``ready``: what is in force. ``renewed``: called in the event loop when our certificate was taken anew.

        ``ourselves``: with [trust].
        """
        self._ready, self._clock, self._renewed, self._telemetry = ready, clock, renewed, aloud
        self._ourselves = ourselves
        self._endings, self._next_look = Endings(aloud), 0.0
        self._looked_at: Config | None = None
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Watch until cancelled; what fails is told once, and tried again."""
        while True:
            await self._try("files", self._look_at_the_files)
            await self._try("dates", self._look_at_the_dates)
            await self._try("ourselves", self._look_at_ourselves)
            await asyncio.sleep(POLL)

    async def _try(self, what: str, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
            self._failing.discard(what)
        except Exception as error:  # a loop that fell would take the whole gateway with it
            if what not in self._failing:
                self._failing.add(what)
                self._telemetry.event("trust.watch_failed", alarm=True, failure=error)

    async def _look_at_the_files(self) -> None:
        identity = self._ready().identity
        if identity is not None and await asyncio.to_thread(identity.look):
            self._next_look = 0.0
            self._renewed()

    async def _look_at_the_dates(self) -> None:
        now, ready = asyncio.get_running_loop().time(), self._ready()
        if now >= self._next_look or ready.config is not self._looked_at:  # a reload may bring one that has ended
            self._next_look, self._looked_at = now + ENDINGS, ready.config
            self._endings.look(await asyncio.to_thread(_in_use, ready), self._clock.now())

    async def _look_at_ourselves(self) -> None:
        if self._ourselves is not None:
            self._ourselves.look()


def _in_use(ready: Ready) -> list[Ending]:
    """Our own, those whom we trust, and those of our listeners. A file that cannot be read now has its own alarm."""
    found = list(ready.identity.pair.certificates if ready.identity is not None else ())
    for listener in ready.config.listeners:
        if listener.certificate is not None:
            with contextlib.suppress(TlsMisconfigured, OSError):
                found += in_file(listener.certificate.require())
    return found
