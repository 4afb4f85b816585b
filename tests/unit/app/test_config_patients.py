"""[patient_space]: the patient domain is ours, or another operator's, and never both (SD-5)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mssgw.app import config, wiring
from mssgw.app.config.advice import blemishes
from mssgw.app.config.reload import reloaded
from mssgw.app.mailboxes import patient_watch
from mssgw.core.addresses import Address
from mssgw.core.envelope import Role
from mssgw.core.routes import PATIENTS_HEAR, RouteKind, TlsPolicy
from tests.pki import Authority
from tests.unit.app.configurations import GOOD

MES = GOOD[GOOD.index("[[trusted_domain]]") : GOOD.index("[[mailbox]]")]
OURS = (
    GOOD.replace(MES, "")
    + """
[[listener]]
name = "patients"
role = "patient-space"
address = "127.0.0.1:2527"
certificate = "ours.pem"
key = "ours.pem"

[patient_space]
next_hop = "imap.chu-exemple.fr:25"
"""
)
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("certificate")
    return Authority().issue(folder, "mssgw.chu-exemple.fr").read_bytes()


@pytest.fixture
def write(certificate: bytes, tmp_path: Path) -> Write:
    """A configuration that holds together; then ``old`` is replaced by ``new``."""
    (tmp_path / "ours.pem").write_bytes(certificate)

    def written(old: str = "", new: str = "") -> Path:
        assert not old or OURS.count(old) == 1
        path = tmp_path / "mssgw.toml"
        path.write_text(OURS.replace(old, new) if old else OURS)
        return path

    return written


def complaints(path: Path) -> dict[str, str]:
    with pytest.raises(config.ConfigErrors) as errors:
        config.load(path)
    return {problem.key: problem.message for problem in errors.value.problems}


def test_by_default_there_is_none(tmp_path: Path) -> None:
    """The patient domain is an operator's, and its patients are nobody of ours."""
    path = tmp_path / "mssgw.toml"
    path.write_text(GOOD)
    settings = wiring.settings(config.load(path))
    assert "patient.mssante.fr" not in settings.owners or settings.owners["patient.mssante.fr"] == "mes"
    assert not any(route.patients for route in settings.routes.by_domain.values())
    assert not settings.space.takes_any


def test_the_domain_is_ours_and_its_route_leads_inward_to_the_store(write: Write) -> None:
    """So that other operators reach it, and may not speak for it (SD-5)."""
    settings = wiring.settings(config.load(write()))
    route = settings.routes.find("patient.mssante.fr")
    assert route is not None
    assert (route.host, route.port, route.tls) == ("imap.chu-exemple.fr", 25, TlsPolicy.REQUIRE)
    assert (route.patients, route.inward) == (True, True)
    assert settings.owners["patient.mssante.fr"] == "patient-space"
    assert settings.routes.find(PATIENTS_HEAR) is None


def test_ordinary_mail_has_a_lane_that_no_domain_can_name(write: Write) -> None:
    """Else a letter could be addressed out of the trust space (WHO-9)."""
    notifications = (
        '[notifications]\nnext_hop = "smtp.fai.fr:587"\nsender = "ne-pas-repondre@exemple.fr"\n[patient_space]'
    )
    settings = wiring.settings(config.load(write("[patient_space]", notifications)))
    route = settings.routes.find(PATIENTS_HEAR)
    assert route is not None
    assert (route.host, route.patients, route.inward) == ("smtp.fai.fr", False, False)
    assert ":" in PATIENTS_HEAR
    assert settings.routes.find("fai.fr") is None


def test_a_wrong_key_is_answered_where_the_file_says_so(write: Write) -> None:
    settings = wiring.settings(config.load(write("[patient_space]", '[patient_space]\nbad_key = "notice"')))
    assert settings.space.takes_any


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("[patient_space]\n", "[elsewhere]\n", "listener[2].role", "no [patient_space]"),
        ('certificate = "ours.pem"\nkey = "ours.pem"', 'tls = "none"', "listener[2].tls", "password"),
        ('key = "ours.pem"', 'key = "ours.pem"\nrequire_tls = false', "listener[2].require_tls", "password"),
        ("[[mailbox]]", f"{MES}[[mailbox]]", "trusted_domain[0].domains[0]", "is ours"),
        ('name = "chu"', 'name = "patient-space"', "establishment[0].name", "another name"),
        ("[patient_space]\n", '[patient_space]\nbad_key = "ignore"\n', "patient_space.bad_key", '"refuse" or "notice"'),
        ('next_hop = "imap.chu-exemple.fr:25"\n', "", "patient_space.next_hop", "missing"),
    ],
)
def test_a_mistake_is_told_with_its_key(write: Write, old: str, new: str, key: str, expected: str) -> None:
    assert expected in complaints(write(old, new)).get(key, "no complaint")


HOP = 'next_hop = "imap.chu-exemple.fr:25"\n'
STORE = """
[[mail_store]]
name = "bals"
host = "imap.chu-exemple.fr"
"""
MASTER = 'master_user = "mssgw"\nmaster_password_file = "ours.pem"\n'
INTO = 'mail_store = "bals"\n'


def test_letters_go_into_the_patients_own_mailboxes(write: Write) -> None:
    """Each opened by the store's master, in lower case; the route's name holds no address."""
    loaded = config.load(write(HOP, INTO + STORE + MASTER))
    route = wiring.settings(loaded).routes.find("patient.mssante.fr")
    assert route is not None
    assert (route.kind, route.name, route.host, route.port) == (
        RouteKind.IMAP,
        "store:bals:patients",
        "imap.chu-exemple.fr",
        993,
    )
    assert (route.login, route.master, route.folders) == ("mssgw", True, ("INBOX",))
    assert (route.patients, route.inward, route.marks_subject) == (True, True, True)
    corsican = Address.parse("177012A12345670@patient.mssante.fr")
    assert route.mailbox_of(corsican) == "177012a12345670@patient.mssante.fr"
    watch = patient_watch(loaded)
    assert watch is not None
    assert (watch.route, watch.held) == (route, 50)


def test_how_they_are_opened_watched_and_shown_may_be_chosen(write: Write) -> None:
    keys = 'user = "p-{matricule}"\nreceipt_sessions = 400\nfin_shown = "keyword"\n'
    loaded = config.load(write(HOP, INTO + keys + STORE + MASTER))
    watch = patient_watch(loaded)
    assert watch is not None
    assert watch.held == 400
    assert watch.route.mailbox_of(Address.parse("279035121518989@patient.mssante.fr")) == "p-279035121518989"
    assert not watch.route.marks_subject


def test_behind_an_smtp_server_nothing_is_watched(write: Write) -> None:
    """And whoever configures it so is told what is missing (MDN-2)."""
    loaded = config.load(write())
    assert patient_watch(loaded) is None
    warned = {complaint.path: complaint.message for complaint in blemishes(loaded)}
    assert "no read receipt" in warned[("patient_space", "next_hop")]


@pytest.mark.parametrize(
    ("new", "key", "expected"),
    [
        (HOP + INTO + STORE + MASTER, "patient_space.next_hop", "either mail_store"),
        ('mail_store = "bal"\n' + STORE + MASTER, "patient_space.mail_store", 'did you mean "bals"'),
        (INTO + STORE, "patient_space.mail_store", "with master_user"),
        (INTO + STORE + MASTER + 'lmtp = "/run/lmtp"\n', "patient_space.mail_store", "without lmtp"),
        (HOP + 'user = "{address}"\n', "patient_space.user", "only with mail_store"),
        (HOP + "receipt_sessions = 9\n", "patient_space.receipt_sessions", "only with mail_store"),
        (HOP + 'fin_shown = "subject"\n', "patient_space.fin_shown", "only with mail_store"),
        (INTO + 'next_hop_tls = "none"\n' + STORE + MASTER, "patient_space.next_hop_tls", "only with next_hop"),
        (INTO + 'user = "patients"\n' + STORE + MASTER, "patient_space.user", '"{address}"'),
        (INTO + 'user = "{ins}"\n' + STORE + MASTER, "patient_space.user", '"{matricule}"'),
        (INTO + 'fin_shown = "folder"\n' + STORE + MASTER, "patient_space.fin_shown", '"subject" or "keyword"'),
        (INTO + "receipt_sessions = 0\n" + STORE + MASTER, "patient_space.receipt_sessions", "expected"),
    ],
)
def test_a_mistake_about_their_mailboxes_is_told(write: Write, new: str, key: str, expected: str) -> None:
    assert expected in complaints(write(HOP, new)).get(key, "no complaint")


def test_a_gateway_whose_patients_cannot_write_is_warned(write: Write) -> None:
    listener = OURS[OURS.rindex("[[listener]]") : OURS.index("[patient_space]")]
    found = {complaint.path: complaint.message for complaint in blemishes(config.load(write(listener, "")))}
    assert "patients cannot write" in found[("patient_space",)]
    assert ("gateway", "patient_domain") not in found
    assert (
        "clear text"
        in {
            complaint.path: complaint.message
            for complaint in blemishes(config.load(write("[patient_space]", '[patient_space]\nnext_hop_tls = "none"')))
        }[("patient_space", "next_hop_tls")]
    )


def test_the_table_comes_and_goes_with_a_restart_and_changes_with_a_reload(write: Write) -> None:
    """Routes, listeners and owners fit together from the start."""
    before = config.load(write())
    changed, waiting = reloaded(before, config.load(write('fr:25"', 'fr:2525"')))
    assert changed.patient_space is not None
    assert (changed.patient_space.next_hop.port, waiting) == (2525, [])
    without = before.model_copy(update={"patient_space": None, "listeners": before.listeners[:2]})
    kept, waiting = reloaded(before, without)
    assert kept.patient_space is not None
    assert [each.role for each in kept.listeners][-1] is Role.PATIENT_SPACE
    assert "patient_space" in waiting


def test_an_operator_may_not_speak_for_our_patients(write: Write) -> None:
    """Whatever a white list says of the domain."""
    loaded = config.load(write())
    settings = wiring.settings(loaded)
    clients = wiring.clients(loaded)
    patient = Address.parse("279035121518989@patient.mssante.fr")
    assert not any(client.may_send_as(patient) for client in clients.named.values())
    assert all(settings.is_foreign(client, patient) for client in clients.named.values())
