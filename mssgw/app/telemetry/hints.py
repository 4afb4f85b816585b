"""What to do about an alarm, or a peer that is not trusted: the sentence that the log line carries for its reader.

docs/administrateur.md says more of each, in French.
"""

from collections.abc import Mapping

_DEFECT = "a defect of ours: report this line"
_STORE = "disk full, or database down? new letters get 451 and stay with their senders; it tries again itself"
_SWEEP = "what should be erased is not yet; it tries again itself: look at database and disk if this goes on"
_DIRECTORY = "patients' first letters wait (451), but to mailboxes set by hand: mssgw directory import FILE"
_RENEWED = "[trust] files are taken by themselves, a listener's at systemctl reload; credentials, anchors at a restart"

HINTS: Mapping[str, str] = {
    "collector.distrusted": "nothing is collected, nothing lost: its certificate for this host? delivery.ca_file?",
    "collector.failed": f"the letters wait in their mailbox and are tried again; {_DEFECT}",
    "collector.folder_missing": "there is no such collector.folder: was it renamed? it looks again itself",
    "collector.login_refused": "nothing is collected, nothing lost: mend user or password_file, systemctl reload mssgw",
    "collector.not_marked": "they are kept once and are not taken again; done_folder or mark possible, mailbox full?",
    "collector.not_put_aside": "refused letters stay in the folder: can refused_folder be made, is the mailbox full?",
    "collector.refused": "nobody tells its sender: mssgw trace ID says why; it lies in refused_folder, with a note",
    "collector.stuck": "it waits: look at letter.deferred_at_intake before; 4.2, 4.4: its server cannot read it",
    "collector.unreachable": "letters wait in their mailbox: is the server up, the network open? it tries again itself",
    "collector.waiting_for_store": _STORE,
    "config.needs_restart": "systemctl restart mssgw takes it into use",
    "config.refused": "the old configuration stays in force: mend this line, mssgw check, systemctl reload mssgw",
    "delivery.deferred": "it is tried again: mssgw queue show ID; no answer? delivery.connection_failed: DNS, ca_file?",
    "delivery.found_again": "it lay in its mailbox already, and was not put there twice; nothing to do",
    "delivery.lease_lost": "another process has taken the letter over, and may send it twice; nothing to do",
    "delivery.peer_not_trusted": "it waits: mssgw trust peer with host and --domain of this line shows every check",
    "delivery.failed": f"the letter waits and is tried again; {_DEFECT}",
    "directory.expired": _DIRECTORY,
    "directory.missing": _DIRECTORY,
    "directory.stale": "patients' first letters will wait (451) when it is twice as old: mssgw directory import FILE",
    "disk.reserve_reached": "new letters get 452 until there is room under state_dir again: df -h, make room",
    "gateway.name_taken": "the gateway stops, and starts again when no other node has its name: [gateway] node",
    "gateway.socket_unused": "nobody answers there: name it in socket of a [[listener]], or disable its unit, but "
    "take it out of mssgw.service before, which ends with it",
    "gateway.task_fell": f"the gateway stops, and systemd starts it again; {_DEFECT}",
    "gateway.worker_died": f"it is replaced, no accepted letter is lost; {_DEFECT} if it comes again",
    "gateway.worker_failed": f"no letter is lost, it is tried again: mend what error names; nothing? {_DEFECT}",
    "gateway.worker_hangs": f"it is killed and replaced, no accepted letter is lost; {_DEFECT} if it comes again",
    "gateway.worker_killed": "it did not stop in time; what it was sending may go out twice; nothing to do",
    "hop.spared": "its letters wait, and one of them looks again every 30 s: see why of delivery.connection_failed",
    "letter.deferred_at_intake": "its sender tries again; error says why? df -h, fuser -v mssgw.db; or an alarm before",
    "letter.documents_unverified": "the sender tries again; the third time it is held; see the validator.* events",
    "letter.held": "mssgw queue show ID, mssgw explain ID, then mssgw queue release ID or bounce",
    "letter.inspection_timed_out": "the sender tries again; the third time it is held: mssgw queue list --state held",
    "letter.set_aside": "it is held, unreadable: mssgw queue show ID; give its file back from a backup, or tell its "
    "sender (mssgw trace ID), then mssgw queue bounce --untold ID",
    "log.missed": "mail passed, the trace has it: who did not read our lines? journald, its disk, a pipe",
    "metrics.unavailable": "mail passes; ss -ltnp tells who has that port, or change [metrics] address",
    "notice.failed": f"a failure stays in the queue, its sender is not told yet; {_DEFECT}",
    "notice.no_route": "tell the sender yourself, mssgw trace ID names him; then give his domain a route",
    "notice.without_letter": "its sender was told, but without his letter, which cannot be read; nothing to do",
    "notification.failed": "the letters are in their mailbox, only nobody hears of it yet; it is tried again: see why",
    "notification.given_up": "the letters are in their mailbox: tell its readers yourself, then mend what why says",
    "queue.failed": f"it is tried again; {_DEFECT}",
    "queue.unavailable": _STORE,
    "report.unread": "mssgw report unread names these letters: reach the patients another way, or their doctors",
    "receipts.failed": f"its receipts wait, mail passes, it is tried again; {_DEFECT}",
    "receipts.no_keywords": "processed_keyword is never seen there: set processed_folder instead",
    "receipts.shut_out": "its receipts wait, mail passes: user and password_file of its [[mail_store]] or [[mailbox]]?",
    "receipts.stuck": "all others go out; the mailbox's server cannot read this letter: look at its own log",
    "receipts.unreachable": "its receipts wait, mail passes: server, network? it is tried again",
    "retention.cannot_delete": "the server has no UIDPLUS, so nothing is deleted: remove purge_after, or delete there",
    "retention.failed": f"letters stay in their mailbox, it is tried again; {_DEFECT}",
    "retention.put_off": "letters stay in their mailbox, it is tried again: server, network, mailbox full?",
    "retention.shut_out": "letters stay in their mailbox: user and password_file of its [[mail_store]] or [[mailbox]]?",
    "store.not_writable": _STORE,
    "sweep.close_failed": f"exchanges that fell silent stay open for now; it is tried again; {_DEFECT} if it goes on",
    "sweep.erase_failed": _SWEEP,
    "sweep.forget_failed": _SWEEP,
    "sweep.garbage_failed": _SWEEP,
    "sweep.report_failed": f"the report of unread letters comes tomorrow; mssgw report unread; {_DEFECT} if it goes on",
    "trust.anchors_changed": "those of the start stay in force: restart when they and their trust.crls are right",
    "trust.crl_expired": "without grace its peers wait (451): published anew? see trust.crl_unreachable, _refused",
    "trust.crl_expiring": "afterwards mail waits (451): is it published anew? see trust.crl_unreachable, _refused",
    "trust.crl_failed": f"the lists in force stay; disk full under state_dir/trust? or {_DEFECT}",
    "trust.crl_missing": "its peers wait (451): add its list to trust.crls, its certificate to trust.anchors",
    "trust.crl_refused": "the list in force stays until it ends: trust.crls right? its authority in trust.anchors?",
    "trust.crl_unreachable": "the list in force stays until it ends; new revocations are not seen: network, server?",
    "trust.certificate_revoked": "nothing to mend here: tell the operator, whose letters it keeps",
    "trust.certificate_unfit": "out of its dates: the operator renews it; not made for this: see trust.purposes",
    "trust.certificate_ends": f"renew it: {_RENEWED}",
    "trust.certificate_expired": f"mail that needs it waits; renew it: {_RENEWED}",
    "trust.certificate_refused": "the old one stays in use: mend what error says of certificate or key",
    "trust.handshake_refused": "purpose? see trust.purposes; issuer? see trust.anchors; else tell its operator",
    "trust.list_expired": "mail of the trust space waits (451): mend what the events before say of the white list",
    "trust.list_failed": f"the list in force stays and is tried again; {_DEFECT}",
    "trust.list_lost": "the published one is asked for; who wrote to state_dir/trust?",
    "trust.list_missing": "mail of the trust space waits (451): is trust.white_list right, can it be reached?",
    "trust.list_not_kept": "the list is in force, but a restart would go without it: disk full under state_dir/trust?",
    "trust.list_refused": "the old one stays in force; rightly shrunk? mssgw trust refresh --accept FINGERPRINT",
    "trust.list_stale": "it serves for 72 hours in all: mend what the events before say; if a file, who renews it?",
    "trust.list_unusable": "it gets 451 and tries again: look at the trust.list alarms before this one",
    "trust.no_certificate": "its server shows no client certificate (Postfix: smtp_tls_cert_file): tell its operator",
    "trust.operator_unlisted": "listed lately? mssgw trust refresh; else its operator has the dn listed by ANS",
    "trust.own_certificate_revoked": "other operators refuse our letters: ask IGC-Sante why, renew; see docs/trust.md",
    "trust.own_domains_unlisted": "others refuse letters of these domains: mssgw trust status; have ANS list our DN",
    "trust.revocation_unknown": "it gets 451 and tries again: detail says which list; mssgw trust status, trust.crls",
    "trust.subject_unreadable": "detail says what of its DN; its operator needs another certificate",
    "trust.watch_failed": f"certificates in use stay; renewed files may need a restart; {_DEFECT}",
    "validator.cannot_start": "letters with documents wait (451): memory? installation? try mssgw cda check on a file",
    "validator.crashed": f"it is replaced, its letter is tried again by the sender; {_DEFECT}",
    "validator.defect": f"its letter is tried again by the sender, the third time it is held; {_DEFECT}",
    "validator.killed": "its letter (queue_id) is tried again by the sender; thrice: mssgw queue list --state held",
    "validator.none_free": "letters with documents waited (451): raise documents.validators if it comes again",
    "validator.without_pack": "documents are judged without its XSD: mssgw cda pack status, mssgw cda pack install",
}

#: Where the status of the reply tells more.
BY_STATUS: Mapping[tuple[str, str], str] = {
    ("delivery.deferred", "4.4.4"): "no route leads there any more: give its domain a route, systemctl reload mssgw",
    ("delivery.deferred", "4.7.5"): (
        "it waits: mssgw queue show ID says why; its certificate, or delivery.ca_file? With [trust], "
        "delivery.peer_not_trusted says which check; none? its domain is listed no more: mssgw trust status"
    ),
    ("delivery.deferred", "4.7.8"): "it waits: mend next_hop_login or its password file, systemctl reload mssgw",
    ("letter.deferred_at_intake", "4.3.1"): "its sender tries again: df -h, make room under state_dir",
}


def hint(event: str, queue_id: object = None, status: object = None) -> str | None:
    """What to do about that event, with the id of the letter in the commands; None for an event that is unknown.

    ``status``: of the reply that it is about.
    """
    text = BY_STATUS.get((event, str(status))) or HINTS.get(event)
    return text.replace(" ID", f" {queue_id}") if text and queue_id else text
