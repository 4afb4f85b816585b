"""All rules in the order in which they are asked: of two equally strict findings the first speaks to the sender."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mssgw.core.facts import Exchange, Facts
from mssgw.core.rules import content, documents, recipient, sender
from mssgw.core.verdict import Finding

ExchangeRule = Callable[[Facts, Exchange], Finding | None]
MessageRule = Callable[[Facts], Finding | None]
DocumentRule = Callable[[Facts], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """``exchange`` rules are asked for each forward-path, then ``message`` rules once, then those about documents."""

    exchange: tuple[ExchangeRule, ...]
    message: tuple[MessageRule, ...]
    documents: tuple[DocumentRule, ...] = ()


RULEBOOK = Rulebook(
    exchange=(
        recipient.opposition_is_honoured,
        recipient.no_patient_to_patient,  # before there is no route: another's patients have none from their operator
        recipient.route_exists,
        recipient.no_route_in_the_address,
        recipient.receipt_is_expected,
        recipient.patient_may_write,
        recipient.unusual_matricule,
        recipient.account_has_a_history,
    ),
    message=(
        sender.sender_is_the_clients_own,
        content.size_is_within_the_limit,
        content.structure_is_readable,
        content.no_loop,
        sender.one_honest_from,
        sender.robots_send_notices_only,
        content.one_patient,
        content.fin_near_miss,
        content.fin_without_patient,
        content.message_id_is_there,
        sender.person_is_known,
    ),
    documents=(
        documents.documents_are_verified,
        documents.documents_are_right,
        documents.fields_tell_the_truth,
        documents.what_cannot_be_read,
    ),
)
# What these rules say depends on the store; a letter held after time-outs was never looked up (SD-10).
NEED_THE_STORE = frozenset({"opposition-is-honoured", "receipt-is-expected", "patient-may-write"})
