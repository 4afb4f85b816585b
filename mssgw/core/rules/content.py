"""What the letter itself must be."""

from mssgw.core.bal import Party
from mssgw.core.facts import Facts
from mssgw.core.message import Fin, Unreadable
from mssgw.core.replies import Reply
from mssgw.core.rules.findings import not_allowed, note, refuse
from mssgw.core.verdict import Finding

UNREADABLE = Reply(554, "5.6.0", "Structure du message illisible ou excessive")


def size_is_within_the_limit(facts: Facts) -> Finding | None:  # req: SD-1, SIZ-1, SIZ-3
    if facts.size <= facts.policy.size_limit:
        return None
    return refuse("size-is-within-the-limit", "SD-1 SIZ-3", too_big(facts.policy.size_limit))


def too_big(limit: int) -> Reply:
    """552 5.3.4; the limit in octets is named, for "10 Mo" is read in two ways."""
    return Reply(552, "5.3.4", f"Message trop volumineux : {limit} octets au plus, pieces jointes encodees comprises")


def one_patient(facts: Facts) -> Finding | None:  # req: WHO-6, SD-7
    """Two different patients among RCPT, To and Cc: an upstream server may have split the envelope."""
    if facts.head is None:
        return None
    named = (*(x.forward_path.address for x in facts.exchanges), *facts.head.to_cc)
    patients = {address.key for address in named if facts.policy.space.is_patient(address)}
    if len(patients) < 2:
        return None
    return refuse("one-patient", "WHO-6 SD-7", not_allowed("Un seul patient par message : envoyez un message a chacun"))


def structure_is_readable(facts: Facts) -> Finding | None:  # req: GW-2
    """What we cannot read without doubt, two readers could read differently."""
    if facts.head is None or not facts.head.unreadable:
        return None
    what = facts.head.unreadable[0]
    kind = f" {facts.head.malformed}" if what is Unreadable.MALFORMED_HEADER and facts.head.malformed else ""
    return refuse("structure-is-readable", "GW-2", UNREADABLE, f"{what.value}{kind}")


def no_loop(facts: Facts) -> Finding | None:  # req: GW-1
    head = facts.head
    if head is None or (head.received < facts.policy.max_received and not head.own_hop):
        return None
    reply = Reply(554, "5.4.6", "Boucle de routage : le message est deja passe trop de fois")
    return refuse("no-loop", "GW-1", reply, "own-hop" if head.own_hop else f"{head.received}-hops")


def fin_near_miss(facts: Facts) -> Finding | None:  # req: SD-2
    """ "Re: [FIN]" or "[Fin]" does nothing; the journal says so, for somebody will ask."""
    if facts.head is None or facts.head.subject_fin is not Fin.NEAR_MISS:
        return None
    return note("fin-near-miss", "SD-2", "near-miss")


def fin_without_patient(facts: Facts) -> Finding | None:  # req: FIN-2, SD-2
    """FIN on mail without a patient, or from one, is ordinary mail."""
    if facts.head is None or not facts.head.closes:
        return None
    if facts.sender_party is Party.PROFESSIONAL and any(x.party is Party.PATIENT for x in facts.exchanges):
        return None
    return note("fin-without-patient", "FIN-2 SD-2", "ignored")


def message_id_is_there(facts: Facts) -> Finding | None:  # req: FMT-7
    """Without one, replies, receipts and notices cannot be linked; relays must not add what senders forgot."""
    if facts.head is None or facts.head.message_id is not None:
        return None
    return note("message-id-is-there", "FMT-7", "missing")
