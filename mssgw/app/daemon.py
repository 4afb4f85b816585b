"""The daemon: opens everything in order, serves, reloads on SIGHUP, and leaves in the reverse order.

1. configuration and log;            2. keys, store (migrated), spool;
3. the flow over its edges;          4. listeners, then READY to systemd;
5. SIGTERM: no new connections, DATA under way is finished, 421 to the rest, running deliveries end, leases go back.
"""

import asyncio
import resource
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import mssgw
from mssgw.app import config as configuration
from mssgw.app import wiring
from mssgw.app.composition import Flow, assemble
from mssgw.app.config import Config, ConfigErrors, model
from mssgw.app.stores import AtRest, at_rest
from mssgw.app.telemetry import log
from mssgw.app.telemetry.events import LogTelemetry
from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.edges import systemd
from mssgw.edges.clock import SystemClock
from mssgw.edges.passwords import Passwords
from mssgw.edges.smtp_in import Listener, SmtpIn
from mssgw.edges.smtp_limits import PoolLimits
from mssgw.edges.smtp_out import SmtpTransport
from mssgw.edges.smtpd_listener import TlsMode
from mssgw.edges.tls import TlsMisconfigured, client_context, server_context
from mssgw.flow.live import Live
from mssgw.ports import Telemetry

# Seconds: under 30 together. A disk that stalls may add ten for commits (edges/smtp_in): see TimeoutStopSec.
DRAIN_DATA = 15.0
DRAIN_DELIVERIES = 10.0
ClientAt = Callable[[Role, str], Client | None]
Authenticate = Callable[[Role, str, str], Awaitable[Client | None]]

OPEN_FILES = 65_536  # as in systemd/mssgw.service

NODE = "node"  # one process a store, until there are several


async def serve(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigErrors or a GatewayError when it cannot start."""
    config = configuration.load(config_path)
    log.configure(config.log.level, config.log.format)
    allow_open_files()
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(at_rest(config))
        daemon = Daemon(config_path, config, rest, LogTelemetry())
        await stack.enter_async_context(daemon.running())
        await daemon.until_told_to_stop()


def allow_open_files() -> None:
    """Raise our own limit of open files as far as we may, up to OPEN_FILES.

    Outside systemd it is often 1024, less than the connections that we allow: when it is reached, letters get 451 and
    asyncio logs its failing accept thousands of times a second.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Daemon:
    """One running gateway."""

    def __init__(self, config_path: Path, config: Config, rest: AtRest, telemetry: Telemetry) -> None:
        self._path, self._config, self._rest, self._telemetry = config_path, config, rest, telemetry
        self._passwords = Passwords()
        self._live = Live(wiring.settings(config), *self._admission(config))
        self._tls = _client_tls(config)  # one for all connections: building it takes 20 ms
        self._stop = asyncio.Event()

    # --- life --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the block runs; on leaving, finish what is under way."""
        transport = SmtpTransport(
            hostname=self._config.gateway.hostname,
            spool=self._rest.spool,
            tls_contexts=lambda route: self._tls,
            limits=PoolLimits(connections=self._config.delivery.connections_per_hop),
        )
        flow = assemble(
            store=self._rest.store,
            spool=self._rest.spool,
            transport=transport,
            clock=SystemClock(),
            telemetry=self._telemetry,
            live=self._live,
            node=NODE,
            per_route=self._config.delivery.connections_per_hop,
            trace=self._config.retention.trace,
        )
        self._handle_signals()
        tasks = [
            asyncio.create_task(flow.deliverer.run(), name="deliver"),
            asyncio.create_task(flow.sweeper.run(), name="sweep"),
            asyncio.create_task(_watchdog(), name="watchdog"),
        ]
        for task in tasks:
            task.add_done_callback(self._stop_if_it_fell)
        try:
            async with self._listening(flow):
                yield
                systemd.notify(systemd.STOPPING)
                self._telemetry.event("gateway.stopping")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await flow.deliverer.stop(DRAIN_DELIVERIES)
            await transport.close()
            self._passwords.close()
            self._telemetry.event("gateway.stopped")

    async def until_told_to_stop(self) -> None:
        """Say that we are ready, then wait for a signal."""
        self._telemetry.event("gateway.ready", version=mssgw.__version__)
        systemd.notify(systemd.READY, systemd.status("ready"))
        await self._stop.wait()

    def _stop_if_it_fell(self, task: "asyncio.Task[None]") -> None:
        """Without one of its tasks the gateway would take letters that it never delivers: better to be restarted."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._telemetry.event("gateway.task_fell", alarm=True, task=task.get_name(), failure=error)
            self._stop.set()

    # --- signals -----------------------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    def reload(self) -> None:
        """Read the configuration again; a bad file leaves the old one in force, whole."""
        systemd.notify(systemd.reloading(time.monotonic()))
        try:
            config = configuration.load(self._path)
            settings, admission, tls = wiring.settings(config), self._admission(config), _client_tls(config)
        except ConfigErrors as errors:
            for problem in errors.problems:
                self._telemetry.event(
                    "config.refused", alarm=True, line=problem.line, key=problem.key, expected=problem.message
                )
        except TlsMisconfigured as error:
            self._telemetry.event("config.refused", alarm=True, expected=str(error))
        except OSError as error:
            self._telemetry.event("config.refused", alarm=True, expected=f"{error.filename}: {error.strerror}")
        else:
            self._live.settings, self._tls = settings, tls
            self._live.client_at, self._live.authenticate = admission
            log.configure(config.log.level, config.log.format)
            self._say_what_waits_for_a_restart(config)
            self._telemetry.event("config.reloaded")
        systemd.notify(systemd.READY)

    def _say_what_waits_for_a_restart(self, config: Config) -> None:
        for name in ("gateway", "store", "listeners", "limits", "retention"):
            if getattr(config, name) != getattr(self._config, name):
                self._telemetry.event("config.needs_restart", section=name)
        if config.delivery.connections_per_hop != self._config.delivery.connections_per_hop:
            self._telemetry.event("config.needs_restart", section="delivery")

    # --- listeners ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _listening(self, flow: Flow) -> AsyncIterator[None]:
        """All listeners; on leaving they are drained together. Sockets that systemd passed go by their name."""
        inherited = systemd.listen_sockets()
        servers: list[SmtpIn] = []
        try:
            for entry in self._config.listeners:
                server = SmtpIn(flow.reception, _listener(self._config, entry))
                servers.append(server)
                if sockets := inherited.pop(entry.socket or entry.name, []):
                    for given in sockets:
                        await server.listen_on(given)
                else:
                    await server.listen(entry.address.host, entry.address.port)
                self._telemetry.event("gateway.listening", listener=entry.name, address=str(entry.address))
            yield
        finally:
            _close(inherited)
            await asyncio.gather(*(server.stop(within=DRAIN_DATA) for server in servers))

    def _admission(self, config: Config) -> tuple[ClientAt, Authenticate]:
        """Who is let in by network, and by login (SD-5)."""
        clients = wiring.clients(config)

        async def authenticate(role: Role, login: str, password: str) -> Client | None:
            client, hashed = clients.logins.get(login, (None, None))
            fits = await self._passwords.check(hashed, password)
            return client if fits and client is not None and client.role is role else None

        return clients.at, authenticate


def _listener(config: Config, entry: model.Listener) -> Listener:
    limits = config.limits
    context = None
    if entry.tls is not model.Tls.NONE and entry.certificate is not None:
        context = server_context(entry.certificate.require(), entry.key.require() if entry.key else None)
    return Listener(
        name=entry.name,
        role=entry.role,
        hostname=config.gateway.hostname,
        size_limit=wiring.settings(config).limit_for(entry.role),
        tls=TlsMode(entry.tls.value),
        context=context,
        require_tls=entry.require_tls and context is not None,
        auth=entry.auth,
        idle=limits.idle.total_seconds(),
        handshake=limits.handshake.total_seconds(),
        max_recipients=limits.recipients,
        max_connections=limits.connections,
        max_connections_per_ip=limits.connections_per_ip,
    )


def _client_tls(config: Config) -> ssl.SSLContext:
    """How next hops are verified. Raises TlsMisconfigured."""
    ca_file = config.delivery.ca_file
    return client_context(ca_file=ca_file.require() if ca_file else None)


def _close(inherited: dict[str, list[socket.socket]]) -> None:
    """Sockets that no listener asked for."""
    for sockets in inherited.values():
        for given in sockets:
            given.close()


async def _watchdog() -> None:
    """Tell systemd that the event loop turns."""
    interval = systemd.watchdog_interval()
    while interval is not None:
        systemd.notify(systemd.WATCHDOG)
        await asyncio.sleep(interval)
