"""What [trust] must hold, and hold together with the rest. Run like the other checks: see checks.py."""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from mssgw.app.config import lines
from mssgw.app.config.clients import Listener, Tls, TrustedDomain
from mssgw.app.config.files import authorities, readable
from mssgw.app.config.model import Gateway, TrustSettings
from mssgw.app.config.problems import Complaint, Found
from mssgw.core.envelope import Role
from mssgw.core.routes import TlsPolicy
from mssgw.edges.anchors import Anchors
from mssgw.edges.tls import KeyMisconfigured, TlsMisconfigured
from mssgw.edges.tls_mutual import peer_context


def served_by_trust(listener: Listener, trust: TrustSettings | None) -> bool:
    """Whether it shows the certificate of [trust]: one of the trust space that names none of its own."""
    own = listener.certificate is not None or listener.key is not None
    return trust is not None and listener.role is Role.TRUST_SPACE and not own


def operators_prove_who_they_are(listeners: Sequence[Listener], trust: TrustSettings | None) -> Found:  # req: TLS-1
    for n, each in enumerate(listeners):
        if trust is None or each.role is not Role.TRUST_SPACE:
            continue
        if each.tls is Tls.NONE:
            message = 'expected "starttls" or "implicit": with [trust], operators are known by their certificates'
            yield Complaint(("listener", n, "tls"), message)
        if not each.require_tls:
            yield Complaint(("listener", n, "require_tls"), "expected true, because of [trust]")


def operators_are_met_as_they_listen(trusted_domains: Sequence[TrustedDomain], trust: TrustSettings | None) -> Found:
    for n, each in enumerate(trusted_domains):
        if trust is not None and each.next_hop_tls is TlsPolicy.IMPLICIT:
            message = 'expected "require": with [trust], operators are called on port 25 with STARTTLS'
            yield Complaint(("trusted_domain", n, "next_hop_tls"), message)  # req: TLS-1
        local = each.next_hop is not None and each.next_hop.loopback
        if trust is not None and each.next_hop_tls is TlsPolicy.NONE and not local:
            message = 'expected "require": with [trust], "none" is for a next hop on this machine (127.0.0.1, ::1)'
            yield Complaint(("trusted_domain", n, "next_hop_tls"), message)  # req: TLS-1, TLS-6


def published_files_can_be_had(trust: TrustSettings | None) -> Found:
    if trust is None:
        return
    yield from _source(("trust", "white_list"), trust.white_list, ("https",))
    for n, each in enumerate(trust.crls):
        yield from _source(("trust", "crls", n), each, ("https", "http"))


def _source(at: lines.Path, source: str, schemes: Sequence[str]) -> Found:
    """A CRL proves itself by its signature; the white list, where it is not signed, by nothing but https.

    A file that is missing today is for advice.py: what was kept of it serves meanwhile, and mail must go on.
    """
    if "://" not in source:
        return
    try:
        url = urlsplit(source)
    except ValueError:  # a bracket that nothing closes
        url = urlsplit("")
    if url.scheme not in schemes or not url.hostname:
        yield Complaint(at, f"expected a file, or a URL with {' or '.join(f'{each}://' for each in schemes)}")
    elif url.password is not None:
        yield Complaint(at, "expected no password in a URL")


def the_white_list_is_signed(gateway: Gateway, trust: TrustSettings | None) -> Found:  # req: WL-6
    if trust is None:
        return
    if trust.white_list_signer is not None and trust.white_list_unsigned:
        yield Complaint(("trust", "white_list_unsigned"), "not beside white_list_signer: is it signed or not?")
    if gateway.environment == "production" and trust.white_list_signer is None and not trust.white_list_unsigned:
        message = (
            "expected the certificate (PEM) that the list is signed with; without one, who changes the list decides "
            'who may write to us: white_list_unsigned = true takes that upon you, environment = "test" too'
        )
        yield Complaint(("trust", "white_list_signer"), message)


def trust_files_hold_what_they_should(trust: TrustSettings | None) -> Found:
    """Readable, PEM, key and certificate a pair, anchors authorities."""
    if trust is None:
        return
    for name in ("white_list_signer", "white_list_ca"):
        yield from authorities(("trust", name), getattr(trust, name))
    names = ("anchors", "certificate", "key")
    files = {name: getattr(trust, name) for name in names}
    unreadable = [each for name, file in files.items() for each in readable(("trust", name), file)]
    yield from unreadable
    out_of_sight = [file for file in files.values() if file is not None and file.path is None]
    if unreadable or out_of_sight:
        return
    try:
        anchors = Anchors.read(trust.anchors.require())
    except TlsMisconfigured as error:
        yield Complaint(("trust", "anchors"), str(error))
        return
    try:
        key = trust.key.require() if trust.key else None
        peer_context(trust.certificate.require(), key, anchors=anchors)
    except KeyMisconfigured as error:
        yield Complaint(("trust", "key" if trust.key else "certificate"), str(error))
    except TlsMisconfigured as error:
        yield Complaint(("trust", "certificate"), str(error))


TRUST_CHECKS: tuple[Callable[..., Found], ...] = (
    operators_prove_who_they_are,
    operators_are_met_as_they_listen,
    published_files_can_be_had,
    the_white_list_is_signed,
    trust_files_hold_what_they_should,
)
