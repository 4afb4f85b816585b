"""[[mailbox]] close_after, close_on_send and notify, [notifications], [reports]: what they mean, what is refused."""

from datetime import timedelta
from pathlib import Path

import pytest

from mssgw.app import config, wiring
from mssgw.app.config import advice
from mssgw.core.addresses import Address
from mssgw.core.notifying import ByHook, ByMail
from mssgw.core.routes import TlsPolicy
from tests.unit.app.configurations import GOOD

WAY = '[notifications]\nnext_hop = "smtp.exemple.fr:587"\nsender = "ne-pas-repondre@exemple.fr"\n'
MAIL = 'notify = "mailto:accueil@exemple.fr"'
BAL = Address.parse("accueil@chu-exemple.mssante.fr")


def load(folder: Path, mailbox: str = "", more: str = "", kind: str = "ORG") -> config.Config:
    path = folder / "mssgw.toml"
    path.write_text(GOOD.replace('kind = "ORG"', f'kind = "{kind}"\n{mailbox}') + more)
    return config.load(path)


def refused(folder: Path, mailbox: str = "", more: str = "", kind: str = "ORG") -> str:
    with pytest.raises(config.ConfigErrors) as caught:
        load(folder, mailbox, more, kind)
    return "\n".join(f"{problem.key}: {problem.message}" for problem in caught.value.problems)


def test_exchanges_close_only_where_it_is_said(tmp_path: Path) -> None:
    silent = wiring.settings(load(tmp_path))
    assert (silent.close_after, silent.bal(BAL).closes_on_send) == ((), False)
    assert wiring.settings(load(tmp_path, 'close_after = "30d"')).close_after == ((BAL, timedelta(days=30)),)
    assert wiring.settings(load(tmp_path, "close_on_send = true", kind="APP")).bal(BAL).closes_on_send


@pytest.mark.parametrize("kind", ["ORG", "PER", "CAB"])
def test_only_an_app_mailbox_closes_with_every_letter(tmp_path: Path, kind: str) -> None:  # req: FIN-4
    said = refused(tmp_path, "close_on_send = true", kind=kind)
    assert said.startswith("mailbox[0].close_on_send: only an APP mailbox")


def test_silence_is_never_longer_than_letters_are_remembered(tmp_path: Path) -> None:
    """Else what nobody remembers would count as silence, and close too soon."""
    shorter = '\n[retention]\ntrace = "200d"\n'
    load(tmp_path, 'close_after = "200d"', shorter)
    assert "mailbox[0].close_after: longer than retention.trace" in refused(tmp_path, 'close_after = "201d"', shorter)


def test_who_is_told_by_mail_needs_a_way_and_a_sender(tmp_path: Path) -> None:
    assert "mailbox[0].notify: ordinary mail needs [notifications] next_hop and sender" in refused(tmp_path, MAIL)
    assert "[notifications] sender" in refused(tmp_path, MAIL, '[notifications]\nnext_hop = "smtp.exemple.fr:25"\n')
    given = wiring.settings(load(tmp_path, MAIL, WAY)).notifications
    assert given.targets == {BAL.key: ByMail(Address.parse("accueil@exemple.fr"))}
    assert given.route is not None
    assert (given.route.host, given.route.port, given.route.tls) == ("smtp.exemple.fr", 587, TlsPolicy.REQUIRE)
    assert (given.sender, given.every) == (Address.parse("ne-pas-repondre@exemple.fr"), timedelta(minutes=5))


def test_who_is_told_by_webhook_needs_no_more_than_its_url(tmp_path: Path) -> None:
    url = "https://serveur.exemple.fr:8443/mssante?jeton=secret"
    loaded = load(tmp_path, f'notify = "{url}"')
    assert wiring.settings(loaded).notifications.targets == {BAL.key: ByHook(url)}
    assert "secret" not in repr(loaded) + repr(wiring.settings(loaded))


@pytest.mark.parametrize(
    "wrong",
    [
        "http://serveur.exemple.fr/",
        "https://",
        "https:///chemin",
        "https://serveur.exemple.fr:0/",
        "https://serveur.exemple.fr:porte/",
        "https://moi:secret@serveur.exemple.fr/",
        "https://serveur.exemple.fr/#secret",
        "https://serveur.exemple.fr/a b",
        "https://serveur.exemple.fr/\\r\\nsecret",
        "mailto:",
        "mailto:accueil",
        "mailto:accueil@exemple.fr?subject=secret",
        "mailto:279035121518989@patient.mssante.fr",
        "mailto:accueil@chu-exemple.mssante.fr",
        "accueil@exemple.fr",
        "",
    ],
)
def test_no_other_target_is_taken_and_none_is_repeated(tmp_path: Path, wrong: str) -> None:
    said = refused(tmp_path, f'notify = "{wrong}"', WAY)
    assert said.startswith("mailbox[0].notify: expected")
    assert "secret" not in said
    assert "279035" not in said


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('next_hop_login = "mssgw"', "notifications.next_hop_password_file"),
        ('next_hop_password_file = "absent"', "notifications.next_hop_login"),
        ('sender = "279035121518989@patient.mssante.fr"', "notifications.sender"),
        ('ca_file = "absent.pem"', "notifications.ca_file"),
    ],
)
def test_a_way_that_is_not_whole_is_refused(tmp_path: Path, more: str, key: str) -> None:
    assert key in refused(tmp_path, more=f"[notifications]\n{more}\n")


def test_a_password_goes_over_tls_only(tmp_path: Path) -> None:  # req: TLS-7
    (tmp_path / "password").write_text("secret\n")
    login = 'next_hop_login = "mssgw"\nnext_hop_password_file = "password"\n'
    assert "a password goes over TLS only" in refused(tmp_path, more=f'{WAY}next_hop_tls = "none"\n{login}')
    route = wiring.settings(load(tmp_path, more=f"{WAY}{login}")).notifications.route
    assert route is not None
    assert (route.login, route.password) == ("mssgw", "secret")


def test_reports_are_about_a_week_and_ring_only_where_it_is_wanted(tmp_path: Path) -> None:
    silent = wiring.settings(load(tmp_path))
    assert (silent.unread_after, silent.unread_alarm) == (timedelta(days=7), False)
    loud = wiring.settings(load(tmp_path, more='[reports]\nunread_after = "2d"\nunread_alarm = true\n'))
    assert (loud.unread_after, loud.unread_alarm) == (timedelta(days=2), True)


@pytest.mark.parametrize(
    ("mailbox", "more", "warned"),
    [
        ('close_after = "6d"', "", "mailbox[0].close_after"),
        ('close_after = "7d"', "", ""),
        ("", '[reports]\nunread_after = "400d"\n', "reports.unread_after"),
    ],
)
def test_check_warns_of_what_may_surprise(tmp_path: Path, mailbox: str, more: str, warned: str) -> None:
    keys = {".".join(map(str, each.path)) for each in advice.blemishes(load(tmp_path, mailbox, more))}
    wanted = warned.replace("[0]", ".0")
    ours = {key for key in keys if "close_after" in key or "unread" in key}
    assert ours == ({wanted} if wanted else set())
