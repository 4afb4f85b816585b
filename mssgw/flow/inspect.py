"""From an envelope and a head to Facts: who stands behind each address, and what the store knows of each pair."""

from dataclasses import replace
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, Party
from mssgw.core.clients import Client
from mssgw.core.conversation import Pair, State
from mssgw.core.directory import judged
from mssgw.core.envelope import Envelope, ForwardPath
from mssgw.core.facts import Exchange, Facts
from mssgw.core.message import Content, MessageHead
from mssgw.core.settings import Settings
from mssgw.ports import Clock, Known, Question, Store

Sender = tuple[Address | None, Party]  # the policy's sender: an address, and who stands behind it


class Inspector:
    """Takes facts. It decides nothing."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def of_sender(self, settings: Settings, client: Client, envelope: Envelope, declared_size: int) -> Facts:
        """Facts at MAIL FROM. Raises MalformedMatricule for a bad patient address, and SpaceUnknown."""
        sender = _policy_sender(settings, envelope, None)
        return self._facts(settings, client, envelope, declared_size, None, (), sender)

    async def of_recipient(
        self, settings: Settings, client: Client, envelope: Envelope, forward_path: ForwardPath
    ) -> Facts:
        """Facts at RCPT TO, about this recipient alone (SD-7).

        Raises MalformedMatricule, SpaceUnknown, StoreUnavailable.
        """
        sender = _policy_sender(settings, envelope, None)
        exchange = _exchange(settings, client, sender, forward_path)
        exchanges = await self._with_knowledge(settings, (exchange,), None)
        return self._facts(settings, client, envelope, 0, None, exchanges, sender)

    async def of_letter(
        self, settings: Settings, client: Client, envelope: Envelope, head: MessageHead, size: int
    ) -> Facts:
        """Facts after DATA, with everything the store knows. Raises SpaceUnknown, StoreUnavailable."""
        sender = _policy_sender(settings, envelope, head)
        exchanges = await self._with_knowledge(settings, _exchanges(settings, client, envelope, sender), head)
        return self._facts(settings, client, envelope, size, head, exchanges, sender)

    def of_letter_unknown(
        self, settings: Settings, client: Client, envelope: Envelope, head: MessageHead, size: int
    ) -> Facts:
        """Facts after DATA without asking the store: for a letter that is to be held unjudged (SD-10)."""
        sender = _policy_sender(settings, envelope, head)
        exchanges = _exchanges(settings, client, envelope, sender)
        return self._facts(settings, client, envelope, size, head, exchanges, sender)

    def _facts(
        self,
        settings: Settings,
        client: Client,
        envelope: Envelope,
        size: int,
        head: MessageHead | None,
        exchanges: tuple[Exchange, ...],
        who: Sender,
    ) -> Facts:
        now = self._clock.now()
        (sender, party), author = who, _author(head)
        named = (*head.from_, *head.reply_to, *head.also_signed) if head is not None else ()
        client = settings.concerned(client, filter(None, (envelope.reverse_path, *named)))
        return Facts(
            envelope=envelope,
            client=client,
            sender=sender,
            sender_party=party,
            sender_bal=settings.bal(sender) if sender is not None else Bal(),
            author_bal=settings.bal(author) if author is not None else Bal(),
            size=size,
            head=head,
            exchanges=exchanges,
            from_is_foreign=head is not None and any(settings.is_foreign(client, who) for who in head.from_),
            sender_listed=settings.is_listed(client, envelope.reverse_path),
            policy=settings.policy(
                now,
                envelope.origin.role,
                client=client.name,
                sender=sender.domain if sender is not None else None,
                recipients=[exchange.forward_path.address.domain for exchange in exchanges],
            ),
            taken_at=now,
        )

    async def _with_knowledge(
        self, settings: Settings, exchanges: tuple[Exchange, ...], head: MessageHead | None
    ) -> tuple[Exchange, ...]:
        author = _author(head)
        pairs = tuple(dict.fromkeys(pair for exchange in exchanges for pair in _pairs(exchange, author)))
        if not pairs:
            return exchanges
        receipt_for = head.mdn.original_message_id if head and head.content is Content.MDN and head.mdn else None
        to_look_up = any(_is_for_the_directory(settings, exchange) for exchange in exchanges)
        question = Question(
            pairs=pairs, thread=head.thread if head else (), receipt_for=receipt_for, directory=to_look_up
        )
        known = dict(zip(pairs, await self._store.know(question), strict=True))
        informed = tuple(_informed(exchange, known, author) for exchange in exchanges)
        if not to_look_up:
            return informed
        now = self._clock.now()
        return tuple(_looked_up(settings, exchange, known, now) for exchange in informed)


def _policy_sender(settings: Settings, envelope: Envelope, head: MessageHead | None) -> Sender:  # req: SD-5
    """The reverse-path; From: when that is null, or not a patient's and From: lies in the patient domain.

    No robot, and no other domain that an operator speaks for, may lend its name to a patient's letter. From our
    establishments such a From: is refused whoever the sender is, and the journal keeps that one.
    """
    sender = envelope.reverse_path
    party = settings.space.sender(sender)
    author = _author(head)
    if party is Party.PATIENT or author is None:
        return sender, party
    shows_a_patient = author.domain == settings.space.domain and envelope.origin.role.from_outside
    if party in (Party.NOBODY, Party.PATIENT_SPACE) or shows_a_patient:
        return author, settings.space.sender(author)
    return sender, party


def _author(head: MessageHead | None) -> Address | None:
    """Who signs, in From:, where that is one."""
    return head.from_[0] if head is not None and len(head.from_) == 1 else None


def _exchanges(settings: Settings, client: Client, envelope: Envelope, who: Sender) -> tuple[Exchange, ...]:
    return tuple(_exchange(settings, client, who, path) for path in envelope.forward_paths)


def _exchange(settings: Settings, client: Client, who: Sender, path: ForwardPath) -> Exchange:
    (sender, party), address = who, path.address
    receiver, mailbox = settings.space.recipient(address), client.bal or address
    route = settings.route_to(client, address)
    return Exchange(
        forward_path=path,
        party=receiver,
        bal=settings.bal(mailbox),
        relayable=route is not None,
        unlisted=route is None and client.relays_outward and settings.is_unlisted(address.domain),
        pair=None if settings.space.is_nobodys(address) else _pair(sender, party, mailbox, receiver),
    )


def _pair(sender: Address | None, party: Party, recipient: Address, receiver: Party) -> Pair | None:
    match party, receiver:
        case Party.PATIENT, Party.PROFESSIONAL if sender is not None:
            return Pair(sender, recipient)
        case Party.PROFESSIONAL, Party.PATIENT if sender is not None:
            return Pair(recipient, sender)
        case _:
            return None


def _pairs(exchange: Exchange, author: Address | None) -> tuple[Pair, ...]:
    """The pair of an exchange, and that of who signs a letter to a patient, though another mailbox sends it."""
    if exchange.pair is None:
        return ()
    if author is None or exchange.party is not Party.PATIENT:
        return (exchange.pair,)
    return (exchange.pair, Pair(exchange.pair.patient, author))


def _informed(exchange: Exchange, known: dict[Pair, Known], author: Address | None) -> Exchange:
    if exchange.pair is None:
        return exchange
    about = known[exchange.pair]
    conversations = [known[pair].conversation for pair in _pairs(exchange, author)]
    blocked = any(each.blocked for each in conversations)  # req: SD-12
    return replace(
        exchange,
        conversation=replace(about.conversation, blocked=blocked),
        in_closed_thread=about.in_closed_thread,
        receipt_due=about.receipt_due,
        account=about.account,
        author_closed=any(each.state is State.CLOSED for each in conversations[1:]),
    )


def _is_for_the_directory(settings: Settings, exchange: Exchange) -> bool:  # req: WHO-3
    """A patient writes to a mailbox of which the configuration says nothing."""
    if exchange.pair is None or exchange.party is not Party.PROFESSIONAL:
        return False
    return exchange.pair.bal.key not in settings.mailboxes


def _looked_up(settings: Settings, exchange: Exchange, known: dict[Pair, Known], now: datetime) -> Exchange:
    word = known[exchange.pair].word if exchange.pair is not None else None
    if word is None or not _is_for_the_directory(settings, exchange):
        return exchange
    bal, unusable = judged(word, settings.directory_max_age, now)
    return replace(exchange, bal=bal, directory_unusable=unusable)
