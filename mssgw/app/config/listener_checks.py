"""What [[listener]] must hold, and hold together with the rest. Run like the other checks: see checks.py."""

from collections.abc import Callable, Sequence

from mssgw.app.config import lines
from mssgw.app.config.clients import Listener, Tls
from mssgw.app.config.files import readable
from mssgw.app.config.model import MetricsSettings, TrustSettings
from mssgw.app.config.problems import Complaint, Found, repeated
from mssgw.app.config.trust_checks import served_by_trust
from mssgw.app.config.values import Endpoint
from mssgw.core.envelope import Role
from mssgw.edges.tls import KeyMisconfigured, TlsMisconfigured, server_context


def listeners_are_distinct(listeners: Sequence[Listener]) -> Found:
    for key in ("name", "socket"):
        yield from repeated(((("listener", n, key), getattr(each, key)) for n, each in enumerate(listeners)), key)
    for n, late in enumerate(listeners):
        for early in listeners[:n]:
            if _collide(early.address, late.address):
                yield Complaint(("listener", n, "address"), f'port {late.address.port} is taken by "{early.name}"')


def metrics_have_a_port_of_their_own(listeners: Sequence[Listener], metrics: MetricsSettings) -> Found:
    for each in listeners:
        if metrics.address is not None and _collide(each.address, metrics.address):
            yield Complaint(("metrics", "address"), f'port {metrics.address.port} is taken by "{each.name}"')


def _collide(one: Endpoint, other: Endpoint) -> bool:
    same_host = one.host == other.host or one.wildcard or other.wildcard
    return one.port == other.port != 0 and same_host


def listeners_protect_what_they_carry(listeners: Sequence[Listener], trust: TrustSettings | None) -> Found:
    for n, each in enumerate(listeners):
        at: lines.Path = ("listener", n)
        if each.auth and each.role is Role.TRUST_SPACE:
            yield Complaint((*at, "auth"), 'only a listener with role = "establishment" knows logins')
        elif each.auth and each.tls is Tls.NONE:
            yield Complaint((*at, "auth"), "passwords need TLS: set tls, or auth = false")
        for key, file in (("certificate", each.certificate), ("key", each.key)):
            # A trust-space listener shows the certificate of [trust] unless it has its own.
            if each.tls is not Tls.NONE and file is None and not served_by_trust(each, trust):
                yield Complaint((*at, key), f'expected a file, because tls = "{each.tls}"')


def listener_files_hold_what_they_should(listeners: Sequence[Listener]) -> Found:
    """Readable, PEM, key and certificate a pair: as the daemon will find, at its start and at a reload."""
    for n, each in enumerate(listeners):
        files = ("certificate", each.certificate), ("key", each.key)
        unreadable = [found for key, file in files for found in readable(("listener", n, key), file)]
        yield from unreadable
        if not unreadable and each.tls is not Tls.NONE:
            yield from _is_a_pair(("listener", n), each)


def _is_a_pair(at: lines.Path, listener: Listener) -> Found:
    certificate, key = listener.certificate, listener.key
    if certificate is None or key is None or certificate.path is None or key.path is None:
        return  # missing, which is told elsewhere, or a credential that is out of sight
    try:
        server_context(certificate.path, key.path)
    except KeyMisconfigured as error:
        yield Complaint((*at, "key"), str(error))
    except TlsMisconfigured as error:
        yield Complaint((*at, "certificate"), str(error))


LISTENER_CHECKS: tuple[Callable[..., Found], ...] = (
    listeners_are_distinct,
    metrics_have_a_port_of_their_own,
    listeners_protect_what_they_carry,
    listener_files_hold_what_they_should,
)
