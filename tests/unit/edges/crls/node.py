"""Revocation lists of one node: sources that the test fills, a clock of its own, and what was told."""

import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

from mssgw.core.errors import SourceUnavailable
from mssgw.core.trust import Chain
from mssgw.edges.certificates import certificate
from mssgw.edges.clock import FixedClock
from mssgw.edges.crl_reading import authorities
from mssgw.edges.crls import Crls
from tests.pki import Identity, TrustSpace, pem_of

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = timedelta(days=1)


class Heard:
    """Telemetry that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bool, dict[str, Any]]] = []

    def event(self, name: str, *, alarm: bool = False, failure: BaseException | None = None, **fields: Any) -> None:
        assert failure is None
        self.events.append((name, alarm, fields))

    def take(self) -> list[tuple[str, bool]]:
        """Names and alarms of what was told since the last time."""
        told, self.events = self.events, []
        return [(name, alarm) for name, alarm, _ in told]


class Given:
    """A source that gives what the test puts there, once."""

    def __init__(self, name: str = "given", content: bytes | None = None) -> None:
        self.name, self.content, self.down = name, content, False

    async def fetch(self, *, limit: int) -> bytes | None:
        if self.down:
            raise SourceUnavailable(f"{self.name}: cannot be reached")
        content, self.content = self.content, None
        return content

    def forget(self) -> None:
        """It remembers nothing."""


class World:
    """Lists of one node: root's and intermediate's sources, a clock, and what was told."""

    def __init__(self, space: TrustSpace, folder: Path, *, grace: timedelta = timedelta(0)) -> None:
        self.space, self.folder, self.grace = space, folder, grace
        self.clock, self.heard = FixedClock(NOW), Heard()
        self.root, self.intermediate = Given("root", space.root.crl()), Given("intermediate", space.intermediate.crl())
        self.crls = self.another(self.root, self.intermediate)

    def another(self, *sources: Any, poll: float = 30) -> Crls:
        """Another process."""
        known = authorities(pem_of(self.space.root.certificate), pem_of(self.space.intermediate.certificate))
        told = {"clock": self.clock, "telemetry": self.heard}
        return Crls(sources, known, self.folder / "trust", poll=poll, grace=self.grace, **told)

    async def poll(self, crls: Crls | None = None) -> None:
        """One round, as run() makes it."""
        crls = crls or self.crls
        for feed in crls._feeds:
            await crls._ask_if_it_is_us(feed)
        crls._look_at_the_time()

    def reply(self, identity: Identity, crls: Crls | None = None) -> object:
        distrust = (crls or self.crls).check(chain(self.space, identity))
        return distrust and distrust.reply


def chain(space: TrustSpace, identity: Identity) -> Chain:
    return tuple(certificate(der) for der in (identity.der, space.intermediate.der, space.root.der))
