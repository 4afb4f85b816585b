"""The log lines of one inbound connection: never an address, a login or anything else that the peer said."""

import asyncio
import logging

import structlog
from aiosmtpd import smtp

from mssgw.core.replies import Reply
from mssgw.core.trust import Chain, Check, Distrust
from mssgw.edges import evidence
from mssgw.edges.metering import UNMETERED
from mssgw.edges.smtpd_flood import Flood
from mssgw.edges.smtpd_replies import where
from mssgw.ports import Meter

# aiosmtpd logs every command, RCPT TO with its patient included (threats finding 2).
_noisy = logging.getLogger("mail.log")
_noisy.addHandler(logging.NullHandler())
_noisy.propagate = False
_noisy.setLevel(logging.CRITICAL + 1)
smtp.sanitized_log = lambda *_args, **_values: None  # nor is each line searched for passwords, to be told to nobody

_log = structlog.get_logger("mssgw.smtp")

#: What is not as it should be of a peer of the trust space: each check has an event of its own.
_DISTRUST = {
    Check.CERTIFICATE: "trust.no_certificate",
    Check.CHAIN: "trust.certificate_unfit",
    Check.SUBJECT: "trust.subject_unreadable",
    Check.HOST: "trust.host_mismatch",
    Check.REVOCATION: "trust.certificate_revoked",
    Check.WHITE_LIST: "trust.list_unusable",
    Check.OPERATOR: "trust.operator_unlisted",
    Check.DOMAIN: "trust.domain_foreign",
}


class SessionLog:
    """``client`` is the name of the client, once MAIL or AUTH has told it; ``chain``: what an operator proved to be."""

    def __init__(self, listener: str, meter: Meter = UNMETERED, flood: Flood | None = None) -> None:
        """``flood``: common to the connections of a listener."""
        self._flood = flood or Flood()
        self._listener, self.peer, self.client, self._meter = listener, "", "", meter
        self._told: set[tuple[int, str]] = set()
        self.chain: Chain = ()
        self._distrusted: set[Check] = set()
        self.told_by_the_flow = False  # the next refusal is policy's: it has logged it, with its rule

    def opened(self) -> None:
        _log.debug("smtp.session.opened", listener=self._listener, peer=self.peer)

    def closed(self, *, tls: str, messages: int, why: str) -> None:
        """``why``: quit, lost, tls, or our last word."""
        if why == "tls":  # told already
            return
        _log.info(
            "smtp.session.closed",
            listener=self._listener,
            peer=self.peer,
            client=self.client,
            tls=tls,
            messages=messages,
            why=why,
            **evidence.of(self.chain),
        )

    def refused(self, code: int, status: str) -> None:
        """One line for each kind of refusal in a connection: ten thousand refused recipients are one line."""
        if self.told_by_the_flow:
            self.told_by_the_flow = False
            return
        self._meter.count("smtp.refused", f"{code} {status}")
        if (code, status) in self._told:
            return
        self._told.add((code, status))
        _log.info("smtp.refused", listener=self._listener, peer=self.peer, client=self.client, code=code, status=status)

    def tls_failed(self, reason: str) -> None:
        if (untold := self._flood.tell("smtp.tls.failed", self.peer)) is not None:
            _log.info("smtp.tls.failed", listener=self._listener, peer=self.peer, reason=reason, untold=untold)

    def certificate_refused(self, why: str, leaf: bytes) -> None:
        """The handshake ended: ``why`` in OpenSSL's words, ``leaf``: DER of what was presented, b"" if not known."""
        self._meter.count("smtp.refused", "tls alert")
        if (untold := self._flood.tell("trust.handshake_refused", self.peer)) is None:
            return
        _log.warning(
            "trust.handshake_refused",
            listener=self._listener,
            peer=self.peer,
            check=Check.CHAIN,
            reason=why,
            untold=untold,
            **evidence.of_refused(leaf),
        )

    def distrusted(self, distrust: Distrust) -> None:
        """The peer's certificate is no operator's, or that cannot be told now; one line for each check that failed."""
        self._meter.count("smtp.refused", f"{distrust.reply.code} {distrust.reply.status}")
        if distrust.check in self._distrusted:
            return
        self._distrusted.add(distrust.check)
        revocation_unknown = distrust.check is Check.REVOCATION and not distrust.reply.permanent
        _log.warning(
            "trust.revocation_unknown" if revocation_unknown else _DISTRUST[distrust.check],
            listener=self._listener,
            peer=self.peer,
            check=distrust.check,
            code=distrust.reply.code,
            status=distrust.reply.status,
            detail=evidence.detail(distrust.detail, self.chain),
            **evidence.of(self.chain),
        )

    def login_waited(self) -> None:
        """A password was not checked: its turn did not come in time."""
        _log.info("smtp.login.waited", listener=self._listener, peer=self.peer)

    def error(self, error: BaseException) -> None:
        """Something of ours failed: its class and where, not its text, which may hold anything."""
        self._meter.count("smtp.error", "")
        _log.error(
            "smtp.error", listener=self._listener, peer=self.peer, error=type(error).__name__, where=where(error)
        )

    def late(self, commit: "asyncio.Task[Reply]") -> None:
        """A commit ended that nobody waits for any more: if it was kept, the sender may send the letter again."""
        error = None if commit.cancelled() else commit.exception()
        if error is not None:
            self.error(error)
        elif not commit.cancelled():
            _log.warning("smtp.late", listener=self._listener, peer=self.peer, code=commit.result().code)
