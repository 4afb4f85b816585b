"""What settings mean: units, warnings, and the values that the rest of the gateway works with."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mssgw.app import config, wiring
from mssgw.app.config import file_advice, values
from mssgw.app.config.places import SecretFile
from mssgw.app.stores import with_password
from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind, Party
from mssgw.core.clinical import Environment
from mssgw.core.envelope import Role
from mssgw.core.routes import TlsPolicy
from tests.pki import Authority
from tests.unit.app.test_config_errors import GOOD, write

Load = Callable[..., config.Config]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """GOOD with replacements, loaded."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "state").mkdir(mode=0o700)

    def loaded(**replaced: str) -> config.Config:
        text = GOOD
        for old, new in zip(replaced["old"].split("|"), replaced["new"].split("|"), strict=True) if replaced else ():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return config.load(write(tmp_path, text))

    return loaded


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


def test_a_sound_file_gives_the_warnings_that_it_deserves(load: Load) -> None:
    """In the order of the file, each with its line."""
    assert [(each.line, each.key) for each in config.warnings(load())] == [
        (1, "store.master_key_file"),  # beside the letters that it seals
        (11, "listener[1]"),  # operators are known by their networks alone
        (26, "establishment[1]"),  # no next hop
        (31, "login[0]"),  # no listener takes logins
    ]


@pytest.mark.parametrize(("level", "silent"), [("info", False), ("warning", False), ("error", True)])
def test_a_log_without_alarms_is_warned_of(load: Load, level: str, silent: bool) -> None:
    """They are warnings: who wants fewer lines would be woken by nothing any more."""
    told = config.warnings(load(old="[policy]", new=f'[log]\nlevel = "{level}"\n[policy]'))
    assert ("log.level" in {each.key for each in told}) is silent


def test_a_shared_mailbox_whose_person_nobody_knows_is_warned_of(load: Load) -> None:
    """The journal would say "person unknown" (SD-6)."""
    old = 'establishment = "chu"|conversations = "enforce"'
    told = config.warnings(load(old=old, new='establishment = "clinique"|conversations = "enforce"'))
    (warning,) = [each for each in told if each.key == "mailbox[0]"]
    assert warning.line == 42
    assert "SD-6" in warning.message


@pytest.mark.parametrize("way", ["xclient = true", "person_received = true", 'person_header = "X-Auteur"'])
def test_a_shared_mailbox_behind_a_server_that_names_the_person_is_fine(load: Load, way: str) -> None:
    """Any of the ways of SD-6 will do."""
    old = 'establishment = "chu"|name = "chu"'
    told = config.warnings(load(old=old, new=f'establishment = "clinique"|name = "chu"\n{way}'))
    assert "mailbox[0]" not in {each.key for each in told}


def test_a_patient_domain_that_no_operator_serves_is_warned_of(load: Load) -> None:
    """No letter could reach a patient."""
    told = config.warnings(load(old='"patient.mssante.fr"', new='"autre.mssante.fr"'))
    assert "gateway.patient_domain" in {each.key for each in told}


def test_clear_text_beyond_the_machine_is_warned_of(load: Load) -> None:
    """On loopback it is nobody's business; elsewhere the trust space asks for TLS (TLS-1)."""
    told = config.warnings(load(old='"127.0.0.1:2526"|"127.0.0.1:2600"', new='"0.0.0.0:2526"|"10.1.1.1:25"'))
    assert {each.key for each in told} >= {"listener[1].tls", "establishment[0].next_hop_tls"}


def test_clients_that_need_not_encrypt_are_warned_of(load: Load) -> None:
    """require_tls = false is quietly clear text for whoever does not ask for STARTTLS (TLS-1)."""
    tls = '"0.0.0.0:2525"\ntls = "starttls"\ncertificate = "credential:c"\nkey = "credential:k"\nrequire_tls = '
    for required, warned in (("true", False), ("false", True)):
        told = config.warnings(load(old='"127.0.0.1:2525"\ntls = "none"', new=tls + required))
        assert ("listener[0].require_tls" in {each.key for each in told}) is warned


def test_a_directory_that_may_be_too_young_or_too_old_is_warned_of(load: Load) -> None:
    """It may be published 48 hours late (DIR-4); and who is no pharmacy any more should not stay one for months."""
    for age, warned in (("47h", True), ("48h", False), ("7d", False), ("31d", False), ("32d", True)):
        told = config.warnings(load(old="[policy]", new=f'[directory]\nmax_age = "{age}"\n[policy]'))
        assert ("directory.max_age" in {each.key for each in told}) is warned, age


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


def test_a_look_at_a_letter_that_may_last_long_or_is_too_short_is_warned_of(load: Load) -> None:
    """Senders wait behind the final dot (SD-10); two seconds are meant, in the file as in the rule."""
    for table, key in (("documents", "deadline"), ("limits", "inspection")):
        for limit, warned in (("2h", True), ("11s", True), ("10s", False), ("2s", False)):
            rest = "" if table == "limits" else "\n[limits]"
            told = config.warnings(load(old="[limits]", new=f'[{table}]\n{key} = "{limit}"{rest}'))
            assert (f"{table}.{key}" in {each.key for each in told}) is warned, (key, limit)
    told = config.warnings(load(old="[limits]", new='[documents]\ndeadline = "100ms"\n[limits]'))
    assert "documents.deadline" in {each.key for each in told}


def test_a_product_that_was_forgotten_is_warned_of(load: Load) -> None:
    """X-MSS-NIL is for every letter, ours too (FMT-9); where nobody speaks of it, neither do we."""
    added = "[mss]\nadd_headers = true\n"
    found = {}
    for name, mss, product in (
        ("none", "", ""),
        ("some", added, 'product = "NIL-1"'),
        ("one", "", 'product = "NIL-1"'),
    ):
        told = config.warnings(load(old='[limits]|name = "chu"', new=f'{mss}[limits]|name = "chu"\n{product}'))
        found[name] = {each.key for each in told if "X-MSS-NIL" in each.message}
    assert found == {"none": set(), "some": {"establishment[1]", "mss"}, "one": {"mss"}}


def test_a_date_that_has_come_is_warned_of(load: Load) -> None:
    """Observing has ended by itself; the file should say so (SD-9)."""
    new = 'conversations = "observe"\nenforce_from = 2020-01-01'
    told = config.warnings(load(old='conversations = "enforce"', new=new))
    assert "policy.enforce_from" in {each.key for each in told}


def test_observing_without_an_end_is_warned_of(load: Load) -> None:
    """SD-9 goes live at a date; whoever gives none must end it himself, and is told so until he does."""
    told = config.warnings(load(old='conversations = "enforce"', new='conversations = "observe"'))
    assert "no end" in next(each.message for each in told if each.key == "policy.conversations")
    assert "policy.conversations" not in {each.key for each in config.warnings(load())}


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ("10.0.0.0/8", "10.0.0.0/8: 2^24 addresses may write as its domains"),
        ("2001:db8::/32", "2001:db8::/32: 2^96 addresses may write as its domains"),
        ("10.1.0.0/16", None),
        ("2001:db8::/48", None),
        ("127.0.0.0/8", None),
    ],
)
def test_a_network_wider_than_a_hospital_is_warned_of(load: Load, network: str, told: str | None) -> None:
    """Everything in it may write in the doctors' names; the machine's own loopback is no stranger's."""
    warned = config.warnings(load(old='"198.51.100.0/24"', new=f'"{network}"'))
    found = [(each.line, each.message) for each in warned if each.key == "establishment[1].networks[0]"]
    assert found == ([(29, f"{told}; name its servers alone")] if told else [])


def test_a_mailbox_is_never_said_to_be_meant_for_the_patients_domain(load: Load) -> None:
    """Whoever takes the advice would name a patient as a professional."""
    with pytest.raises(config.ConfigErrors, match="is a domain of no") as refused:
        load(old='"accueil@chu-exemple.mssante.fr"', new='"accueil@patien.mssante.fr"')
    assert "did you mean" not in str(refused.value)


def test_root_is_warned_of_a_configuration_that_the_service_cannot_read(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor that left it 0600: root's check is content, and the service does not start."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(file_advice, "_service_reads", lambda path: path.name != "mssgw.toml")
    told = [each.message for each in config.warnings(load()) if "may not read this file" in each.message]
    assert [each.endswith(f"chmod 0640 {tmp_path / 'mssgw.toml'}") for each in told] == [True]
    monkeypatch.setattr(file_advice, "_service_reads", lambda path: True)
    assert not [each for each in config.warnings(load()) if "this file" in each.message]


def test_a_master_key_that_every_user_can_read_is_refused(load: Load, tmp_path: Path) -> None:
    """A key for all is no key; the daemon would not start with it, so `mssgw check` says so."""
    key = tmp_path / "master.key"
    key.write_bytes(bytes(32))
    named = {"old": 'state_dir = "state"', "new": f'state_dir = "state"\n[store]\nmaster_key_file = "{key.name}"'}
    for mode in (0o640, 0o600):
        key.chmod(mode)
        assert load(**named).master_key.path == key
    key.chmod(0o644)
    with pytest.raises(config.ConfigErrors) as refused:
        load(**named)
    (problem,) = refused.value.problems
    assert (problem.key, problem.message) == (
        "store.master_key_file",
        f"every user of the machine may use it: chmod 0400 {key}",
    )


def test_a_missing_key_is_replaced_only_where_nothing_is_sealed_yet(load: Load, tmp_path: Path) -> None:
    """Beside a database, another key would open none of its letters."""
    named = {"old": 'state_dir = "state"', "new": 'state_dir = "state"\n[store]\nmaster_key_file = "k"'}
    with pytest.raises(config.ConfigErrors, match="for a new store: mssgw key new"):
        load(**named)
    (tmp_path / "state" / "mssgw.db").write_bytes(b"sealed")
    with pytest.raises(config.ConfigErrors, match="give back the key that this store was made with") as refused:
        load(**named)
    assert "key new" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"short", b"00" * 31])
def test_a_file_that_holds_no_master_key_is_refused(load: Load, tmp_path: Path, content: bytes) -> None:
    """The daemon would end at its start. Where no file is named, the one beside the letters is only warned of."""
    named = {"old": 'state_dir = "state"', "new": 'state_dir = "state"\n[store]\nmaster_key_file = "state/master.key"'}
    (key := tmp_path / "state" / "master.key").write_bytes(content)
    key.chmod(0o400)
    with pytest.raises(config.ConfigErrors) as refused:
        load(**named)
    expected = f"{key}: expected 32 bytes, raw or as hex or base64 text"
    assert [(each.key, each.message) for each in refused.value.problems] == [("store.master_key_file", expected)]
    told = [each.message for each in config.warnings(load()) if each.key == "store.master_key_file"]
    assert told[1:] == [f"the service would not start with it: {expected}"]


def test_each_credential_that_is_not_seen_is_warned_of(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a shell nobody sees whether the unit loads it; the service does not start without it."""
    new = '[store]\nmaster_key_file = "credential:master"\npassword_file = "credential:database"\n\n[policy]'
    told = {each.key: each.message for each in config.warnings(load(old="[policy]", new=new))}
    assert "LoadCredential=master:" in told["store.master_key_file"]
    assert "LoadCredential=database:" in told["store.password_file"]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "master").write_bytes(bytes(32))
    (tmp_path / "master").chmod(0o400)
    (tmp_path / "database").write_text("geheim")
    told = {each.key: each.message for each in config.warnings(load(old="[policy]", new=new))}
    assert not told.keys() & {"store.master_key_file", "store.password_file"}


@pytest.mark.parametrize(("words", "warned"), [("", True), ("pharmacy = false", False), ("pharmacy = true", False)])
def test_a_shared_mailbox_that_hides_what_the_directory_says_of_it_is_warned_of(
    load: Load, words: str, warned: bool
) -> None:
    """It decides by itself whether it is a pharmacy's (WHO-3), perhaps unawares; written out it is no oversight."""
    table = f'[[mailbox]]\naddress = "officine@chu-exemple.mssante.fr"\nkind = "ORG"\n{words}\n'
    with_directory = config.warnings(load(old="[policy]", new=f"[directory]\n{table}[policy]"))
    without = config.warnings(load(old="[policy]", new=f"{table}[policy]"))
    assert ("mailbox[1]" in {each.key for each in with_directory}) is warned
    assert "mailbox[1]" not in {each.key for each in without}


def test_a_state_directory_open_to_all_is_warned_of(load: Load, tmp_path: Path) -> None:
    """Names of files and sizes of letters are nobody else's."""
    (tmp_path / "state").chmod(0o755)
    assert "gateway.state_dir" in {each.key for each in config.warnings(load())}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("file", "is not a folder: "),
        ("file/state", "cannot be made: Not a directory"),
        ("absent/state", "cannot be made: no such folder: "),
        ("link", "cannot be made: a link that leads nowhere"),
        ("x" * 300, "cannot be made: File name too long"),
    ],
)
def test_a_state_directory_that_is_none_and_cannot_be_one_is_an_error(
    load: Load, tmp_path: Path, named: str, expected: str
) -> None:
    """The daemon would not start. Holds for root as well, whom permissions do not stop."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(config.ConfigErrors) as caught:
        load(old='state_dir = "state"', new=f'state_dir = "{named}"')
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (3, "gateway.state_dir")
    assert problem.message.startswith(expected)


def test_a_state_directory_that_a_first_start_makes_is_no_error(load: Load) -> None:
    assert not load(old='state_dir = "state"', new='state_dir = "state/new"').gateway.state_dir.exists()


def test_a_credential_is_found_where_systemd_puts_it(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And outside the service its absence is no error: `mssgw check` runs from a shell."""
    old, new = '2525"\ntls = "none"', '2525"\ncertificate = "credential:cert"\nkey = "credential:key"'
    assert load(old=old, new=new).listeners[0].certificate == SecretFile("credential:cert", None)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    Authority().issue(tmp_path, "gw.exemple.fr").rename(tmp_path / "cert")
    with pytest.raises(config.ConfigErrors) as caught:
        load(old=old, new=new)
    assert [each.key for each in caught.value.problems] == ["listener[0].key"]
    (tmp_path / "key").write_bytes((tmp_path / "cert").read_bytes())
    assert load(old=old, new=new).listeners[0].key == SecretFile("credential:key", tmp_path / "key")


def test_the_master_key_is_the_file_else_the_credential_else_beside_the_database(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file says wins; a trial needs no key to be named."""
    assert load().master_key.path == tmp_path / "state" / "master.key"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load().master_key.path == tmp_path / "state" / "master.key"
    (tmp_path / "master-key").touch()
    assert load().master_key.path == tmp_path / "master-key"
    (tmp_path / "named.key").write_bytes(bytes(32))
    (tmp_path / "named.key").chmod(0o600)
    new = 'state_dir = "state"\n[store]\nmaster_key_file = "named.key"'
    assert load(old='state_dir = "state"', new=new).master_key.path == tmp_path / "named.key"


def test_the_database_lies_in_the_state_directory(load: Load, tmp_path: Path) -> None:
    """A relative state directory lies beside the file, wherever the daemon was started."""
    assert load().database_url == f"sqlite:///{tmp_path}/state/mssgw.db"


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


def test_a_folder_that_does_not_exist_yet_is_no_warning_where_it_can_be_made(load: Load, tmp_path: Path) -> None:
    """The daemon makes its state directory at the first start."""
    os.rmdir(tmp_path / "state")
    assert "gateway.state_dir" not in {each.key for each in config.warnings(load())}


@pytest.mark.skipif(os.geteuid() != 0, reason="others see an error: they cannot read it themselves")
def test_root_is_warned_of_files_that_the_service_cannot_read(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check` as root finds nothing wrong with a file of mode 0600, and then the unit does not start."""
    monkeypatch.setattr(file_advice, "SERVICE_USER", "nobody")
    (secret := tmp_path / "password").write_text("geheim\n")
    secret.chmod(0o600)
    new = f'[store]\npassword_file = "{secret}"\n\n[policy]'
    (told,) = [each for each in config.warnings(load(old="[policy]", new=new)) if each.key == "store.password_file"]
    assert "the service's user nobody" in told.message
    assert f"LoadCredential=NAME:{secret}" in told.message


@pytest.mark.skipif(os.geteuid() != 0, reason="others see an error: they cannot read it themselves")
def test_root_is_warned_of_files_that_the_unit_hides(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """InaccessiblePaths= hides them whatever their modes are."""
    monkeypatch.setattr(file_advice, "HIDDEN", (tmp_path / "secrets",))
    (folder := tmp_path / "secrets").mkdir()
    (secret := folder / "password").write_text("geheim\n")
    new = f'[store]\npassword_file = "{secret}"\n\n[policy]'
    told = [each.message for each in config.warnings(load(old="[policy]", new=new))]
    assert any("InaccessiblePaths=" in message and "credential:NAME" in message for message in told)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_somebody_else_left_in_the_state_directory_is_warned_of(load: Load, tmp_path: Path) -> None:
    """A command typed by root before its time, a restored backup: the daemon fails over it later, and far from it."""
    state = tmp_path / "state"
    os.chown(state, 12345, 12345)
    (state / "spool").mkdir()
    for name, owner in (("mssgw.db", 0), ("lock", 12345), ("lost+found", 0), ("master.key", 0)):
        (state / name).write_bytes(bytes(32))
        os.chown(state / name, owner, 12345)
    told = [each.message for each in config.warnings(load()) if each.key == "gateway.state_dir"]
    assert told == [f"not of the folder's owner: mssgw.db, spool; chown -R --reference={state} {state}"]
    os.chown(state / "mssgw.db", 12345, 12345)
    os.chown(state / "spool", 12345, 12345)
    assert "gateway.state_dir" not in {each.key for each in config.warnings(load())}


def test_what_is_hidden_is_what_the_unit_hides() -> None:
    unit = (Path(__file__).parents[3] / "systemd" / "mssgw.service").read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("InaccessiblePaths=")]
    assert line.partition("=")[2].split() == [f"-{folder}" for folder in file_advice.HIDDEN]


def test_the_password_of_the_database_comes_from_its_file(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential too; in the URL that the driver gets, it is quoted, and several hosts stay several."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "db").write_text("a/b@c:%\n")
    loaded = load(old="[policy]", new='[store]\npassword_file = "credential:db"\n\n[policy]')
    url = with_password("postgresql+psycopg://mssgw@db1,db2/mssgw?sslmode=verify-full", loaded)
    assert url == "postgresql+psycopg://mssgw:a%2Fb%40c%3A%25@db1,db2/mssgw?sslmode=verify-full"
    assert with_password("sqlite:////x/mssgw.db", loaded) == "sqlite:////x/mssgw.db"


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("postgresql+psycopg://mssgw@db.chu.fr/mssgw", True),
        ("postgresql+psycopg://mssgw@db1,db2:5433/mssgw?sslmode=require", True),
        ("postgresql+psycopg://mssgw@/mssgw?host=db.chu.fr", True),
        ("postgresql+psycopg://mssgw@db1,db2/mssgw?sslmode=verify-full", False),
        ("postgresql+psycopg://mssgw@db1/mssgw?sslmode=verify-ca&sslrootcert=/etc/ssl/db.pem", False),
        ("postgresql+psycopg://mssgw@/mssgw?host=/run/postgresql", False),
        ("postgresql+psycopg://mssgw@localhost/mssgw", False),
        ("sqlite:///{state_dir}/mssgw.db", False),
    ],
)
def test_a_database_across_the_network_is_to_prove_which_one_it_is(load: Load, url: str, warned: bool) -> None:
    loaded = load(old="[policy]", new=f'[store]\nurl = "{url}"\n\n[policy]')
    assert ("store.url" in {each.key for each in config.warnings(loaded)}) is warned
