"""What becomes of a letter when no connection could be opened, and what the log says of it.

req: TLS-5, TLS-6, WL-8
"""

import errno
import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import replace

import aiosmtplib

from mssgw.core.delivery import DISTRUSTED, Deferred
from mssgw.core.replies import Reply
from mssgw.edges.resolver import Unreachable
from mssgw.edges.smtp_replies import LOST, MAX_TEXT, SILENT, to_reply
from mssgw.edges.smtp_trust import NotTrusted, refused_in_the_handshake

NO_CONNECTION = Reply(451, "4.4.1", "Connexion au serveur suivant impossible")
NO_STARTTLS = Reply(454, "4.7.4", "Le serveur suivant n'offre pas STARTTLS, exige par la route")
NOT_TRUSTED = Reply(454, DISTRUSTED, "Le certificat ou la negociation TLS du serveur suivant est refuse")
NO_HANDSHAKE = Reply(454, "4.7.4", "La negociation TLS avec le serveur suivant echoue")
OURS_REFUSED = Reply(454, "4.7.0", "Le serveur suivant refuse le certificat de la passerelle")
NO_LOGIN = Reply(454, "4.7.8", "Le serveur suivant refuse notre authentification")

#: Alerts that a peer sends about the certificate that we show, as OpenSSL calls them; with TLS 1.3 after the handshake.
_ABOUT_OURS = re.compile(r"_ALERT_(?:\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED)$")
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})  # IPv6 where we have none


class Refused(Exception):
    """The peer is there, but we may not go on: an administrator has to look."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.code)
        self.reply = reply


def no_connection(error: OSError) -> Reply:
    """NO_CONNECTION with what the system said, as in "Connection refused"."""
    number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else error.errno  # asyncio's has none
    said = f" ({os.strerror(number)})" if number else ""
    return Reply(NO_CONNECTION.code, NO_CONNECTION.status, NO_CONNECTION.text + said)


def unreachable(exc: Exception, host: str, *, mutual: bool) -> tuple[Unreachable, Exception]:
    """What becomes of the letter when the dialogue before MAIL failed, and what it is to be raised from.

    ``mutual``: between operators another server of the domain may be trusted where this one is not.
    """
    tls = tls_error(exc)
    if mutual and isinstance(tls, ssl.SSLCertVerificationError):
        exc = refused_in_the_handshake(tls)
    return _trouble(exc, tls, host, mutual=mutual), exc


def _trouble(exc: Exception, tls: ssl.SSLError | None, host: str, *, mutual: bool) -> Unreachable:
    if isinstance(exc, NotTrusted):
        return Unreachable(exc.outcome(host), try_next=True)
    if isinstance(exc, Refused):
        return Unreachable(Deferred(reply=exc.reply, next_hop=host, alarm=True), try_next=mutual)
    if tls is not None:
        said_of = _what_failed(tls) if mutual else NOT_TRUSTED
        reply = Reply(said_of.code, said_of.status, f"{said_of.text} ({_said_by_openssl(tls)})"[:MAX_TEXT])
        return Unreachable(Deferred(reply=reply, next_hop=host, alarm=True), try_next=mutual)
    if isinstance(exc, aiosmtplib.SMTPResponseException) and 400 <= exc.code <= 599:
        said = to_reply(exc.code, exc.message.split("\n"))
        reply = Reply(NO_CONNECTION.code, NO_CONNECTION.status, f"{NO_CONNECTION.text} : {said}"[:MAX_TEXT])
        # A 5xx before MAIL is about us or the host, not about the letter: it waits, and somebody is told.
        return Unreachable(Deferred(reply=reply, next_hop=host, alarm=said.permanent, down=True), try_next=True)
    reply = SILENT if isinstance(exc, TimeoutError) else LOST  # be it that it took the connection, and never greets
    return Unreachable(Deferred(reply=reply, next_hop=host, down=True), try_next=True)


def _what_failed(tls: ssl.SSLError) -> Reply:
    """Between operators, where nobody's certificate was found wanting: that would be a look at who is there (WL-8)."""
    return OURS_REFUSED if _ABOUT_OURS.search(tls.reason or "") else NO_HANDSHAKE


def of_all(troubles: Sequence[Unreachable]) -> Unreachable:
    """What is said when all failed, addresses of a host as well as hosts of a domain: the last trouble, as ever.

    Distrust is said only when nobody else was met: beside one who is not trusted, another who is away, or offers no
    TLS now, may come back and be. The letter waits for that one, and an administrator hears of both. An address that
    there is no way to from here is nobody.
    """
    met = [each for each in troubles if not _no_way(each)] or troubles
    others = [each for each in met if not is_distrust(each)]
    if not others or len(others) == len(met):
        return met[-1]
    last = others[-1]
    if not isinstance(last.outcome, Deferred):
        return last
    said = Unreachable(replace(last.outcome, alarm=True, down=False), try_next=last.try_next)
    said.__cause__ = last.__cause__
    return said


def is_distrust(trouble: Unreachable) -> bool:
    return isinstance(trouble.outcome, Deferred) and trouble.outcome.distrust


def _no_way(trouble: Unreachable) -> bool:
    return isinstance(trouble.__cause__, OSError) and trouble.__cause__.errno in _NO_WAY


def why(trouble: Unreachable) -> str:
    """What went wrong, for the log: in words of ours, of the system or of OpenSSL, never the peer's, who may quote."""
    cause = trouble.__cause__
    if (tls := tls_error(cause)) is not None:
        return _said_by_openssl(tls)
    match cause:
        case None | Refused():  # the name service, or we
            return trouble.outcome.reply.text
        case aiosmtplib.SMTPResponseException():
            return f"{type(cause).__name__} {cause.code}"
        case OSError(errno=int(number)):
            return os.strerror(number)
        case _:
            return type(cause).__name__


def _said_by_openssl(error: ssl.SSLError) -> str:
    """As in "certificate has expired", "self-signed certificate", or that it is not valid for our name of the host."""
    return getattr(error, "verify_message", "") or error.reason or "TLS"


def tls_error(exc: BaseException | None) -> ssl.SSLError | None:
    """What TLS had against it, be it the cause of the cause; None: it was something else."""
    while exc is not None:
        if isinstance(exc, ssl.SSLError):
            return exc
        exc = exc.__cause__
    return None
