"""Who may speak as whom."""

from mssgw.core.addresses import Address
from mssgw.core.bal import BalKind, Party, PatientSpace, resembles_a_patient
from mssgw.core.envelope import Role
from mssgw.core.errors import MalformedMatricule
from mssgw.core.facts import Facts
from mssgw.core.message import Content, MessageHead
from mssgw.core.rules.findings import not_allowed, note, refuse
from mssgw.core.settings import with_those_above
from mssgw.core.trust import FOREIGN_DOMAIN, UNLISTED_DOMAIN
from mssgw.core.verdict import Finding

SENDERS_DOMAIN = "sender-is-the-clients-own"
AS_HIMSELF = not_allowed("Un patient n'ecrit que sous sa propre adresse")


def sender_is_the_clients_own(facts: Facts) -> Finding | None:  # req: SD-5
    """The reverse-path lies in what this client may use; a null one is judged by From: after DATA."""
    address = facts.envelope.reverse_path
    a_patients = facts.envelope.origin.role is Role.PATIENT_SPACE
    if (address is None and not a_patients) or (address is not None and facts.client.may_send_as(address)):
        return None
    if a_patients:  # nor does he send notices: his receipts are ours to write (SD-13)
        return refuse(SENDERS_DOMAIN, "SD-5", AS_HIMSELF)
    if facts.sender_listed is not None:  # req: WL-8, TLS-6
        reply = FOREIGN_DOMAIN if facts.sender_listed else UNLISTED_DOMAIN
        return refuse(SENDERS_DOMAIN, "SD-5 TLS-6 WL-8", reply, "listed" if facts.sender_listed else "")
    if facts.from_trust_space:
        text = "Domaine d'expediteur non autorise pour cet operateur"
    elif facts.sender_party in (Party.PATIENT, Party.PATIENT_SPACE):
        text = "Un etablissement ne peut pas emettre au nom d'un patient"
    else:
        text = "Adresse d'expediteur non autorisee pour ce client"
    return refuse(SENDERS_DOMAIN, "SD-5", not_allowed(text))


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
        return _patient_signs_as_himself(facts, head, author)
    # A failure notice comes from a host name; in the trust space from any domain that nobody else speaks for.
    host = author.domain in facts.client.notice_domains or (facts.from_trust_space and not facts.from_is_foreign)
    if facts.envelope.reverse_path is None and host and not resembles_a_patient(author):
        return _patient_signs_as_himself(facts, head, author) or _automatic_in_form(facts, head, author)
    return refuse("one-honest-from", "SD-5", not_allowed("Adresse From non autorisee pour ce client"), "foreign")


def _patient_signs_as_himself(facts: Facts, head: MessageHead, author: Address) -> Finding | None:  # req: SD-5, WHO-2
    """All patients share one domain: a letter of one may neither show another, whether in From: or beside it, nor be
    sent as somebody else, nor answered to another (Reply-To). No letter of anybody else is signed by a patient, or
    answered to one: it would be his, past what he may write (WHO-1, FIN-7).
    """
    space = facts.policy.space
    at_our_door = facts.envelope.origin.role is Role.PATIENT_SPACE  # no robot sends for him there, and nobody else
    shown = [who for who in head.also_signed if at_our_door or _is_a_patients(space, who)]
    shown += [who for who in head.reply_to if _is_a_patients(space, who)]
    if facts.sender_party is Party.PATIENT:
        shown += [author, facts.envelope.reverse_path or author]
    if at_our_door:
        shown += [who for who in head.reply_to if space.is_patient(who)]
    if all(who == facts.sender for who in shown):
        return None
    return refuse("one-honest-from", "SD-5 WHO-2", AS_HIMSELF, "other")


def _is_a_patients(space: PatientSpace, address: Address) -> bool:
    """Also when its matricule is malformed; a robot may send for a patient and say so."""
    try:
        return space.sender(address) is Party.PATIENT
    except MalformedMatricule:
        return True


def _automatic_in_form(facts: Facts, head: MessageHead, author: Address) -> Finding | None:  # req: SD-4, SD-5
    """With a null reverse-path, nobody vouches for a From: outside the client's domains: no ordinary letter passes.

    What it says of itself is believed of the client's own hosts; others send reports with a part for machines in them
    (head.content). qmail's failure notices have no form at all: they are known by the name that all servers sign with.
    """
    signed_by_a_server = author.key.partition("@")[0] == "mailer-daemon"
    if head.content is not Content.ORDINARY or signed_by_a_server:
        return None
    above = frozenset(with_those_above(author.domain))
    a_patients = facts.policy.space.domain in above  # its hosts send notices, and answer nobody
    says_so = head.notice is not None or (head.auto_submitted != "no" and not a_patients)
    if says_so and (author.domain in facts.client.notice_domains or above & facts.client.domains):
        return None
    text = "Sans adresse de retour, ce domaine ne peut envoyer que des avis automatiques"
    return refuse("one-honest-from", "SD-5 SD-4", not_allowed(text), "not-automatic")


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
