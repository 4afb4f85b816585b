"""What other operators have against us is told at once, again each hour, and when it is over (TLS-5, TLS-6)."""

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from mssgw.app import config as configuration
from mssgw.app.ourselves import Ourselves, Standing
from mssgw.app.reloading import Ready, made_of
from mssgw.app.seat import Seat
from mssgw.app.telemetry.metrics import Metrics
from mssgw.app.trust import TrustAtWork, trust_at_work
from mssgw.edges.clock import FixedClock, SystemClock
from mssgw.flow.white_list import End
from tests import pki, white_lists
from tests.stories.worlds import Events

HOST = "mssgw.ch.fr"
CONFIG = """
[gateway]
hostname = "mssgw.ch.fr"
environment = "test"
state_dir = "state"

[[listener]]
name = "home"
role = "establishment"
address = "127.0.0.1:0"
tls = "none"
require_tls = false

[[establishment]]
name = "ch"
domains = ["ch.mssante.fr", "clinique.mssante.fr"]
networks = ["127.0.0.1"]
next_hop = "127.0.0.1:2525"
next_hop_tls = "none"

[trust]
white_list = "list.xml"
white_list_unsigned = true
anchors = "anchors.pem"
certificate = "ours.pem"
key = "ours.key"
crls = ["root.crl", "intermediate.crl"]
"""


class World:
    """A gateway's own certificate, beside a white list and revocation lists that the test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.space, self.events, self.clock = folder, pki.TrustSpace(), Events(), FixedClock()
        self.clock.at = SystemClock().now()
        (folder / "state").mkdir()
        self.space.write_anchors(folder)
        self.ours = self.show(HOST)
        self.space.write_crls(folder)
        self.lists = 0
        path = folder / "mssgw.toml"
        path.write_text(CONFIG)
        self.publish(("ch.mssante.fr", HOST), ("clinique.mssante.fr", HOST))
        config = configuration.load(path)
        self.ready: Ready = made_of(config, Seat(), telemetry=self.events)
        silent = Events()
        work = trust_at_work(config, clock=self.clock, telemetry=silent, aloud=silent, ours=set)
        assert work is not None
        self.work: TrustAtWork = work
        self.ourselves = Ourselves(lambda: self.ready, work, clock=self.clock, aloud=self.events)

    def show(self, host: str) -> pki.Identity:
        """The files of our certificate are replaced."""
        made = self.space.operator(host)
        for path in made.write_apart(self.folder, "ours"):
            os.utime(path, ns=(made.serial % 10**18, made.serial % 10**18))  # changed beyond doubt
        return made

    def take_our_files(self) -> None:
        assert self.ready.identity is not None
        self.ready.identity.look()
        assert self.ready.identity.look()

    def publish(self, *entries: tuple[str, str]) -> None:
        """A list of these domains and hosts; others fill it, so that it never shrinks too much."""
        self.lists += 1
        filled = [*entries, *((f"autre{n}.mssante.fr", f"mta{n}.autre.fr") for n in range(20))]
        generated = f"2026-01-05T08:00:{self.lists:02}Z"
        content = white_lists.white_list(
            [(domain, white_lists.dn(host)) for domain, host in filled], generated=generated
        )
        (self.folder / "list.xml").write_bytes(content)

    async def fetch(self) -> None:
        asked = await self.work.white_list.refresh()
        assert asked.end is End.TAKEN, asked
        await self.fetch_crls()

    async def fetch_crls(self) -> None:
        assert await self.work.crls.ask_now()

    def told(self) -> list[str]:
        """What a look tells."""
        before = len(self.events.seen)
        self.ourselves.look()
        return [name for name, _ in self.events.seen[before:]]

    def revoke(self, issuer: pki.Issuer, serials: Iterable[int]) -> None:
        name = "root.crl" if issuer is self.space.root else "intermediate.crl"
        (self.folder / name).write_bytes(issuer.crl(*serials))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_nothing_is_said_while_nothing_is_known_or_all_is_well(world: World) -> None:
    assert world.told() == []
    await world.fetch()
    assert world.told() == []
    assert world.ourselves.standing == Standing()


@pytest.mark.parametrize("whose", ["our own", "its issuer's"])
async def test_a_revocation_of_ours_is_an_alarm_until_another_certificate_is_in_use(world: World, whose: str) -> None:
    """Of the certificate itself, or of the intermediate that issued it, which the root revokes."""
    issuer = world.space.intermediate if whose == "our own" else world.space.root
    serial = world.ours.serial if whose == "our own" else world.space.intermediate.certificate.serial_number
    world.revoke(issuer, [serial])
    await world.fetch()
    assert world.told() == ["trust.own_certificate_revoked"]
    [(_, fields)] = world.events.seen
    assert fields["alarm"] is True
    assert f"serial {world.ours.serial:x}" in fields["subject"]
    assert f"serial {serial:x}" in fields["detail"]
    assert world.told() == [], "once"
    world.revoke(issuer, [serial, 17])
    await world.fetch_crls()
    assert world.told() == [], "a newer list says nothing new"
    world.clock.at += timedelta(hours=1)
    assert world.told() == ["trust.own_certificate_revoked"], "as long as it lasts"
    if whose == "our own":
        world.show(HOST)
        world.take_our_files()
    else:
        world.revoke(issuer, [])
        await world.fetch_crls()
    assert world.told() == ["trust.own_certificate_in_order"]
    assert world.told() == []


async def test_domains_that_the_list_gives_to_others_or_nobody_are_an_alarm(world: World) -> None:
    """It names them; said again when they are others, and when the last is listed for us."""
    world.publish(("ch.mssante.fr", "mta.autre.fr"))
    await world.fetch()
    assert world.told() == ["trust.own_domains_unlisted"]
    fields = world.events.seen[0][1]
    assert (fields["alarm"], fields["unlisted"], fields["of"]) == (True, 2, 2)
    assert fields["domains"] == "ch.mssante.fr, clinique.mssante.fr"
    world.publish(("ch.mssante.fr", HOST), ("ch.mssante.fr", "mta.autre.fr"))
    await world.fetch()
    assert world.told() == ["trust.own_domains_unlisted"]
    assert world.events.seen[1][1]["domains"] == "clinique.mssante.fr"
    assert world.told() == []
    world.publish(("ch.mssante.fr", HOST), ("clinique.mssante.fr", HOST))
    await world.fetch()
    assert world.told() == ["trust.own_domains_listed"]


async def test_a_new_certificate_under_another_name_is_an_alarm(world: World) -> None:
    """The commonest slip at a renewal: the list does not know the new DN."""
    await world.fetch()
    assert world.told() == []
    world.show("nouveau.ch.fr")
    world.take_our_files()
    assert world.told() == ["trust.own_domains_unlisted"]
    assert world.ourselves.standing.unlisted == ("ch.mssante.fr", "clinique.mssante.fr")
    world.show(HOST)
    world.take_our_files()
    assert world.told() == ["trust.own_domains_listed"]


async def test_gauges_say_how_we_stand(world: World) -> None:
    metrics = Metrics()
    world.ourselves.shown_by(metrics)
    assert shown(metrics) == (0, 0)
    world.publish(("ch.mssante.fr", HOST))
    world.revoke(world.space.intermediate, [world.ours.serial])
    await world.fetch()
    world.ourselves.look()
    assert shown(metrics) == (1, 1)


def shown(metrics: Metrics) -> tuple[float | None, float | None]:
    value = metrics.registry.get_sample_value
    return value("mssgw_trust_own_certificate_revoked"), value("mssgw_trust_own_domains_unlisted")
