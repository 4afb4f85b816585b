"""Who may speak as whom."""

from mssgw.core.addresses import Address
from mssgw.core.bal import BalKind, Party
from mssgw.core.envelope import Role
from mssgw.core.facts import Facts
from mssgw.core.message import Content
from mssgw.core.rules.findings import not_allowed, note, refuse
from mssgw.core.verdict import Finding


def sender_is_the_clients_own(facts: Facts) -> Finding | None:  # req: SD-5
    """The reverse-path lies in what this client may use; a null one is judged by From: after DATA."""
    address = facts.envelope.reverse_path
    if address is None or facts.client.may_send_as(address):
        return None
    if facts.from_trust_space:
        text = "Domaine expediteur non autorise depuis cet operateur"
    elif facts.sender_party in (Party.PATIENT, Party.PATIENT_SPACE):
        text = "Un etablissement ne peut pas emettre au nom d'un patient"
    else:
        text = "Adresse d'expediteur non autorisee pour ce client"
    return refuse("sender-is-the-clients-own", "SD-5", not_allowed(text))


def one_honest_from(facts: Facts) -> Finding | None:  # req: SD-5
    """Exactly one From:, in a domain that the same client may use."""
    head = facts.head
    if head is None:
        return None
    if head.from_fields != 1 or len(head.from_) != 1:
        reply = not_allowed("Le message doit porter un seul champ From avec une seule adresse")
        return refuse("one-honest-from", "SD-5", reply, f"{head.from_fields}-fields-{len(head.from_)}-addresses")
    author = head.from_[0]
    if facts.client.may_send_as(author):
        return _patient_signs_as_himself(facts, author)
    if facts.envelope.reverse_path is None:
        # A failure notice comes from a host name; in the trust space from any domain that nobody else speaks for.
        if author.domain in facts.client.notice_domains:
            return None
        if facts.from_trust_space and not facts.from_is_foreign:
            return None
    return refuse("one-honest-from", "SD-5", not_allowed("Adresse From non autorisee pour ce client"), "foreign")


def _patient_signs_as_himself(facts: Facts, author: Address) -> Finding | None:  # req: SD-5, WHO-2
    """All patients share one domain: a letter on one patient's exchange may neither show another nor be answered to
    another (Reply-To)."""
    if facts.sender_party is not Party.PATIENT or facts.head is None:
        return None
    shown = (author, *(who for who in facts.head.reply_to if facts.policy.space.is_patient(who)))
    if all(who == facts.sender for who in shown):
        return None
    return refuse(
        "one-honest-from", "SD-5 WHO-2", not_allowed("Un patient n'ecrit que sous sa propre adresse"), "other"
    )


def robots_send_notices_only(facts: Facts) -> Finding | None:  # req: SD-4
    """From the patient domain without a matricule: a notice or a DSN, or nothing."""
    if facts.sender_party is not Party.PATIENT_SPACE or facts.head is None:
        return None
    if facts.head.notice is not None or facts.head.content is Content.DSN:
        return None
    return refuse(
        "robots-send-notices-only",
        "SD-4",
        not_allowed("Cette adresse de l'espace patient ne peut envoyer que des avis de non-remise"),
    )


def person_is_known(facts: Facts) -> Finding | None:  # req: SD-6, BAL-3
    """Behind a shared mailbox stands a natural person; when nobody says who, the journal says so."""
    shared = facts.sender_bal.kind in (BalKind.ORG, BalKind.APP)
    if facts.head is None or not shared or facts.envelope.origin.role is not Role.ESTABLISHMENT:
        return None
    if facts.envelope.origin.person or facts.head.person:
        return None
    return note("person-is-known", "SD-6 BAL-3", "person-unknown")
