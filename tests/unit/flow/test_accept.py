"""What becomes of a letter when the store fails or changes its mind while the letter comes in."""

from typing import Any

import pytest

from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import CommitInDoubt, StoreUnavailable
from mssgw.core.replies import DISK_FULL, Reply
from mssgw.core.routes import Route, RouteTable
from mssgw.core.settings import Settings
from mssgw.core.verdict import Admit, Hold
from mssgw.edges.memory import MemorySpool
from mssgw.edges.memory.validators import MemoryValidators
from mssgw.flow import record
from mssgw.flow.accept import IncomingLetter, Means
from mssgw.flow.deliver import Deliverer
from mssgw.flow.documents import Documents
from mssgw.flow.inspect import Inspector
from mssgw.flow.reading import READING_TOO_LONG
from mssgw.formats.data_phase import Problem
from mssgw.formats.wire import to_wire
from mssgw.ports import INLINE_LIMIT, Acceptance, Conflict
from tests import clinical_letters
from tests.unit.flow.delivering.office import Office, broken, until

DOCTOR, COLLEAGUE = Address.parse("dr.martin@ch.mssante.fr"), Address.parse("dr.durand@ch.mssante.fr")
CLIENT = Client(name="ch", role=Role.ESTABLISHMENT, domains=frozenset({"ch.mssante.fr"}))
ROUTES = RouteTable({"ch.mssante.fr": Route(name="ch", host="mx.ch", inward=True)})
NOTICE = (
    "From: <noreply@patient.mssante.fr>\r\nMessage-ID: <n@mes>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    "Le message que vous avez envoyé à l'adresse \"279035121518989@patient.mssante.fr\" n'a pas pu être distribué, "
    "car la messagerie Mon espace santé de votre destinataire est clôturée.\r\n"
).encode()
LARGE = b"From: <dr.martin@ch.mssante.fr>\r\nMessage-ID: <1@ch>\r\n\r\n" + b"x\r\n" * INLINE_LIMIT


@pytest.fixture
def office() -> Office:
    return Office()


def letter(
    office: Office, spool: MemorySpool, sender: Address | None = DOCTOR, client: Client = CLIENT
) -> IncomingLetter:
    deliverer: Deliverer = office.flow().deliverer
    means = Means(
        store=office.store,
        spool=spool,
        clock=office.clock,
        telemetry=office.events,
        inspector=Inspector(office.store, office.clock),
        documents=Documents(MemoryValidators(), spool),
        deliverer=deliverer,
    )
    origin = Origin(role=client.role, client=client.name)
    paths = (ForwardPath(address=COLLEAGUE),)
    envelope = Envelope(reverse_path=sender, forward_paths=paths, origin=origin)
    return IncomingLetter(means, Settings(hostname="mssgw.test", routes=ROUTES), client, envelope)


def failing(error: Exception) -> Any:
    async def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


async def test_a_refusal_stands_when_the_journal_does_not_answer(office, monkeypatch):
    """An exception here would end DATA in the middle, and what follows would be read as commands."""
    monkeypatch.setattr(office.store, "note", failing(StoreUnavailable()))
    incoming = letter(office, MemorySpool())
    await incoming.write(b"From: x\r\n")
    await incoming.abort(Reply(554, "5.6.0", "Message refuse"))
    assert "letter.refused" in office.events.seen


@pytest.mark.parametrize(
    "problem", [each for each in Problem if each is not Problem.TOO_BIG], ids=lambda each: each.name
)
async def test_the_log_says_which_octets_were_wrong(office, monkeypatch, problem):
    """One rule stands for all of them, and whoever reads the log at night needs not ask for the journal."""
    told = {}
    monkeypatch.setattr(office.events, "event", lambda name, **fields: told.update({name: fields}))
    incoming = letter(office, MemorySpool())
    await incoming.write(b"From: x\r\n")
    await incoming.abort(problem.value)
    refused = told["letter.refused"]
    assert (refused["rule"], refused["why"]) == ("octets-are-clean", problem.name.lower().replace("_", "-"))


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError("ours")], ids=["store", "ours"])
async def test_what_was_not_kept_leaves_no_file(office, monkeypatch, error):
    monkeypatch.setattr(office.store, "accept", failing(error))
    spool = MemorySpool()
    incoming = letter(office, spool)
    await incoming.write(LARGE)
    if isinstance(error, StoreUnavailable):
        assert (await incoming.end(size=len(LARGE))).code == 451
    else:
        with pytest.raises(RuntimeError):
            await incoming.end(size=len(LARGE))
    assert not spool.files


async def test_the_file_of_a_letter_whose_commit_is_in_doubt_stays(office, monkeypatch):
    """It may be kept after all, and would then have no body; without a row it is swept."""
    monkeypatch.setattr(office.store, "accept", failing(CommitInDoubt()))
    spool = MemorySpool()
    incoming = letter(office, spool)
    await incoming.write(LARGE)
    assert (await incoming.end(size=len(LARGE))).code == 451
    assert spool.files


async def test_a_letter_that_was_kept_stays_kept_when_the_log_cannot_be_written(office, monkeypatch):
    """Its sender is told 250: after 451 he would send it again, and the first one has lost its file by then."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    spool = MemorySpool()
    incoming = letter(office, spool)
    await incoming.write(LARGE)
    with monkeypatch.context() as trouble:
        trouble.setattr(office.events, "event", full)
        assert (await incoming.end(size=len(LARGE))).code == 250
    assert [*spool.files] == [incoming.spool_id]
    await until(
        lambda: "delivery.deferred" in office.events.seen, incoming._means
    )  # there is no route, but it was tried


async def test_a_letter_that_was_kept_and_cannot_be_handed_over_waits_in_the_queue(office, monkeypatch):
    """It takes no place in memory: those would be missing for ever."""
    spool = MemorySpool()
    incoming = letter(office, spool)
    await incoming.write(LARGE)
    with monkeypatch.context() as trouble:
        trouble.setattr(incoming._means.deliverer, "_route_name", lambda _: broken())
        assert (await incoming.end(size=len(LARGE))).code == 250
    assert [*spool.files] == [incoming.spool_id]
    assert incoming._means.deliverer.idle
    assert await office.states() == [f"{incoming.spool_id} queued"]
    assert office.events.alarms == ["delivery.failed"]


async def test_a_letter_that_could_not_be_recorded_takes_no_place_in_memory(office, monkeypatch):
    """A letter a day that we fail at would stop all delivery in the end."""
    monkeypatch.setattr(record, "letters", lambda _: broken())
    incoming = letter(office, MemorySpool())
    await incoming.write(LARGE)
    with pytest.raises(RuntimeError):
        await incoming.end(size=len(LARGE))
    assert incoming._means.deliverer.idle


MASKED = to_wire(
    clinical_letters.letter(
        "279035121518989",
        fields="From: <dr.martin@ch.mssante.fr>\nMessage-ID: <1@ch>\n",
        edit=clinical_letters.hidden_from("MASQUE_PS"),
    ).encode()
)


async def test_a_document_is_refused_also_when_its_file_cannot_be_removed(office, monkeypatch):
    """The file has no row: it is swept later, and nobody ever gets it."""
    spool = MemorySpool()
    monkeypatch.setattr(spool, "remove", failing(StoreUnavailable()))
    incoming = letter(office, spool)
    await incoming.write(MASKED)
    reply = await incoming.end(size=len(MASKED))
    assert str(reply).startswith("554 5.6.0 Document refuse, regle non respectee : ")
    assert reply.text.endswith(f" Rapport {incoming.spool_id}")


async def test_documents_are_judged_once_however_often_the_facts_change(office, monkeypatch):
    """A conflict at commit is about pairs; a document stays what it is."""
    asked: list[None] = []

    class Counting(MemoryValidators):
        async def judge(self, letter: Any, order: Any, *, queue_id: Any = None) -> Any:
            asked.append(None)
            return await super().judge(letter, order, queue_id=queue_id)

    spool = MemorySpool()
    incoming = letter(office, spool)
    monkeypatch.setattr(incoming._means.documents, "_validators", Counting())
    monkeypatch.setattr(office.store, "accept", failing(Conflict()))
    whole = to_wire(clinical_letters.letter("279035121518989", fields="From: <dr.martin@ch.mssante.fr>\n").encode())
    await incoming.write(whole)
    assert (await incoming.end(size=len(whole))).code == 451
    assert len(asked) == 1


async def test_a_letter_deferred_after_a_conflict_leaves_no_file(office, monkeypatch):
    """The facts changed under its commit, and the second look took too long."""
    looks: list[None] = []

    async def inspect(*given: Any) -> Any:
        looks.append(None)
        return office_facts(*given) if len(looks) == 1 else None

    spool = MemorySpool()
    incoming = letter(office, spool)
    office_facts = incoming._means.inspector.of_letter_unknown
    monkeypatch.setattr(office.store, "accept", failing(Conflict()))
    monkeypatch.setattr(
        incoming,
        "_inspect",
        lambda head, size: inspect(incoming._settings, incoming._client, incoming._envelope, head, size),
    )
    await incoming.write(LARGE)
    assert await incoming.end(size=len(LARGE)) == READING_TOO_LONG
    assert not spool.files


async def test_a_letter_that_conflicts_every_time_is_deferred_and_logged(office, monkeypatch):
    monkeypatch.setattr(office.store, "accept", failing(Conflict()))
    spool = MemorySpool()
    incoming = letter(office, spool)
    await incoming.write(LARGE)
    assert (await incoming.end(size=len(LARGE))).code == 451
    assert office.events.seen == ["letter.deferred_at_intake"]
    assert not spool.files


async def test_a_notice_that_is_held_says_nothing_of_the_account_yet(office, monkeypatch):
    """What a letter brings about waits for its release (SD-10); the release then heeds it."""
    operator = Client(name="mes", role=Role.TRUST_SPACE, domains=frozenset({"patient.mssante.fr"}))
    kept: list[Acceptance] = []
    accept = office.store.accept

    async def watched(acceptance: Acceptance) -> None:
        kept.append(acceptance)
        await accept(acceptance)

    async def too_slow(*_: Any) -> None:
        return None

    monkeypatch.setattr(office.store, "accept", watched)
    for timed_out in (True, True, True, False):
        incoming = letter(office, MemorySpool(), None, operator)
        if timed_out:
            monkeypatch.setattr(incoming, "_inspect", too_slow)
        await incoming.write(NOTICE)
        answer = await incoming.end(size=len(NOTICE))
    assert answer.ok
    assert [type(each.verdict) for each in kept] == [Hold, Admit]
    assert [each.notice is None for each in kept] == [True, False]


@pytest.mark.parametrize(
    ("reply", "alarms"),
    [
        (Reply(421, "4.4.2", "Delai depasse pendant DATA, rien n'a ete conserve"), []),
        (DISK_FULL, ["letter.deferred_at_intake"]),
    ],
    ids=["slow sender", "full disk"],
)
async def test_what_is_deferred_is_an_alarm_only_when_it_is_our_trouble(office, reply, alarms):
    """Anybody can be slow."""
    await letter(office, MemorySpool()).abort(reply)
    assert office.events.seen == ["letter.deferred_at_intake"]
    assert office.events.alarms == alarms
