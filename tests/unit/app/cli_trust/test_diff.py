"""`mssgw trust diff`: what a list changes, whom it cuts off, and why it would be refused."""

from collections.abc import Callable

import pytest

from mssgw.core.journal import JournalEvent
from tests.installation import DOCTOR, PATIENT
from tests.unit.app.cli_trust.place import ELSEWHERE, IDN, LATER, LISTED, MES, OTHERS, Place, mail
from tests.white_lists import dn, white_list


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
