"""The real Office: what the command line does to an installation, beside a running daemon or without one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from mssgw.app import wiring
from mssgw.app.config import Config
from mssgw.app.office import NoSuchClient
from mssgw.app.stores import AtRest, at_rest
from mssgw.app.telemetry.events import Silence
from mssgw.app.trust import trust_at_work
from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.clients import Client
from mssgw.core.decide import decide
from mssgw.core.delivery import Bounced, State
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import Gone, Undecryptable
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry
from mssgw.core.replies import Reply
from mssgw.core.settings import Settings
from mssgw.core.verdict import Verdict
from mssgw.edges.validators import ProcessValidators
from mssgw.flow.documents import Documents, order_of
from mssgw.flow.inspect import Inspector
from mssgw.flow.live import Live
from mssgw.flow.notices import Notices
from mssgw.flow.release import Judge, Judgement
from mssgw.formats.mime import Scanner
from mssgw.formats.wire import to_wire, unstuffed
from mssgw.ports import Desk, Directory, Patients, Purges, QueueRow, Store

if TYPE_CHECKING:
    from mssgw.app.trust_desk import TrustDesk

_EVERY_RECIPIENT = 1_000_000  # rows of one letter, without a limit that would leave some untold
_DEADLINE = 20.0  # seconds for the documents of one letter
BY_HAND = Reply(550, "5.7.0", "Message retire de la file par l'exploitant de la passerelle")


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
        self._listed: wiring.Listed | None = None
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

    async def judge(self, spool_id: str) -> Judgement | None:
        inspector = Inspector(self.store, self.clock)
        async with self._validators() as validators:
            documents = Documents(validators, self._rest.spool)
            judge = Judge(
                store=self.store, desk=self.desk, spool=self._rest.spool, inspector=inspector, documents=documents
            )
            return await judge.of(spool_id, await self._by_the_list())

    async def explain_file(
        self, content: bytes, *, sender: Address | None, recipients: Sequence[Address], client: str | None
    ) -> tuple[Facts, Verdict]:
        wire = to_wire(content)
        who = self._client(client, sender)
        scanner = Scanner(
            hostname=self._settings.hostname,
            collected=who.role is Role.COLLECTED,
            person_header=who.person_header,
            person_received=who.person_received,
        )
        scanner.feed(wire)
        envelope = Envelope(
            reverse_path=sender,
            forward_paths=tuple(ForwardPath(address=address) for address in recipients),
            origin=Origin(role=who.role, client=who.name),
        )
        size = len(unstuffed(wire))
        inspector = Inspector(self.store, self.clock)
        facts = await inspector.of_letter(await self._by_the_list(), who, envelope, scanner.finish(), size)
        if facts.head is not None and facts.head.may_hold_documents:
            async with self._validators() as validators:
                report = await validators.judge(_only(wire), order_of(facts))
            facts = replace(facts, report=report.weighty())
        return facts, decide(facts)

    def _validators(self) -> ProcessValidators:
        """One of our own: the daemon's judge letters on their way. A person at a terminal has a little patience."""
        return ProcessValidators(
            count=1,
            telemetry=Silence(),
            deadline=_DEADLINE,
            patience=2 * _DEADLINE,
            state_dir=self._config.gateway.state_dir,
        )

    async def _by_the_list(self) -> Settings:
        """The settings, with the white list that the daemon keeps: who judges a letter asks it (WHO-9, WL-8)."""
        if self._config.trust is None:
            return self._settings
        if self._listed is None:
            ours, quiet = self._settings.owners.keys, Silence()
            space = trust_at_work(self._config, clock=self.clock, telemetry=quiet, aloud=quiet, ours=ours)
            assert space is not None
            await space.white_list.start()
            self._listed = space.space.listed
        return wiring.settings(self._config, self._listed)

    async def explain_id(self, spool_id: str) -> tuple[Facts | None, Verdict | None, Sequence[Entry]]:
        entries = await self.desk.trace(spool_id=spool_id, limit=1000)
        try:
            stored = await self.store.load(spool_id)
        except Gone:
            return None, None, entries
        return stored.facts, stored.verdict, entries

    def _client(self, name: str | None, sender: Address | None) -> Client:
        if name is not None:
            if (named := self._clients.named.get(name)) is None:
                raise NoSuchClient("no client of that name in the configuration")
            return named
        if sender is not None and (patient := wiring.patient_client(self._config, sender)) is not None:
            return patient
        senders = [each for each in self._clients.named.values() if each.role is not Role.COLLECTED]
        fitting = [each for each in senders if sender is not None and each.may_send_as(sender)]
        if len(fitting) != 1:
            found = ", ".join(sorted(each.name for each in fitting)) or "no client"
            known = "" if fitting else f" (of {', '.join(sorted(self._clients.named))})"
            raise NoSuchClient(f"{found} may use this sender: say with --client who sends{known}")
        return fitting[0]

    def _notices(self) -> Notices:
        async def nobody(*_: object) -> None:
            return None

        live = Live(self._settings, self._clients.at, nobody)
        return Notices(store=self.store, spool=self._rest.spool, clock=self.clock, telemetry=Silence(), live=live)


async def _only(wire: bytes) -> AsyncIterator[bytes]:
    yield wire
