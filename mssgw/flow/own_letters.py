"""Keeping letters of our own: each takes the same way as all others, with a null reverse-path, from the queue."""

from dataclasses import dataclass, replace
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.bal import Party
from mssgw.core.clients import Client
from mssgw.core.envelope import Envelope, ForwardPath, Notify, Origin, Role
from mssgw.core.errors import CommitInDoubt
from mssgw.core.facts import Exchange, Facts
from mssgw.core.journal import Entry
from mssgw.core.message import Content, MessageHead
from mssgw.core.verdict import Admit
from mssgw.flow import record
from mssgw.flow.live import Live
from mssgw.formats.own_parts import Written
from mssgw.formats.wire import stuffed
from mssgw.ports import Acceptance, Collected, ReceiptSeen, Spool, Store

OURSELVES = Client(name="mssgw", role=Role.OURSELVES)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLetter:
    """A letter that is written. ``domain``: by which its route is found, when not by its recipient (Delivery.domain).

    ``entries``, ``collected`` and ``receipt``: as in Acceptance.
    """

    spool_id: str
    message_id: str
    written: Written
    to: Address
    content: Content = Content.ORDINARY
    auto_submitted: str = "auto-replied"
    domain: str | None = None
    entries: tuple[Entry, ...] = ()
    collected: Collected | None = None
    receipt: ReceiptSeen | None = None


class OwnLetters:
    """Puts letters of our own in the queue."""

    def __init__(self, *, store: Store, spool: Spool, live: Live) -> None:
        self._store, self._spool, self._live = store, spool, live

    async def keep(self, letter: OwnLetter, now: datetime) -> None:
        """Durable when it returns. Raises StoreUnavailable, AlreadyCollected, Conflict: nothing was kept, unless it is
        a CommitInDoubt.
        """
        sink = self._spool.create(letter.spool_id)
        try:
            await sink.write(stuffed(letter.written.content))
            body = await sink.close(size=len(letter.written.content))
        except BaseException:
            await sink.discard()
            raise
        facts, verdict = self._facts(letter, now), Admit()
        deliveries = record.deliveries(letter.spool_id, facts, verdict, now)
        accepted = record.accepted(letter.spool_id, facts, verdict, now)
        if letter.domain is not None:  # in the journal, too: it tells there what kind of letter this was
            deliveries = tuple(replace(each, domain=letter.domain) for each in deliveries)
            accepted = tuple(replace(each, detail=letter.domain) for each in accepted)
        try:
            await self._store.accept(
                Acceptance(
                    body=body,
                    facts=facts,
                    verdict=verdict,
                    deliveries=deliveries,
                    lease=None,
                    entries=(*accepted, *letter.entries),
                    collected=letter.collected,
                    receipt=letter.receipt,
                )
            )
        except CommitInDoubt:  # as when cancelled: it may be kept all the same, and a file without a row is swept
            raise
        except Exception:
            await self._spool.remove(letter.spool_id)
            raise

    def _facts(self, letter: OwnLetter, now: datetime) -> Facts:
        """What a letter of ours is: automatic mail to one recipient. Nothing about it is left to decide."""
        path = ForwardPath(address=letter.to, notify=frozenset({Notify.NEVER}))
        settings, written = self._live.settings, letter.written
        return Facts(
            envelope=Envelope(
                reverse_path=None,
                forward_paths=(path,),
                origin=Origin(role=Role.OURSELVES, client=OURSELVES.name, helo=settings.hostname),
                eight_bit=written.eight_bit,
                smtputf8=written.smtputf8,
            ),
            client=OURSELVES,
            sender=None,
            sender_party=Party.NOBODY,
            size=len(written.content),
            head=MessageHead(
                message_id=letter.message_id, content=letter.content, auto_submitted=letter.auto_submitted
            ),
            exchanges=(Exchange(forward_path=path, party=settings.space.sender(letter.to), relayable=True),),
            policy=settings.policy(now, Role.OURSELVES),
            taken_at=now,
        )
