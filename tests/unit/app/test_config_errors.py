"""A bad configuration is refused with file, line, key and what was expected: every mistake at once."""

from pathlib import Path

import pytest

from mssgw.app import config
from mssgw.app.daemon import DRAIN_DELIVERIES
from mssgw.flow.leases import RENEWALS
from tests.unit.app.configurations import GOOD, problems_of, write

# What is written instead of what, the line of the error, its key, and part of what it says.
MISTAKES = [
    ('give_up_after = "48h"', 'give_up_after = "48 hours"', 53, "delivery.give_up_after", 'such as "48h" (units'),
    ('give_up_after = "48h"', "give_up_after = 48", 53, "delivery.give_up_after", "found 48"),
    ('give_up_after = "48h"', 'give_up_after = "0s"', 53, "delivery.give_up_after", "expected a duration"),
    ('give_up_after = "48h"', 'give_up_after = "1h"', 52, "delivery.warn_after", "no longer than give_up_after"),
    ('give_up_after = "48h"', 'give_up_afer = "48h"', 53, "delivery.give_up_afer", 'did you mean "give_up_after"?'),
    ("[delivery]", "[deliveries]", 52, "deliveries", 'did you mean "delivery"?'),
    # What the tables are called inside is no word of the file.
    ("[delivery]", "[[document_policies]]", 52, "document_policies", 'did you mean "document_policy"?'),
    ("[[mailbox]]", "[[mailboxes]]", 42, "mailboxes", 'did you mean "mailbox"?'),
    ("[[login]]", "[[logins]]", 31, "logins", 'did you mean "login"?'),
    ("[delivery]", "[document_policy]", 52, "document_policy", "expected [[document_policy]], in double brackets"),
    ("[delivery]", "[[delivery]]", 52, "delivery", "expected [delivery], a table, found a list"),
    ("[delivery]", "[mss.names]\n[delivery]", 52, "mss.names", "known here: add_headers, product"),
    ('"mssgw.chu-exemple.fr"', '"mssgw"', 2, "gateway.hostname", "a full host name"),
    ('hostname = "mssgw.chu-exemple.fr"', "", 1, "gateway.hostname", "expected, but missing"),
    (
        'role = "trust-space"',
        'role = "trust"',
        13,
        "listener[1].role",
        '"trust-space" or "patient-space", found "trust"',
    ),
    ('"127.0.0.1:2526"', '"127.0.0.1"', 14, "listener[1].address", "an IP address and port"),
    ('"127.0.0.1:2526"', '"127.0.0.1:99999"', 14, "listener[1].address", "an IP address and port"),
    ('"127.0.0.1:2526"', '"::1:2526"', 14, "listener[1].address", "stands in brackets"),
    ('"127.0.0.1:2526"', '"0.0.0.0:2525"', 14, "listener[1].address", 'port 2525 is taken by "inside"'),
    ("[limits]", '[metrics]\naddress = "127.0.0.1:2526"\n[limits]', 50, "metrics.address", 'is taken by "outside"'),
    ("[limits]", '[metrics]\naddress = "[::]:2525"\n[limits]', 50, "metrics.address", 'is taken by "inside"'),
    ('name = "outside"', 'name = "inside"', 12, "listener[1].name", "another entry has the same name"),
    (
        '2526"\ntls = "none"',
        '2526"\ntls = "none"\nauth = true',
        16,
        "listener[1].auth",
        'only a listener with role = "establishment"',
    ),
    ('2525"\ntls = "none"', '2525"\ntls = "none"\nauth = true', 10, "listener[0].auth", "passwords need TLS"),
    ('2526"\ntls = "none"', '2526"\ntls = "starttls"', 11, "listener[1].certificate", 'because tls = "starttls"'),
    (
        '2526"\ntls = "none"',
        '2526"\ntls = "none"\nkey = "absent.pem"',
        16,
        "listener[1].key",
        "No such file",
    ),
    ('2526"\ntls = "none"', '2526"\nrequire_tls = "no"', 15, "listener[1].require_tls", "true or false"),
    (
        '    "chu-exemple.mssante.fr",\n',
        '    "chu-exemple.mssante.fr",\n    "chu exemple.fr",\n',
        21,
        "establishment[0].domains[1]",
        'expected a domain such as "chu-exemple.mssante.fr", found "chu exemple.fr"',
    ),
    (
        'domains = ["clinique-exemple.mssante.fr"]',
        'domains = "clinique-exemple.mssante.fr"',
        28,
        "establishment[1].domains",
        "in square brackets",
    ),
    ('domains = ["clinique-exemple.mssante.fr"]', "domains = []", 28, "establishment[1].domains", "at least one"),
    (
        '["clinique-exemple.mssante.fr"]',
        '["chu-exemple.mssante.fr"]',
        28,
        "establishment[1].domains[0]",
        'belongs to "chu" already',
    ),
    (
        '["clinique-exemple.mssante.fr"]',
        '["Patient.mssante.fr"]',
        28,
        "establishment[1].domains[0]",
        "the patient domain is an operator's",
    ),
    (
        'domains = ["patient.mssante.fr"]',
        'domains = ["patient.mssante.fr", "CHU-exemple.mssante.fr"]',
        38,
        "trusted_domain[0].domains[1]",
        'belongs to "chu" already: a domain has one owner',
    ),
    ('"198.51.100.0/24"', '"198.51.100.7/24"', 29, "establishment[1].networks[0]", 'here "198.51.100.0/24"'),
    ('"198.51.100.0/24"', '"192.0.2.25"', 29, "establishment[1].networks[0]", 'overlaps a network of "chu"'),
    ('"198.51.100.0/24"', '"localhost"', 29, "establishment[1].networks[0]", "an IP address or network"),
    ('"198.51.100.0/24"', '"0.0.0.0/0"', 29, "establishment[1].networks[0]", "from these everybody could write"),
    ('"203.0.113.0/24"', '"::/0"', 39, "trusted_domain[0].networks[0]", "from these everybody could write"),
    ('"127.0.0.1:2600"', '"mx"', 23, "establishment[0].next_hop", 'expected "host:port"'),
    ('"127.0.0.1:2600"', '"10.0.0.300:25"', 23, "establishment[0].next_hop", 'expected "host:port"'),
    (
        'next_hop_tls = "none"',
        'next_hop_tls = "starttls"',
        24,
        "establishment[0].next_hop_tls",
        '"require" or "implicit"',
    ),
    (
        'next_hop_tls = "none"',
        'next_hop_tls = "none"\nnext_hop_login = "relais"',
        17,
        "establishment[0].next_hop_password_file",
        "because next_hop_login is set",
    ),
    (
        'next_hop_tls = "none"',
        'next_hop_tls = "none"\nnext_hop_login = "relais"',
        25,
        "establishment[0].next_hop_login",
        "over TLS only",
    ),
    ('next_hop = "mx"', 'next_hop = "smtp.operateur.fr"', 40, "trusted_domain[0].next_hop", '"mx" or "host:port"'),
    ('name = "mes"', 'name = "chu"', 37, "trusted_domain[0].name", "another entry has the same name"),
    ("$argon2id$", "$2b$", 33, "login[0].password_hash", "an Argon2id hash"),
    ('establishment = "chu"', 'establishment = "chuu"', 34, "login[0].establishment", 'did you mean "chu"?'),
    (
        'establishment = "chu"',
        'establishment = "chu"\naddresses = ["a@clinique-exemple.mssante.fr"]',
        35,
        "login[0].addresses[0]",
        'not an address that "chu" may use',
    ),
    ('kind = "ORG"', 'kind = "ORG"\npharmacy = "oui"', 45, "mailbox[0].pharmacy", "expected true or false"),
    ('kind = "ORG"', 'kind = "PER"\npharmacy = true', 45, "mailbox[0].pharmacy", "ORG mailbox only"),
    ('kind = "ORG"', 'kind = "org"', 44, "mailbox[0].kind", '"PER", "ORG", "APP" or "CAB"'),
    (
        '"accueil@chu-exemple.mssante.fr"',
        '"accueil@chu-exempl.mssante.fr"',
        43,
        "mailbox[0].address",
        'did you mean "chu-exemple.mssante.fr"?',
    ),
    ('"127.0.0.1:2526"', '"mssgw.chu-exemple.fr:25"', 14, "listener[1].address", "an IP address and port"),
    ('"accueil@chu-exemple.mssante.fr"', '"accueil"', 43, "mailbox[0].address", "an @ and a domain"),
    (
        'conversations = "enforce"',
        'conversations = "observe"\nenforce_from = "bientot"',
        48,
        "policy.enforce_from",
        "a date such as",
    ),
    (
        'conversations = "enforce"',
        'conversations = "enforce"\nenforce_from = 2027-01-04',
        48,
        "policy.enforce_from",
        'only with conversations = "observe"',
    ),
    ('message_size = "10 MiB"', 'message_size = "10 MB"', 50, "limits.message_size", "(SIZ-1)"),
    ('message_size = "10 MiB"', "message_size = 10485759", 50, "limits.message_size", "at least 10485760"),
    ('message_size = "10 MiB"', 'message_size = "10 Mo"', 50, "limits.message_size", "expected a size"),
    ('give_up_after = "48h"', 'take_over_after = "19s"', 53, "delivery.take_over_after", "at least 20s"),
    (
        'state_dir = "state"',
        'state_dir = "state"\n[store]\nurl = "postgresql+psycopg://me:secret@db/mssgw"',
        5,
        "store.url",
        "no password here",
    ),
    (
        'state_dir = "state"',
        'state_dir = "state"\n[store]\nurl = "postgresql+psycopg://me:sec/ret@db/mssgw"',
        5,
        "store.url",
        "no password here",
    ),
    (
        'state_dir = "state"',
        'state_dir = "state"\n[store]\nurl = "postgresql+psycopg://me@db1:5432,db2:5432/mssgw"',
        5,
        "store.url",
        "user@host/database",
    ),
    (
        'state_dir = "state"',
        'state_dir = "state"\n[store]\nurl = "postgresql+psycopg://me@db/mssgw?sslmode=verify-full&password=secret"',
        5,
        "store.url",
        "no password here",
    ),
    (
        'state_dir = "state"',
        'state_dir = "state"\n[store]\nurl = "postgresql://db"',
        5,
        "store.url",
        "user@host/database",
    ),
    (
        'state_dir = "state"',
        'state_dir = "state"\n[store]\nurl = "postgresql+psycopg://mssgw@[2001:db8::1/mssgw"',
        5,
        "store.url",
        "user@host/database",
    ),
    ('message_size = "10 MiB"', "recipients = 99", 50, "limits.recipients", "at least 100"),
    ('message_size = "10 MiB"', "recipients = true", 50, "limits.recipients", "a whole number"),
    (
        'state_dir = "state"',
        'state_dir = "state"\n[store]\nurl = "mysql://db"',
        5,
        "store.url",
        "sqlite:///{state_dir}/mssgw.db",
    ),
    (
        'state_dir = "state"',
        'state_dir = "state"\n[store]\nmaster_key_file = "absent.key"',
        5,
        "store.master_key_file",
        "No such file",
    ),
    (
        'state_dir = "state"',
        'patient_exceptions = ["essai@autre.fr"]',
        3,
        "gateway.patient_exceptions[0]",
        "in patient.mssante.fr",
    ),
    ("[limits]", "[limits", 49, "", "not TOML"),
    ('message_size = "10 MiB"', 'message_size = "10 MiB', 50, "", "the closing quotation mark"),
    ('message_size = "10 MiB"', "message_size = 10 MiB", 50, "", "nothing but a comment behind the value"),
    ('message_size = "10 MiB"', 'message_size = ["10 MiB" "1 MiB"]', 50, "", "a comma between two values"),
    ('message_size = "10 MiB"', "recipients = 100\nrecipients = 200", 51, "", "each key once"),
    ('message_size = "10 MiB"', "message_size = dix", 50, "", "Invalid value; expected text in straight double quotes"),
    ('message_size = "10 MiB"', "message_size = \u201c10 MiB\u201d", 50, "", "text in straight double quotes"),
    ('message_size = "10 MiB"', "message_size = True", 50, "", "true or false in small letters"),
]


def test_the_example_that_the_mistakes_start_from_is_sound(tmp_path: Path) -> None:
    """Else every refusal below would prove nothing."""
    loaded = config.load(write(tmp_path, GOOD))
    assert [each.name for each in loaded.establishments] == ["chu", "clinique"]


@pytest.mark.parametrize(("good", "bad", "line", "key", "expected"), MISTAKES)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, good: str, bad: str, line: int, key: str, expected: str
) -> None:
    """file:line, the key as people write it, what was expected."""
    assert GOOD.count(good) == 1
    path = write(tmp_path, GOOD.replace(good, bad))
    problems = problems_of(path)
    found = [problem for problem in problems if problem.line == line and problem.key == key]
    assert any(expected in problem.message for problem in found), list(map(str, problems))
    assert str(found[0]).startswith(f"{path}:{line}: {key}")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """An administrator mends a file in one go: form and contradictions, in sections that are otherwise sound."""
    text = GOOD.replace('"48h"', '"48 hours"').replace("203.0.113.0/24", "203.0.113.1/24").replace("10 MiB", "1 MiB")
    text = text.replace('"127.0.0.1:2526"', '"127.0.0.1:2525"').replace('establishment = "chu"', 'establishment = "x"')
    assert [problem.key for problem in problems_of(write(tmp_path, text))] == [
        "listener[1].address",
        "login[0].establishment",
        "trusted_domain[0].networks[0]",
        "limits.message_size",
        "delivery.give_up_after",
    ]


def test_a_mistake_in_one_section_raises_no_false_alarm_about_another(tmp_path: Path) -> None:
    """A broken establishment must not make its logins and mailboxes look lost."""
    problems = problems_of(write(tmp_path, GOOD.replace('name = "chu"', "name = 3")))
    assert [problem.key for problem in problems] == ["establishment[0].name"]


def test_the_shortest_lease_outlives_the_stop_of_its_node(tmp_path: Path) -> None:
    """It is renewed no more while the last deliveries end: another node must not begin to send them."""
    text = GOOD.replace('give_up_after = "48h"', 'take_over_after = "20s"')
    lease = config.load(write(tmp_path, text)).delivery.take_over_after
    assert (lease - lease / RENEWALS).total_seconds() > DRAIN_DELIVERIES


def test_an_address_with_a_mistake_is_not_repeated(tmp_path: Path) -> None:
    """What should be an address may hold an INS; errors are printed and logged."""
    text = GOOD.replace("accueil@chu-exemple.mssante.fr", "279035121518989 @patient.mssante.fr")
    (problem,) = problems_of(write(tmp_path, text))
    assert problem.key == "mailbox[0].address"
    assert "279035121518989" not in str(problem)


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    """No line, no traceback, and what to do about it."""
    (problem,) = problems_of(tmp_path / "absent.toml")
    assert str(problem).startswith(f"{tmp_path}/absent.toml: cannot be read: No such file or directory; copy ")
    assert "--config" in str(problem)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """Editors of Windows write one before the text; lines are counted as without it."""
    path = write(tmp_path, "")
    path.write_bytes(GOOD.encode("utf-8-sig"))
    assert config.load(path).gateway.hostname == "mssgw.chu-exemple.fr"
    path.write_bytes("\ufeff[gateway]\nhostname = ".encode() + b"\xff\n")
    (problem,) = problems_of(path)
    assert (problem.line, problem.message) == (2, "expected UTF-8 text")


def test_text_that_is_no_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    """Latin-1 accents, as an old editor writes them."""
    path = tmp_path / "mssgw.toml"
    path.write_bytes(b"[gateway]\n# caf\xe9\n")
    (problem,) = problems_of(path)
    assert (problem.line, problem.message) == (2, "expected UTF-8 text")


def test_windows_line_ends_change_neither_values_nor_lines(tmp_path: Path) -> None:
    """Edited elsewhere, the file still loads, and errors still point at their line."""
    path = tmp_path / "mssgw.toml"
    path.write_bytes(GOOD.replace("48h", "48 h").replace("\n", "\r\n").encode())
    (problem,) = problems_of(path)
    assert problem.line == 53
