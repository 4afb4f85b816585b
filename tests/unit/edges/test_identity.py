"""Our certificate is taken anew when its files change, whole or not at all; and its end is told in time."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mssgw.edges.identity import THRESHOLDS, Ending, Endings, Files, Identity, in_file
from mssgw.edges.tls import TlsMisconfigured
from tests import pki
from tests.stories.worlds import Events

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def space() -> pki.TrustSpace:
    return pki.TrustSpace()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def files(space, tmp_path) -> Files:
    certificate, key = space.operator("mx.ch.fr").write_apart(tmp_path)
    return Files(certificate=certificate, key=key, anchors=space.write_anchors(tmp_path))


@pytest.fixture
def identity(files, events) -> Identity:
    return Identity(files, telemetry=events)


def names(events: Events) -> list[str]:
    return [name for name, _ in events.seen]


def written(path: Path, data: bytes) -> None:
    """Changed beyond doubt, however coarse the clock of the disk."""
    before = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


def test_files_that_stay_as_they_are_are_not_read_again(identity) -> None:
    pair = identity.pair
    assert [identity.look() for _ in range(3)] == [False] * 3
    assert identity.pair is pair


def test_a_new_pair_is_taken_once_it_has_settled(space, files, identity, events) -> None:
    new = space.operator("mx.ch.fr")
    written(files.certificate, new.chain_pem)
    written(files.key, new.key_pem)
    assert [identity.look() for _ in range(3)] == [False, True, False]
    assert names(events) == ["trust.certificate_renewed"]
    assert identity.pair.certificates[0].fingerprint == in_file(files.certificate)[0].fingerprint


def test_a_certificate_whose_key_is_not_there_yet_waits_for_it(space, files, identity, events) -> None:
    """The old pair stays in use, with one alarm; the key comes, and the new pair is taken."""
    new, old = space.operator("mx.ch.fr"), identity.pair
    written(files.certificate, new.chain_pem)
    assert [identity.look() for _ in range(4)] == [False] * 4
    assert identity.pair is old
    [(name, fields)] = events.seen
    assert (name, fields["alarm"]) == ("trust.certificate_refused", True)
    assert "is not the private key of" in fields["error"]
    written(files.key, new.key_pem)
    assert [identity.look() for _ in range(2)] == [False, True]


def test_a_key_that_follows_at_once_raises_no_alarm(space, files, identity, events) -> None:
    new = space.operator("mx.ch.fr")
    written(files.certificate, new.chain_pem)
    assert not identity.look()
    written(files.key, new.key_pem)
    assert [identity.look() for _ in range(2)] == [False, True]
    assert names(events) == ["trust.certificate_renewed"]


@pytest.mark.parametrize("flaw", ["half", "half the chain", "empty", "rubbish", "gone", "expired", "not yet valid"])
def test_what_cannot_be_used_leaves_the_old_pair_in_use(space, files, identity, events, flaw) -> None:
    old, now = identity.pair, datetime.now(UTC)
    if flaw == "gone":
        files.certificate.unlink()
    elif flaw in ("expired", "not yet valid"):
        new = space.operator(
            "mx.ch.fr", **({"not_after": now - DAY} if flaw == "expired" else {"not_before": now + DAY})
        )
        written(files.certificate, new.chain_pem)
        written(files.key, new.key_pem)
    else:
        chain = files.certificate.read_bytes()
        cut = {"half": len(chain) // 4, "half the chain": len(chain) * 3 // 4}.get(flaw, 0)
        written(files.certificate, b"\x00rubbish" if flaw == "rubbish" else chain[:cut])
    assert [identity.look() for _ in range(3)] == [False] * 3
    assert identity.pair is old
    assert names(events) == ["trust.certificate_refused"]


def test_anchors_are_those_of_the_start(space, files, identity, events) -> None:
    """Revocation lists know of no others: a new root is an alarm, once for each change, until a restart."""
    written(files.anchors, pki.pem_of(pki.TrustSpace().root.certificate) + files.anchors.read_bytes())
    assert [identity.look() for _ in range(4)] == [False] * 4
    assert events.seen == [
        (
            "trust.anchors_changed",
            {"alarm": True, "failure": "None", "file": str(files.anchors), "error": None},
        )
    ]
    new = space.operator("mx.ch.fr")
    written(files.certificate, new.chain_pem)
    written(files.key, new.key_pem)
    assert [identity.look() for _ in range(2)] == [False, True]
    assert len(identity.pair.client.get_ca_certs()) == len(identity.anchors.certificates) == 1
    again = Identity(files, telemetry=events, anchors=identity.anchors)  # a reload
    assert len(again.pair.client.get_ca_certs()) == 1
    again.look()
    assert names(events).count("trust.anchors_changed") == 2, "and it is told again that a restart is due"


@pytest.mark.parametrize("flaw", ["gone", "empty", "cut off", "directory", "no authority"])
def test_anchors_that_a_restart_could_not_use_are_an_alarm_and_nothing_else(
    space, files, identity, events, flaw
) -> None:
    old, pem = identity.pair, files.anchors.read_bytes()
    if flaw in ("gone", "directory"):
        files.anchors.unlink()
        if flaw == "directory":
            files.anchors.mkdir()
    else:
        leaf = pki.pem_of(space.operator("mx.ch.fr").certificate)
        written(files.anchors, {"empty": b"", "cut off": pem + pem[:99], "no authority": pem + leaf}[flaw])
    assert [identity.look() for _ in range(3)] == [False] * 3
    assert identity.pair is old
    assert names(events) == ["trust.anchors_changed"]
    assert str(files.anchors) in events.seen[0][1]["error"]


def test_the_same_anchors_written_anew_are_no_news(files, identity, events) -> None:
    written(files.anchors, b"# comment\n" + files.anchors.read_bytes())
    assert [identity.look() for _ in range(3)] == [False] * 3
    assert events.seen == []


class Tomorrow(datetime):
    """The clock, a day and an hour on."""

    @classmethod
    def now(cls, tz=None) -> datetime:
        return datetime.now(tz) + DAY + timedelta(hours=1)


@pytest.mark.parametrize("which", ["certificate", "key"])
def test_a_directory_in_the_place_of_a_file_leaves_the_old_pair_in_use(files, identity, events, which) -> None:
    """Any error of the system is an alarm and nothing worse."""
    old, path = identity.pair, getattr(files, which)
    path.unlink()
    path.mkdir()
    assert [identity.look() for _ in range(3)] == [False] * 3
    assert identity.pair is old
    assert names(events) == ["trust.certificate_refused"]
    assert str(path) in events.seen[0][1]["error"]


def test_one_that_comes_before_its_time_is_taken_when_that_has_come(
    space, files, identity, events, monkeypatch
) -> None:
    """Nobody has to touch the files again, and there is one alarm."""
    new = space.operator("mx.ch.fr", not_before=datetime.now(UTC) + DAY)
    written(files.certificate, new.chain_pem)
    written(files.key, new.key_pem)
    assert [identity.look() for _ in range(4)] == [False] * 4
    monkeypatch.setattr("mssgw.edges.identity.datetime", Tomorrow)
    assert [identity.look() for _ in range(2)] == [True, False]
    assert names(events) == ["trust.certificate_refused", "trust.certificate_renewed"]


def test_a_reload_goes_on_with_a_certificate_that_is_valid_until_the_new_one_is(
    space, files, identity, events, monkeypatch
) -> None:
    """It takes what is in order at once, and else what is in use: other operators would refuse all our mail."""
    new = space.operator("mx.ch.fr", not_before=datetime.now(UTC) + DAY)
    written(files.certificate, new.chain_pem)
    written(files.key, new.key_pem)
    assert Identity(files, telemetry=events, anchors=identity.anchors).or_rather(identity) is identity
    assert not any(identity.look() for _ in range(2))
    monkeypatch.setattr("mssgw.edges.identity.datetime", Tomorrow)
    assert [identity.look() for _ in range(2)] == [True, False]
    again = Identity(files, telemetry=events, anchors=identity.anchors)
    assert again.or_rather(identity) is again


def test_a_first_pair_that_cannot_be_used_is_an_error(files, events) -> None:
    files.key.write_bytes(b"")
    with pytest.raises(TlsMisconfigured):
        Identity(files, telemetry=events)


def test_no_key_is_ever_told(space, files, identity, events) -> None:
    files.key.write_bytes(pki.TrustSpace().operator("mx.ch.fr").key_pem)
    for _ in range(3):
        identity.look()
    assert "PRIVATE" not in str(events.seen) + repr(identity.pair)


def ending(days: float, fingerprint: str = "ab") -> Ending:
    until = NOW + days * DAY
    return Ending(file=Path("x.pem"), subject="CN=x", fingerprint=fingerprint, not_before=NOW - DAY, not_after=until)


@pytest.mark.parametrize(
    ("days", "told"), [(31, None), (30, 30), (14.5, 14), (14, 14), (7, 7), (1, 1), (0.5, 0), (0, 0)]
)
def test_an_end_that_is_near_is_told(events, days, told) -> None:
    Endings(events).look([ending(days)], NOW)
    assert [fields["days"] for _, fields in events.seen] == ([] if told is None else [told])
    assert all(fields["alarm"] for _, fields in events.seen)


def test_each_threshold_is_told_once(events) -> None:
    """By the hour for forty days: five lines, the last one that it is over."""
    endings = Endings(events)
    for hours in range(24 * 40):
        endings.look([ending(35), ending(300, "cd")], NOW + timedelta(hours=hours))
    assert [fields["days"] for _, fields in events.seen] == list(THRESHOLDS)
    assert names(events) == ["trust.certificate_ends"] * 4 + ["trust.certificate_expired"]


def test_a_renewed_certificate_is_told_of_anew(events) -> None:
    endings = Endings(events)
    endings.look([ending(5)], NOW)
    endings.look([ending(300, "new")], NOW)
    endings.look([ending(5, "new")], NOW)
    assert len(events.seen) == 2


def test_an_end_is_told_again_after_a_clock_that_was_ahead(events) -> None:
    """Put right, it says that there is time: what was told then was about no end that came."""
    endings = Endings(events)
    for days in (0, 400, 0, 270, 300):
        endings.look([ending(300)], NOW + timedelta(days=days))
    assert [fields["days"] for _, fields in events.seen] == [0, 30, 0]


def test_anchors_are_watched_too(space, identity) -> None:
    """Leaf, intermediate and anchors: whichever ends first stops all mail."""
    assert [each.subject.partition(",")[0] for each in identity.pair.certificates] == [
        "CN=mx.ch.fr",
        "CN=AC TEST ORGANISATIONS",
        "CN=AC RACINE TEST",
    ]
