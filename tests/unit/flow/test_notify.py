"""Telling that letters wait: after their delivery, seldom, without a word of patients, and for as long as it takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.parser import BytesParser
from email.policy import default as readable
from typing import Any

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Party
from mssgw.core.delivery import Deferred, Delivered, Delivery, Outcome
from mssgw.core.message import MessageHead
from mssgw.core.notifying import ByHook, ByMail, Notification, Notifications, Target
from mssgw.core.replies import Reply
from mssgw.core.routes import Route, RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemoryStore
from mssgw.flow.live import Live
from mssgw.flow.notify import Notifier
from mssgw.formats.wire import unstuffed
from mssgw.ports import StillOurs, Stored, Untold, always
from tests.canaries import leaks
from tests.contract.letters import DOCTOR, PATIENT, Place, facts_of, settlement

OFFICINE = Address.parse("officine@pharma-exemple.mssante.fr")
ACCUEIL = Address.parse("accueil@pharma-exemple.fr")
SENDER = Address.parse("ne-pas-repondre@exemple.fr")
HOOK = "https://serveur.exemple.fr/mssante?jeton=secret"
ROUTE = Route(name="notifications", host="smtp.exemple.fr", port=587)
BUSY = Deferred(reply=Reply(451, "4.3.2", "<accueil@pharma-exemple.fr> plus tard"), next_hop="smtp.exemple.fr")


class Events:
    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def event(self, name: str, **fields: Any) -> None:
        self.seen.append((name, fields))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.seen]


class World:
    """ports.Transport and ports.Hooks that take everything, unless ``trouble``."""

    def __init__(self) -> None:
        self.mails: list[tuple[Route, Stored]] = []
        self.posts: list[tuple[str, bytes]] = []
        self.trouble: Outcome | Untold | None = None

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        if isinstance(self.trouble, Deferred):
            return {0: self.trouble}
        self.mails.append((route, stored))
        return {0: Delivered(reply=Reply(250, "2.0.0", "OK"), next_hop="smtp.exemple.fr")}

    async def post(self, url: str, content: bytes) -> None:
        if isinstance(self.trouble, Untold):
            raise self.trouble
        self.posts.append((url, content))


@dataclass
class House:
    """A notifier over the in-memory twin."""

    target: Target = ByMail(ACCUEIL)
    clock: FixedClock = field(default_factory=FixedClock)
    events: Events = field(default_factory=Events)
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        async def nobody(*_: object) -> None:
            return None

        self.store = MemoryStore(self.clock)
        self.live = Live(Settings(hostname="gw.exemple.fr", routes=RouteTable({})), lambda *_: None, nobody)
        self.follow({OFFICINE.key: self.target})
        self.notifier = Notifier(
            queue=self.store,
            store=self.store,
            transport=self.world,
            hooks=self.world,
            clock=self.clock,
            telemetry=self.events,
            live=self.live,
        )

    def follow(self, targets: dict[str, Target], route: Route | None = ROUTE) -> None:
        notifications = Notifications(targets=targets, route=route, sender=SENDER if route else None)
        self.live.settings = replace(self.live.settings, notifications=notifications)

    async def delivered(self, name: str) -> None:
        """As flow/attempt records it."""
        place = Place(self.store, self.store, self.clock)
        kept = await place.keep(name, lease=place.lease(), recipients=(OFFICINE,), sender=PATIENT)
        waits = Notification(mailbox=OFFICINE, waiting=1, since=self.clock.now())
        assert kept.lease is not None
        await self.store.settle([replace(settlement(kept.deliveries[0], kept.lease), notify=waits)])


async def test_by_mail_a_small_letter_of_ours_leaves_for_the_configured_hop() -> None:
    house = House()
    await house.delivered("A")
    assert await house.notifier.tell_due() == 1
    ((route, stored),) = house.world.mails
    assert route == ROUTE
    assert stored.envelope.reverse_path == SENDER
    assert [path.address for path in stored.envelope.forward_paths] == [ACCUEIL]
    assert stored.body.inline is not None
    letter = unstuffed(stored.body.inline)
    assert len(letter) == stored.body.size
    assert letter.isascii(), "so that any next hop takes it"
    read = BytesParser(policy=readable).parsebytes(letter)
    assert (read["from"], read["to"]) == ("ne-pas-repondre@exemple.fr", "accueil@pharma-exemple.fr")
    assert (read["subject"], read["auto-submitted"]) == (
        "Messages en attente dans une boîte MSSanté",
        "auto-generated",
    )
    text = read.get_content()
    assert "Un nouveau message attend dans la boîte MSSanté officine@pharma-exemple.mssante.fr." in text
    assert not leaks(letter + text.encode()), "nothing of the patient"
    assert house.events.names == ["notification.sent"]


async def test_by_webhook_it_is_a_tiny_json_of_mailbox_and_number() -> None:
    house = House(target=ByHook(HOOK))
    for name in "AB":
        await house.delivered(name)
    await house.notifier.tell_due()
    ((url, content),) = house.world.posts
    assert (url, json.loads(content)) == (HOOK, {"mailbox": OFFICINE.text, "waiting": 2})
    assert "secret" not in str(house.events.seen), "the URL may hold a secret"
    assert "officine" not in str(house.events.seen), "a mailbox is known by its alias"


async def test_one_mailbox_is_told_of_once_in_five_minutes() -> None:
    house = House()
    await house.delivered("A")
    await house.notifier.tell_due()
    for name in "BCD":
        house.clock.pass_(seconds=30)
        await house.delivered(name)
        assert await house.notifier.tell_due() == 0
    house.clock.pass_(minutes=5)
    await house.notifier.tell_due()
    assert len(house.world.mails) == 2
    body = house.world.mails[1][1].body.inline
    assert body is not None
    assert b"3 nouveaux messages attendent" in body


async def test_what_fails_is_tried_again_later_and_is_an_alarm_the_third_time() -> None:
    house = House()
    house.world.trouble = BUSY
    await house.delivered("A")
    await house.notifier.tell_due()
    assert await house.notifier.tell_due() == 0, "not at once"
    for _ in range(2):
        house.clock.pass_(minutes=5)
        await house.notifier.tell_due()
    assert [fields["alarm"] for _, fields in house.events.seen] == [False, False, True]
    assert {fields["why"] for _, fields in house.events.seen} == {"451 4.3.2"}, "a peer's words may quote an address"
    house.world.trouble = None
    house.clock.pass_(hours=1)
    await house.notifier.tell_due()
    assert len(house.world.mails) == 1
    assert house.events.names[-1] == "notification.sent"


async def test_after_a_day_it_is_given_up_aloud_and_the_next_letter_begins_anew() -> None:
    house = House(target=ByHook(HOOK))
    house.world.trouble = Untold("HTTP status 500")
    await house.delivered("A")
    for _ in range(60):
        await house.notifier.tell_due()
        house.clock.pass_(minutes=61 * 1.2)
        if "notification.given_up" in house.events.names:
            break
    assert house.events.names.count("notification.given_up") == 1
    assert house.events.seen[-1][1]["alarm"]
    assert await house.store.next_notification() is None
    house.world.trouble = None
    await house.delivered("B")
    await house.notifier.tell_due()
    assert [json.loads(content)["waiting"] for _, content in house.world.posts] == [1]


async def test_a_mailbox_whose_reader_is_no_longer_configured_is_forgotten() -> None:
    house = House()
    await house.delivered("A")
    house.follow({})
    await house.notifier.tell_due()
    assert (house.world.mails, house.events.names) == ([], [])
    assert await house.store.next_notification() is None


async def test_an_address_without_a_next_hop_waits_until_there_is_one() -> None:
    """`mssgw check` refuses that; a reload may still bring it about in between."""
    house = House()
    await house.delivered("A")
    house.follow({OFFICINE.key: ByMail(ACCUEIL)}, route=None)
    await house.notifier.tell_due()
    assert house.events.names == ["notification.failed"]
    house.follow({OFFICINE.key: ByMail(ACCUEIL)})
    house.clock.pass_(minutes=5)
    await house.notifier.tell_due()
    assert len(house.world.mails) == 1


@pytest.mark.parametrize(
    ("sender_party", "automatic", "recipient", "due"),
    [
        (Party.PATIENT, "no", OFFICINE, True),
        (Party.PATIENT, "auto-replied", OFFICINE, False),
        (Party.PATIENT, "no", DOCTOR, False),
        (Party.PROFESSIONAL, "no", OFFICINE, False),
        (Party.PATIENT_SPACE, "no", OFFICINE, False),
    ],
)
def test_only_a_patients_letter_to_a_configured_mailbox_is_told(
    sender_party: Party, automatic: str, recipient: Address, due: bool
) -> None:
    facts = replace(
        facts_of(FixedClock(), (recipient,), PATIENT),
        sender_party=sender_party,
        head=MessageHead(message_id="<1@x>", auto_submitted=automatic),
    )
    assert Notifications(targets={OFFICINE.key: ByMail(ACCUEIL)}).due(facts, recipient) is due


def test_peace_lasts_five_minutes_unless_told() -> None:
    assert Notifications().every == timedelta(minutes=5)
