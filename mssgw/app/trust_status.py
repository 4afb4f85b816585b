"""How the trust space fares: list, revocation lists, certificates; and what of it stops mail, or soon will."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssgw.app import wiring
from mssgw.app.config import Config
from mssgw.app.config.places import SecretFile
from mssgw.app.ourselves import standing
from mssgw.app.trust import TrustAtWork
from mssgw.app.trust_try import Try
from mssgw.core.envelope import Role
from mssgw.edges.anchors import Anchors
from mssgw.edges.certificates import UnreadableCertificates, loaded
from mssgw.edges.crl_reading import authorities
from mssgw.edges.crls import CrlStatus
from mssgw.edges.identity import THRESHOLDS, Ending, in_file
from mssgw.edges.own_chain import own_chain
from mssgw.edges.tls import TlsMisconfigured
from mssgw.edges.tls_mutual import mutual_client_context
from mssgw.flow.list_news import ALARM_AFTER, USABLE_FOR

_SOON = timedelta(days=THRESHOLDS[0])
_APART = timedelta(minutes=1)  # between a list's being verified and the end of that try
_WHY = "`mssgw trust diff` tells why"
_LATE = timedelta(minutes=15)  # after which a revocation list that is not asked for, or refused, is worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStatus:
    """The kept list. ``verified_at``: last known to be the published one; ``signer``: a DN, "" when it is unsigned."""

    usable: bool
    verified_at: datetime
    age: timedelta
    generated_at: datetime
    entries: int
    unreadable: int
    domains: int
    operators: int
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """A certificate in use. ``what``: own, intermediate, anchor, listener or list-signer."""

    what: str
    subject: str
    file: str
    not_before: datetime
    not_after: datetime
    left: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStatus:
    """``errors`` stop mail, of all or of some; ``warnings`` will. ``asked_at``: when the list was last asked for."""

    white_list: ListStatus | None
    source: str
    signer: str
    asked_at: datetime | None
    crls: tuple[CrlStatus, ...]
    certificates: tuple[CertificateStatus, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def status_of(
    config: Config, work: TrustAtWork, *, now: datetime, tried: Try | None, heard: Sequence[str]
) -> TrustStatus:
    """Reads files. ``heard``: alarms of opening what is kept."""
    assert config.trust is not None
    errors = [f"what was kept cannot be used: {each}" for each in heard]
    warnings: list[str] = []
    in_use = list(_certificates(config, now, errors))
    crls = tuple(sorted(work.crls.status(), key=lambda each: each.issuer))
    listed = _list(work, now)
    for complaints in (
        _of_list(listed),
        _of_asking(config, listed, tried),
        _of_crls(crls, work.crls.lacking(), now),
        _of_certificates(in_use, now),
        _of_our_key(config),
        _of_ourselves(config, work),
    ):
        for stops, text in complaints:
            (errors if stops else warnings).append(text)
    return TrustStatus(
        white_list=listed,
        source=config.trust.white_list,
        signer=next((each.subject for each in in_use if each.what == "list-signer"), ""),
        asked_at=tried.at if tried else None,
        crls=crls,
        certificates=tuple(in_use),
        errors=tuple(errors),
        warnings=tuple(warnings),
    )


def _list(work: TrustAtWork, now: datetime) -> ListStatus | None:
    held = work.white_list.held
    if held is None:
        return None
    return ListStatus(
        usable=work.white_list.usable() is not None,
        verified_at=held.verified_at,
        age=now - held.verified_at,
        generated_at=held.list.generated_at,
        entries=held.list.entries,
        unreadable=held.list.unreadable,
        domains=len(held.list.operators),
        operators=len(held.list.domains),
        fingerprint=held.list.fingerprint,
    )


Complaints = Iterator[tuple[bool, str]]  # whether it stops mail; what it is


def _of_list(listed: ListStatus | None) -> Complaints:
    hour = timedelta(hours=1)
    if listed is None:
        yield True, "no white list is kept: all mail of the trust space waits; `mssgw trust refresh` asks for it now"
    elif not listed.usable:
        limit = USABLE_FOR // hour
        yield True, f"the white list was not verified for more than {limit} h: all mail of the trust space waits"
    elif listed.age > ALARM_AFTER:
        yield (
            False,
            f"the white list was not verified for {listed.age // hour} h: after {USABLE_FOR // hour} h mail waits",
        )


def _of_asking(config: Config, listed: ListStatus | None, tried: Try | None) -> Complaints:
    """That the published list was fetched in vain: our own grows old meanwhile."""
    assert config.trust is not None
    if tried is None:
        return
    if not tried.answered:
        yield False, f"the white list was asked for at {tried.at:%Y-%m-%dT%H:%MZ}, and has not come: see the log"
    elif "://" not in config.trust.white_list:
        if listed is not None and _differs(Path(config.trust.white_list), listed.fingerprint, tried.at):
            yield False, f"the published white list is not ours, and was refused: {_WHY}"
    elif listed is None or tried.at - listed.verified_at > _APART:
        yield False, f"the white list that was fetched at {tried.at:%Y-%m-%dT%H:%MZ} was refused: {_WHY}"


def _differs(file: Path, fingerprint: str, tried_at: datetime) -> bool:
    """Whether it is another list than ours, and was so when it was asked for."""
    try:
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        return written <= tried_at and hashlib.sha256(file.read_bytes()).hexdigest() != fingerprint
    except OSError:
        return False


def _of_our_key(config: Config) -> Complaints:
    trust = config.trust
    assert trust is not None
    key = trust.key or trust.certificate
    if key.path is None or trust.certificate.path is None:
        return  # a credential, out of sight
    try:
        anchors = Anchors.read(trust.anchors.require())
        mutual_client_context(anchors=anchors, certificate=trust.certificate.path, key=key.path)
    except (TlsMisconfigured, OSError) as error:
        yield True, f"our certificate and key cannot be used: {error}"


def _of_crls(crls: Sequence[CrlStatus], lacking: Sequence[str], now: datetime) -> Complaints:
    for issuer in lacking:
        yield True, f"no revocation list of {issuer}: operators that it certified wait"
    for each in crls:
        if now > each.usable_until:
            yield True, f"the revocation list of {each.issuer} has expired: operators that it certified wait"
        elif now > each.next_update:
            yield False, f"the revocation list of {each.issuer} has expired, and is gone by for crl_grace only"
        elif each.fetched_at is not None and now - each.fetched_at > _LATE:
            yield (
                False,
                f"no revocation list of {each.issuer} was had since {each.fetched_at:%Y-%m-%dT%H:%MZ}: see the log",
            )


def _of_certificates(certificates: Sequence[CertificateStatus], now: datetime) -> Complaints:
    for each in certificates:
        called = f"certificate ({each.what}) {each.subject} in {each.file}"
        if not each.not_before <= now < each.not_after:
            yield True, f"{called} {'has expired' if now >= each.not_after else 'is not valid yet'}"
        elif each.left <= _SOON:
            yield False, f"{called} ends in {each.left.days} days"


def _of_ourselves(config: Config, work: TrustAtWork) -> Complaints:
    """What other operators, who go by the same lists, hold against us: they refuse our letters."""
    trust = config.trust
    assert trust is not None
    try:
        ours, anchors = (loaded(each.require().read_bytes()) for each in (trust.certificate, trust.anchors))
    except (UnreadableCertificates, OSError):
        return  # told already
    found = standing(own_chain(ours, anchors), wiring.owners(config), work)
    if found.revoked:
        yield True, f"our own certificate is not trusted by other operators any more: {found.revoked}"  # req: TLS-5
    usable = work.white_list.usable() is not None
    for domain in found.unlisted:
        yield usable, f"{domain} is not listed for our certificate: other operators refuse its letters"


def _certificates(config: Config, now: datetime, errors: list[str]) -> Iterator[CertificateStatus]:
    """Each once, by file; a file that cannot be read is an error."""
    trust = config.trust
    assert trust is not None
    listeners = [
        each.certificate for each in config.listeners if each.role is Role.TRUST_SPACE and each.certificate is not None
    ]
    files: list[tuple[str, SecretFile]] = [("own", trust.certificate), ("anchor", trust.anchors)]
    files += [("listener", each) for each in listeners]
    files += [("list-signer", trust.white_list_signer)] if trust.white_list_signer else []
    roots = authorities(trust.anchors.require().read_bytes()).anchors
    seen: set[str] = set()
    for what, file in files:
        for number, each in enumerate(_in(file, errors)):
            if each.fingerprint not in seen:
                seen.add(each.fingerprint)
                yield _certificate(_kind(what, number, each, roots), each, now)


def _in(file: SecretFile, errors: list[str]) -> Sequence[Ending]:
    try:
        return in_file(Path(file.require()))
    except (TlsMisconfigured, OSError) as error:
        errors.append(str(error))
        return ()


def _kind(what: str, number: int, each: Ending, roots: frozenset[str]) -> str:
    if each.fingerprint in roots:
        return "anchor"
    return "intermediate" if what == "anchor" or number else what


def _certificate(what: str, each: Ending, now: datetime) -> CertificateStatus:
    return CertificateStatus(
        what=what,
        subject=each.subject,
        file=str(each.file),
        not_before=each.not_before,
        not_after=each.not_after,
        left=each.not_after - now,
    )
