"""Is the gateway alive, and is it ready for letters?

Alive: the event loop turns and the writer thread answers. When it is not, only a restart helps.
Ready: what is asked of it can be done now. When it is not, mail should go elsewhere until it recovers by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mssgw.app.eyes.disk import Disk
from mssgw.core.errors import GatewayError
from mssgw.edges.smtp_in import SmtpIn
from mssgw.ports import Meter, Telemetry, Vitals

ALIVE_WITHIN = 5.0  # seconds
TRY_EVERY = 1.0  # seconds between tries of a store that failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer. ``facts``: numbers behind it, for the page."""

    name: str
    ok: bool
    facts: dict[str, int]


class StoreWatch:
    """Whether the last commit was kept: hears the writer as a Meter, and tries again itself after a failure.

    Without that a gateway that nobody sends to, because it is not ready, would never learn that its disk is back.
    """

    def __init__(self, meter: Meter, telemetry: Telemetry) -> None:
        self._meter, self._telemetry = meter, telemetry
        self.writable = True
        self._said = True
        self._why = ""

    def observe(self, name: str, value: float) -> None:
        self._meter.observe(name, value)

    def count(self, name: str, kind: str) -> None:
        self._meter.count(name, kind)
        if name == "commit":
            self.writable = kind == "kept"

    async def run(self, vitals: Vitals) -> None:
        """Until cancelled."""
        while True:
            if not self.writable:
                await self._try(vitals)
            if self.writable is not self._said:
                self._said = self.writable
                if self.writable:
                    self._telemetry.event("store.writable_again")
                else:
                    self._telemetry.event("store.not_writable", alarm=True, error=self._why)
            await asyncio.sleep(TRY_EVERY)

    async def _try(self, vitals: Vitals) -> None:
        try:
            await vitals.probe()
        except GatewayError as error:
            self.writable, self._why = False, str(error)


class Health:
    """The checks. ``stopping``: set when the gateway has begun to leave."""

    def __init__(
        self,
        *,
        vitals: Vitals,
        store: StoreWatch,
        disk: Disk,
        listeners: Callable[[], Sequence[SmtpIn]],
        others: Callable[[], Sequence[Check]] = tuple,
    ) -> None:
        """``others``: what else has to be right."""
        self._others = others
        self._vitals, self._store, self._disk, self._listeners = vitals, store, disk, listeners
        self.stopping = False

    async def alive(self) -> bool:
        """Takes up to ALIVE_WITHIN seconds."""
        try:
            async with asyncio.timeout(ALIVE_WITHIN):
                await self._vitals.answers()
        except TimeoutError:
            return False
        except GatewayError:  # it answers: a database that is away does not come back by a restart
            return True
        return True

    def checks(self) -> Sequence[Check]:
        """What readiness is made of, at this moment."""
        listeners = self._listeners()
        up = sum(each.up for each in listeners)
        disk = self._disk
        space = {"free_bytes": disk.free, "reserve_bytes": disk.reserve}
        return (
            Check(name="store", ok=self._store.writable, facts={}),
            Check(name="disk", ok=not (disk.low or disk.full), facts=space),
            Check(name="listeners", ok=up == len(listeners) > 0, facts={"up": up, "configured": len(listeners)}),
            *self._others(),
            Check(name="serving", ok=not self.stopping, facts={}),
        )

    @property
    def disk_free(self) -> int:
        """Octets, as last seen."""
        return self._disk.free

    @property
    def ready(self) -> bool:
        return all(check.ok for check in self.checks())
