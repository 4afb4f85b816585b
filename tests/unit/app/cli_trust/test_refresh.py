"""`mssgw trust refresh`: what is taken, refused, and taken by hand (WL-7)."""

from click.testing import CliRunner

from mssgw.app.cli import main
from tests.pki import TrustSpace
from tests.unit.app.cli_trust.place import LATER, LISTED, MES
from tests.white_lists import dn


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
