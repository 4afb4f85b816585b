"""`mssgw trust`: status, refresh, domain and diff, over real files and a real store, without a daemon."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mssgw.app.backoffice import office
from mssgw.app.cli import main, paper
from mssgw.app.config import load
from mssgw.core.addresses import Address
from mssgw.core.journal import Entry, JournalEvent
from tests import white_lists
from tests.installation import DOCTOR, PATIENT, install
from tests.pki import Identity, TrustSpace
from tests.white_lists import Signer, dn, white_list

MES, ELSEWHERE = "mta.patient.fr", "mta.autre.fr"
IDN = "hôpital.mssante.fr"
LISTED = [
    ("patient.mssante.fr", dn(MES)),
    (IDN, dn(ELSEWHERE)),
    (IDN, dn("mta2.autre.fr")),
    ("chu.mssante.fr", dn("localhost")),
    *((f"d{n}.mssante.fr", dn(ELSEWHERE)) for n in range(12)),
]
OTHERS = [(domain, dn(MES) if domain == "chu.mssante.fr" else name) for domain, name in LISTED]
OTHERS.append(("neu.mssante.fr", dn("localhost")))  # our operator is listed still, for another domain
LATER = "2026-02-01T08:00:00Z"


class Place:
    """An installation in the trust space, and what is published. ``run``: `mssgw trust` with these words."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.space = folder, TrustSpace()
        self.anchors = self.space.write_anchors(folder)
        self.crls = self.space.write_crls(folder)
        self.renew(self.space.operator("localhost", not_after=datetime.now(UTC) + timedelta(days=90)))
        self.publish()
        self.configure("white_list_unsigned = true")
        monkeypatch.chdir(folder)  # state_dir is relative
        monkeypatch.setenv("MSSGW_CONFIG", str(folder / "mssgw.toml"))
        monkeypatch.setenv("SUDO_USER", "anne")

    def configure(self, *lines: str) -> None:
        crls = [str(path) for path in self.crls]
        table = [
            "[trust]",
            'white_list = "list.xml"',
            f'anchors = "{self.anchors}"',
            'certificate = "ours.pem"',
            'key = "ours.key"',
            f"crls = {crls!r}",
            *lines,
        ]
        install(self.folder, "\n".join(table), hop=25, role="trust-space", listener='tls = "starttls"')

    def renew(self, ours: Identity) -> None:
        ours.write_apart(self.folder, "ours")

    def publish(self, entries: Sequence[white_lists.Entry] = LISTED, name: str = "list.xml", **how: Any) -> Path:
        path = self.folder / name
        path.write_bytes(white_list(entries, **how))
        return path

    def run(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["trust", *words])
        assert result.exit_code == code, result.output
        assert PATIENT not in result.output
        assert DOCTOR not in result.output
        return result

    def json(self, *words: str, code: int = 0) -> Any:
        (line,) = self.run(*words, "--json", code=code).stdout.splitlines()
        return json.loads(line)

    def trace(self) -> list[tuple[str, str]]:
        """Who did what to the list."""
        lines = CliRunner().invoke(main, ["trace", "white-list", "--json"]).stdout.splitlines()
        return [(each["operator"], each["detail"]) for each in map(json.loads, lines)]

    def note(self, *entries: Entry) -> None:
        async def keep() -> None:
            async with office(load(self.folder / "mssgw.toml")) as opened:
                await opened.store.note(entries)

        asyncio.run(keep())


def mail(event: JournalEvent, sender: str, recipient: str, *, days: int = 1, **more: Any) -> Entry:
    at = datetime.now(UTC) - timedelta(days=days)
    return Entry(at=at, event=event, sender=Address.parse(sender), recipient=Address.parse(recipient), **more)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.fixture
def kept(place: Place) -> Place:
    """Where list and CRLs were fetched."""
    place.run("refresh")
    return place


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


def test_without_trust_each_command_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("MSSGW_CONFIG", str(install(tmp_path, hop=25)))
    monkeypatch.chdir(tmp_path)
    for words in (("status",), ("refresh",), ("domain", "a.fr"), ("diff",), ("peer", "localhost:1")):
        told = CliRunner().invoke(main, ["trust", *words])
        assert told.exit_code == 78
        assert told.stderr.startswith("mssgw: no [trust] in the configuration")


def test_refresh_takes_the_published_list_and_the_next_one(place):
    assert place.json("refresh")["end"] == "taken"
    assert place.json("refresh") | {"fingerprint": ""} == {
        "end": "unchanged",
        "detail": "",
        "fingerprint": "",
        "revocation": True,
    }
    place.publish([*LISTED, ("neu.mssante.fr", dn(MES))], generated=LATER)
    assert place.run("refresh").stdout.startswith("white list taken: ")
    assert place.json("status")["white_list"]["domains"] == 16
    assert CliRunner().invoke(main, ["trace", "white-list"]).exit_code == 1, "nothing was forced"


def test_refresh_tells_which_revocation_lists_it_could_not_take(place):
    """Nobody waits for a daemon's alarm; the white list is taken all the same."""
    place.crls[0].write_bytes(TrustSpace().root.crl())
    path = place.folder / "mssgw.toml"
    path.write_text(path.read_text().replace(repr(str(place.crls[1])), '"http://127.0.0.1:1/crl"'))
    refused, unreachable = place.run("refresh").stderr.splitlines()
    assert refused.startswith(f"warning: trust.crl_refused: {place.crls[0]}: its signature is not that of CN=AC RACINE")
    assert unreachable.startswith("warning: trust.crl_unreachable: http://127.0.0.1:1/crl: cannot be reached")


def test_refresh_refuses_and_names_what_would_take_it_by_hand(kept):
    """Only a list that shrank can be accepted, by its fingerprint; who did it is journalled (WL-7)."""
    kept.publish(LISTED[:5], generated=LATER)
    told = kept.run("refresh", code=1)
    fingerprint = kept.json("diff", code=1)["fingerprint"]
    assert f"mssgw trust refresh --accept {fingerprint}" in told.stderr
    assert kept.json("refresh", "--accept", "ab" * 32, code=1)["end"] == "refused"
    assert kept.json("status")["white_list"]["domains"] == 15
    assert kept.json("refresh", "--accept", fingerprint.upper())["end"] == "taken"
    assert kept.json("status")["white_list"]["domains"] == 4
    assert kept.trace() == [
        ("anne", f"accept {'ab' * 32}"),
        ("anne", f"accept {'ab' * 32}: refused"),
        ("anne", f"accept {fingerprint}"),
    ]


def test_a_list_that_was_rolled_back_is_refused_by_hand_too(kept):
    old = kept.publish(LISTED, generated="2025-01-05T08:00:00Z")
    fingerprint = kept.json("diff", str(old), code=1)["fingerprint"]
    told = kept.run("refresh", "--accept", fingerprint, code=1)
    assert "older: generated 2025-01-05" in told.stderr
    assert "--accept" not in told.stderr


def test_a_list_that_cannot_be_fetched_is_69_and_a_fingerprint_that_is_none_64(kept):
    path = kept.folder / "mssgw.toml"
    path.write_text(path.read_text().replace('"list.xml"', '"https://127.0.0.1:1/list.xml"'))
    assert "https://127.0.0.1:1/list.xml: cannot be reached" in kept.run("refresh", code=69).stderr
    assert "cannot be reached" in kept.run("diff", code=69).stderr
    assert kept.json("status")["white_list"]["usable"], "the one that we have is good for three days"
    assert "64 hexadecimal digits" in kept.run("refresh", "--accept", "5f0c", code=64).stderr


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


def test_diff_tells_what_a_list_changes_and_whom_it_cuts_off(kept):
    """Correspondents of the last 30 days, either way; exit code 0: it would be taken, and nothing is kept."""
    kept.note(
        mail(JournalEvent.ACCEPTED, "dr.x@d0.mssante.fr", DOCTOR, client=f"CN={ELSEWHERE}"),
        mail(JournalEvent.ACCEPTED, DOCTOR, "dr.y@d1.mssante.fr", client="chu"),
        mail(JournalEvent.ACCEPTED, DOCTOR, f"dr.z@{IDN}", client="chu"),
        mail(JournalEvent.ACCEPTED, DOCTOR, "dr.z@d2.mssante.fr", client="chu", days=31),
        mail(JournalEvent.ACCEPTED, PATIENT, DOCTOR, client=f"CN={MES}"),
    )
    gone = {"d1.mssante.fr", "d2.mssante.fr"}
    entries = [each for each in LISTED if each[0] not in gone and each != (IDN, dn("mta2.autre.fr"))]
    entries = [(domain, dn(MES)) if domain == "d0.mssante.fr" else (domain, name) for domain, name in entries]
    new = kept.publish([*entries, ("neu.mssante.fr", dn("mta2.autre.fr"))], "new.xml", generated=LATER)
    told = kept.json("diff", str(new))
    assert (told["taken"], told["refused"], told["added"], told["removed"]) == (
        True,
        "",
        ["neu.mssante.fr"],
        sorted(gone),
    )
    assert told["rebound"] == {
        "d0.mssante.fr": {"gains": [dn(MES)], "loses": [dn(ELSEWHERE)]},
        "xn--hpital-ixa.mssante.fr": {"gains": [], "loses": [dn("mta2.autre.fr")]},
    }
    assert [(each["domain"], each["received"], each["sent"], each["because"]) for each in told["losing"]] == [
        ("d0.mssante.fr", 1, 0, "operators-replaced"),
        ("d1.mssante.fr", 0, 1, "unlisted"),
    ]
    printed = kept.run("diff", str(new)).stdout
    assert "who would lose mail: 2 of 4" in printed
    assert printed.endswith("it would be taken\n")
    assert kept.json("status")["white_list"]["domains"] == 15


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: white_list(LISTED[:5], generated=LATER), "shrunk: 11 of 15 domains are gone"),
        (lambda: white_list(LISTED, generated="2025-01-05T08:00:00Z"), "older: generated 2025-01-05T08:00:00Z"),
        (lambda: white_list(LISTED, generated="2099-01-05T08:00:00Z"), "future: generated 2099-01-05T08:00:00Z"),
        (lambda: white_list(LISTED, space="https://ailleurs.fr"), "unusable: the root element is not"),
        (lambda: white_list(LISTED)[:-3], "unusable: not well-formed"),
        (lambda: white_list([]), "unusable: no entry that can be read"),
        (lambda: b"", "unusable: "),
    ],
    ids=["shrunk", "older", "future", "namespace", "cut", "empty list", "empty file"],
)
def test_diff_says_why_a_list_would_be_refused(kept: Place, make: Callable[[], bytes], reason: str) -> None:
    path = kept.folder / "new.xml"
    path.write_bytes(make())
    told = kept.json("diff", str(path), code=1)
    assert not told["taken"]
    assert told["refused"].startswith(reason)
    assert reason in kept.run("diff", str(path), code=1).output


def test_diff_without_a_list_in_force_names_correspondents_that_it_lacks(place):
    place.note(mail(JournalEvent.ACCEPTED, "x@perdu.mssante.fr", DOCTOR))
    assert [each["domain"] for each in place.json("diff")["losing"]] == ["perdu.mssante.fr"]


def test_diff_warns_when_our_own_domain_would_be_gone(kept):
    entries = [each for each in LISTED if each[0] != "chu.mssante.fr"]
    new = kept.publish([*entries, ("neu.mssante.fr", dn("localhost"))], "new.xml", generated=LATER)
    assert kept.json("diff", str(new))["own_removed"] == ["chu.mssante.fr"]
    assert "warning: chu.mssante.fr is our own" in kept.run("diff", str(new)).stdout


def test_diff_tells_and_counts_our_own_domains_that_the_list_gives_to_others(kept):
    told = kept.json("diff", str(kept.publish(OTHERS, "new.xml", generated=LATER)))
    assert (told["own_removed"], told["own_refused"]) == ([], ["chu.mssante.fr"])
    printed = kept.run("diff", "new.xml").stdout
    assert "Domains of our own that would lose mail: 1 of 1\n" in printed
    assert "warning: chu.mssante.fr is our own: other operators would refuse its letters" in printed
    assert "would lose mail: 0 of 1" in kept.run("diff").stdout


def test_diff_gives_no_command_to_paste_for_a_file_that_may_not_be_the_published_list(kept):
    """Only the published list is ever accepted: for that one it does."""
    kept.publish(LISTED[:5], "new.xml", generated=LATER)
    printed = kept.run("diff", "new.xml", code=1).stdout
    assert "--accept" not in printed
    assert "not known to be the published list" in printed
    fingerprint = kept.json("diff", "new.xml", code=1)["fingerprint"]
    kept.publish(LISTED[:5], generated=LATER)
    for words in (("diff",), ("diff", "list.xml")):
        assert f"mssgw trust refresh --accept {fingerprint}" in kept.run(*words, code=1).stdout


def test_status_as_the_first_command_makes_nothing(place):
    (place.folder / "state").rmdir()
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


@white_lists.with_the_real_list
def test_the_real_list_is_refreshed_told_and_compared(place):
    """Domains that differ in case, and DNs in their spacing, are the same. Half of it, cut by hand, is refused."""
    (place.folder / "list.xml").write_bytes(white_lists.REAL.read_bytes())
    place.run("refresh")
    told = place.json("status", code=1)["white_list"]  # our own domain is not in it
    assert (told["entries"], told["domains"], told["operators"]) == (6554, 5001, 384)
    assert place.json("domain", "MSSANTE.apicrypt.org")["listed"]
    half = white_lists.REAL.read_text("utf-8").split("<Domaine>")
    (place.folder / "half.xml").write_text("<Domaine>".join(half[:3000]) + "</ListeDomaines></ListeBlancheMSSante>")
    assert place.json("diff", "half.xml", code=1)["refused"].startswith("shrunk")
