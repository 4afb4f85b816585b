"""What a configuration that works is warned of all the same."""

import pytest

from mssgw.app import config
from tests.unit.app.conftest import Load


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
