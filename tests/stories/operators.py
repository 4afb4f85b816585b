"""What an operator does in a story, as ``mssgw conversation`` and ``mssgw queue`` do it."""

from dataclasses import replace
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.patients import PatientState, Wish
from mssgw.core.routes import RouteTable
from mssgw.core.verdict import Admit
from mssgw.flow.release import Judge
from tests.stories.people import PASSWORD, address
from tests.stories.worlds import World, hashed


async def operate(world: World, what: dict[str, Any]) -> None:
    """``do`` says what; ``patient`` and ``bal`` say with whom."""
    do, now = what["do"], world.clock.now()
    patient, bal = (Address.parse(address(what[who])) if who in what else None for who in ("patient", "bal"))
    match do:
        case "close" | "reopen" | "import":
            assert patient is not None
            assert bal is not None
            state = State(what.get("state", "closed" if do == "close" else "open"))
            row = (Pair(patient, bal), state, now)
            await world.desk.set_state([row], operator="operator", only_absent=do == "import")
        case "block" | "unblock":
            assert patient is not None
            await world.desk.set_block(patient, bal, blocked=do == "block", operator="operator", now=now)
        case "hold":
            rows = await world.desk.queue(limit=1000)
            held = await world.desk.hold([row.delivery.spool_id for row in rows], operator="operator", now=now)
            assert held
        case "release":
            await _release(world)
        case "reload":
            routes = dict(world.configured.routes.by_domain)
            routes.pop(what.get("without", ""), None)
            world.live.settings = replace(world.configured, routes=RouteTable(routes))
        case "patient":
            assert patient is not None
            await _register(world, patient, what)
        case "erase":
            await world.flow.sweeper.erase()
        case "sweep":
            await world.flow.sweeper.close()
        case "forget":
            await world.flow.sweeper.forget()
        case _:
            raise ValueError(f"no operator does {do}")


async def _register(world: World, patient: Address, what: dict[str, Any]) -> None:
    """As ``mssgw patient add``, ``set`` and ``password`` do."""
    matricule = world.live.settings.space.matricule(patient)
    assert matricule is not None
    entry = Entry(at=world.clock.now(), event=JournalEvent.PATIENT, recipient=patient, operator="operator")
    wish = Wish(
        matricule=matricule,
        state=PatientState(what["state"]) if "state" in what else None,
        email=Address.parse(address(what["email"])) if what.get("email") else None,
        keeps_email="email" not in what,
    )
    await world.patients.put([wish], entry)
    if "password" in what:
        assert await world.patients.set_password(matricule, hashed(what["password"] or PASSWORD), entry)


async def _release(world: World) -> None:
    """The one held letter leaves if the rules admit it as things stand; its FIN closed when it came (SD-10)."""
    (row,) = await world.desk.queue(limit=2, state="held")
    spool_id = row.delivery.spool_id
    judge = Judge(
        store=world.store,
        desk=world.desk,
        spool=world.spool,
        inspector=world.flow.inspector,
        documents=world.flow.documents,
    )
    judged = await judge.of(spool_id, world.live.settings)
    assert judged is not None
    if isinstance(judged.verdict, Admit):
        effects = judged.effects
        await world.desk.release(
            spool_id,
            operator="operator",
            now=world.clock.now(),
            moves=effects.moves,
            receipt=effects.receipt,
            notice=effects.notice,
            entries=effects.entries,
        )
