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
STALLED_AFTER = 5.0  # seconds that what a letter waits for may take
CUT_AFTER = 60.0  # seconds: a database that hangs is cut off before that, and what still waits then hangs itself
_STALLED = f"the database, or its disk, has not answered for {STALLED_AFTER:.0f} seconds"
_STORE = ("commit", "read", "body")  # what the store's threads count


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer. ``facts``: numbers behind it, for the page."""

    name: str
    ok: bool
    facts: dict[str, int]


class StoreWatch:
    """Whether the last commit was kept, the last look-up answered, and neither takes for ever.

    Hears the store's threads as a Meter, and tries again itself after a failure. Without that a gateway that nobody
    sends to, because it is not ready, would never learn that its disk is back.
    """

    def __init__(self, meter: Meter, telemetry: Telemetry) -> None:
        self._meter, self._telemetry = meter, telemetry
        self._failing: set[str] = set()  # of what is counted, and "probe"; any thread may change it
        self._said = True
        self._why = ""

    @property
    def writable(self) -> bool:
        return not self._failing

    def observe(self, name: str, value: float) -> None:
        self._meter.observe(name, value)

    def count(self, name: str, kind: str) -> None:
        self._meter.count(name, kind)
        if name in _STORE:
            self._found(name, well=kind == "kept")

    def _found(self, what: str, *, well: bool) -> None:
        if well:
            self._failing.discard(what)
        else:
            self._failing.add(what)

    async def run(self, vitals: Vitals) -> None:
        """Until cancelled."""
        while True:
            if vitals.stalled_for > STALLED_AFTER:  # said at once: a try would only wait, too
                self._found("probe", well=False)
                self._why = _STALLED
            elif not self.writable:
                await self._try(vitals)
            if self.writable is not self._said:
                self._said = self.writable
                if self.writable:
                    self._telemetry.event("store.writable_again")
                else:
                    self._telemetry.event("store.not_writable", alarm=True, error=self._why)
            await asyncio.sleep(TRY_EVERY)

    async def _try(self, vitals: Vitals) -> None:
        well = False
        try:
            async with asyncio.timeout(STALLED_AFTER):
                await vitals.probe()
            well = True
        except TimeoutError:
            self._why = _STALLED
        except GatewayError as error:
            self._why = str(error)
        self._found("probe", well=well)


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
        except TimeoutError:  # nor does one that hangs come back by a restart
            return 0 < self._vitals.stalled_for < CUT_AFTER
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
