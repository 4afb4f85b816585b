"""`mssgw trust status`: list, revocation lists, certificates, and what stops mail."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from mssgw.app.cli import paper
from tests.unit.app.cli_trust.place import LATER, LISTED, OTHERS
from tests.white_lists import Signer, white_list


def test_status_says_what_is_missing_before_anything_was_fetched(place):
    told = place.json("status", code=1)
    assert told["white_list"] is None
    assert [each.partition(":")[0] for each in told["errors"]] == [
        "no white list is kept",
        "no revocation list of CN=AC RACINE TEST,OU=0002 187512751,O=ASIP-SANTE,C=FR",
        "no revocation list of CN=AC TEST ORGANISATIONS,OU=0002 187512751,O=ASIP-SANTE,C=FR",
    ]


def test_status_tells_of_list_crls_and_certificates(kept):
    """Exit code 0: nothing stops mail."""
    told = kept.json("status")
    assert (told["errors"], told["warnings"], told["signer"]) == ([], [], "")
    listed = told["white_list"]
    assert (listed["usable"], listed["entries"], listed["domains"], listed["operators"]) == (True, 16, 15, 4)
    assert listed["generated_at"] == "2026-01-05T08:00:00Z"
    assert [(each["number"], each["entries"], each["source"]) for each in told["crls"]] == [
        (1, 0, str(path)) for path in kept.crls
    ]
    assert [each["what"] for each in told["certificates"]] == ["own", "intermediate", "anchor"]
    printed = kept.run("status").stdout
    for text in (listed["fingerprint"], "usable", "nobody, as configured", "AC TEST ORGANISATIONS", "ours.pem"):
        assert text in printed


def test_status_warns_of_what_soon_stops_mail_and_fails_for_what_does(kept):
    """A certificate before and after its end, a revocation list after its own, a file that is gone."""
    soon = kept.space.operator("localhost", not_after=datetime.now(UTC) + timedelta(days=13, hours=1))
    kept.renew(soon)
    (warning,) = kept.json("status")["warnings"]
    assert "ends in 13 days" in warning
    kept.renew(kept.space.operator("localhost", not_after=datetime.now(UTC) - timedelta(hours=1)))
    (error,) = kept.json("status", code=1)["errors"]
    assert "certificate (own) CN=localhost" in error
    assert "has expired" in error
    kept.renew(kept.space.operator("localhost", not_after=datetime.now(UTC) + timedelta(days=90)))
    ended = datetime.now(UTC) - timedelta(days=1)
    kept.crls[0].write_bytes(kept.space.root.crl(this_update=ended - timedelta(days=1), next_update=ended))
    (kept.folder / "state" / "trust").joinpath("crl.json").unlink()
    for each in (kept.folder / "state" / "trust").glob("crl-*.der"):
        each.unlink()
    kept.run("refresh")
    (error,) = kept.json("status", code=1)["errors"]
    assert error.startswith("the revocation list of CN=AC RACINE TEST")


def test_status_names_a_kept_list_that_cannot_be_used(kept):
    (path,) = (kept.folder / "state" / "trust").glob("white-list-*.xml")
    path.write_bytes(path.read_bytes()[:-10])
    told = kept.json("status", code=1)
    assert told["errors"][0].startswith("what was kept cannot be used: trust.list_lost")


def test_status_fails_when_our_own_domain_is_not_listed_for_us(place):
    """Others go by the same list, and refuse its letters already; by one that is too old nobody can tell."""
    for entries in ([each for each in LISTED if each[0] != "chu.mssante.fr"], OTHERS):
        place.publish(entries)
        place.run("refresh")
        (error,) = place.json("status", code=1)["errors"]
        assert error.startswith("chu.mssante.fr is not listed for our certificate")
    note = place.folder / "state" / "trust" / "white-list.json"
    old = (datetime.now(UTC) - timedelta(hours=73)).isoformat()
    note.write_text(json.dumps(json.loads(note.read_text()) | {"verified_at": old}))
    told = place.json("status", code=1)
    assert [each.partition(" for")[0] for each in told["errors"]] == ["the white list was not verified"]
    assert told["warnings"][-1].startswith("chu.mssante.fr is not listed")


@pytest.mark.parametrize("above", [False, True], ids=["itself", "its authority"])
def test_status_fails_when_our_own_certificate_is_revoked(place, above):
    """Or what it was issued by; even when the list that says so has expired."""
    ours = place.space.operator("localhost")
    place.renew(ours)
    place.run("refresh")
    assert place.json("status")["errors"] == []
    authority, serial = (place.space.root, place.space.intermediate.serial) if above else (None, ours.serial)
    if authority is None:
        place.space.write_crls(place.folder, serial)
    else:
        place.crls[0].write_bytes(authority.crl(serial, number=2))
    place.run("refresh")
    (error,) = place.json("status", code=1)["errors"]
    assert error.startswith("our own certificate is not trusted by other operators any more: revoked: CN=")
    assert "\nerror: our own certificate" in place.run("status", code=1).stdout


def test_status_names_who_signed(place):
    signer = Signer()
    (place.folder / "signer.pem").write_bytes(signer.pem)
    (place.folder / "list.xml").write_bytes(signer.sign(white_list(LISTED)))
    place.configure('white_list_signer = "signer.pem"')
    place.run("refresh")
    told = place.json("status")
    assert told["signer"] == "CN=Signataire de test"
    assert "list-signer" in [each["what"] for each in told["certificates"]]
    place.publish(LISTED, generated=LATER)
    assert "unusable: no signatures" in place.run("refresh", code=1).stderr


def test_status_as_the_first_command_makes_nothing(place):
    shutil.rmtree(place.folder / "state")
    place.run("status", code=1)
    assert not (place.folder / "state").exists()
    place.run("refresh")
    for folder in (place.folder / "state", place.folder / "state" / "trust"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_status_tells_that_the_published_list_was_refused(kept):
    kept.publish(LISTED[:5], generated=LATER)
    assert kept.json("status")["warnings"] == [], "nobody asked for it yet"
    kept.run("refresh", code=1)
    (warning,) = kept.json("status")["warnings"]
    assert warning == "the published white list is not ours, and was refused: `mssgw trust diff` tells why"


def test_status_tells_that_a_list_from_a_server_was_refused(kept):
    """It was answered, and ours was not verified by that."""
    path, trust = kept.folder / "mssgw.toml", kept.folder / "state" / "trust"
    path.write_text(path.read_text().replace('"list.xml"', '"https://127.0.0.1:1/list.xml"'))
    assert kept.json("status")["warnings"] == []
    note = json.loads((trust / "white-list.json").read_text())
    earlier = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    (trust / "white-list.json").write_text(json.dumps(note | {"verified_at": earlier}))
    (trust / "tried").touch()
    (warning,) = kept.json("status")["warnings"]
    assert "was refused: `mssgw trust diff` tells why" in warning


def test_status_tells_that_the_published_list_has_not_come_and_when_it_was_asked_for(kept):
    """The keeper dates that try back, to try again soon: nobody reads so."""
    path = kept.folder / "mssgw.toml"
    path.write_text(path.read_text().replace('"list.xml"', '"https://127.0.0.1:1/list.xml"'))
    began = datetime.now(UTC) - timedelta(seconds=2)
    kept.run("refresh", code=69)
    told = kept.json("status")
    assert datetime.fromisoformat(told["asked_at"]) > began
    (warning,) = told["warnings"]
    assert warning.endswith("and has not come: see the log")


def test_status_keeps_to_the_width_of_a_terminal(monkeypatch, capsys):
    """Words wrap between them; rows keep the dates of the list, and the rest follows below."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    paper.sentence("error: " + "words that go on " * 12)
    names = ("number", "entries", "updated", "next update", "asked", "issuer", "source")
    date = "2026-11-22 03:40:17+0000"
    paper.table(names, [("1", "0", date, date, date, "CN=AC RACINE TEST,O=ASIP-SANTE,C=FR", "/srv/root.crl")])
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert f"asked: {date}" in printed
