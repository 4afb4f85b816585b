"""Who may write to whom: one exchange at a time, so that at RCPT a recipient is refused alone (SD-7)."""

import re
from dataclasses import replace

from mssgw.core.bal import Party
from mssgw.core.conversation import State
from mssgw.core.errors import MalformedMatricule
from mssgw.core.facts import Exchange, Facts
from mssgw.core.ins import Matricule
from mssgw.core.message import Content
from mssgw.core.replies import Reply
from mssgw.core.rules.findings import defer, not_allowed, note, refuse
from mssgw.core.trust import UNLISTED_DOMAIN
from mssgw.core.verdict import Finding, Severity

_ESCAPED = re.compile(r"\+([0-9a-f]{2})")
DIRECTORY_UNUSABLE = Reply(451, "4.7.1", "Annuaire des boites MSSante indisponible ou trop ancien, reessayez plus tard")


def opposition_is_honoured(facts: Facts, exchange: Exchange) -> Finding | None:  # req: SD-12, WHO-8
    """A patient's opposition stops mail in both directions, before all else."""
    if not exchange.conversation.blocked:
        return None
    return refuse(
        "opposition-is-honoured", "SD-12 WHO-8", not_allowed("Le patient s'est oppose a ces echanges par messagerie")
    )


def route_exists(facts: Facts, exchange: Exchange) -> Finding | None:  # req: WHO-9, WL-8, SD-10
    """There is no way out of the trust space, and no relaying between strangers."""
    if exchange.relayable:
        return None
    if exchange.unlisted:
        return refuse("route-exists", "WHO-9 WL-8", UNLISTED_DOMAIN, "unlisted")
    return refuse("route-exists", "WHO-9", not_allowed("Domaine destinataire non desservi par cette passerelle"))


def no_route_in_the_address(facts: Facts, exchange: Exchange) -> Finding | None:  # req: WHO-9
    """``user%elsewhere@ours``: a mail server that trusts us would carry it on, out of the trust space.

    Postfix does so for clients in its ``mynetworks``, as we are, unless ``allow_percent_hack`` and
    ``swap_bangpath`` are off; so do others (RFC 5321 appendix F.2). Exchange takes out the address that
    ``IMCEASMTP-user+40elsewhere`` holds (MS-OXCMAIL 2.1.3.1.8), whose prefix may be escaped as well.
    """
    local = exchange.forward_path.address.key.rpartition("@")[0]
    held = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), local).lower() if "+" in local else local
    if not set(local) & set("%!@") and not held.startswith("imceasmtp-"):
        return None
    reply = Reply(553, "5.1.3", "Adresse refusee : pas de routage (%, !, @ ou IMCEASMTP) dans le nom de la boite")
    return refuse("no-route-in-the-address", "WHO-9", reply)


def no_patient_to_patient(facts: Facts, exchange: Exchange) -> Finding | None:  # req: WHO-4
    if facts.sender_party is not Party.PATIENT or exchange.party is not Party.PATIENT:
        return None
    return refuse("no-patient-to-patient", "WHO-4", not_allowed("Un patient ne peut pas ecrire a un patient"))


def receipt_is_expected(facts: Facts, exchange: Exchange) -> Finding | None:  # req: SD-4
    """An automatic receipt passes only as the answer to a letter that asked for it, once.

    Before the date it may answer a letter that an earlier server carried (SD-9); not past a FIN, which always holds.
    """
    if not _is_patient_mdn(facts) or facts.envelope.reverse_path is not None or exchange.receipt_due:
        return None
    enforcing = facts.policy.enforcing or exchange.conversation.state is State.CLOSED
    finding = Finding(
        rule="receipt-is-expected",
        requirement="SD-4 MDN-4" if enforcing else "SD-4 SD-9",
        severity=Severity.REFUSE if enforcing else Severity.WOULD_REFUSE,
        reply=not_allowed("Aucun accuse de lecture n'est attendu"),
    )
    return _judged_or_observed(facts, finding)


def patient_may_write(facts: Facts, exchange: Exchange) -> Finding | None:  # req: WHO-2, WHO-3, FIN-6, FIN-7, SD-3
    """A patient writes where a professional wrote and has not closed, and first to a pharmacy's ORG mailbox only."""
    return _judged_or_observed(facts, _what_state_allows(facts, exchange))


def _judged_or_observed(facts: Facts, finding: Finding | None) -> Finding | None:  # req: SD-9
    """Of a mailbox whose answers we do not see, conversations cannot be judged: its own operator does that."""
    if finding is None or not facts.client.answers_unseen:
        return finding
    return replace(finding, severity=min(finding.severity, Severity.WOULD_REFUSE))


def _what_state_allows(facts: Facts, exchange: Exchange) -> Finding | None:
    if facts.sender_party is not Party.PATIENT or exchange.party is not Party.PROFESSIONAL:
        return None
    if _is_patient_mdn(facts) and (exchange.receipt_due or facts.envelope.reverse_path is None):
        return None  # receipt_is_expected has judged it; receipts pass in any state of the pair
    before_data = facts.head is None
    if before_data and facts.policy.patient_receipts_after_data:
        return None
    if exchange.bal.takes_first_letters:
        # Whether it is a reply to a closed thread is in its header.
        return _closed_reply() if exchange.in_closed_thread or _may_hide_its_thread(facts, exchange) else None
    match exchange.conversation.state:
        case State.OPEN:
            return None
        case State.CLOSED if exchange.directory_unusable:  # a pharmacy's would open again (FIN-6)
            return _unknown_kind()
        case State.CLOSED:
            text = "Echange clos par le professionnel : il ne peut plus recevoir de reponse"
            return refuse("patient-may-write", "FIN-7", not_allowed(text), "closed")
        case State.ABSENT if exchange.directory_unusable and facts.policy.enforcing:
            return _unknown_kind()
        case State.ABSENT:
            return _never_opened(facts.policy.enforcing)


def _is_patient_mdn(facts: Facts) -> bool:
    return facts.sender_party is Party.PATIENT and facts.head is not None and facts.head.content is Content.MDN


def _may_hide_its_thread(facts: Facts, exchange: Exchange) -> bool:  # req: SD-3
    """On a closed pair, a letter that cites more than is looked up is taken for a reply to what was closed.

    Nobody writes such a new letter, and the refusal says what to do instead. On an open pair the ends of the thread
    speak for it: a long exchange must not break off, and who cites nothing at all may write anyway.
    """
    cut = facts.head is not None and facts.head.thread_cut
    return cut and exchange.conversation.state is State.CLOSED


def _closed_reply() -> Finding:
    text = "Cet echange avec la pharmacie est clos : ecrivez un nouveau message au lieu de repondre"
    return refuse("patient-may-write", "SD-3 FIN-6", not_allowed(text), "closed-thread")


def _unknown_kind() -> Finding:  # req: WHO-3, DIR-4
    """It may be a pharmacy's: the patient's server tries again, and hears more once the directory is up to date."""
    return defer("patient-may-write", "WHO-3 DIR-4", DIRECTORY_UNUSABLE, "directory-unusable")


def _never_opened(enforcing: bool) -> Finding:
    """Going live: before the date, an unknown pair passes and is counted (SD-9)."""
    reply = not_allowed("Seul un professionnel peut ouvrir un echange avec un patient")
    severity = Severity.REFUSE if enforcing else Severity.WOULD_REFUSE
    return Finding(
        rule="patient-may-write", requirement="WHO-1 WHO-3", severity=severity, reply=reply, detail="never-opened"
    )


def unusual_matricule(facts: Facts, exchange: Exchange) -> Finding | None:  # req: INS-5
    """A well-formed matricule that is no INS by its first digit passes with a note, as Mon espace santé does."""
    if exchange.party is not Party.PATIENT:
        return None
    try:
        unusual = Matricule.parse(exchange.forward_path.address.local).unusual
    except MalformedMatricule:
        return None  # a configured exception (INS-10)
    return note("unusual-matricule", "INS-5", "first-digit") if unusual else None


def account_has_a_history(facts: Facts, exchange: Exchange) -> Finding | None:  # req: WHO-5, NDR-3
    """An earlier notice said that this account takes no mail: worth a line in the journal, no reason to refuse."""
    if exchange.account is None or exchange.party is not Party.PATIENT:
        return None
    return note("account-has-a-history", "WHO-5", exchange.account.value)
