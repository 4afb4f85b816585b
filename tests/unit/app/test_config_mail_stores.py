"""[[mail_store]] and [[mailbox]]: where letters are put, and who opens what."""

from pathlib import Path

import pytest

from mssgw.app import config, wiring
from mssgw.app.config.advice import blemishes
from mssgw.app.mailboxes import kept, watched
from mssgw.core.addresses import Address
from mssgw.core.routes import RouteKind, TlsPolicy
from mssgw.ports.mailbox import SEEN
from tests.unit.app.configurations import GOOD

ACCUEIL = 'address = "accueil@chu-exemple.mssante.fr"\nkind = "ORG"\n'
STORE = '\n[[mail_store]]\nname = "bals"\nhost = "imap.chu-exemple.fr"\n'
MASTER = 'master_user = "mssgw"\nmaster_password_file = "secret"\n'
INTO = 'mail_store = "bals"\n'
OWN = INTO + 'password_file = "secret"\n'
SECOND = '\n[[mailbox]]\naddress = "alias@chu-exemple.mssante.fr"\nkind = "APP"\n' + OWN


def load(folder: Path, mailbox: str, store: str = STORE, *, kind: str = "ORG") -> config.Config:
    (folder / "secret").write_text("mot de passe\n")
    text = GOOD.replace(ACCUEIL, ACCUEIL.replace("ORG", kind) + mailbox) + store
    (folder / "mssgw.toml").write_text(text)
    return config.load(folder / "mssgw.toml")


def test_a_mailbox_has_a_route_of_its_own(tmp_path: Path) -> None:
    """Others of its domain go on as before; the route's name holds no address."""
    loaded = load(tmp_path, OWN + 'folder = "Recus"\n')
    table = wiring.routes(loaded)
    own = table.to(Address.parse("Accueil@chu-exemple.mssante.fr"))
    other = table.to(Address.parse("autre@chu-exemple.mssante.fr"))
    assert own is not None
    assert other is not None
    assert (own.kind, own.name, own.host, own.port, own.tls) == (
        RouteKind.IMAP,
        "store:bals:1",
        "imap.chu-exemple.fr",
        993,
        TlsPolicy.IMPLICIT,
    )
    assert (own.login, own.password, own.folders, own.inward) == (
        "accueil@chu-exemple.mssante.fr",
        "mot de passe",
        ("Recus",),
        True,
    )
    assert other.kind is RouteKind.SMTP
    assert "accueil" not in repr(own)
    assert "mot de passe" not in repr(own)


def test_a_master_opens_it_in_place_of_its_password(tmp_path: Path) -> None:
    own = wiring.routes(load(tmp_path, INTO + 'user = "acc"\n', STORE + MASTER)).by_address
    (route,) = own.values()
    assert (route.login, route.master, route.mailbox) == ("mssgw", True, "acc")


def test_who_shares_a_mailbox_that_letters_leave_is_warned(tmp_path: Path) -> None:
    """`mailbox list` says "never" of such a one, for nothing is said of it."""
    other = STORE + SECOND + 'user = "{}"\n'
    for user, warned in (("accueil", ["mailbox.1"]), ("ailleurs", [])):
        loaded = load(tmp_path, OWN + 'user = "Accueil"\npurge_after = "90d"\n', other.format(user))
        found = [each for each in blemishes(loaded) if "purge_after" in each.message]
        assert [".".join(map(str, each.path)) for each in found] == warned


@pytest.mark.parametrize(
    ("lmtp", "host", "tls"),
    [
        ('lmtp = "/run/dovecot/lmtp"\n', "/run/dovecot/lmtp", TlsPolicy.NONE),
        ('lmtp = "dovecot.chu-exemple.fr:24"\n', "dovecot.chu-exemple.fr", TlsPolicy.REQUIRE),
        ('lmtp = "127.0.0.1:24"\nlmtp_tls = "none"\n', "127.0.0.1", TlsPolicy.NONE),
    ],
)
def test_lmtp_needs_no_password(tmp_path: Path, lmtp: str, host: str, tls: TlsPolicy) -> None:
    (route,) = wiring.routes(load(tmp_path, INTO, STORE + lmtp)).by_address.values()
    assert (route.kind, route.name, route.host, route.tls) == (RouteKind.LMTP, "store:bals", host, tls)


def test_an_app_mailbox_is_watched_where_its_program_confirms(tmp_path: Path) -> None:
    """And a letter that was moved there meanwhile is found again."""
    loaded = load(tmp_path, OWN + 'processed_folder = "Integres"\n', kind="APP")
    (one,) = watched(loaded)
    assert (one.folder, one.flags) == ("Integres", ())
    (route,) = wiring.routes(loaded).by_address.values()
    assert route.folders == ("INBOX", "Integres")
    (two,) = watched(load(tmp_path, OWN + 'processed_keyword = "$Fait"\n', kind="APP"))
    assert (two.folder, two.flags) == ("INBOX", ("$Fait",))


@pytest.mark.parametrize(
    ("mailbox", "store", "kind", "key", "says"),
    [
        ('mail_store = "bal"\n', STORE, "ORG", "mailbox[0].mail_store", 'did you mean "bals"'),
        ('folder = "Recus"\n', STORE, "ORG", "mailbox[0].folder", "only with mail_store"),
        (INTO, STORE, "ORG", "mailbox[0].password_file", "no master_user"),
        (OWN, STORE + MASTER, "ORG", "mailbox[0].password_file", "either this or master_user"),
        (INTO + 'password_file = "nowhere"\n', STORE, "ORG", "mailbox[0].password_file", "cannot be read"),
        (OWN + 'processed_folder = "X"\n', STORE, "ORG", "mailbox[0].processed_folder", "only an APP mailbox"),
        (OWN + 'processed_folder = "INBOX"\n', STORE, "APP", "mailbox[0].processed_folder", "another folder"),
        (
            OWN + 'processed_folder = "X"\nprocessed_keyword = "$x"\n',
            STORE,
            "APP",
            "mailbox[0].processed_keyword",
            "either this",
        ),
        (
            INTO + 'processed_folder = "X"\n',
            '\n[[mail_store]]\nname = "bals"\nlmtp = "/x"\n',
            "APP",
            "mailbox[0].processed_folder",
            "no host",
        ),
        ('purge_after = "90d"\n', STORE, "ORG", "mailbox[0].purge_after", "only with mail_store"),
        (OWN + 'purge_after = "14d"\n', STORE, "ORG", "mailbox[0].purge_after", "more than retention.purge_notice"),
        (
            INTO + 'purge_after = "90d"\n',
            '\n[[mail_store]]\nname = "bals"\nlmtp = "/x"\n',
            "ORG",
            "mailbox[0].purge_after",
            "no host",
        ),
        (
            INTO + 'purge_after = "90d"\n',
            '\n[[mail_store]]\nname = "bals"\nlmtp = "/x"\nhost = "x.fr"\n',
            "ORG",
            "mailbox[0].password_file",
            "no master_user",
        ),
        (OWN, STORE + '\n[retention]\npurge_notice = "23h"\n', "ORG", "retention.purge_notice", "1d"),
        (
            OWN + 'user = "Accueil"\nprocessed_folder = "X"\n',
            STORE + SECOND + 'user = "accueil"\n',
            "APP",
            "mailbox[0].processed_folder",
            "a wrong name",
        ),
        (
            OWN + 'user = "accueil"\npurge_after = "90d"\n',
            STORE + SECOND + 'user = "accueil"\npurge_after = "900d"\n',
            "ORG",
            "mailbox[1].purge_after",
            "says when letters leave it",
        ),
        (
            OWN + 'user = "279035121518989@Patient.mssante.fr"\npurge_after = "90d"\n',
            STORE,
            "ORG",
            "mailbox[0].purge_after",
            "never for a patient's",
        ),
        ("", '\n[[mail_store]]\nname = "bals"\n', "ORG", "mail_store[0].host", "expected host"),
        ("", STORE + STORE, "ORG", "mail_store[1].name", "same name"),
        ("", STORE + 'master_user = "m"\n', "ORG", "mail_store[0].master_password_file", "expected, because"),
        ("", STORE + 'lmtp = "x.fr:24"\nlmtp_tls = "none"\n', "ORG", "mail_store[0].lmtp_tls", "over TLS only"),
        ("", STORE + 'lmtp = "x"\n', "ORG", "mail_store[0].lmtp", "a unix socket"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, mailbox: str, store: str, kind: str, key: str, says: str) -> None:
    with pytest.raises(config.ConfigErrors) as caught:
        load(tmp_path, mailbox, store, kind=kind)
    told = {problem.key: problem.message for problem in caught.value.problems}
    assert key in told
    assert says in told[key]
    assert "accueil" not in str(told)


def test_letters_leave_a_mailbox_where_it_is_asked_for(tmp_path: Path) -> None:
    """Off by default (TRC-3); what its program moved aside need not be read."""
    assert wiring.retained(load(tmp_path, OWN)) == kept(load(tmp_path, OWN)) == ()
    loaded = load(tmp_path, OWN + 'purge_after = "90d"\nprocessed_folder = "Integres"\n', kind="APP")
    (term,) = wiring.settings(loaded).retained
    assert (term.folders, term.after.days, term.notice.days) == (("INBOX", "Integres"), 90, 14)
    (one,) = kept(loaded)
    assert (one.term, one.account.name) == (term, "store:bals:1")
    assert [(each.folder, each.done) for each in one.shelves] == [("INBOX", (SEEN,)), ("Integres", ())]


def test_two_addresses_may_lead_to_one_mailbox(tmp_path: Path) -> None:
    """Where nobody looks into it, or one of them says for both when letters leave."""
    for first in ("", 'purge_after = "90d"\n'):
        loaded = load(tmp_path, OWN + 'user = "accueil"\n' + first, STORE + SECOND + 'user = "accueil"\n')
        assert len(wiring.retained(loaded)) == bool(first)


def test_a_patients_mailbox_is_never_purged(tmp_path: Path) -> None:
    text = GOOD + STORE + MASTER
    text += (
        '\n[[mailbox]]\naddress = "x@patient.mssante.fr"\nkind = "ORG"\nmail_store = "bals"\npurge_after = "1000d"\n'
    )
    (tmp_path / "secret").write_text("x\n")
    (tmp_path / "mssgw.toml").write_text(text)
    with pytest.raises(config.ConfigErrors) as caught:
        config.load(tmp_path / "mssgw.toml")
    assert "mailbox[1].purge_after" in {problem.key for problem in caught.value.problems}


def test_a_mailbox_of_another_operators_domain_is_for_him_to_deliver(tmp_path: Path) -> None:
    """WHO-9: we are no way in for others' domains."""
    text = GOOD + STORE + MASTER
    text += '\n[[mailbox]]\naddress = "x@patient.mssante.fr"\nkind = "ORG"\nmail_store = "bals"\n'
    (tmp_path / "secret").write_text("x\n")
    (tmp_path / "mssgw.toml").write_text(text)
    with pytest.raises(config.ConfigErrors) as caught:
        config.load(tmp_path / "mssgw.toml")
    assert "mailbox[1].mail_store" in {problem.key for problem in caught.value.problems}
