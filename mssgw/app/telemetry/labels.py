"""The values that labels of our metrics may have: codes and configured names, never what a letter or a peer said."""

from collections.abc import Mapping

from mssgw.core.clinical import Verdict
from mssgw.core.report import Carried
from mssgw.core.rules.rulebook import RULEBOOK

OTHER = "other"  # a value that a label's list has forgotten: better one wrong word than a series without end

# What decides outside the rulebook: at MAIL and RCPT, on the wire, and when time is up.
_BESIDE_THE_RULEBOOK = (
    "client-is-known",
    "address-is-well-formed",
    "octets-are-clean",
    "inspection-in-time",
)
DOCUMENTS = "documents"  # stands for every rule about clinical documents: the log and the journal name it
RULES = (
    *(rule.__name__.replace("_", "-") for rule in (*RULEBOOK.exchange, *RULEBOOK.message)),
    *("documents-verified", "documents-can-be-read"),
    *("mss-ins-tells-the-truth", "mss-codes-tell-the-truth", "mss-nil-tells-the-truth"),
    *_BESIDE_THE_RULEBOOK,
    DOCUMENTS,
)
VERDICTS = tuple(verdict.value for verdict in Verdict)
CARRIED = (*(each.value for each in Carried), "pdf-only", "patient-unchecked")
DEFERRALS = ("disk", "documents", "inspection", "rule", "slow-sender", "store", OTHER)
OUTCOMES = ("delivered", "deferred", "bounced", "lease_lost")
SWEEPS = ("erase", "garbage", "forget", "close")
TOLD = ("sent", "failed", "given_up")
COLLECTED = ("collected", "already", "refused", "later")
COMMITS = ("kept", "failed")
SPOOL_STEPS = ("write", "sync")
# What the listeners refuse by themselves, by reply code and status.
SMTP_REFUSALS: Mapping[str, str] = {
    "421 4.3.2": "going-down",
    "421 4.4.2": "too-slow",
    "421 4.7.0": "too-many",
    "451 4.3.0": "internal-error",
    "451 4.3.2": "memory-is-short",
    "452 4.3.1": "disk-reserve",
    "452 4.5.3": "too-many-recipients",
    "454 4.7.0": "authentication-unavailable",
    "500 5.5.2": "bad-command",
    "500 5.5.6": "bad-command",
    "501 5.5.2": "bad-command",
    "501 5.5.4": "bad-command",
    "502 5.5.1": "bad-command",
    "503 5.5.1": "bad-sequence",
    "504 5.5.4": "authentication-failed",
    "530 5.7.0": "tls-or-login-first",
    "535 5.7.8": "authentication-failed",
    "538 5.7.11": "tls-or-login-first",
    "550 5.7.0": "xclient-not-allowed",
    "550 5.7.1": "unknown-client",
    "554 5.5.1": "no-recipient",
}
# Every event that workers raise with alarm=True; a test looks for those that are missing. Not the supervisor's
# (gateway.worker_*) and what comes before the fork: they have no registry (docs/decisions/0004-eyes.md).
ALARMS = (
    "collector.distrusted",
    "collector.failed",
    "collector.folder_missing",
    "collector.login_refused",
    "collector.not_marked",
    "collector.not_put_aside",
    "collector.refused",
    "collector.stuck",
    "collector.unreachable",
    "collector.waiting_for_store",
    "config.needs_restart",
    "config.refused",
    "delivery.deferred",
    "delivery.failed",
    "directory.expired",
    "directory.missing",
    "directory.stale",
    "disk.reserve_reached",
    "gateway.name_taken",
    "gateway.task_fell",
    "letter.deferred_at_intake",
    "letter.documents_unverified",
    "letter.held",
    "letter.inspection_timed_out",
    "letter.set_aside",
    "notice.failed",
    "notice.no_route",
    "notice.without_letter",
    "notification.failed",
    "notification.given_up",
    "queue.failed",
    "queue.unavailable",
    "receipts.failed",
    "receipts.no_keywords",
    "receipts.shut_out",
    "receipts.stuck",
    "receipts.unreachable",
    "report.unread",
    "retention.cannot_delete",
    "retention.failed",
    "retention.put_off",
    "retention.shut_out",
    "store.not_writable",
    "sweep.close_failed",
    "sweep.erase_failed",
    "sweep.garbage_failed",
    "sweep.forget_failed",
    "sweep.report_failed",
    "trust.anchors_changed",
    "trust.certificate_ends",
    "trust.certificate_expired",
    "trust.certificate_refused",
    "trust.crl_expired",
    "trust.crl_expiring",
    "trust.crl_failed",
    "trust.crl_missing",
    "trust.crl_refused",
    "trust.crl_unreachable",
    "trust.list_expired",
    "trust.list_failed",
    "trust.list_lost",
    "trust.list_missing",
    "trust.list_not_kept",
    "trust.list_refused",
    "trust.list_stale",
    "trust.own_certificate_revoked",
    "trust.own_domains_unlisted",
    "trust.watch_failed",
    "validator.cannot_start",
    "validator.crashed",
    "validator.defect",
    "validator.killed",
    "validator.none_free",
    "validator.without_pack",
)


def short_route(name: str) -> str:
    """A route's name without the domain that follows an operator's: there may be thousands of those."""
    return ":".join(name.split(":")[:2])
