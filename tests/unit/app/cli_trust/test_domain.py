"""`mssgw trust domain`, and what all its commands have in common."""

import pytest
from click.testing import CliRunner

from mssgw.app.cli import main
from mssgw.core.journal import JournalEvent
from tests.installation import DOCTOR, PATIENT, install
from tests.unit.app.cli_trust.place import ELSEWHERE, IDN, MES, mail
from tests.white_lists import dn


def test_domain_says_whether_it_is_listed_and_for_whom(kept):
    """In any case, with its accents, as A-label."""
    for name in (IDN, IDN.upper(), "XN--HPITAL-IXA.mssante.fr"):
        told = kept.json("domain", name)
        assert (told["domain"], told["listed"]) == ("xn--hpital-ixa.mssante.fr", True)
        assert told["operators"] == [dn(ELSEWHERE), dn("mta2.autre.fr")]
    assert kept.json("domain", "ailleurs.fr", code=1)["operators"] == []
    assert "listed:    no" in kept.run("domain", "ailleurs.fr", code=1).stdout
    assert "one of our own" in kept.run("domain", "chu.mssante.fr").stdout
    kept.run("domain", "a..fr", code=65)


def test_domain_tells_the_last_exchange_from_the_journal(kept):
    """Domains, times and operators, no address; as far back as was asked."""
    client = f"CN={MES}"
    kept.note(
        mail(JournalEvent.ACCEPTED, PATIENT, DOCTOR, days=40, client=client),
        mail(JournalEvent.ACCEPTED, PATIENT, DOCTOR, days=2, client=client),
        mail(JournalEvent.ACCEPTED, DOCTOR, PATIENT, days=1, client="chu"),
        mail(JournalEvent.DELIVERED, DOCTOR, PATIENT, days=1, next_hop="mx.patient.fr"),
        mail(JournalEvent.REFUSED, PATIENT, DOCTOR, days=0, client=client),
    )
    told = kept.json("domain", "patient.mssante.fr")
    assert (told["received"], told["received_from"], told["sent"], told["delivered_to"]) == (
        1,
        client,
        1,
        "mx.patient.fr",
    )
    assert kept.json("domain", "patient.mssante.fr", "--days", "90")["received"] == 2
    printed = kept.run("domain", "patient.mssante.fr").stdout
    assert f"from {client}" in printed
    assert "to mx.patient.fr" in printed
    assert "1 from it, 1 for it in 30 days" in printed


def test_without_trust_each_command_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("MSSGW_CONFIG", str(install(tmp_path, hop=25)))
    monkeypatch.chdir(tmp_path)
    for words in (("status",), ("refresh",), ("domain", "a.fr"), ("diff",), ("peer", "localhost:1")):
        told = CliRunner().invoke(main, ["trust", *words])
        assert told.exit_code == 78
        assert told.stderr.startswith("mssgw: no [trust] in the configuration")


@pytest.mark.parametrize("wrong", ["missing", "another's"])
def test_reading_commands_do_without_our_key(kept, wrong):
    """Status says what is wrong with it; commands that show it, or write, stop."""
    if wrong == "missing":
        (kept.folder / "ours.key").unlink()
    else:
        kept.space.operator("localhost").write_apart(kept.folder, "other")
        (kept.folder / "other.key").replace(kept.folder / "ours.key")
    (error,) = kept.json("status", code=1)["errors"]
    assert error.startswith("our certificate and key cannot be used: ")
    kept.run("domain", "chu.mssante.fr")
    kept.run("diff")
    kept.run("refresh", code=78)
    kept.run("peer", "localhost:1", code=78)
