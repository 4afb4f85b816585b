"""Wiring: the one place where flow meets edges."""

from dataclasses import dataclass
from datetime import timedelta

from mssgw.flow.accept import Means
from mssgw.flow.attempt import Attempts
from mssgw.flow.deliver import Deliverer
from mssgw.flow.documents import Documents
from mssgw.flow.inspect import Inspector
from mssgw.flow.leases import LEASE, Leases
from mssgw.flow.live import Live
from mssgw.flow.notices import Notices
from mssgw.flow.notify import Notifier
from mssgw.flow.own_letters import OwnLetters
from mssgw.flow.patient_door import PatientDoor
from mssgw.flow.patient_space import PatientNotices, PatientTransport
from mssgw.flow.reception import Reception
from mssgw.flow.sweep import Sweeper
from mssgw.ports import (
    Clock,
    Desk,
    Hooks,
    NotificationQueue,
    Patients,
    Spool,
    Store,
    Telemetry,
    Transport,
    Trust,
    Validators,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The verbs, ready to run over some set of edges."""

    reception: Reception
    deliverer: Deliverer
    notices: Notices
    sweeper: Sweeper
    notifier: Notifier | None
    inspector: Inspector
    documents: Documents


def assemble(
    *,
    store: Store,
    spool: Spool,
    transport: Transport,
    clock: Clock,
    telemetry: Telemetry,
    live: Live,
    node: str = "node",
    per_route: int = 20,
    lease: timedelta = LEASE,
    trace: timedelta = timedelta(days=365),
    trust: Trust | None = None,
    validators: Validators,
    patients: Patients | None = None,
    desk: Desk | None = None,
    notifications: NotificationQueue | None = None,
    hooks: Hooks | None = None,
    present: Clock | None = None,
) -> Flow:
    """Put the flow on these edges: the daemon's real ones, or the twins that tests use.

    ``trust``: certificates tell who an operator is; None: networks do. ``patients``: whose mailboxes we keep, where the
    configuration has a patient space; None: it cannot have one. ``desk``: what nobody has read is counted there.
    ``notifications``, ``hooks``: who is to be told that letters wait, and how; without both nobody is.
    ``present``: see Reception; ``clock`` may be slow to follow a machine's that was put right.
    """
    inspector = Inspector(store, clock)
    notices = Notices(store=store, spool=spool, clock=clock, telemetry=telemetry, live=live)
    attempts = Attempts(
        store=store,
        spool=spool,
        transport=transport if patients is None else PatientTransport(transport, patients, live),
        notices=notices if patients is None else _before(notices, patients, store, spool, clock, telemetry, live),
        clock=clock,
        telemetry=telemetry,
        live=live,
    )
    deliverer = Deliverer(
        attempts=attempts,
        leases=Leases(store=store, clock=clock, telemetry=telemetry, node=node, lasting=lease),
        store=store,
        clock=clock,
        telemetry=telemetry,
        live=live,
        per_route=per_route,
    )
    documents = Documents(validators, spool)
    means = Means(
        store=store,
        spool=spool,
        clock=clock,
        telemetry=telemetry,
        inspector=inspector,
        documents=documents,
        deliverer=deliverer,
    )
    return Flow(
        reception=Reception(means, live, trust, PatientDoor(patients, live) if patients is not None else None, present),
        deliverer=deliverer,
        notices=notices,
        sweeper=Sweeper(store=store, spool=spool, clock=clock, telemetry=telemetry, trace=trace, live=live, desk=desk),
        notifier=_notifier(notifications, hooks, store, transport, clock, telemetry, live),
        inspector=inspector,
        documents=documents,
    )


def _notifier(
    queue: NotificationQueue | None,
    hooks: Hooks | None,
    store: Store,
    transport: Transport,
    clock: Clock,
    telemetry: Telemetry,
    live: Live,
) -> Notifier | None:
    if queue is None or hooks is None:
        return None
    return Notifier(
        queue=queue, store=store, transport=transport, hooks=hooks, clock=clock, telemetry=telemetry, live=live
    )


def _before(
    notices: Notices, patients: Patients, store: Store, spool: Spool, clock: Clock, telemetry: Telemetry, live: Live
) -> PatientNotices:
    own = OwnLetters(store=store, spool=spool, live=live)
    return PatientNotices(notices, patients=patients, own=own, clock=clock, telemetry=telemetry, live=live)
