"""The set-up that `make demo` plays on and `make run` keeps: a gateway between three stand-ins."""

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from demo import people
from demo.bal import Bal, mail_store
from demo.gateway import Gateway
from demo.mail_store import HOST, PASSWORD, MailStore
from demo.ports import free_port
from demo.space import Space
from demo.standin import Received, Standin

_CONFIG = Path(__file__).with_name("mssgw.toml")
_MES = "127.0.0.4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs. ``establishments``, ``trust_space``, ``monitoring``: the gateway's ports on 127.0.0.1.

    ``store``: the IMAP server with the mailboxes ``officine``, of the pharmacy, and ``laboratory``, of a program,
    and ``reader``, of a patient.
    """

    gateway: Gateway
    space: Space
    hospital: Standin
    pharmacy: Standin
    mon_espace_sante: Standin
    establishments: int
    trust_space: int
    monitoring: int
    store: MailStore

    @property
    def officine(self) -> Bal:
        return Bal("Pharmacy", self.store, people.PHARMACY)

    @property
    def laboratory(self) -> Bal:
        return Bal("Laboratory", self.store, people.PROGRAM)

    @property
    def reader(self) -> Bal:
        return Bal("Patient", self.store, people.READER)

    @property
    def standins(self) -> tuple[Standin, ...]:
        return self.hospital, self.pharmacy, self.mon_espace_sante

    def port_for(self, standin: Standin) -> int:
        """Which of the gateway's doors a stand-in knocks at."""
        return self.establishments if standin in (self.hospital, self.pharmacy) else self.trust_space


def nobody(standin: Standin, letter: Received) -> None:
    """Hears of letters and does nothing."""


@asynccontextmanager
async def stage(
    home: Path, on_letter: Callable[[Standin, Received], None] = nobody, *, store: str | None = None
) -> AsyncIterator[Stage]:
    """Set everything up under ``home``, and end it all. ``store``: which make of IMAP server. Raises DidNotStart."""
    with mail_store(store) as bals:  # it takes a second or two, in which nothing else happens
        async with Gateway(home / "mssgw.toml") as gateway:
            here = _stage(home, gateway, bals, on_letter)
            try:
                for standin in here.standins:
                    await standin.open()
                await here.laboratory.make(people.TAKEN)
                _configure(home, here)
                await gateway.start(here.establishments, here.trust_space, monitoring=here.monitoring)
                yield here
            finally:
                if gateway.running:  # before the stand-ins, so that what is on its way arrives
                    await gateway.stop()
                for standin in here.standins:
                    standin.close()


def _stage(home: Path, gateway: Gateway, store: MailStore, on_letter: Callable[[Standin, Received], None]) -> Stage:
    space = Space(home / "trust-space", _MES)
    return Stage(
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
        establishments=free_port(),
        trust_space=free_port(),
        monitoring=free_port(),
        store=store,
    )


def _configure(home: Path, here: Stage) -> None:
    shutil.rmtree(home / "state" / "trust", ignore_errors=True)  # list and CRLs of authorities that are no more
    keep(home / "master.key", secrets.token_bytes(32))
    keep(home / "bal.password", PASSWORD.encode())
    text = Template(_CONFIG.read_text("utf-8")).substitute(
        establishments=here.establishments,
        trust_space=here.trust_space,
        monitoring=here.monitoring,
        us=people.GATEWAY_HOST,
        hospital=here.hospital.port,
        pharmacy=here.pharmacy.port,
        mon_espace_sante=here.mon_espace_sante.port,
        imap_host=HOST,
        imap=here.store.port,
        imap_anchors=here.store.anchors,
        officine=people.PHARMACY,
        program=people.PROGRAM,
        taken=people.TAKEN,
        counter=people.COUNTER,
    )
    here.gateway.config.write_text(text, "utf-8")


def keep(path: Path, secret: bytes) -> None:
    """In a file that nobody else may read; the one of an earlier run stays."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
