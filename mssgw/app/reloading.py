"""A configuration with all that is made of it: ready in full before any of it is in force."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mssgw.app import config as configuration
from mssgw.app import wiring
from mssgw.app.collecting import plans
from mssgw.app.config import Config, ConfigErrors, clients, model
from mssgw.app.config.reload import reloaded
from mssgw.app.config.trust_checks import served_by_trust
from mssgw.app.mailboxes import kept, patient_watch, watched
from mssgw.app.seat import Seat
from mssgw.app.telemetry.events import Silence
from mssgw.core.envelope import Role
from mssgw.core.routes import Route, TlsPolicy
from mssgw.core.settings import Settings
from mssgw.edges import systemd
from mssgw.edges.identity import Files, Identity
from mssgw.edges.smtpd_listener import Listener, TlsMode
from mssgw.edges.tls import TlsMisconfigured, client_context, server_context
from mssgw.edges.tls_mutual import PeerContext, peer_context, peer_context_of
from mssgw.flow.fetching import Plan
from mssgw.flow.patient_receipts import PatientWatch
from mssgw.flow.receipts_watch import Watched
from mssgw.flow.retention import Kept
from mssgw.ports import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What a reload swaps. ``waiting``: keys that changed in the file and wait for a restart.

    ``tls``: how next hops are verified; one for all connections, since making it takes 20 ms. ``hooks_tls``: how
    webhooks are. ``identity``: who we are to operators, with [trust].
    """

    config: Config
    waiting: Sequence[str] = ()
    settings: Settings
    clients: wiring.Clients = field(repr=False)
    tls: ssl.SSLContext = field(repr=False)
    hooks_tls: ssl.SSLContext = field(repr=False)
    identity: Identity | None = field(default=None, repr=False)
    listeners: Mapping[str, Listener]
    watched: Sequence[Watched] = ()
    kept: Sequence[Kept] = ()
    patients: PatientWatch | None = None
    collecting: Sequence[Plan] = ()

    def tls_of(self, route: Route) -> ssl.SSLContext:
        """The context of a connection to that next hop. Raises TlsMisconfigured."""
        if route.tls is not TlsPolicy.MUTUAL:
            return self.tls
        if self.identity is None:
            raise TlsMisconfigured("no [trust], so no certificate to show")
        return self.identity.pair.client


def made_of(
    config: Config,
    seat: Seat,
    waiting: Sequence[str] = (),
    *,
    listed: wiring.Listed | None = None,
    telemetry: Telemetry | None = None,
    before: Identity | None = None,
) -> Ready:
    """``listed``: ports.Trust.listed. ``telemetry``: is told when our certificate is taken anew, or cannot be.

    ``before``: who we are until a reload, which leaves the anchors of the start in force, and our certificate where
    the files hold one that is not valid now.
    Raises TlsMisconfigured, and OSError when a password is unreadable.
    """
    ca_file, hooks_ca = config.delivery.ca_file, config.notifications.ca_file
    settings = wiring.settings(config, listed)
    identity = _identity(config.trust, telemetry or Silence(), before) if config.trust else None
    stays = identity is not None and identity is before
    return Ready(
        config=config,
        waiting=waiting,
        settings=settings,
        clients=wiring.clients(config),
        tls=client_context(ca_file=ca_file.require() if ca_file else None),
        hooks_tls=client_context(ca_file=hooks_ca.require() if hooks_ca else None),
        identity=identity,
        listeners={each.name: _listener(config, settings, each, seat, identity, stays) for each in config.listeners},
        collecting=plans(config),
        watched=watched(config),
        kept=kept(config),
        patients=patient_watch(config),
    )


def with_certificate_renewed(ready: Ready, seat: Seat) -> Ready:
    """The same, with new contexts for the listeners of the trust space. Raises TlsMisconfigured, OSError."""
    renewed = {
        each.name: _listener(ready.config, ready.settings, each, seat, ready.identity)
        for each in ready.config.listeners
        if each.role is Role.TRUST_SPACE
    }
    return replace(ready, listeners={**ready.listeners, **renewed})


def _identity(trust: model.TrustSettings, telemetry: Telemetry, before: Identity | None) -> Identity:
    certificate = trust.certificate.require()
    key = trust.key.require() if trust.key else certificate
    files = Files(certificate=certificate, key=key, anchors=trust.anchors.require())
    if before is None:
        return Identity(files, telemetry=telemetry)
    return Identity(files, telemetry=telemetry, anchors=before.anchors).or_rather(before)


def read_again(
    path: Path,
    running: Config,
    seat: Seat,
    *,
    listed: wiring.Listed | None = None,
    telemetry: Telemetry | None = None,
    before: Identity | None = None,
) -> Ready:
    """What is in force after a reload of this file; see made_of(). Raises ConfigErrors, TlsMisconfigured, OSError."""
    config, waiting = reloaded(running, configuration.load(path))
    return made_of(config, seat, waiting, listed=listed, telemetry=telemetry, before=before)


@contextmanager
def refusals_told(telemetry: Telemetry) -> Iterator[None]:
    """Tell why the file that the block reads cannot be; the old configuration stays in force, whole."""
    try:
        yield
    except ConfigErrors as errors:
        for problem in errors.problems:
            line = problem.line or None  # none: it is about the file as a whole
            telemetry.event(
                "config.refused",
                alarm=True,
                file=problem.file,
                line=line,
                key=problem.key,
                expected=problem.message,
            )
    except TlsMisconfigured as error:
        telemetry.event("config.refused", alarm=True, expected=str(error))
    except OSError as error:
        said = str(error) if error.errno is None else f"{error.filename}: {error.strerror}"  # None: of our own making
        telemetry.event("config.refused", alarm=True, expected=said)
    except Exception as error:  # whatever it is, no letter has to wait for it
        telemetry.event("config.refused", alarm=True, failure=error)


class Reloads:
    """Reads the file again whenever asked, beside the event loop: a large one takes seconds, and nobody waits.

    ``read`` runs in a thread, ``take`` in the event loop, where all that it swaps is swapped at once. ``say``: to
    systemd. Asked again while it reads, it reads once more, however often that was: what is in force in the end is
    never older than the last time.
    """

    def __init__(
        self,
        read: Callable[[], Ready],
        take: Callable[[Ready], None],
        *,
        telemetry: Telemetry,
        say: Callable[[str], object],
    ) -> None:
        self._read, self._take, self._telemetry, self._say = read, take, telemetry, say
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the file read from now on. Call it in the event loop."""
        self._asked.set()

    async def run(self) -> None:
        """Serve until cancelled; a bad file leaves the old configuration in force, whole."""
        while True:
            await self._asked.wait()
            self._asked.clear()  # before reading: who asks now may have written what we have not read
            self._say(systemd.reloading(time.monotonic()))
            with refusals_told(self._telemetry):
                self._take(await asyncio.to_thread(self._read))
            self._say(systemd.READY)


def _context(
    entry: clients.Listener, trust: model.TrustSettings | None, identity: Identity | None, stays: bool
) -> ssl.SSLContext | None:
    """How a listener does TLS; one of the trust space asks for certificates, and may show that of [trust].

    ``stays``: that is the one of ``identity``, whatever its files hold by now.
    """
    if entry.tls is clients.Tls.NONE:
        return None
    certificate, key = entry.certificate, entry.key
    if trust is None or entry.role is not Role.TRUST_SPACE:
        return server_context(certificate.require(), key.require() if key else None) if certificate else None
    assert identity is not None, "it goes with [trust]"
    if served_by_trust(entry, trust):
        if stays:
            return peer_context_of(identity.pair.pem, anchors=identity.anchors, purposes=trust.purposes)
        certificate, key = trust.certificate, trust.key
    assert certificate is not None
    own_key = key.require() if key else None
    return peer_context(certificate.require(), own_key, anchors=identity.anchors, purposes=trust.purposes)


def _listener(
    config: Config,
    settings: Settings,
    entry: clients.Listener,
    seat: Seat,
    identity: Identity | None,
    stays: bool = False,
) -> Listener:
    limits = config.limits
    context = _context(entry, config.trust, identity, stays)
    return Listener(
        name=entry.name,
        role=entry.role,
        hostname=settings.hostname,
        size_limit=settings.limit_for(entry.role),
        tls=TlsMode(entry.tls.value),
        context=context,
        require_tls=entry.require_tls and context is not None,
        auth=entry.auth or entry.role is Role.PATIENT_SPACE,
        peers=isinstance(context, PeerContext),
        idle=limits.idle.total_seconds(),
        data_total=limits.data_total.total_seconds(),
        handshake=limits.handshake.total_seconds(),
        login_within=limits.login.total_seconds(),
        max_recipients=limits.recipients,
        max_connections=seat.share(limits.connections),
        max_connections_per_ip=limits.connections_per_ip,  # chance may bring all of one peer to one worker
    )
