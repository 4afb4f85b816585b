"""Certificates of listeners that could be shown, and that a client which verifies would not take."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mssgw.app.config.clients import Tls
from mssgw.app.config.model import Config
from mssgw.app.config.problems import Complaint, Found
from mssgw.core.trust import Certificate
from mssgw.edges.certificates import UnreadableCertificates, certificates

SOON = 14  # days before a certificate ends; [trust], whose certificates take longer to have, is told earlier


def listener_certificates(config: Config) -> Found:
    for n, each in enumerate(config.listeners):
        file = each.certificate
        if each.tls is Tls.NONE or file is None or file.path is None:
            continue  # nothing is shown, or that of [trust], or a credential that is out of sight
        for message in _doubts(file.path, config.gateway.hostname):
            yield Complaint(("listener", n, "certificate"), message)


def _doubts(path: Path, hostname: str) -> Iterator[str]:
    try:
        shown = certificates(path.read_bytes())
    except (OSError, UnreadableCertificates):
        return  # OpenSSL, which will show it, could read it: listener_checks.py
    for at, each in enumerate(shown):
        if (days := (each.not_after - datetime.now(UTC)).days) < SOON and not _unreadable(each):
            which = f"{path}" if at == 0 else f"{path}, certificate {at + 1} of the file,"
            when = f"ends in {days} days" if days >= 0 else "has ended"
            yield f"{which} {when}: {each.not_after:%Y-%m-%d %H:%M} UTC"
        elif each.not_before > datetime.now(UTC) and not _unreadable(each):
            which = f"{path}" if at == 0 else f"{path}, certificate {at + 1} of the file,"
            yield f"{which} is not valid yet: from {each.not_before:%Y-%m-%d %H:%M} UTC on"
    if shown and not _unreadable(shown[0]) and not _names(shown[0], hostname):
        called = ", ".join(shown[0].hosts) or "nobody"
        yield f"{path} does not name gateway.hostname, {hostname}, but {called}: do clients call us by that?"


def _unreadable(certificate: Certificate) -> bool:
    """For this library; OpenSSL could read it."""
    return not certificate.issuer


def _names(certificate: Certificate, host: str) -> bool:
    """Whether its subjectAltName has that host, or ``*`` in the place of its first label (RFC 6125, 6.4.3)."""
    known = {each.lower().rstrip(".") for each in certificate.hosts}
    return host in known or f"*.{host.partition('.')[2]}" in known
