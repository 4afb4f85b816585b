"""Certificates in use are watched in a gateway that runs: a new one reaches next hops and listeners."""

import asyncio
import contextlib
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mssgw.app import config as configuration
from mssgw.app import vigil
from mssgw.app.reloading import Ready, made_of, read_again, with_certificate_renewed
from mssgw.app.seat import Seat
from mssgw.app.vigil import Vigil
from mssgw.core.routes import Route, TlsPolicy
from mssgw.edges.clock import FixedClock
from mssgw.edges.tls import TlsMisconfigured
from tests import pki
from tests.stories.worlds import Events

CONFIG = """
[gateway]
hostname = "mx.ch.fr"
environment = "test"
state_dir = "state"

[[listener]]
name = "space"
role = "trust-space"
address = "127.0.0.1:0"
tls = "starttls"

[[listener]]
name = "home"
role = "establishment"
address = "127.0.0.1:0"
tls = "none"
require_tls = false

[[establishment]]
name = "ch"
domains = ["ch.mssante.fr"]
networks = ["127.0.0.1"]
next_hop = "127.0.0.1:2525"
next_hop_tls = "none"

[[trusted_domain]]
name = "cnam"
domains = ["patient.mssante.fr", "mes.mssante.fr"]
next_hop = "mx.cnam.fr:25"

[trust]
white_list = "list.xml"
white_list_unsigned = true
anchors = "anchors.pem"
certificate = "ours.pem"
key = "ours.key"
crls = ["root.crl", "intermediate.crl"]
"""


@pytest.fixture
def space() -> pki.TrustSpace:
    return pki.TrustSpace()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def ready(tmp_path: Path, space: pki.TrustSpace, events: Events) -> Ready:
    (tmp_path / "state").mkdir()
    (tmp_path / "list.xml").write_text("<x/>")
    space.write_anchors(tmp_path)
    space.write_crls(tmp_path)
    ends = datetime.now(UTC) + timedelta(days=10)
    space.operator("mx.ch.fr", not_after=ends).write_apart(tmp_path, "ours")
    path = tmp_path / "mssgw.toml"
    path.write_text(CONFIG)
    return made_of(configuration.load(path), Seat(), listed=lambda domain: domain != "mes.mssante.fr", telemetry=events)


def test_with_a_trust_space_every_operator_is_vetted_for_the_domain_at_hand(ready: Ready) -> None:
    """A configured next hop keeps its host, one route for each domain; others are found by MX (TLS-6)."""
    routes = ready.settings.routes
    patients, elsewhere = routes.find("patient.mssante.fr"), routes.find("chu.fr")
    assert patients is not None
    assert (patients.host, patients.tls, patients.domain) == ("mx.cnam.fr", TlsPolicy.MUTUAL, "patient.mssante.fr")
    assert elsewhere is not None
    assert (elsewhere.host, elsewhere.mx, elsewhere.domain) == ("chu.fr", True, "chu.fr")
    assert routes.find("mes.mssante.fr") is None, "configured, but not listed"


def test_our_certificate_is_for_operators_alone(ready: Ready) -> None:
    plain, mutual = Route(name="x", host="x"), Route(name="y", host="y", tls=TlsPolicy.MUTUAL, domain="y.fr")
    assert ready.identity is not None
    assert (ready.tls_of(plain), ready.tls_of(mutual)) == (ready.tls, ready.identity.pair.client)
    with pytest.raises(TlsMisconfigured):
        replace(ready, identity=None).tls_of(mutual)


async def test_a_new_certificate_reaches_next_hops_and_listeners_and_an_old_ones_end_is_told(
    ready: Ready, space: pki.TrustSpace, events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vigil, "POLL", 0.001)
    renewed = asyncio.Event()
    watch = Vigil(lambda: ready, clock=FixedClock(datetime.now(UTC)), aloud=events, renewed=renewed.set)
    assert ready.identity is not None
    before = ready.identity.pair.client
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(10):
            while not events.seen:  # noqa: ASYNC110 - it remembers, and tells nobody
                await asyncio.sleep(0)
            space.operator("mx.ch.fr").write_apart(tmp_path, "ours")
            await renewed.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert events.seen[0][0] == "trust.certificate_ends"
    assert events.seen[0][1]["days"] in (9, 10)
    assert ready.identity.pair.client is not before
    after = with_certificate_renewed(ready, Seat())
    assert after.listeners["space"].context is not ready.listeners["space"].context
    assert after.listeners["home"] is ready.listeners["home"]


def test_a_reload_leaves_anchors_as_they_were_at_the_start(ready: Ready, tmp_path: Path) -> None:
    """Of listeners and next hops alike: revocation lists are those of the start too."""
    assert ready.identity is not None
    (tmp_path / "anchors.pem").write_bytes(pki.pem_of(pki.TrustSpace().root.certificate))
    again = read_again(tmp_path / "mssgw.toml", ready.config, Seat(), before=ready.identity)
    for each in (again, with_certificate_renewed(again, Seat())):
        assert each.identity is not None
        context = each.listeners["space"].context
        assert context is not None
        before = ready.identity.pair.client.get_ca_certs(binary_form=True)
        assert context.get_ca_certs(binary_form=True) == before
        assert each.identity.pair.client.get_ca_certs(binary_form=True) == before


def shown_by(context: ssl.SSLContext | None) -> bytes:
    """The certificate that a handshake with it shows, in DER."""
    assert context is not None
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    near, far = client.wrap_bio(back, there), context.wrap_bio(there, back, server_side=True)
    for side in (near, far, near):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    der = near.getpeercert(binary_form=True)
    assert der is not None
    return der


@pytest.mark.parametrize("worse", ["not_before", "not_after"])
def test_a_reload_takes_no_certificate_that_is_not_valid_for_one_that_is(
    ready: Ready, space: pki.TrustSpace, tmp_path: Path, worse: str
) -> None:
    """Next hops and operators would trust us no more, for a change of something else in the file (TLS-6)."""
    assert ready.identity is not None
    before = shown_by(ready.listeners["space"].context)
    off = datetime.now(UTC) + timedelta(days=1 if worse == "not_before" else -1)
    space.operator("mx.ch.fr", **{worse: off}).write_apart(tmp_path, "ours")  # type: ignore[arg-type]
    again = read_again(tmp_path / "mssgw.toml", ready.config, Seat(), before=ready.identity)
    mutual = Route(name="y", host="y", tls=TlsPolicy.MUTUAL, domain="y.fr")
    assert again.tls_of(mutual) is ready.tls_of(mutual)
    assert shown_by(again.listeners["space"].context) == before
    new = space.operator("mx.ch.fr")
    new.write_apart(tmp_path, "ours")
    again = read_again(tmp_path / "mssgw.toml", again.config, Seat(), before=again.identity)
    assert again.tls_of(mutual) is not ready.tls_of(mutual)
    assert shown_by(again.listeners["space"].context) == new.der, "what is in order it takes"


async def test_a_look_that_fails_is_told_once_and_the_watch_goes_on(
    ready: Ready, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its task the whole gateway would stop; the dates are looked at all the same."""
    monkeypatch.setattr(vigil, "POLL", 0.001)
    assert ready.identity is not None
    looks = []

    def look() -> bool:
        looks.append(1)
        raise RuntimeError("x")

    monkeypatch.setattr(ready.identity, "look", look)
    watch = Vigil(lambda: ready, clock=FixedClock(datetime.now(UTC)), aloud=events, renewed=lambda: None)
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(10):
            while len(looks) < 3 and not task.done():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [name for name, _ in events.seen] == ["trust.watch_failed", "trust.certificate_ends"]


async def test_a_certificate_that_a_reload_brings_is_looked_at_at_once(
    ready: Ready, space: pki.TrustSpace, events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener's own may have ended: mail waits from now on, and the next look by the clock is an hour away."""
    monkeypatch.setattr(vigil, "POLL", 0.001)
    in_force = [ready]
    watch = Vigil(lambda: in_force[0], clock=FixedClock(datetime.now(UTC)), aloud=events, renewed=lambda: None)
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(10):
            while not events.seen:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            space.operator("mx.ch.fr", not_after=datetime.now(UTC) - timedelta(days=1)).write_apart(tmp_path, "home")
            named = 'role = "trust-space"\ncertificate = "home.pem"\nkey = "home.key"'
            (tmp_path / "mssgw.toml").write_text(CONFIG.replace('role = "trust-space"', named))
            in_force[0] = read_again(tmp_path / "mssgw.toml", ready.config, Seat(), before=ready.identity)
            while len(events.seen) < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [name for name, _ in events.seen] == ["trust.certificate_ends", "trust.certificate_expired"]
