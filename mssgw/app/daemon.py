"""The daemon: one process of the gateway (crew.py), which serves, reloads on SIGHUP, and leaves in the reverse order.

1. what a configuration makes of it;    2. the flow over its edges, tasks, listeners, then READY;
3. SIGTERM: no new connections, DATA under way is finished, 421 to the rest, running deliveries end, leases go back.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from pathlib import Path

import mssgw
from mssgw.app import signals, wiring
from mssgw.app.admission import Admission
from mssgw.app.collecting import collectors
from mssgw.app.composition import Flow, assemble
from mssgw.app.config import Config
from mssgw.app.config.values import Endpoint
from mssgw.app.eyes.eyes import Eyes
from mssgw.app.mailbox_work import MailboxWork
from mssgw.app.ourselves import Ourselves
from mssgw.app.reloading import Ready, Reloads, made_of, read_again, refusals_told, with_certificate_renewed
from mssgw.app.seat import Seat
from mssgw.app.stores import AtRest
from mssgw.app.telemetry import log
from mssgw.app.telemetry.events import Silence
from mssgw.app.thrift import spare_the_collector
from mssgw.app.transports import SESSIONS, Transports
from mssgw.app.trust import TrustAtWork, trust_at_work
from mssgw.app.validation import validators_of
from mssgw.app.vigil import Vigil
from mssgw.core.errors import GatewayError, NameTaken
from mssgw.core.trust import Distrust
from mssgw.edges import systemd
from mssgw.edges.clock import SystemClock
from mssgw.edges.imap import ImapMailboxes
from mssgw.edges.passwords import Passwords
from mssgw.edges.smtp_in import SmtpIn
from mssgw.edges.smtpd_logins import Logins
from mssgw.edges.webhook import Webhooks
from mssgw.flow.collectors import Collectors
from mssgw.flow.live import Live
from mssgw.ports import Trust

# Seconds: under 30 together. A disk that stalls may add ten for commits (edges/smtp_in): see TimeoutStopSec.
DRAIN_DATA = 15.0
DRAIN_DELIVERIES = 10.0  # less than what is left of a lease that is renewed no more (config/checks)


class TaskFell(GatewayError):
    """A part of the gateway failed for good; the log says which."""


class Daemon:
    """One running gateway."""

    def __init__(self, config_path: Path, config: Config, rest: AtRest, eyes: Eyes, seat: Seat) -> None:
        self._path, self._rest = config_path, rest
        self._eyes, self._telemetry = eyes, eyes.telemetry
        self._seat, self._node = seat, f"{config.node}-{seat.number}"
        self._fell: GatewayError | None = None
        self._aloud = eyes.telemetry if seat.first else Silence()  # what all workers see, one of them tells
        self._trust: Trust | None = None
        self._space: TrustAtWork | None = None
        self._ready = ready = made_of(config, seat, listed=self._listed, telemetry=self._aloud)
        self._passwords, self._logins = Passwords(), Logins()
        admission = Admission(ready.clients, self._passwords)
        self._live = Live(ready.settings, admission.client_at, admission.authenticate, admission.login)
        self._live.check_password = self._passwords.check
        self._live.purposes = frozenset(config.trust.purposes) if config.trust else frozenset()
        # What others date is held against the machine's time, as handshakes do: the clock of leases takes two days to
        # follow that by an hour, and over PostgreSQL it is another machine's.
        self._present = SystemClock()
        self._space = trust_at_work(
            config, clock=self._present, telemetry=eyes.telemetry, aloud=self._aloud, ours=lambda: ours(self._ready)
        )
        self._ourselves: Ourselves | None = None
        if self._space is not None:
            self._trust, eyes.others = self._space.space, self._space.checks
            self._ourselves = Ourselves(lambda: self._ready, self._space, clock=self._present, aloud=self._aloud)
            self._ourselves.shown_by(eyes.metrics)
        eyes.follow(ready)
        self._reloads = Reloads(self._read_again, self._take, telemetry=self._telemetry, say=seat.say)
        self._servers: list[SmtpIn] = []
        self._work: MailboxWork | None = None
        self._stop = asyncio.Event()

    # --- life --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the block runs; on leaving, finish what is under way."""
        config = self._ready.config
        per_hop = self._seat.share(config.delivery.connections_per_hop)
        mailboxes = ImapMailboxes(tls_contexts=lambda account: self._ready.tls)
        transport = Transports(
            hostname=config.gateway.hostname,
            spool=self._rest.spool,
            telemetry=self._telemetry,
            tls=lambda route: self._ready.tls_of(route),
            mailboxes=mailboxes,
            per_hop=per_hop,
            per_mailbox=self._seat.share(SESSIONS),
            trust=self._trust,
        )
        validators = validators_of(config, self._seat, self._telemetry)
        flow = assemble(
            validators=validators,
            store=self._rest.store,
            spool=self._rest.spool,
            transport=transport,
            clock=self._rest.clock,
            telemetry=self._telemetry,
            live=self._live,
            node=self._node,
            per_route=per_hop,
            lease=config.delivery.take_over_after,
            trace=config.retention.trace,
            trust=self._trust,
            patients=self._rest.patients,
            desk=self._rest.desk,
            notifications=self._rest.notifications,
            hooks=Webhooks(lambda: self._ready.hooks_tls),
            present=self._present,
        )
        if self._space is not None:
            await self._space.start()
        await validators.start()
        self._rest.on_work(flow.deliverer.wake)
        self._rest.on_name_taken(self._leave_to_the_other)
        vigil = Vigil(
            lambda: self._ready,
            clock=self._present,
            aloud=self._aloud,
            renewed=self._renewed,
            ourselves=self._ourselves,
        )
        tasks = [  # before the listeners: no letter may be leased until the leases of our predecessor are freed
            asyncio.create_task(flow.deliverer.run(), name="deliver"),
            asyncio.create_task(self._signs_of_life(), name="watchdog"),
            asyncio.create_task(self._reloads.run(), name="reload"),
            asyncio.create_task(vigil.run(), name="certificates"),
        ]
        tasks += self._space.work() if self._space is not None else ()
        if self._seat.first:
            tasks.append(asyncio.create_task(flow.sweeper.run(), name="sweep"))
            if flow.notifier is not None:
                tasks.append(asyncio.create_task(flow.notifier.run(), name="notify"))
            self._work = MailboxWork(
                self._rest,
                collectors=self._collecting(flow),
                mailboxes=mailboxes,
                live=self._live,
                telemetry=self._telemetry,
                node=self._node,
                lasting=config.delivery.take_over_after,
            )
            self._work.follow(self._ready)
            tasks += self._work.start()
        for task in tasks:
            task.add_done_callback(self._stop_if_it_fell)
        try:
            async with self._eyes.open(self._rest) as looking, self._listening(flow):
                for task in looking:
                    task.add_done_callback(self._stop_if_it_fell)
                yield
                for task in tasks:
                    if task.get_name() == "collect":  # no new letters, as at the listeners
                        task.cancel()
                self._rest.hurry()
                self._eyes.stopping()
                self._seat.say(systemd.STOPPING)
                self._event("gateway.stopping")
        finally:
            for task in tasks:
                if not task.cancelling():
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await flow.deliverer.stop(DRAIN_DELIVERIES)
            await transport.close()
            await validators.close()
            self._passwords.close()
            self._event("gateway.stopped")

    def _collecting(self, flow: Flow) -> Collectors:
        return collectors(
            reception=flow.reception,
            memory=self._rest.collected,
            leases=self._rest.leases,
            live=self._live,
            clock=self._rest.clock,
            telemetry=self._telemetry,
            node=self._node,
            lasting=self._ready.config.delivery.take_over_after,
            tls=lambda: self._ready.tls,
            closed=lambda: self._eyes.intake.refusal is not None,
        )

    async def until_told_to_stop(self) -> None:
        """Say that we are ready, then wait for a signal. Raises TaskFell or NameTaken."""
        spare_the_collector()
        self._event("gateway.ready", version=mssgw.__version__)
        self._seat.say(systemd.READY)
        with signals.heard(asyncio.get_running_loop(), stop=self._stop.set, reload=self._reloads.ask):
            await self._stop.wait()
        if self._fell is not None:
            raise self._fell

    def _event(self, name: str, version: str | None = None) -> None:
        """About this process, which has a number when there are several."""
        self._telemetry.event(name, worker=self._seat.number if self._seat.of > 1 else None, version=version)

    async def _signs_of_life(self) -> None:
        """Say that the event loop turns."""
        while self._seat.interval is not None:
            self._seat.say(systemd.WATCHDOG)
            await asyncio.sleep(self._seat.interval)

    def _stop_if_it_fell(self, task: "asyncio.Task[None]") -> None:
        """Without one of its tasks the gateway would take letters that it never delivers: better to be restarted."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._telemetry.event("gateway.task_fell", alarm=True, task=task.get_name(), failure=error)
            self._fell = TaskFell()
            self._stop.set()

    def _leave_to_the_other(self) -> None:
        """Another node has our name, and frees our leases whenever it starts: its letters and ours would go twice."""
        self._fell = NameTaken(self._node)
        self._telemetry.event("gateway.name_taken", alarm=True, node=self._node)
        self._stop.set()

    # --- reload ------------------------------------------------------------------------------------------------

    def _read_again(self) -> Ready:
        running, before = self._ready.config, self._ready.identity
        return read_again(self._path, running, self._seat, listed=self._listed, telemetry=self._aloud, before=before)

    def _listed(self, domain: str) -> bool | Distrust:
        """Whether the white list names that domain; asked of what is in force now."""
        return self._trust.listed(domain) if self._trust is not None else wiring.nobody_knows(domain)

    def _renewed(self) -> None:
        """Our certificate was taken anew: connections that begin now show it, and so do listeners."""
        with refusals_told(self._telemetry):
            self._ready = with_certificate_renewed(self._ready, self._seat)
            for server in self._servers:
                server.listener = self._ready.listeners[server.listener.name]

    def _take(self, ready: Ready) -> None:
        """All at once: nothing waits in between, so no letter sees half of it."""
        self._ready = ready
        self._live.settings = ready.settings
        admission = Admission(ready.clients, self._passwords)
        self._live.client_at, self._live.authenticate = admission.client_at, admission.authenticate
        self._live.login = admission.login
        for server in self._servers:  # new connections follow it; those that are open keep what they were told
            server.listener = ready.listeners[server.listener.name]
        if self._work is not None:
            self._work.follow(ready)
        self._eyes.follow(ready)
        log.configure(ready.config.log.level, ready.config.log.format)
        if ready.waiting and self._seat.first:  # one of us is enough
            self._telemetry.event("config.needs_restart", alarm=True, keys=", ".join(ready.waiting))
        self._event("config.reloaded")

    # --- listeners ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _listening(self, flow: Flow) -> AsyncIterator[None]:
        """All listeners; on leaving they are drained together."""
        try:
            for name, listener in self._ready.listeners.items():
                eyes = self._eyes
                server = SmtpIn(flow.reception, listener, intake=eyes.intake, logins=self._logins, meter=eyes.meter)
                self._servers.append(server)
                self._eyes.watch(server)
                for bound in self._seat.sockets[name]:
                    await server.listen_on(bound)
                if self._seat.first:
                    self._say_where(name, self._seat.sockets[name])
            yield
        finally:
            await asyncio.gather(*(server.stop(within=DRAIN_DATA) for server in self._servers))

    def _say_where(self, listener: str, sockets: Sequence[socket.socket]) -> None:
        for bound in sockets:
            host, port = bound.getsockname()[:2]
            self._telemetry.event("gateway.listening", listener=listener, address=str(Endpoint(host, port)), port=port)


def ours(ready: Ready) -> Set[str]:
    """Domains that no operator speaks for, whatever the white list says (SD-5)."""
    return ready.settings.owners.keys()
