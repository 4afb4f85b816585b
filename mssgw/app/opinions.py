"""What would be decided of a letter, asked from outside the daemon: for `explain`, and for the release of a held one.

Apart from the rest of the back office, for it pulls in document checks and trust space: most commands need neither.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from mssgw.app import wiring
from mssgw.app.config import Config
from mssgw.app.office import NoSuchClient
from mssgw.app.stores import AtRest
from mssgw.app.telemetry.events import Silence
from mssgw.app.trust import trust_at_work
from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.decide import decide
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.facts import Facts
from mssgw.core.settings import Settings
from mssgw.core.verdict import Verdict
from mssgw.edges.validators import ProcessValidators
from mssgw.flow.documents import Documents, order_of
from mssgw.flow.inspect import Inspector
from mssgw.flow.reading import scanner_for
from mssgw.flow.release import Judge, Judgement
from mssgw.formats.wire import to_wire, unstuffed

_DEADLINE = 20.0  # seconds for the documents of one letter


class Opinions:
    """Each question as of app.office.Office; nothing is kept, sent or journalled."""

    def __init__(self, config: Config, rest: AtRest) -> None:
        self._config, self._rest = config, rest
        self._clients, self._settings = wiring.clients(config), wiring.settings(config)
        self._listed: wiring.Listed | None = None

    async def of_held(self, spool_id: str) -> Judgement | None:
        inspector = Inspector(self._rest.store, self._rest.clock)
        async with self._validators() as validators:
            documents = Documents(validators, self._rest.spool)
            judge = Judge(
                store=self._rest.store,
                desk=self._rest.desk,
                spool=self._rest.spool,
                inspector=inspector,
                documents=documents,
            )
            return await judge.of(spool_id, await self._by_the_list())

    async def of_file(
        self, content: bytes, *, sender: Address | None, recipients: Sequence[Address], client: str | None
    ) -> tuple[Facts, Verdict]:
        wire = to_wire(content)
        who = self._client(client, sender)
        scanner = scanner_for(who, self._settings.hostname)
        scanner.feed(wire)
        envelope = Envelope(
            reverse_path=sender,
            forward_paths=tuple(ForwardPath(address=address) for address in recipients),
            origin=Origin(role=who.role, client=who.name),
        )
        size = len(unstuffed(wire))
        inspector = Inspector(self._rest.store, self._rest.clock)
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
            space = trust_at_work(self._config, clock=self._rest.clock, telemetry=quiet, aloud=quiet, ours=ours)
            assert space is not None
            await space.white_list.start()
            self._listed = space.space.listed
        return wiring.settings(self._config, self._listed)

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


async def _only(wire: bytes) -> AsyncIterator[bytes]:
    yield wire
