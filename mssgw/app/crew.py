"""The processes of a gateway: one, or a worker for each core over sockets that they share.

1. configuration and log; the store is opened once, to try it, and made if there is none; none but us serves over it;
2. sockets (descriptors.py), and a process for each core (supervisor.py);
3. in each: keys, store (migrated), spool, and a Daemon over them (daemon.py).
"""

import asyncio
import contextlib
import os
import pwd
from contextlib import AsyncExitStack
from pathlib import Path

from mssgw.app import config as configuration
from mssgw.app import signals
from mssgw.app.config import Config
from mssgw.app.daemon import Daemon
from mssgw.app.descriptors import allow_open_files, bind
from mssgw.app.eyes.eyes import Eyes
from mssgw.app.eyes.sockets import bind_eyes
from mssgw.app.reloading import made_of, read_again
from mssgw.app.seat import Seat
from mssgw.app.stores import at_rest, missing_database, served_by_us_alone
from mssgw.app.supervisor import Supervisor
from mssgw.app.telemetry import log
from mssgw.app.telemetry.events import LogTelemetry, Silence
from mssgw.app.thrift import spare_the_collector, stay_on_a_core
from mssgw.app.trust import trust_at_work
from mssgw.core.errors import NameTaken
from mssgw.edges import systemd
from mssgw.edges.clock import SystemClock, machine_clock

NAME_TAKEN = 69  # exit code of a worker, as of ours


def serve(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT, in one process or several; signals are held when it is called (signals.py).

    Raises ConfigErrors, OSError or a GatewayError when it cannot start; NameTaken, also later; TaskFell when the only
    process lost a part of itself for good, while one of several is replaced.
    """
    config = configuration.load(config_path)
    _stay_out_of_the_service(config.gateway.state_dir)
    log.configure(config.log.level, config.log.format)
    if signals.stop_was_asked():
        return
    allow_open_files()
    _try_what_workers_make(config)  # what none of them can make would have each of them replaced for ever
    asyncio.run(_make_or_try_the_store(config))  # what is wrong with keys or database is said once, before sockets
    with served_by_us_alone(config):
        _serve(config_path, config)


def _serve(config_path: Path, config: Config) -> None:
    sockets = bind(config, LogTelemetry())
    workers = config.gateway.workers or len(os.sched_getaffinity(0))
    sockets |= bind_eyes(config.metrics, workers, LogTelemetry())
    if signals.stop_was_asked():
        return
    if workers == 1:
        asyncio.run(work(config_path, config, Seat(sockets=sockets, interval=systemd.watchdog_interval())))
        return
    spare_the_collector()
    crew = Crew(config_path, config)
    Supervisor(
        crew.member,
        sockets,
        workers,
        LogTelemetry(),
        reload=crew.reload,
        each_turn=crew.each_turn,
        hopeless={NAME_TAKEN: NameTaken(config.node)},
    ).supervise()


class Crew:
    """In the supervisor: the configuration that the next worker starts with, when one must be replaced."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path, self._config = path, config

    def member(self, seat: Seat) -> int:
        """Be a worker, in its process."""
        if not self._config.gateway.workers:  # one for each core; who says how many has plans of his own for them
            stay_on_a_core(seat.number)
        try:
            asyncio.run(work(self._path, self._config, seat))
        except NameTaken:
            return NAME_TAKEN
        return 0

    def each_turn(self) -> None:
        """What is not to wait for the next event."""
        machine_clock().keep_up()
        log.catch_up()

    def reload(self) -> None:
        """As the workers do. They say what they refuse and why; whatever it is, the supervisor goes on."""
        with contextlib.suppress(Exception):
            self._config = read_again(self._path, self._config, Seat()).config
            log.configure(self._config.log.level, self._config.log.format)


async def work(config_path: Path, config: Config, seat: Seat) -> None:
    """Be one worker until told to stop."""
    async with AsyncExitStack() as stack:
        eyes = Eyes(config, seat)
        node = f"{config.node}-{seat.number}"  # leases begin with it: each process has its own
        rest = await stack.enter_async_context(
            at_rest(
                config,
                founds=False,  # it was there when the gateway began: without it patients would get a 550
                node=node,
                telemetry=eyes.telemetry,
                meter=eyes.meter,
                hot_bodies=seat.share(config.store.hot_bodies),
            )
        )
        daemon = Daemon(config_path, config, rest, eyes, seat)
        await stack.enter_async_context(daemon.running())
        await daemon.until_told_to_stop()


def _stay_out_of_the_service(state_dir: Path) -> None:
    """Root's letters on disk are closed to the service, whose store it is. Raises PermissionError."""
    if os.geteuid() != 0 or not state_dir.exists() or (owner := state_dir.stat().st_uid) == 0:
        return
    name = name_of(owner)
    raise PermissionError(f"{state_dir} belongs to {name}: systemctl start mssgw, or sudo -u {name} mssgw serve")


def name_of(uid: int) -> str:
    """The login of a user id, as sudo takes it in a shell."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"


def _try_what_workers_make(config: Config) -> None:
    """All that needs files beside the store: certificates, passwords, anchors. Raises as made_of and TrustAtWork."""
    ready, quiet = made_of(config, Seat()), Silence()
    ours = ready.settings.owners.keys
    trust_at_work(config, clock=SystemClock(), telemetry=quiet, aloud=quiet, ours=ours, make=False)


async def _make_or_try_the_store(config: Config) -> None:
    """By the first worker's name, which no other node may have. At a first start it is made here: no worker makes one.

    Raises as at_rest.
    """
    new = missing_database(config)
    async with at_rest(config, founds=True, node=f"{config.node}-1"):
        if new:
            LogTelemetry().event("store.created", path=str(config.gateway.state_dir))
