"""What the real office does to a held letter, over the in-memory twin."""

from datetime import timedelta
from pathlib import Path

import pytest

from mssgw.app.backoffice import BackOffice
from mssgw.app.config import load
from mssgw.app.office import NoSuchClient
from mssgw.app.stores import AtRest
from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.conversation import Event, Move, Pair, State
from mssgw.core.decide import hold_undecided
from mssgw.core.delivery import Lease
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import Gone, Undecryptable
from mssgw.core.message import MessageHead
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, Severity
from mssgw.edges.clock import SystemClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.edges.spool_memory import MemoryBudget
from mssgw.flow import record
from mssgw.flow.inspect import Inspector
from mssgw.flow.release import Judgement
from mssgw.ports import Acceptance
from tests import installation

DOCTOR = Address.parse(installation.DOCTOR)
PATIENT = Address.parse(installation.PATIENT)
PAIR = Pair(PATIENT, DOCTOR)
ID = "1M8Z7Q4X9TB20KEV"
TIMED_OUT = Finding(rule="inspection-in-time", requirement="SD-10", severity=Severity.HOLD, detail="time-out")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def office(store: MemoryStore, tmp_path: Path) -> BackOffice:
    loaded = load(installation.install(tmp_path, hop=25, role="trust-space"))
    rest = AtRest(
        store=store,
        desk=store,
        directory=store,
        patients=store.patients,
        notifications=store,
        collected=store,
        leases=store,
        purges=store,
        unopened=store,
        spool=MemorySpool(),
        vitals=store,
        hot=MemoryBudget(0),
    )
    return BackOffice(loaded, rest)


async def hold_an_answer(office: BackOffice, store: MemoryStore, *others: Address) -> None:
    """The patient's answer to the doctor, held because the store did not say in time what it knows of the pair."""
    clock = SystemClock()
    client = Client(name="mes", role=Role.TRUST_SPACE, domains=frozenset({PATIENT.domain}))
    envelope = Envelope(
        reverse_path=PATIENT,
        forward_paths=tuple(ForwardPath(address=each) for each in (DOCTOR, *others)),
        origin=Origin(role=Role.TRUST_SPACE, client="mes"),
    )
    head = MessageHead(message_id="<r@patient.mssante.fr>", from_fields=1, from_=(PATIENT,))
    facts = Inspector(store, clock).of_letter_unknown(office._settings, client, envelope, head, 100)
    verdict = hold_undecided(facts, TIMED_OUT)
    assert isinstance(verdict, Hold)
    sink = MemorySpool().create(ID)
    await sink.write(b"From: x\r\n\r\nmerci\r\n")
    await store.accept(
        Acceptance(
            body=await sink.close(size=18),
            facts=facts,
            verdict=verdict,
            deliveries=record.deliveries(ID, facts, verdict, clock.now()),
            lease=None,
            letters=record.letters(facts),
            entries=record.accepted(ID, facts, verdict, clock.now()),
        )
    )


async def judged(office: BackOffice) -> Judgement:
    judgement = await office.judge(ID)
    assert judgement is not None
    return judgement


async def test_a_held_answer_is_judged_by_what_the_store_knows_now(office, store):
    """Open: it passes and moves its conversation. Closed since, or never opened: refused (SD-10, WHO-2, FIN-7)."""
    await hold_an_answer(office, store)
    assert isinstance((await judged(office)).verdict, Refuse)
    now = SystemClock().now()
    await store.set_state([(PAIR, State.OPEN, now)], operator="anne", only_absent=False)
    passes = await judged(office)
    assert isinstance(passes.verdict, Admit)
    assert passes.effects.moves == [Move(PAIR, Event.PATIENT_WROTE)]
    await store.set_state([(PAIR, State.CLOSED, now)], operator="anne", only_absent=False)
    refused = (await judged(office)).verdict
    assert isinstance(refused, Refuse)
    assert refused.reply.status == "5.7.1"


async def test_an_opposition_recorded_meanwhile_is_honoured(office, store):
    """The patient objected while the letter was held: releasing it would send it against his will (SD-12)."""
    await hold_an_answer(office, store)
    now = SystemClock().now()
    await store.set_state([(PAIR, State.OPEN, now)], operator="anne", only_absent=False)
    await store.set_block(PATIENT, None, blocked=True, operator="anne", now=now)
    refused = (await judged(office)).verdict
    assert isinstance(refused, Refuse)
    assert refused.findings[0].rule == "opposition-is-honoured"


async def test_judging_changes_nothing(office, store):
    await hold_an_answer(office, store)
    before = (await store.queue(limit=10), await store.trace(spool_id=ID, limit=10))
    await office.judge(ID)
    assert (await store.queue(limit=10), await store.trace(spool_id=ID, limit=10)) == before


async def test_of_an_unknown_letter_nothing_is_held(office):
    assert await office.judge(ID) is None


async def test_a_held_letter_is_explained_by_what_was_decided_of_it(office, store):
    """Not by what its facts alone would give: nobody had asked the store, so they would say "never opened" (SD-10)."""
    await hold_an_answer(office, store)
    _, verdict, _ = await office.explain_id(ID)
    assert isinstance(verdict, Hold)
    assert TIMED_OUT in verdict.findings


async def test_what_an_operator_gives_up_is_held_while_its_sender_is_told(office, store, monkeypatch):
    """A daemon that claimed it in between would deliver what its sender was told is lost."""
    await hold_an_answer(office, store)
    await store.release(ID, operator="anne", now=SystemClock().now(), moves=())
    claimed: list[object] = []
    accept = store.accept

    async def accept_while_the_daemon_looks(acceptance: Acceptance) -> None:
        now = SystemClock().now()
        claimed.extend(await store.claim(now=now, lease=Lease("node.1", now + timedelta(hours=1)), limit=9))
        await accept(acceptance)

    monkeypatch.setattr(store, "accept", accept_while_the_daemon_looks)
    assert await office.bounce(ID, operator="anne") == 1
    assert claimed == []
    events = [entry.event.value for entry in await store.trace(spool_id=ID, limit=10)]
    assert events == ["held", "released", "held", "bounced", "notified"]


async def test_a_letter_that_is_being_sent_is_not_given_up(office, store):
    await hold_an_answer(office, store)
    now = SystemClock().now()
    await store.release(ID, operator="anne", now=now, moves=())
    await store.claim(now=now + timedelta(seconds=1), lease=Lease("node.1", now + timedelta(hours=1)), limit=9)
    with pytest.raises(Gone, match=r"^it is being sent at this moment: try again$"):
        await office.bounce(ID, operator="anne")


async def test_who_gives_up_a_letter_of_which_a_part_is_being_sent_hears_that_the_rest_is_held(office, store):
    """It would wait for good if he took "no" for "nothing changed"."""
    await hold_an_answer(office, store, Address.parse("dr.durand@chu.mssante.fr"))
    now = SystemClock().now()
    await store.release(ID, operator="anne", now=now, moves=())
    await store.claim(now=now + timedelta(seconds=1), lease=Lease("node.1", now + timedelta(hours=1)), limit=1)
    with pytest.raises(Gone, match="the rest of it is held now, until `queue bounce` again or `queue release`"):
        await office.bounce(ID, operator="anne")
    assert sorted(row.delivery.state.value for row in await store.queue(limit=9)) == ["held", "queued"]


@pytest.mark.parametrize("trouble", [Undecryptable, Gone])
async def test_a_letter_that_cannot_be_read_ends_only_when_it_is_said_that_nobody_is_told(
    office, store, monkeypatch, trouble
):
    """Else it would stay in the queue for ever. Gone: its row lay on a damaged page of the database."""
    await hold_an_answer(office, store)

    async def unreadable(spool_id: str) -> None:
        raise trouble

    monkeypatch.setattr(store, "load", unreadable)
    with pytest.raises(Undecryptable):  # of which the command says what ends it
        await office.bounce(ID, operator="anne")
    assert await office.bounce(ID, operator="anne", untold=True) == 1
    assert [entry.event.value for entry in await store.trace(spool_id=ID, limit=10)][-1] == "bounced"


def test_a_mailbox_is_ours_by_the_domains_of_our_establishments(office: BackOffice) -> None:
    """Not an operator's, nor a stranger's."""
    assert office.ours(DOCTOR)
    assert not office.ours(Address.parse("dr.martin@chu.example"))
    assert not office.ours(PATIENT)


@pytest.mark.parametrize("sender", [Address.parse("dr.martin@chu.example"), None])
async def test_a_sender_of_no_client_is_told_the_clients_to_choose_from(
    office: BackOffice, sender: Address | None
) -> None:
    letter = b"From: x\r\n\r\n"
    with pytest.raises(NoSuchClient, match=r"no client may use .* --client who sends \(of chu, mes\)"):
        await office.explain_file(letter, sender=sender, recipients=[PATIENT], client=None)
