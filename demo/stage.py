"""The set-up that `make demo` plays on and `make run` keeps: a gateway between three stand-ins."""

import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from demo import people
from demo.gateway import Gateway
from demo.space import Space
from demo.standin import Received, Standin

_CONFIG = Path(__file__).with_name("mssgw.toml")
_MES = "127.0.0.4"
_PORTS = range(20_000, 32_000)  # below those that the kernel hands to clients, so that none of them takes ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs. ``establishments`` and ``trust_space`` are the gateway's ports on 127.0.0.1."""

    gateway: Gateway
    space: Space
    hospital: Standin
    pharmacy: Standin
    mon_espace_sante: Standin
    establishments: int
    trust_space: int

    @property
    def standins(self) -> tuple[Standin, ...]:
        return self.hospital, self.pharmacy, self.mon_espace_sante

    def port_for(self, standin: Standin) -> int:
        """Which of the gateway's doors a stand-in knocks at."""
        return self.establishments if standin in (self.hospital, self.pharmacy) else self.trust_space


def nobody(standin: Standin, letter: Received) -> None:
    """Hears of letters and does nothing."""


@asynccontextmanager
async def stage(home: Path, on_letter: Callable[[Standin, Received], None] = nobody) -> AsyncIterator[Stage]:
    """Set everything up under ``home``, and end it all. Raises DidNotStart."""
    async with Gateway(home / "mssgw.toml") as gateway:
        establishments, trust_space, monitoring = _free_ports(3)
        space = Space(home / "trust-space", _MES)
        here = Stage(
            gateway=gateway,
            space=space,
            hospital=Standin("Hospital", ip="127.0.0.2", host="smtp.ch-test.example", on_letter=on_letter),
            pharmacy=Standin("Pharmacy", ip="127.0.0.3", host="smtp.pharmacie-test.example", on_letter=on_letter),
            mon_espace_sante=Standin(
                "Mon espace santé",
                ip=_MES,
                host=people.MES_HOST,
                on_letter=on_letter,
                server=space.server(people.MES_HOST),
                client=space.client(people.MES_HOST),
            ),
            establishments=establishments,
            trust_space=trust_space,
        )
        try:
            for standin in here.standins:
                await standin.open()
            _configure(home, here, monitoring)
            await gateway.start(establishments, trust_space, monitoring=monitoring)
            yield here
        finally:
            if gateway.running:  # before the stand-ins, so that what is on its way arrives
                await gateway.stop()
            for standin in here.standins:
                standin.close()


def _configure(home: Path, here: Stage, monitoring: int) -> None:
    shutil.rmtree(home / "state" / "trust", ignore_errors=True)  # list and CRLs of authorities that are no more
    key = home / "master.key"
    if not key.exists():
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    text = Template(_CONFIG.read_text("utf-8")).substitute(
        establishments=here.establishments,
        trust_space=here.trust_space,
        monitoring=monitoring,
        us=people.GATEWAY_HOST,
        hospital=here.hospital.port,
        pharmacy=here.pharmacy.port,
        mon_espace_sante=here.mon_espace_sante.port,
    )
    here.gateway.config.write_text(text, "utf-8")


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
