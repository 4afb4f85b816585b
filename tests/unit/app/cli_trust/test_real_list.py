"""`mssgw trust` with the list as it is published."""

from mssgw.core.journal import JournalEvent
from tests import white_lists
from tests.installation import DOCTOR, PATIENT
from tests.unit.app.cli_trust.place import mail


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


@white_lists.with_the_real_list
def test_a_later_real_list_that_drops_a_correspondent_says_whom_it_cuts_off_and_is_taken(place):
    """Of five thousand domains one goes and one comes; those that stay are seen to be the same."""
    real = white_lists.REAL.read_text("utf-8")
    (place.folder / "list.xml").write_text(real)
    place.run("refresh")
    place.note(mail(JournalEvent.ACCEPTED, PATIENT, DOCTOR, client="CN=operateur"))
    told = place.json("domain", "patient.mssante.fr")
    assert (told["listed"], len(told["operators"]), told["received"]) == (True, 2, 1)
    later = real.replace("<DateDeGeneration>2025", "<DateDeGeneration>2026")
    (place.folder / "list.xml").write_text(later.replace(">patient.mssante.fr<", ">neu.mssante.fr<"))
    told = place.json("diff")
    assert (told["taken"], told["added"], told["removed"]) == (True, ["neu.mssante.fr"], ["patient.mssante.fr"])
    assert told["rebound"] == {}
    assert [(each["domain"], each["because"]) for each in told["losing"]] == [("patient.mssante.fr", "unlisted")]
    place.run("refresh")
    place.run("domain", "patient.mssante.fr", code=1)
    assert place.json("domain", "neu.mssante.fr")["listed"]
