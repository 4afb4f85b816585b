"""The listener of patients: known by their password and nothing else, over TLS, for as long as the registry agrees."""

import base64
import ssl
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.envelope import Role
from mssgw.core.errors import StoreUnavailable
from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.patients import PatientState, Wish
from mssgw.core.routes import RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory.content import Content
from mssgw.edges.memory.patients import MemoryPatients
from mssgw.edges.smtpd_listener import TlsMode
from mssgw.flow.live import Live
from mssgw.flow.patient_door import PatientDoor
from tests.canaries import MATRICULES, Kind, leaks, plant
from tests.wire.inbound import QUEUED, House, Peer, Recorder, house, listener

ANNE, BRUNO = MATRICULES[:2]
PASSWORD = plant(Kind.NAME, "perruche-ondulee-42")
EHLO = "EHLO telephone.invalid"


@dataclass(slots=True)
class Door:
    """The real door over a registry in memory; a password is its own hash. ``asked``: what was checked."""

    patients: MemoryPatients = field(default_factory=lambda: MemoryPatients(Content()))
    clock: FixedClock = field(default_factory=FixedClock)
    asked: list[tuple[str | None, str]] = field(default_factory=list)

    def reception(self) -> Recorder:
        async def check(hashed: str | None, password: str) -> bool:
            self.asked.append((hashed, password))
            return hashed == password

        async def nobody(*_: object) -> None:
            return None

        settings = Settings(hostname="gw.example.fr", space=PatientSpace(), routes=RouteTable({}))
        live = Live(settings, lambda role, peer: None, nobody, check_password=check)
        return Recorder(client=None, patients=PatientDoor(self.patients, live))

    async def put(self, matricule: str, state: PatientState, password: str | None = None) -> None:
        who = Matricule.parse(matricule)
        line = Entry(at=self.clock.now(), event=JournalEvent.PATIENT)
        await self.patients.put([Wish(matricule=who, state=state)], line)
        if password is not None:
            assert await self.patients.set_password(who, password, line)


@pytest.fixture
def door() -> Door:
    return Door()


def served(door: Door, ours: ssl.SSLContext, **more: Any) -> Any:
    values = {"role": Role.PATIENT_SPACE, "tls": TlsMode.STARTTLS, "context": ours, "require_tls": True, "auth": True}
    return house(door.reception(), **(values | more))


async def secured(home: House, trust: ssl.SSLContext) -> Peer:
    peer = await home.meet(hello=EHLO)
    await peer.starttls(trust)
    assert "250 AUTH PLAIN LOGIN" in await peer.ask(EHLO)
    return peer


def plain(login: str, password: str) -> str:
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


async def log_in(peer: Peer, login: str = ANNE, password: str = PASSWORD) -> str:
    return await peer.ask(f"AUTH PLAIN {plain(login, password)}")


async def test_nothing_is_asked_or_sent_before_tls(door, ours, trust):
    async with served(door, ours) as home:
        peer = await home.meet(hello=EHLO)
        assert "AUTH" not in await peer.ask(EHLO)
        assert (await log_in(peer))[:3] in ("538", "530")
        assert (await peer.ask("MAIL FROM:<a@b.fr>"))[:9] == "530 5.7.0"
    assert door.asked == []


@pytest.mark.parametrize("login", [ANNE, f"{ANNE}@patient.mssante.fr", f"{ANNE}@PATIENT.MSSANTE.FR"])
async def test_a_patient_logs_in_by_number_or_address_and_writes_as_himself(door, ours, trust, login):
    """His client may send as his address, and as no other (SD-5); no person stands behind it but himself."""
    await door.put(ANNE, PatientState.ACTIVE, PASSWORD)
    async with served(door, ours) as home:
        peer = await secured(home, trust)
        assert (await log_in(peer, login))[:9] == "235 2.7.0"
        await peer.envelope(f"MAIL FROM:<{ANNE}@patient.mssante.fr>", "RCPT TO:<officine@pharma.fr>")
        assert await peer.data() == str(QUEUED)
        client, envelope, _ = home.reception.senders[0]
        assert client.may_send_as(Address.parse(f"{ANNE}@patient.mssante.fr"))
        assert not client.may_send_as(Address.parse(f"{BRUNO}@patient.mssante.fr"))
        assert (client.name, envelope.origin.role, envelope.origin.person) == (
            "patient-space",
            Role.PATIENT_SPACE,
            None,
        )


async def test_a_corsican_logs_in_in_any_case(door, ours, trust):
    """INS-3."""
    await door.put(MATRICULES[2], PatientState.ACTIVE, PASSWORD)
    async with served(door, ours) as home:
        assert (await log_in(await secured(home, trust), MATRICULES[2].lower()))[:9] == "235 2.7.0"


@pytest.mark.parametrize(
    ("state", "says"),
    [(PatientState.CREATED, "Activez"), (PatientState.OPPOSED, "oppose"), (PatientState.CLOSED, "cloturee")],
)
async def test_who_is_not_active_is_told_so_if_the_password_is_right_and_nothing_else_otherwise(
    door, ours, trust, state, says
):
    """WHO-3: and nobody learns of a profile whose password he does not know."""
    await door.put(ANNE, state, PASSWORD)
    async with served(door, ours) as home:
        peer = await secured(home, trust)
        right, wrong = await log_in(peer), await log_in(peer, password="autre chose")
        assert right[:9] == wrong[:9] == "535 5.7.8"
        assert says in right
        assert says not in wrong


@pytest.mark.parametrize("login", [BRUNO, "289456789012345", "marie", f"{ANNE}@ailleurs.fr", "@", "x" * 300])
async def test_nobody_of_that_name_takes_as_long_as_a_wrong_password(door, ours, trust, login):
    """A password is checked against nothing: the answer tells nothing of who is a patient here."""
    await door.put(ANNE, PatientState.ACTIVE, PASSWORD)
    async with served(door, ours) as home:
        answer = await log_in(await secured(home, trust), login)
    assert answer == "535 5.7.8 Identifiant ou mot de passe incorrect"
    assert door.asked == [(None, PASSWORD)]


async def test_a_profile_without_a_password_is_nobodys(door, ours, trust):
    await door.put(ANNE, PatientState.ACTIVE)
    async with served(door, ours) as home:
        assert (await log_in(await secured(home, trust)))[:9] == "535 5.7.8"


async def test_guessing_ends_the_connection_and_nothing_of_it_is_logged(door, ours, trust):
    with capture_logs() as logs:
        async with served(door, ours) as home:
            peer = await secured(home, trust)
            answers = [(await log_in(peer, password=guess))[:9] for guess in ("eins", "zwei", "drei")]
            assert answers == ["535 5.7.8", "535 5.7.8", "421 4.7.0"]
            await home.quiet()
    assert not leaks(repr(logs).encode())


async def test_a_stranger_and_a_network_of_ours_are_nobody_here(door, ours, trust):
    """Whoever has not logged in gets no further than MAIL, whatever the reception says of him."""
    async with served(door, ours) as home:
        peer = await secured(home, trust)
        assert (await peer.ask(f"MAIL FROM:<{ANNE}@patient.mssante.fr>"))[:3] in ("530", "550")


@pytest.mark.parametrize("change", ["closed", "password"])
async def test_what_changes_in_the_registry_counts_from_the_next_letter_on(door, ours, trust, change):
    """On the connection that is open as well: 421, and the client is to log in anew."""
    await door.put(ANNE, PatientState.ACTIVE, PASSWORD)
    async with served(door, ours) as home:
        peer = await secured(home, trust)
        assert (await log_in(peer))[:9] == "235 2.7.0"
        await peer.envelope(f"MAIL FROM:<{ANNE}@patient.mssante.fr>")
        if change == "closed":
            await door.put(ANNE, PatientState.CLOSED)
        else:
            await door.put(ANNE, PatientState.ACTIVE, "un autre mot de passe")
        assert await peer.data() == str(QUEUED)
        assert (await peer.ask(f"MAIL FROM:<{ANNE}@patient.mssante.fr>"))[:9] == "421 4.7.0"
        assert await peer.hear() == ""


async def test_a_registry_that_does_not_answer_is_our_trouble(door, ours, trust, monkeypatch):
    """4xx: neither a wrong password nor a letter that is lost."""

    async def away(*_: object) -> None:
        raise StoreUnavailable

    await door.put(ANNE, PatientState.ACTIVE, PASSWORD)
    async with served(door, ours) as home:
        peer = await secured(home, trust)
        with monkeypatch.context() as patch:
            patch.setattr(door.patients, "credentials", away)
            assert (await log_in(peer))[:9] == "454 4.7.0"
        assert (await log_in(peer))[:9] == "235 2.7.0"
        monkeypatch.setattr(door.patients, "credentials", away)
        assert (await peer.ask(f"MAIL FROM:<{ANNE}@patient.mssante.fr>"))[:9] == "451 4.3.0"


@pytest.mark.parametrize("fields", [{"auth": False}, {"require_tls": False}, {"tls": TlsMode.NONE, "context": None}])
def test_a_listener_of_patients_without_login_or_tls_is_not_made(ours, fields):
    values = {"role": Role.PATIENT_SPACE, "tls": TlsMode.STARTTLS, "context": ours, "require_tls": True, "auth": True}
    with pytest.raises(ValueError, match="listener test"):
        listener(**(values | fields))
