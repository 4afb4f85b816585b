"""Who we are to other operators: key and certificate from files, taken anew when they change; and when they end.

A new pair is taken whole or not at all: what does not fit together, or cannot be read, leaves the old one in use.
req: TLS-6
"""

import os
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from mssgw.core.trust import Chain
from mssgw.edges.anchors import Anchors
from mssgw.edges.own_chain import own_chain
from mssgw.edges.tls import TlsMisconfigured
from mssgw.edges.tls_mutual import mutual_client_context, octets_of
from mssgw.ports import Telemetry

POLL = 2.0  # seconds between looks at the files
THRESHOLDS = (30, 14, 7, 1, 0)  # days before a certificate ends
_DAY = timedelta(days=1)
_NEVER = (0, 0, 0)  # the stamp of no file
_Stamp = tuple[tuple[int, int, int] | None, ...]  # of each file: inode, size and time of its last change


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """PEM files. ``certificate``: leaf first; ``key`` may be the same file. ``anchors``: whom we trust."""

    certificate: Path
    key: Path
    anchors: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A certificate that is in use, by its file and DN, and when it ends."""

    file: Path
    subject: str
    fingerprint: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What was made of the files at one moment. ``chain``: our own, as others' handshakes build it.

    ``pem``: what the files of certificate and key held.
    """

    client: ssl.SSLContext = field(repr=False)
    pem: tuple[bytes, bytes] = field(repr=False)
    certificates: tuple[Ending, ...]
    chain: Chain = field(repr=False)


class Identity:
    """Our certificate in TLS contexts, kept up to date. Sessions that are open keep what they began with.

    One that comes before its time is taken when that has come: authorities date them a little ahead.
    """

    def __init__(self, files: Files, *, telemetry: Telemetry, anchors: Anchors | None = None) -> None:
        """``anchors``: those of the start, if that has been. Raises TlsMisconfigured: the files cannot be used now."""
        self.files, self._telemetry = files, telemetry
        self.anchors = anchors or Anchors.read(files.anchors)
        self._anchors_seen = _stamp_of(files.anchors)
        self._anchors_known: tuple[int, int, int] | None = _NEVER
        self._taken = self._seen = self._stamp()
        self._begins: datetime | None = None  # when what was refused for being too early may be taken
        self.pair = self._make()

    def or_rather(self, before: "Identity") -> "Identity":
        """The one that a reload goes on with: ``before``, as long as its certificate is valid and this one is not.

        It goes on looking, and takes the files when their time has come.
        """
        try:
            _must_not_be_worse(self.pair.certificates[0], before.pair.certificates[0])
        except TlsMisconfigured:
            return before
        return self

    def look(self) -> bool:
        """Take the files when they have changed; whether that was so. To be called every few seconds.

        They have to look the same twice: who replaces the certificate is given a moment to replace the key too.
        Anchors wait for a restart: see edges.anchors.
        """
        self._look_at_the_anchors()
        stamp = self._stamp()
        settled, self._seen = stamp == self._seen, stamp
        if not settled or (stamp == self._taken and not self._has_begun()):
            return False
        self._taken, self._begins = stamp, None  # once: what cannot be used now is not tried again before it changes
        try:
            pair = self._make()
            begins = pair.certificates[0].not_before
            self._begins = begins if begins > datetime.now(UTC) else None
            _must_not_be_worse(pair.certificates[0], self.pair.certificates[0])
        except TlsMisconfigured as error:
            self._telemetry.event("trust.certificate_refused", alarm=True, error=str(error))
            return False
        if self._stamp() != stamp:  # written to while we read
            self._taken = ()
            return False
        self.pair, self._begins = pair, None
        leaf = pair.certificates[0]
        self._telemetry.event("trust.certificate_renewed", subject=leaf.subject, ends=leaf.not_after.isoformat())
        return True

    def _look_at_the_anchors(self) -> None:
        stamp = _stamp_of(self.files.anchors)
        settled, self._anchors_seen = stamp == self._anchors_seen, stamp
        if not settled or stamp == self._anchors_known:
            return
        self._anchors_known, file = stamp, self.files.anchors
        try:
            if Anchors.read(file).same_as(self.anchors):
                return
        except TlsMisconfigured as error:
            self._telemetry.event("trust.anchors_changed", alarm=True, file=str(file), error=str(error))
        else:
            self._telemetry.event("trust.anchors_changed", alarm=True, file=str(file), error=None)

    def _has_begun(self) -> bool:
        return self._begins is not None and self._begins <= datetime.now(UTC)

    def _make(self) -> Pair:
        files, anchors = self.files, self.anchors.certificates
        ours = _loaded(files.certificate)
        certificates = [_ending(files.certificate, each) for each in ours]
        certificates += [_ending(files.anchors, each) for each in anchors]
        client = mutual_client_context(anchors=self.anchors, certificate=files.certificate, key=files.key)
        pem = octets_of(files.certificate), octets_of(files.key)
        return Pair(client=client, pem=pem, certificates=tuple(certificates), chain=own_chain(ours, anchors))

    def _stamp(self) -> _Stamp:
        return tuple(_stamp_of(path) for path in (self.files.certificate, self.files.key))


def _must_not_be_worse(new: Ending, old: Ending) -> None:
    """A certificate that is not valid now does not replace one that is. Raises TlsMisconfigured."""
    now = datetime.now(UTC)
    if old.not_before <= now < old.not_after and not new.not_before <= now < new.not_after:
        raise TlsMisconfigured(f"{new.file}: {'is not valid yet' if now < new.not_before else 'has expired'}")


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def in_file(path: Path) -> tuple[Ending, ...]:
    """The certificates of a PEM file, in its order. Raises TlsMisconfigured when there is none, or half of one."""
    return tuple(_ending(path, each) for each in _loaded(path))


def _loaded(path: Path) -> Sequence[x509.Certificate]:
    try:
        data = path.read_bytes()
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        raise TlsMisconfigured(f"{path}: {'no such file' if gone else error.strerror}") from None
    if data.count(b"-----BEGIN") != data.count(b"-----END"):
        raise TlsMisconfigured(f"{path}: is cut off")
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise TlsMisconfigured(f"{path}: no PEM certificate in it, or one that cannot be read") from None


def _ending(path: Path, certificate: x509.Certificate) -> Ending:
    return Ending(
        file=path,
        subject=certificate.subject.rfc4514_string(),
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


class Endings:
    """Tells that certificates are about to end: at each threshold once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._told: dict[str, int | None] = {}  # the threshold that was reached last, in days, by fingerprint

    def look(self, certificates: Iterable[Ending], now: datetime) -> None:
        """Raise the alarms that are due."""
        for each in certificates:
            left = each.not_after - now
            reached = min((days for days in THRESHOLDS if left <= days * _DAY), default=None)
            told = self._told.get(each.fingerprint)
            self._told[each.fingerprint] = reached  # a clock that was ahead is put right: it will be news again
            if reached is None or (told is not None and reached >= told):
                continue
            self._telemetry.event(
                "trust.certificate_expired" if reached == 0 else "trust.certificate_ends",
                alarm=True,
                file=str(each.file),
                subject=each.subject,
                ends=each.not_after.isoformat(),
                days=max(0, left // _DAY),
            )
