"""What the directory has to do with a patient's letter: taken into its facts, so that the same is decided again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind
from mssgw.core.clients import Client
from mssgw.core.conversation import Pair, State
from mssgw.core.decide import decide
from mssgw.core.directory import Edition, Listing
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.facts import Facts
from mssgw.core.message import MessageHead
from mssgw.core.routes import Route, RouteTable
from mssgw.core.settings import Settings
from mssgw.core.verdict import Admit, Refuse
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemoryStore
from mssgw.flow.directory import Import, draft, made_at
from mssgw.flow.inspect import Inspector

PATIENT = Address.parse("279035121518989@patient.mssante.fr")
OFFICINE = Address.parse("Officine@ch.mssante.fr")
DOCTOR = Address.parse("dr.martin@ch.mssante.fr")
MES = Client(name="mes", role=Role.TRUST_SPACE, domains=frozenset({"patient.mssante.fr"}))
ROUTES = RouteTable({"ch.mssante.fr": Route(name="ch", host="mx.ch", inward=True)})
SETTINGS = Settings(hostname="mssgw.test", routes=ROUTES, directory_max_age=timedelta(days=7))
KNOWN = frozenset({"750000001"})
LISTINGS = [
    Listing(mailbox=DOCTOR.key, kind=BalKind.PER, structure="750000001"),
    Listing(mailbox=OFFICINE.key, kind=BalKind.ORG, structure="750000001", name="PHARMACIE", place="BREST"),
    Listing(mailbox="accueil@ch.mssante.fr", kind=BalKind.ORG, structure="750000002"),
]


class World:
    """A store with its directory, and what is decided of a patient's letter."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.store = MemoryStore(self.clock)
        self.settings = SETTINGS

    async def load(self, *listings: Listing) -> None:
        made = draft(listings or LISTINGS, KNOWN)
        importing = Import(self.store, self.clock)
        await importing.stage(made, KNOWN, lambda _: None)
        now = self.clock.now()
        await importing.adopt(Edition(made_at=now, imported_at=now, mailboxes=len(made)), operator="root")

    async def facts(self, to: Address, *, data: bool = True) -> Facts:
        path = ForwardPath(address=to)
        origin = Origin(role=Role.TRUST_SPACE, client="mes")
        envelope = Envelope(reverse_path=PATIENT, forward_paths=(path,), origin=origin)
        inspector = Inspector(self.store, self.clock)
        if not data:
            return await inspector.of_recipient(self.settings, MES, envelope, path)
        head = MessageHead(from_fields=1, from_=(PATIENT,), message_id="<1@patient.mssante.fr>")
        return await inspector.of_letter(self.settings, MES, envelope, head, 1_000)

    async def decided(self, to: Address) -> str:
        """The code at RCPT; it must be the same after DATA."""
        codes = set()
        for data in (False, True):
            verdict = decide(await self.facts(to, data=data))
            codes.add(f"{verdict.reply.code} {verdict.reply.status}" if isinstance(verdict, Refuse) else "250")
        (code,) = codes
        return code


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (OFFICINE, "250"),
        (DOCTOR, "550 5.7.1"),
        (Address.parse("accueil@ch.mssante.fr"), "550 5.7.1"),
        (Address.parse("inconnu@ch.mssante.fr"), "550 5.7.1"),
    ],
)
async def test_a_patient_writes_first_to_a_pharmacys_org_mailbox_and_to_no_other(
    world: World, to: Address, code: str
) -> None:
    """Not to a pharmacist's PER, not to another ORG, not to an address that is absent (WHO-3)."""
    await world.load()
    assert await world.decided(to) == code


@pytest.mark.parametrize("state", [State.ABSENT, State.CLOSED])
async def test_a_directory_that_is_missing_or_too_old_lets_the_letter_wait(world: World, state: State) -> None:
    """A closed exchange too: with a pharmacy it would open again (FIN-6)."""
    if state is State.CLOSED:
        pair = (Pair(PATIENT, OFFICINE), state, world.clock.now())
        await world.store.set_state([pair], operator="root", only_absent=False)
    assert await world.decided(OFFICINE) == "451 4.7.1"
    await world.load()
    assert await world.decided(OFFICINE) == "250"
    world.clock.pass_(minutes=7 * 24 * 60)
    assert await world.decided(OFFICINE) == "250"
    world.clock.pass_(minutes=1)
    assert await world.decided(OFFICINE) == "451 4.7.1"
    await world.load()
    assert await world.decided(OFFICINE) == "250"


async def test_an_answer_never_waits_for_the_directory(world: World) -> None:
    """Where a professional wrote, the patient may write, whatever the mailbox is (WHO-2, DIR-4)."""
    pair = (Pair(PATIENT, DOCTOR), State.OPEN, world.clock.now())
    await world.store.set_state([pair], operator="root", only_absent=False)
    assert await world.decided(DOCTOR) == "250"


async def test_the_configuration_decides_first_then_what_was_set_by_hand(world: World) -> None:
    """With a directory that is fresh, missing, or not configured at all."""
    pharmacy, no_pharmacy = Bal(kind=BalKind.ORG, pharmacy=True), Bal(kind=BalKind.ORG)
    now = world.clock.now()
    await world.store.put(DOCTOR, pharmacy, operator="root", now=now)
    assert await world.decided(DOCTOR) == "250"
    await world.load()
    await world.store.put(OFFICINE, no_pharmacy, operator="root", now=now)
    assert await world.decided(OFFICINE) == "550 5.7.1"
    world.settings = replace(SETTINGS, mailboxes={OFFICINE.key: pharmacy, DOCTOR.key: no_pharmacy})
    assert await world.decided(OFFICINE) == "250"
    assert await world.decided(DOCTOR) == "550 5.7.1"
    world.settings = replace(SETTINGS, directory_max_age=None)
    assert await world.decided(DOCTOR) == "250"


async def test_without_a_configured_directory_what_is_imported_says_nothing(world: World) -> None:
    await world.load()
    world.settings = replace(SETTINGS, directory_max_age=None)
    assert await world.decided(OFFICINE) == "550 5.7.1"


async def test_while_the_rules_only_observe_no_first_letter_waits(world: World) -> None:
    """It would be admitted whatever the directory says (SD-9)."""
    world.settings = replace(SETTINGS, observe=True)
    assert await world.decided(OFFICINE) == "250"


async def test_the_facts_hold_what_was_decided_on(world: World) -> None:
    """So that it is the same when it is explained later, with another directory."""
    facts = await world.facts(OFFICINE)
    assert facts.exchanges[0].directory_unusable
    await world.load()
    known = await world.facts(OFFICINE)
    assert known.exchanges[0].bal == Bal(kind=BalKind.ORG, pharmacy=True)
    assert isinstance(decide(known), Admit)
    assert isinstance(decide(facts), Refuse)


def test_a_mailbox_of_several_rows_is_one_listing() -> None:
    """Both of a known pharmacy: one. One of them of something else: none."""
    twice = draft([LISTINGS[1], LISTINGS[1], LISTINGS[0]], KNOWN)
    assert (len(twice), twice.repeated, twice.pharmacies) == (2, 1, 1)
    other = replace(LISTINGS[1], structure="750000002")
    assert draft([LISTINGS[1], other], KNOWN).pharmacies == 0
    assert [each.mailbox for each in twice.listings()] == sorted((DOCTOR.key, OFFICINE.key))


def test_a_draft_keeps_what_it_was_given() -> None:
    """In the order of the addresses, also where one begins another or is not ASCII."""
    names = ("a@x.fr", "a@x.fra", "a-b@x.fr", "é@x.fr", "z@x.fr")
    listings = [Listing(mailbox=name, kind=BalKind.ORG, name="N° 1", place="É") for name in reversed(names)]
    assert [each.mailbox for each in draft(listings, ()).listings()] == sorted(names)
    assert set(draft(listings, ()).listings()) == set(listings)


def test_an_extraction_is_as_old_as_its_name_says_and_never_from_tomorrow() -> None:
    now = FixedClock().now()
    day = timedelta(days=1)
    assert made_at(now - 2 * day, now - day, now) == now - 2 * day
    assert made_at(None, now - day, now) == now - day
    assert made_at(now + timedelta(hours=1), now, now) == now
