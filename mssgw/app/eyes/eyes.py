"""All of it together: made before the store is opened, for the store's writer already tells what it does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from mssgw.app.config import Config
from mssgw.app.eyes import sampling
from mssgw.app.eyes.directory import DirectoryWatch
from mssgw.app.eyes.disk import Disk
from mssgw.app.eyes.family import Family
from mssgw.app.eyes.health import Check, Health, StoreWatch
from mssgw.app.eyes.pages import Own, Whole
from mssgw.app.eyes.sockets import PUBLIC, address_of, worker_socket
from mssgw.app.reloading import Ready
from mssgw.app.seat import Seat
from mssgw.app.stores import AtRest
from mssgw.app.telemetry.counting import CountingTelemetry
from mssgw.app.telemetry.events import FanOut, LogTelemetry, Silence
from mssgw.app.telemetry.metrics import Metrics
from mssgw.core.routes import BY_THE_LIST
from mssgw.edges.smtp_in import SmtpIn
from mssgw.edges.smtpd_intake import Intake
from mssgw.edges.status_http import StatusServer
from mssgw.ports import Meter, Telemetry


class Eyes:
    """``telemetry`` for the flow, ``meter`` for the edges, ``intake`` for the listeners."""

    def __init__(self, config: Config, seat: Seat) -> None:
        self._seat = seat
        self.metrics = Metrics(housekeeping=seat.first)
        self.telemetry: Telemetry = FanOut(LogTelemetry(), CountingTelemetry(self.metrics))
        self._store = StoreWatch(self.metrics, self.telemetry)
        self.meter: Meter = self._store
        self.intake = Intake(memory=seat.share(config.limits.body_memory))
        self._disk = Disk(
            config.gateway.state_dir,
            config.limits.disk_reserve,
            intake=self.intake,
            telemetry=self.telemetry if seat.first else Silence(),  # all see the same disk: one alarm is enough
        )
        self._directory = DirectoryWatch(self.metrics, self.telemetry) if seat.first else None
        self._listeners: list[SmtpIn] = []
        self.others: Callable[[], Sequence[Check]] = tuple  # what readiness asks besides
        self._health: Health | None = None
        self._unread_after = config.reports.unread_after

    def follow(self, ready: Ready) -> None:
        """Look as this configuration says, at the start and after a reload."""
        self._disk.reserve = ready.config.limits.disk_reserve
        self._unread_after = ready.config.reports.unread_after
        if self._directory is not None:
            self._directory.max_age = ready.settings.directory_max_age
        routes = ready.settings.routes
        self.metrics.routes(route.name for route in (*routes.by_domain.values(), *routes.by_address.values()))
        self.metrics.routes((BY_THE_LIST,) if routes.listed is not None else ())

    def watch(self, listener: SmtpIn) -> None:
        """Count this listener's connections, and miss it when it is gone."""
        self._listeners.append(listener)
        self.metrics.watch(
            "mssgw_connections_open",
            "Inbound connections.",
            lambda: listener.connections,
            listener=listener.listener.name,
        )

    def stopping(self) -> None:
        """Readiness is over."""
        if self._health is not None:
            self._health.stopping = True

    @asynccontextmanager
    async def open(self, rest: AtRest) -> AsyncIterator[Sequence["asyncio.Task[None]"]]:
        """Look and show while the block runs. Gives the tasks without which the gateway should not go on."""
        self._health = health = Health(
            vitals=rest.vitals,
            store=self._store,
            disk=self._disk,
            listeners=lambda: self._listeners,
            others=self.others,
        )
        self._watch_memory(rest)
        await self._disk.look()  # before the first letter
        vital = [
            asyncio.create_task(self._disk.run(), name="disk"),
            asyncio.create_task(self._store.run(rest.vitals), name="store"),
        ]
        others = [
            asyncio.create_task(sampling.measure_lag(self.metrics), name="measure-lag"),
            asyncio.create_task(sampling.catch_up_with_the_log(), name="catch-up-with-the-log"),
        ]
        if self._seat.first:
            counting = sampling.count_queue(rest.vitals, rest.clock, self.metrics)
            unread = sampling.count_unread(rest.desk, rest.clock, self.metrics, lambda: self._unread_after)
            telling = sampling.tell_systemd(health, self.metrics, self._seat.say)
            others += [
                asyncio.create_task(counting, name="count-queue"),
                asyncio.create_task(unread, name="count-unread"),
                asyncio.create_task(sampling.count_receipts(rest.vitals, self.metrics), name="count-receipts"),
                asyncio.create_task(telling, name="tell-systemd"),
            ]
        if self._directory is not None:
            await self._directory.look(rest.directory, rest.clock)  # before the first letter
            watching = self._directory.run(rest.directory, rest.clock)
            others.append(asyncio.create_task(watching, name="watch-directory"))
        for task in others:
            task.add_done_callback(self._say_if_it_fell)
        try:
            async with self._showing(health):
                yield vital
        finally:
            for task in (*vital, *others):
                task.cancel()
            await asyncio.gather(*vital, *others, return_exceptions=True)

    @asynccontextmanager
    async def _showing(self, health: Health) -> AsyncIterator[None]:
        """Serve the pages, where there is a socket for them: those of all workers, and our own to our siblings."""
        sockets, number = self._seat.sockets, self._seat.number
        if PUBLIC not in sockets:
            yield
            return
        own = Own(health, self.metrics)
        if self._seat.of == 1:
            async with StatusServer(own.pages()) as server:
                await server.listen_on(sockets[PUBLIC][0])
                yield
            return
        siblings = {each: address_of(sockets, each) for each in range(1, self._seat.of + 1) if each != number}
        whole = Whole(own, number, Family(siblings))
        async with StatusServer(whole.pages()) as public, StatusServer(own.pages()) as private:
            await private.listen_on(sockets[worker_socket(number)][0])
            await public.listen_on(sockets[PUBLIC][0])
            yield

    def _say_if_it_fell(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.telemetry.event("gateway.task_fell", alarm=True, task=task.get_name(), failure=error)

    def _watch_memory(self, rest: AtRest) -> None:
        watch, hot, intake = self.metrics.watch, rest.hot, self.intake
        watch("mssgw_hot_bodies_bytes", "Memory of hot copies of large letters.", lambda: hot.used)
        watch("mssgw_hot_bodies_limit_bytes", "What they may take.", lambda: hot.limit)
        watch("mssgw_letters_in_data", "Letters that are coming in.", lambda: intake.taken)
        watch("mssgw_letters_in_data_limit", "How many may at a time.", lambda: intake.places)
        watch("mssgw_letters_waiting_for_memory", "Peers that wait for their 354.", lambda: intake.waiting)
