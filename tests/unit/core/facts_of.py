"""Short constructors for Facts, so that a test shows only what it is about."""

from datetime import UTC, datetime
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind, PatientSpace
from mssgw.core.clients import Client
from mssgw.core.conversation import Conversation, Move, Pair, State
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.facts import Exchange, Facts, Policy
from mssgw.core.message import MessageHead
from mssgw.core.verdict import Admit, Refuse

PATIENT = Address.parse("279035121518989@patient.mssante.fr")
OTHER_PATIENT = Address.parse("146026322000196@patient.mssante.fr")
DOCTOR = Address.parse("dr.martin@ch-test.mssante.fr")
COLLEAGUE = Address.parse("dr.durand@ch-test.mssante.fr")
PHARMACY = Address.parse("officine@pharma-test.mssante.fr")
ROBOT = Address.parse("mailer-daemon@patient.mssante.fr")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

HOSPITAL = Client(
    name="hospital",
    role=Role.ESTABLISHMENT,
    domains=frozenset({"ch-test.mssante.fr"}),
    notice_domains=frozenset({"mail.ch-test.invalid"}),
)
PATIENTS_OPERATOR = Client(name="mes", role=Role.TRUST_SPACE, domains=frozenset({"patient.mssante.fr"}))
PAIR = Pair(PATIENT, DOCTOR)
PHARMACY_BAL = Bal(kind=BalKind.ORG, pharmacy=True)
OPEN, CLOSED, ABSENT = (Conversation(state=state) for state in (State.OPEN, State.CLOSED, State.ABSENT))


def exchange(
    sender: Address | None,
    to: Address,
    conversation: Conversation = ABSENT,
    **more: Any,
) -> Exchange:
    space = PatientSpace()
    patient_writes = sender is not None and space.is_patient(sender)
    pair = None
    if sender is not None and patient_writes != space.is_patient(to):
        pair = Pair(sender, to) if patient_writes else Pair(to, sender)
    more.setdefault("relayable", True)
    return Exchange(
        forward_path=ForwardPath(address=to), party=space.recipient(to), pair=pair, conversation=conversation, **more
    )


def facts(
    sender: Address | None,
    *exchanges: Exchange,
    head: MessageHead | None = None,
    client: Client | None = None,
    policy: Policy | None = None,
    null_path: bool = False,
    **more: Any,
) -> Facts:
    space = PatientSpace()
    from_patient_space = sender is not None and sender.domain == space.domain
    client = client or (PATIENTS_OPERATOR if from_patient_space else HOSPITAL)
    return Facts(
        envelope=Envelope(
            reverse_path=None if null_path else sender,
            forward_paths=tuple(x.forward_path for x in exchanges),
            origin=Origin(role=client.role, client=client.name),
        ),
        client=client,
        sender=sender,
        sender_party=space.sender(sender),
        head=head,
        exchanges=exchanges,
        policy=policy or Policy(),
        taken_at=NOW,
        **more,
    )


def head(sender: Address, **more: Any) -> MessageHead:
    more.setdefault("message_id", "<1@ch-test.mssante.fr>")
    return MessageHead(from_fields=1, from_=(sender,), **more)


def refusal(verdict: object) -> tuple[int, str, str]:
    """Code, status and rule of a letter that must be refused."""
    assert isinstance(verdict, Refuse), verdict
    worst = max(verdict.findings, key=lambda finding: finding.severity)
    return verdict.reply.code, verdict.reply.status, worst.rule


def admitted(verdict: object) -> tuple[Move, ...]:
    """The moves of a letter that must be admitted."""
    assert isinstance(verdict, Admit), verdict
    return verdict.moves
