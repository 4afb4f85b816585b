"""What settings mean: units, and the values that the rest of the gateway works with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mssgw.app import wiring
from mssgw.app.config import values
from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind, Party
from mssgw.core.clinical import Environment
from mssgw.core.envelope import Role
from mssgw.core.routes import TlsPolicy
from tests.unit.app.conftest import Load


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("500ms", timedelta(milliseconds=500)),
        ("4h", timedelta(hours=4)),
        ("365d", timedelta(days=365)),
    ],
)
def test_durations_have_a_unit(text: str, expected: timedelta) -> None:
    """So that nobody takes minutes for seconds."""
    assert values.duration(text) == expected


@pytest.mark.parametrize(
    ("value", "octets"), [(0, 0), ("10 MiB", 10_485_760), ("64KiB", 65_536), ("25 MB", 25_000_000), ("9 B", 9)]
)
def test_sizes_are_octets_or_have_a_unit(value: object, octets: int) -> None:
    """MiB and MB differ, and the limit of SD-1 is the larger."""
    assert values.size(value) == octets


@pytest.mark.parametrize("value", [True, -1, "10", "1.5 MiB", "10 mib", None, 3.0])
def test_what_only_looks_like_a_size_is_refused(value: object) -> None:
    """A limit nobody meant is worse than an error."""
    with pytest.raises(ValueError, match="expected a size"):
        values.size(value)


def test_ipv6_endpoints_are_read_and_written_in_brackets() -> None:
    """RFC 5321 and URLs write them so."""
    endpoint = values.listen_address("[::1]:2525")
    assert (endpoint.host, endpoint.port, str(endpoint)) == ("::1", 2525, "[::1]:2525")


def test_documents_are_judged_by_direction_and_domain_as_the_file_says(load: Load) -> None:
    """[[document_policy]] for a domain of ours, each key that it leaves out from [documents]; environment once said."""
    new = """[documents]
outbound = "observe"
inbound_rejected = "hold"
[[document_policy]]
domains = ["chu-exemple.mssante.fr"]
outbound = "strict"
inbound_rejected = "refuse"
[limits]"""
    policies = wiring.settings(load(old="[limits]", new=new)).documents
    ours, other, outside = "chu-exemple.mssante.fr", "clinique-exemple.mssante.fr", "liberal.mssante.fr"
    found = {
        (way, domain): policies.for_letter(role, *parties)
        for way, role in (("out", Role.ESTABLISHMENT), ("in", Role.TRUST_SPACE))
        for domain in (ours, other)
        for parties in [(domain, [outside]) if way == "out" else (outside, [domain])]
    }
    assert {at: (each.profile.value, each.rejected.value, each.environment) for at, each in found.items()} == {
        ("out", ours): ("strict", "refuse", None),
        ("out", other): ("observe", "refuse", None),
        ("in", ours): ("standard", "refuse", None),
        ("in", other): ("standard", "hold", None),
    }
    said = load(old='state_dir = "state"', new='state_dir = "state"\nenvironment = "test"')
    assert wiring.settings(said).documents.outbound.environment is Environment.TEST


def test_a_password_hash_is_never_shown(load: Load) -> None:
    """Not even by the repr of the whole configuration."""
    assert "argon2" not in repr(load())
    assert "argon2" not in repr(wiring.clients(load()))


def test_clients_are_known_by_network_on_the_listener_of_their_role(load: Load) -> None:
    """An operator's network means nothing to establishments (SD-5); a dual-stack socket maps IPv4."""
    clients = wiring.clients(load())
    asked = {
        (role, peer): found.name if (found := clients.at(role, peer)) else None
        for role in (Role.ESTABLISHMENT, Role.TRUST_SPACE)
        for peer in ("192.0.2.9", "::ffff:198.51.100.1", "203.0.113.4", "10.0.0.1", "not-an-address", "fe80::1%eth0")
    }
    assert {key: name for key, name in asked.items() if name} == {
        (Role.ESTABLISHMENT, "192.0.2.9"): "chu",
        (Role.ESTABLISHMENT, "::ffff:198.51.100.1"): "clinique",
        (Role.TRUST_SPACE, "203.0.113.4"): "mes",
    }


def test_a_login_may_use_what_its_establishment_may_or_less(load: Load) -> None:
    """SD-5: never more."""
    whole, _ = wiring.clients(load()).logins["imagerie"]
    accueil, autre = (Address.parse(f"{name}@chu-exemple.mssante.fr") for name in ("accueil", "autre"))
    assert whole.may_send_as(accueil)
    assert whole.may_send_as(autre)
    new = 'establishment = "chu"\naddresses = ["Accueil@chu-exemple.mssante.fr"]'
    narrow, hashed = wiring.clients(load(old='establishment = "chu"', new=new)).logins["imagerie"]
    assert narrow.may_send_as(accueil)
    assert not narrow.may_send_as(autre)
    assert hashed.startswith("$argon2id$")


def test_a_login_is_not_believed_about_other_persons(load: Load) -> None:
    """What a trusted server may pass on, a person with a password may not (SD-6)."""
    new = 'name = "chu"\nxclient = true\nperson_received = true\nperson_header = "X-Auteur"'
    clients = wiring.clients(load(old='name = "chu"', new=new))
    person, _ = clients.logins["imagerie"]
    assert (person.xclient, person.person_received, person.person_header) == (False, False, None)
    server = clients.named["chu"]
    assert (server.xclient, server.person_received, server.person_header) == (True, True, "X-Auteur")


def test_routes_lead_inward_to_establishments_and_outward_to_operators(load: Load) -> None:
    """What is not listed has none (WHO-9); an establishment without a next hop has none either."""
    table = wiring.routes(load())
    inward = table.find("chu-exemple.mssante.fr")
    outward = table.find("patient.mssante.fr")
    assert inward is not None
    assert (inward.name, inward.host, inward.port, inward.inward) == ("establishment:chu", "127.0.0.1", 2600, True)
    assert outward is not None
    assert (outward.mx, outward.host, outward.tls, outward.inward) == (
        True,
        "patient.mssante.fr",
        TlsPolicy.REQUIRE,
        False,
    )
    assert table.find("clinique-exemple.mssante.fr") is None
    assert table.find("exemple.fr") is None


def test_the_password_of_a_next_hop_is_the_first_line_of_its_file(load: Load, tmp_path: Path) -> None:
    """Editors end files with a line end; spaces may belong to a password."""
    (tmp_path / "mes.password").write_text(" secret \r\nnote\n")
    new = 'next_hop = "mx"\nnext_hop_login = "relais"\nnext_hop_password_file = "mes.password"'
    route = wiring.routes(load(old='next_hop = "mx"', new=new)).find("patient.mssante.fr")
    assert route is not None
    assert (route.login, route.password) == ("relais", " secret ")


def test_a_password_file_that_is_no_text_is_an_error_of_the_file(load: Load, tmp_path: Path) -> None:
    """A reload says so and goes on; the text of the error would quote the octets."""
    (tmp_path / "mes.password").write_bytes(b"secret\xff\n")
    new = 'next_hop = "mx"\nnext_hop_login = "relais"\nnext_hop_password_file = "mes.password"'
    with pytest.raises(OSError, match="not UTF-8 text") as raised:
        wiring.routes(load(old='next_hop = "mx"', new=new))
    assert "secret" not in str(raised.value)


def test_settings_hold_all_that_decisions_depend_on(load: Load) -> None:
    """One frozen value; a reload builds another."""
    settings = wiring.settings(load(old='kind = "ORG"', new='kind = "ORG"\npharmacy = true\nresponsible = "Dr Test"'))
    assert settings.bal(Address.parse("ACCUEIL@chu-exemple.mssante.fr")) == Bal(
        kind=BalKind.ORG, pharmacy=True, responsible="Dr Test"
    )
    assert settings.owners == {
        "chu-exemple.mssante.fr": "chu",
        "clinique-exemple.mssante.fr": "clinique",
        "patient.mssante.fr": "mes",
    }
    assert settings.retry.give_up_after == timedelta(hours=48)
    robot = Address.parse("Reponse.automatique-test@patient.mssante.fr")
    assert settings.space.recipient(robot) is Party.PATIENT  # INS-10


def test_size_limits_are_those_of_sd_1(load: Load) -> None:
    """10 MiB exactly from establishments, 64 KiB more between operators."""
    settings = wiring.settings(load())
    assert settings.limit_for(Role.ESTABLISHMENT) == 10_485_760
    assert settings.limit_for(Role.TRUST_SPACE) == 10_551_296


def test_observing_ends_at_midnight_utc_of_its_date(load: Load) -> None:
    """SD-9: before the date it observes, from it on it enforces."""
    eve = datetime(2027, 1, 3, 23, 59, 59, tzinfo=UTC)
    new = 'conversations = "observe"\nenforce_from = 2027-01-04'
    observing = wiring.settings(load(old='conversations = "enforce"', new=new))
    assert not observing.policy(eve, Role.ESTABLISHMENT).enforcing
    assert observing.policy(eve + timedelta(seconds=1), Role.ESTABLISHMENT).enforcing
    assert wiring.settings(load()).policy(eve, Role.ESTABLISHMENT).enforcing
