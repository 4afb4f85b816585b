"""Collectors from the configuration: what to collect from where, and all that they run over."""

import ssl
from collections.abc import Callable, Sequence
from datetime import timedelta

from mssgw.app.config import Config
from mssgw.app.config.files import password
from mssgw.app.wiring import clients
from mssgw.edges.imap import ImapMailboxes
from mssgw.flow.collect import CollectMeans
from mssgw.flow.collectors import Collectors
from mssgw.flow.fetching import Plan
from mssgw.flow.live import Live
from mssgw.flow.reception import Reception
from mssgw.ports import Account, Clock, CollectedLetters, LeaseBook, Telemetry


def plans(config: Config) -> Sequence[Plan]:
    """One for each [[collector]]. Raises OSError when a password is unreadable."""
    named = clients(config).named
    return tuple(
        Plan(
            account=Account(
                name=each.name,
                host=each.host,
                port=each.usual_port,
                tls=each.tls_policy,
                login=each.user,
                password=password(each.password_file) or "",
            ),
            client=named[each.name],
            recipient=each.recipient,
            folder=each.folder,
            done_folder=each.done_folder,
            mark=each.mark,
            refused_folder=each.refused_folder,
            poll=each.poll,
        )
        for each in config.collectors
    )


def collectors(
    *,
    reception: Reception,
    memory: CollectedLetters,
    leases: LeaseBook,
    live: Live,
    clock: Clock,
    telemetry: Telemetry,
    node: str,
    lasting: timedelta,
    tls: Callable[[], ssl.SSLContext],
    closed: Callable[[], bool],
) -> Collectors:
    """``tls``: how mail stores are verified, as configured now; ``closed``: whether nothing can be taken now."""
    means = CollectMeans(
        mailboxes=ImapMailboxes(tls_contexts=lambda _: tls()),
        reception=reception,
        memory=memory,
        live=live,
        clock=clock,
        telemetry=telemetry,
        closed=closed,
    )
    return Collectors(means, leases, node=node, lasting=lasting)
