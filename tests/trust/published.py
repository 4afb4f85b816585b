"""A white list and revocation lists as published, and what a gateway makes of them; the clock is the test's."""

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mssgw.app.config.model import TrustSettings
from mssgw.app.trust import TrustAtWork
from mssgw.edges.clock import FixedClock
from tests import white_lists
from tests.pki import TrustSpace
from tests.stories.worlds import Events
from tests.web import Site

PATIENCE = 10.0
HOUR = datetime.timedelta(hours=1)
OURS = "ch.mssante.fr"
Listed = tuple[str, str]  # a domain, and the host of its operator


class Published:
    """``crls``: where the revocation lists are, those of root and intermediate; default: files, good for 100 hours."""

    def __init__(
        self,
        space: TrustSpace,
        folder: Path,
        *entries: Listed,
        grace: datetime.timedelta | None = None,
        crls: Sequence[str] = (),
    ) -> None:
        self.clock, self.events = FixedClock(datetime.datetime.now(datetime.UTC)), Events()
        root, self.crl_file = space.write_crls(folder, next_update=self.clock.now() + 100 * HOUR)
        certificate, key = space.operator("localhost").write_apart(folder, "published")
        self.list_file = folder / "list.xml"
        self.publish(*entries)
        files = {"anchors": space.write_anchors(folder), "certificate": certificate, "key": key}
        settings = TrustSettings.model_validate(
            {name: str(path) for name, path in files.items()}
            | {"white_list": str(self.list_file), "crls": list(crls) or [str(root), str(self.crl_file)]}
            | {"crl_poll": "20ms"}
            | ({"crl_grace": grace} if grace else {})
        )
        self.at_work = TrustAtWork(
            settings, folder / "trust", clock=self.clock, telemetry=self.events, aloud=self.events, ours=lambda: {OURS}
        )

    def publish(self, *entries: Listed, day: int = 5) -> None:
        others = [(f"d{n}.mssante.fr", f"mta{n}.fr") for n in range(20)]  # changes are small then
        listed = [(domain, white_lists.dn(host)) for domain, host in (*entries, *others)]
        self.list_file.write_bytes(white_lists.white_list(listed, generated=f"2026-01-{day:02d}T08:00:00Z"))

    async def settle(self) -> None:
        """Read what is published, as the tasks do from time to time."""
        await self.at_work.start()
        await self.at_work.white_list.refresh()
        for feed in self.at_work.crls._feeds:
            await self.at_work.crls._ask(feed)

    async def renew_list(self) -> None:
        """The white list is young again: a file is as old as it says."""
        written = self.clock.now().timestamp()
        os.utime(self.list_file, (written, written))
        await self.at_work.white_list.refresh()

    def told(self, event: str, *, alarm: bool = False) -> list[dict[str, object]]:
        return [fields for name, fields in self.events.seen if name == event and fields["alarm"] is alarm]

    @property
    def ready(self) -> dict[str, bool]:
        return {check.name: check.ok for check in self.at_work.checks()}


class FromServer(Published):
    """Its revocation lists come from a web server, by the task that polls."""

    def __init__(self, space: TrustSpace, folder: Path, site: Site, *entries: Listed) -> None:
        self.space, self.site = space, site
        super().__init__(space, folder, *entries, crls=[f"{site.url}/root.crl", f"{site.url}/intermediate.crl"])
        self.publish_crls()

    def publish_crls(self, *revoked: int) -> None:
        """Good for a hundred hours from now."""
        at = self.clock.now()
        for name, issuer in (("root", self.space.root), ("intermediate", self.space.intermediate)):
            crl = issuer.crl(*revoked, this_update=at, next_update=at + 100 * HOUR)
            self.site.pages[f"/{name}.crl"] = crl

    async def heard(self, event: str, *, alarm: bool = False, of: int = 2) -> None:
        """Wait until it was told of both lists, or of as many as said."""
        await until(lambda: len(self.told(event, alarm=alarm)) >= of)

    async def goes_down(self) -> None:
        """And stays so for long enough to be an alarm."""
        await self.site.down()
        await self.heard("trust.crl_unreachable")
        self.clock.pass_(minutes=16)
        await self.heard("trust.crl_unreachable", alarm=True)

    async def crls_end(self) -> None:
        """The lists that are held end; the white list does not."""
        self.clock.pass_(hours=101)
        await self.renew_list()
        await self.heard("trust.crl_expired", alarm=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - it waits for what no event tells
            await asyncio.sleep(0.005)


@asynccontextmanager
async def from_server(
    space: TrustSpace, folder: Path, monkeypatch: pytest.MonkeyPatch, *entries: Listed, up: bool = True
) -> AsyncIterator[FromServer]:
    """The white list has been read, a web server may be up, and the task that asks it for revocation lists runs."""
    monkeypatch.setattr("mssgw.edges.crls.FOLLOW", 0.02)
    async with Site() as site:
        source = FromServer(space, folder, site, *entries)
        await source.at_work.start()
        await source.renew_list()
        if not up:
            await site.down()
        task = asyncio.create_task(source.at_work.crls.run())
        try:
            yield source
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
