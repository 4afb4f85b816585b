"""[[collector]]: what it takes, and which mistakes `mssgw check` names."""

from pathlib import Path

import pytest

from mssgw.app import config
from mssgw.app.collecting import plans
from mssgw.core.routes import TlsPolicy
from tests.collecting import COLLECTOR, configured

SECOND = COLLECTOR.replace('"officine"', '"accueil"').replace("LOGIN", "x")
MISTAKES = [
    ("", 'name = "officine"', 'name = "chu"', "name", "another entry has the same name"),
    ("", 'host = "127.0.0.1"', 'host = "imap fr"', "host", "expected a host"),
    ("port = 0", "", "", "port", "expected a port from 1 to 65535"),
    ('tls = "none"', "", "", "tls", 'expected "implicit" or "starttls"'),
    ("", "bal.password", "missing", "password_file", "No such file"),
    ("", "@chu.mssante.fr", "@ailleurs.mssante.fr", "recipient", "[[establishment]] that has a next_hop"),
    ('address = "279035121518989@patient.mssante.fr"', "", "", "address", "a patient's mailbox"),
    ('address = "x@ailleurs.fr"\nsends_through_us = true', "", "", "sends_through_us", "no [[establishment]] may send"),
    ('done_folder = "inbox"', "", "", "done_folder", "expected another folder"),
    ('done_folder = "Faits"\nmark = "$Fait"', "", "", "mark", "either done_folder or mark"),
    ('refused_folder = "INBOX"', "", "", "refused_folder", "expected a folder of its own"),
    ('mark = "\\\\Seen"', "", "", "mark", "expected an IMAP keyword"),
    ('folder = "a\\u0007"', "", "", "folder", "expected the name of a folder"),
    ('poll = "1s"', "", "", "poll", "expected at least 5s"),
    (SECOND, "", "", "folder", "another [[collector]] collects from this folder"),
    (f'done_folder = "Faits"\n{SECOND}folder = "Faits"', "", "", "done_folder", "would get each letter twice"),
]


@pytest.mark.parametrize(("line", "good", "bad", "key", "expected"), MISTAKES)
def test_a_mistake_is_told_with_its_key(
    tmp_path: Path, line: str, good: str, bad: str, key: str, expected: str
) -> None:
    with pytest.raises(config.ConfigErrors) as caught:
        configured(tmp_path, line, collector=COLLECTOR.replace(good, bad) if good else COLLECTOR)
    (problem,) = caught.value.problems
    assert problem.key in (f"collector[0].{key}", f"collector[1].{key}")
    assert expected in problem.message
    assert problem.line > 0
    assert "@" not in problem.message, "addresses may hold a matricule"


@pytest.mark.parametrize(
    ("key", "recipient"), [("done_folder", "accueil"), ("refused_folder", "accueil"), ("refused_folder", "officine")]
)
def test_a_folder_that_two_collectors_pass_on_is_a_warning(tmp_path: Path, key: str, recipient: str) -> None:
    """It has worked so far: one letter for two recipients, or what was refused, with the notes on it, for a person."""
    second = f'{SECOND}folder = "Suite"\nrefused_folder = "Reste"'.replace("officine@chu", f"{recipient}@chu")
    told = config.warnings(configured(tmp_path, f'{key} = "Suite"\n{second}'))
    assert [(each.key, each.message) for each in told if each.key.startswith("collector")] == [
        (f"collector[0].{key}", "what is put there is collected by another [[collector]]")
    ]


def test_letters_are_not_put_back_where_they_came_from(tmp_path: Path) -> None:
    store = '[[mail_store]]\nname = "ici"\nhost = "127.0.0.1"\nmaster_user = "m"\nmaster_password_file = "bal.password"'
    there = '[[mailbox]]\naddress = "officine@chu.mssante.fr"\nkind = "ORG"\nmail_store = "ici"\nuser = "{}"'
    configured(tmp_path, store, there.format("another"))
    with pytest.raises(config.ConfigErrors, match="in circles"):
        configured(tmp_path, store, there.format("officine@operateur.mssante.fr"))


def test_what_is_not_said_is_as_documented(tmp_path: Path) -> None:
    (plan,) = plans(configured(tmp_path))
    assert (plan.account.tls, plan.account.port) == (TlsPolicy.IMPLICIT, 993)
    assert (plan.folder, plan.done_folder, plan.mark) == ("INBOX", None, "$MssgwCollected")
    assert plan.account.password == "mot de passe"
    assert plan.client.answers_unseen
    assert plan.client.bal == plan.recipient
    (plan,) = plans(configured(tmp_path, 'tls = "starttls"', "sends_through_us = true"))
    assert (plan.account.tls, plan.account.port) == (TlsPolicy.REQUIRE, 143)
    assert not plan.client.answers_unseen


def test_a_repr_shows_neither_login_nor_password_nor_folders(tmp_path: Path) -> None:
    (plan,) = plans(configured(tmp_path, 'folder = "Mme Exemple"'))
    assert not [each for each in ("mot de passe", "operateur", "Exemple", "chu.mssante") if each in repr(plan)]
