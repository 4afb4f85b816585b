"""The real Office: what the command line does to an installation, beside a running daemon or without one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mssgw.app import wiring
from mssgw.app.config import Config
from mssgw.app.stores import AtRest, at_rest
from mssgw.app.telemetry.events import Silence
from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.delivery import Bounced, State
from mssgw.core.envelope import Role
from mssgw.core.errors import Gone, Undecryptable
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry
from mssgw.core.replies import Reply
from mssgw.core.settings import Settings
from mssgw.core.verdict import Verdict
from mssgw.flow.live import Live
from mssgw.flow.notices import Notices
from mssgw.ports import Desk, Directory, Patients, Purges, QueueRow, Store

if TYPE_CHECKING:
    from mssgw.app.opinions import Opinions
    from mssgw.app.trust_desk import TrustDesk
    from mssgw.flow.release import Judgement

_EVERY_RECIPIENT = 1_000_000  # rows of one letter, without a limit that would leave some untold
BY_HAND = Reply(550, "5.7.0", "Message retire de la file par l'administrateur de la passerelle")


@asynccontextmanager
async def office(config: Config, *, alone: bool = False, founds: bool = False) -> AsyncIterator["BackOffice"]:
    """Open the installation of this configuration. ``alone``, ``founds``: see stores.at_rest."""
    async with at_rest(config, alone=alone, founds=founds) as rest:
        yield BackOffice(config, rest)


class BackOffice:
    """app.office.Office."""

    def __init__(self, config: Config, rest: AtRest) -> None:
        self.clock, self._rest = rest.clock, rest
        self._settings: Settings = wiring.settings(config)
        self._given: Opinions | None = None
        self._clients, self._config = wiring.clients(config), config

    @property
    def desk(self) -> Desk:
        return self._rest.desk

    @property
    def store(self) -> Store:
        return self._rest.store

    @property
    def directory(self) -> Directory:
        return self._rest.directory

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def patients(self) -> Patients:
        return self._rest.patients

    @property
    def purges(self) -> Purges:
        return self._rest.purges

    @property
    def space(self) -> PatientSpace:
        return self._settings.space

    async def trust(self) -> "TrustDesk":
        from mssgw.app.trust_desk import trust_desk  # it pulls in an SMTP client: not for every command

        return await trust_desk(self._config, self.clock)

    def ours(self, bal: Address) -> bool:
        clients = self._clients.named.values()
        return any(each.role is Role.ESTABLISHMENT and each.may_send_as(bal) for each in clients)

    async def bounce(self, spool_id: str, *, operator: str, untold: bool = False) -> int:
        # Held first: what nobody may begin to send is neither delivered after its notice nor bounced without one.
        await self.desk.hold([spool_id], operator=operator, now=self.clock.now())
        rows = await self.desk.queue(limit=_EVERY_RECIPIENT, spool_id=spool_id)
        if not rows:
            raise Gone("no open delivery of that letter")
        if going := [row for row in rows if row.delivery.state is not State.HELD]:
            rest = "; the rest of it is held now, until `queue bounce` again or `queue release`"
            raise Gone(f"it is being sent at this moment: try again{rest if len(going) < len(rows) else ''}")
        # The notice first: a crash in between may repeat it, never lose it.
        said = await self._tell(spool_id, rows, untold=untold)
        bounced = await self.desk.bounce(spool_id, operator=operator, now=self.clock.now(), reply=BY_HAND)
        await self.store.note([entry for entries in said.values() for entry in entries])
        return bounced

    async def _tell(self, spool_id: str, rows: Sequence[QueueRow], *, untold: bool) -> Mapping[int, tuple[Entry, ...]]:
        """Keep the failure notice; its journal lines by delivery number."""
        try:
            stored = await self.store.load(spool_id)
        except (Gone, Undecryptable):  # gone: with a page of the database
            if untold:
                return {}
            raise Undecryptable("the letter cannot be read any more") from None
        outcome = Bounced(reply=BY_HAND)
        return await self._notices().send(stored, [(row.delivery, outcome) for row in rows], is_late=False)

    async def judge(self, spool_id: str) -> "Judgement | None":
        return await self._opinions().of_held(spool_id)

    async def explain_file(
        self, content: bytes, *, sender: Address | None, recipients: Sequence[Address], client: str | None
    ) -> tuple[Facts, Verdict]:
        return await self._opinions().of_file(content, sender=sender, recipients=recipients, client=client)

    def _opinions(self) -> "Opinions":
        if self._given is None:
            from mssgw.app.opinions import Opinions  # it pulls in the document checks: not for every command

            self._given = Opinions(self._config, self._rest)
        return self._given

    async def explain_id(self, spool_id: str) -> tuple[Facts | None, Verdict | None, Sequence[Entry]]:
        entries = await self.desk.trace(spool_id=spool_id, limit=1000)
        try:
            stored = await self.store.load(spool_id)
        except Gone:
            return None, None, entries
        return stored.facts, stored.verdict, entries

    def _notices(self) -> Notices:
        async def nobody(*_: object) -> None:
            return None

        live = Live(self._settings, self._clients.at, nobody)
        return Notices(store=self.store, spool=self._rest.spool, clock=self.clock, telemetry=Silence(), live=live)
