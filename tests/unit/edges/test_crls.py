"""Revocation: whose lists are believed, what they say of a chain, and when somebody is told (TLS-5)."""

import asyncio
import datetime
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mssgw.core.errors import SourceUnavailable, StoreFull
from mssgw.core.trust import REVOCATION_UNKNOWN, REVOKED, Chain
from mssgw.edges.certificates import UnreadableCertificates, certificate
from mssgw.edges.clock import FixedClock
from mssgw.edges.crl_files import CrlFiles
from mssgw.edges.crl_reading import Crl, CrlRefused, authorities, ders, read_crl
from mssgw.edges.crls import Crls
from mssgw.edges.sources import PathSource
from tests.pki import Identity, Issuer, TrustSpace, operator_dn, pem_of

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


class Heard:
    """Telemetry that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bool, dict[str, Any]]] = []

    def event(self, name: str, *, alarm: bool = False, failure: BaseException | None = None, **fields: Any) -> None:
        assert failure is None
        self.events.append((name, alarm, fields))

    def take(self) -> list[tuple[str, bool]]:
        """Names and alarms of what was told since the last time."""
        told, self.events = self.events, []
        return [(name, alarm) for name, alarm, _ in told]


class Given:
    """A source that gives what the test puts there, once."""

    def __init__(self, name: str = "given", content: bytes | None = None) -> None:
        self.name, self.content, self.down = name, content, False

    async def fetch(self, *, limit: int) -> bytes | None:
        if self.down:
            raise SourceUnavailable(f"{self.name}: cannot be reached")
        content, self.content = self.content, None
        return content


class World:
    """Lists of one node: root's and intermediate's sources, a clock, and what was told."""

    def __init__(self, space: TrustSpace, folder: Path, *, grace: timedelta = timedelta(0)) -> None:
        self.space, self.folder, self.grace = space, folder, grace
        self.clock, self.heard = FixedClock(NOW), Heard()
        self.root, self.intermediate = Given("root", space.root.crl()), Given("intermediate", space.intermediate.crl())
        self.crls = self.another(self.root, self.intermediate)

    def another(self, *sources: Any, poll: float = 30) -> Crls:
        """Another process."""
        known = authorities(pem_of(self.space.root.certificate), pem_of(self.space.intermediate.certificate))
        told = {"clock": self.clock, "telemetry": self.heard}
        return Crls(sources, known, self.folder / "trust", poll=poll, grace=self.grace, **told)

    async def poll(self, crls: Crls | None = None) -> None:
        """One round, as run() makes it."""
        crls = crls or self.crls
        for feed in crls._feeds:
            await crls._ask_if_it_is_us(feed)
        crls._look_at_the_time()

    def reply(self, identity: Identity, crls: Crls | None = None) -> object:
        distrust = (crls or self.crls).check(chain(self.space, identity))
        return distrust and distrust.reply


@pytest.fixture
async def world(space, tmp_path) -> World:
    world = World(space, tmp_path)
    await world.poll()
    assert world.heard.take() == [("trust.crl_taken", False)] * 2
    return world


def chain(space: TrustSpace, identity: Identity) -> Chain:
    return tuple(certificate(der) for der in (identity.der, space.intermediate.der, space.root.der))


# What lists say of a chain.


async def test_a_certificate_that_nobody_revoked_is_good(world, space):
    assert world.reply(space.operator("a.exemple.fr")) is None


async def test_a_revoked_leaf(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    assert world.reply(leaf) is REVOKED
    assert world.reply(space.operator("b.exemple.fr")) is None
    detail = world.crls.check(chain(space, leaf)).detail
    assert "CN=a.exemple.fr" in detail
    assert "AC TEST ORGANISATIONS" in detail


async def test_a_revoked_intermediate(world, space):
    world.root.content = space.root.crl(space.intermediate.serial)
    await world.poll()
    assert world.reply(space.operator("a.exemple.fr")) is REVOKED


async def test_a_serial_counts_for_its_issuer_only(world, space):
    """The root's list speaks of what the root issued."""
    leaf = space.operator("a.exemple.fr")
    world.root.content = space.root.crl(leaf.serial)
    await world.poll()
    assert world.reply(leaf) is None


async def test_without_a_list_nothing_is_known_and_somebody_is_told(space, tmp_path):
    world = World(space, tmp_path)
    leaf = space.operator("a.exemple.fr")
    assert world.reply(leaf) is REVOCATION_UNKNOWN
    world.root.content = None
    await world.poll()
    world.crls.check(chain(space, leaf))
    assert world.reply(leaf) is REVOCATION_UNKNOWN  # only one of two lists
    world.crls._look_at_the_time()
    assert ("trust.crl_missing", True) in world.heard.take()


async def test_chains_that_end_nowhere_are_unknown(world, space):
    """None at all, without its anchor (a resumed session), of a root that we do not have."""
    leaf = space.operator("a.exemple.fr")
    other = TrustSpace()
    for these in ((), chain(space, leaf)[:1], chain(space, leaf)[:2], chain(other, other.operator("a.exemple.fr"))):
        assert world.crls.check(these).reply is REVOCATION_UNKNOWN


async def test_the_same_name_with_another_key_is_another_issuer(world, space):
    """An authority that got a new key: its list says nothing of what the old key signed."""
    rekeyed = Issuer(space.intermediate.pairs, space.root)
    leaf = rekeyed.issue(operator_dn("a.exemple.fr"), "a.exemple.fr")
    these = tuple(certificate(der) for der in (leaf.der, rekeyed.der, space.root.der))
    assert world.crls.check(these).reply is REVOCATION_UNKNOWN


# Whose lists are believed.


def _read(space: TrustSpace, der: bytes) -> Any:
    known = authorities(pem_of(space.root.certificate, space.intermediate.certificate))
    return read_crl(der, known, now=NOW)


def test_a_list_says_what_it_holds(space):
    read = _read(space, space.intermediate.crl(5, 2**150, number=7, this_update=NOW, next_update=NOW + DAY))
    assert (read.number, read.this_update, read.next_update, read.serials) == (7, NOW, NOW + DAY, {5, 2**150})


def test_lists_that_are_not_believed(space):
    issuer, stranger = space.intermediate, TrustSpace().intermediate
    indirect = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
    partial = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    wrong = {
        "signature is not that": stranger.crl(),  # the same name, another key
        "its signature": issuer.crl(signer=space.root),
        "none of our authorities": Issuer((("CN", "AC AUTRE"),)).crl(),
        "delta": issuer.crl(extensions=(x509.DeltaCRLIndicator(1),)),
        "a part": issuer.crl(extensions=(partial,)),
        "other authorities": issuer.crl(extensions=(indirect,)),
        "critical extension": issuer.crl(extensions=(unknown,)),
        "to come": issuer.crl(this_update=NOW + DAY),
        "cannot be read": b"junk",
    }
    for why, der in wrong.items():
        with pytest.raises(CrlRefused, match=why):
            _read(space, der)


def test_an_end_certificate_signs_no_list(space):
    """A key of an operator must not be able to clear itself, whatever name it uses."""
    leaf = space.operator("a.exemple.fr")
    known = authorities(pem_of(space.root.certificate), leaf.chain_pem)
    forger = Issuer(operator_dn("a.exemple.fr"))
    forger.key = leaf.key
    with pytest.raises(CrlRefused, match="none of our authorities"):
        read_crl(forger.crl(), known, now=NOW)


def test_any_changed_or_cut_octet_is_refused(space):
    """But for the count of unused bits in the signature, which stands outside of what is signed and says nothing."""
    der = space.intermediate.crl(1, 2, 3)
    known = authorities(pem_of(space.root.certificate, space.intermediate.certificate))
    whole = read_crl(der, known, now=NOW)
    unused_bits = len(der) - len(x509.load_der_x509_crl(der).signature) - 1
    for at in range(len(der)):
        changed = bytearray(der)
        changed[at] ^= 0x01
        for hostile in (der[:at], bytes(changed), der + der[: at + 1]):
            try:
                read = read_crl(hostile, known, now=NOW)
            except CrlRefused:
                continue
            assert (at, len(hostile)) == (unused_bits, len(der))
            assert replace(read, fingerprint=whole.fingerprint, der=der) == whole


def test_several_lists_in_one_pem_file(space):
    both = space.root.crl(pem=True) + b"\n" + space.intermediate.crl(pem=True)
    assert [_read(space, der).text for der in ders(both)] == [
        one.certificate.subject.rfc4514_string() for one in (space.root, space.intermediate)
    ]
    for junk in (pem_of(space.root.certificate), space.root.crl(pem=True) * 65, both.replace(b"MII", b"!!!")):
        with pytest.raises(CrlRefused):
            ders(junk)


@pytest.mark.parametrize(
    "hostile",
    [
        b"-----BEGIN X509 CRL-----\n" * 200_000,  # five megabytes, and no end
        b"-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n" * 200_000,
        b"-----BEGIN X509 CRL-----" + b"A" * 4_000_000,
    ],
)
def test_a_file_of_beginnings_without_an_end_is_read_once_and_refused(hostile):
    """Looking for an end from each beginning would take hours."""
    with pytest.raises(CrlRefused):
        ders(hostile)


def test_a_name_of_a_thousand_attributes_is_not_even_read(space):
    """A name of millions took minutes and gigabytes, before any signature was looked at."""
    long = Issuer(tuple(("OU", f"unit {number}") for number in range(1_000)))
    with pytest.raises(CrlRefused, match="more than 4 kB"):
        _read(space, long.crl())


def test_who_copies_name_and_key_identifier_of_an_authority_is_still_another(space):
    """Revocations are the issuer's own: those of its namesake say nothing of what it issued."""
    known = authorities(pem_of(space.root.certificate, space.intermediate.certificate))
    namesake = TrustSpace().intermediate
    assert known.issuer_of(certificate(space.intermediate.der)) is not None
    assert known.issuer_of(certificate(namesake.der)) is None


def test_authorities_are_what_an_anchor_signed(space):
    other = TrustSpace()
    known = authorities(pem_of(space.root.certificate), pem_of(other.intermediate.certificate))
    with pytest.raises(CrlRefused):
        read_crl(other.intermediate.crl(), known, now=NOW)
    for none in (pem_of(space.intermediate.certificate), space.operator("a").chain_pem, b"junk"):
        with pytest.raises(UnreadableCertificates):
            authorities(none)


async def test_sources_that_answer_at_the_same_moment_do_not_meet_on_disk(world):
    """They write to one file; once in a start that was an alarm about a folder that is in order."""
    for _ in range(200):
        await asyncio.gather(*(world.crls._ask_if_it_is_us(feed) for feed in world.crls._feeds))
    assert world.heard.take() == []


async def test_a_foreign_list_is_refused_aloud_and_changes_nothing(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = TrustSpace().intermediate.crl(leaf.serial)
    await world.poll()
    assert world.heard.take() == [("trust.crl_refused", True)]
    assert world.reply(leaf) is None
    await world.poll()
    assert world.heard.take() == []  # said once
    world.clock.pass_(hours=1)
    await world.poll()
    assert world.heard.take() == [("trust.crl_refused", True)]  # and again while it lasts


async def test_a_list_from_tomorrow_is_taken_tomorrow(world, space):
    """The server does not send again what it sent, so it is kept until our clock agrees."""
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial, this_update=NOW + DAY)
    await world.poll()
    assert world.reply(leaf) is None
    world.clock.pass_(hours=23)
    await world.poll()
    assert world.reply(leaf) is REVOKED


# Which list is in force.


async def test_an_older_list_never_replaces_a_newer_one(world, space):
    leaf = space.operator("a.exemple.fr")
    old = space.intermediate.crl(this_update=NOW - timedelta(minutes=30))
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    world.heard.take()
    world.intermediate.content = old  # replayed by whoever stands between
    await world.poll()
    assert world.reply(leaf) is REVOKED
    assert world.heard.take() == [("trust.crl_overtaken", False)]


async def test_an_expired_list_does_not_replace_one_that_holds(world, space):
    end = NOW - timedelta(seconds=1)
    world.intermediate.content = space.intermediate.crl(this_update=NOW - timedelta(seconds=30), next_update=end)
    await world.poll()
    assert world.heard.take() == [("trust.crl_refused", True)]
    assert world.reply(space.operator("a.exemple.fr")) is None


async def test_it_is_told_before_a_list_ends_and_when_it_has(space, tmp_path):
    world = World(space, tmp_path)
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(this_update=NOW, next_update=NOW + 8 * DAY)
    world.root.content = space.root.crl(this_update=NOW, next_update=NOW + 300 * DAY)
    await world.poll()
    world.heard.take()
    world.clock.pass_(days=6, hours=23)
    await world.poll()
    assert world.heard.take() == []
    world.clock.pass_(hours=2)  # less than a day
    await world.poll()
    assert world.heard.take() == [("trust.crl_expiring", True)]
    assert world.reply(leaf) is None
    world.clock.pass_(days=1)
    await world.poll()
    assert world.heard.take() == [("trust.crl_expired", True)]
    assert world.reply(leaf) is REVOCATION_UNKNOWN
    follower = world.another()
    follower.load()
    follower._look_at_the_time()
    assert world.heard.take() == []  # of all workers one tells


async def test_a_short_list_is_told_of_in_its_last_quarter(world, space):
    world.intermediate.content = space.intermediate.crl(this_update=NOW, next_update=NOW + timedelta(hours=4))
    world.clock.pass_(hours=2, minutes=59)
    await world.poll()
    assert ("trust.crl_expiring", True) not in world.heard.take()
    world.clock.pass_(minutes=2)
    await world.poll()
    assert world.heard.take() == [("trust.crl_expiring", True)]


async def test_grace_is_what_was_configured_and_no_more(space, tmp_path):
    world = World(space, tmp_path, grace=timedelta(hours=6))
    good, bad = space.operator("a.exemple.fr"), space.operator("b.exemple.fr")
    world.intermediate.content = space.intermediate.crl(bad.serial, this_update=NOW, next_update=NOW + DAY)
    await world.poll()
    world.clock.pass_(hours=29)
    assert world.reply(good) is None
    assert world.reply(bad) is REVOKED
    world.clock.pass_(hours=1, minutes=1)
    assert world.reply(good) is REVOCATION_UNKNOWN
    assert world.reply(bad) is REVOKED  # for good, list or no list


# Sources that fail.


async def test_a_source_that_is_down_changes_nothing_and_becomes_an_alarm(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.down = True
    await world.poll()
    assert world.heard.take() == [("trust.crl_unreachable", False)]
    world.clock.pass_(minutes=5)
    await world.poll()
    assert world.heard.take() == []
    world.clock.pass_(minutes=11)
    await world.poll()
    assert world.heard.take() == [("trust.crl_unreachable", True)]
    assert world.reply(leaf) is None
    world.intermediate.down = False
    await world.poll()
    assert world.heard.take() == [("trust.crl_reached", False)]


# Kept on disk.


async def test_a_restart_without_network_keeps_the_lists(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOKED
    folder = world.folder / "trust"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def test_what_was_kept_is_verified_again(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    world.heard.take()
    for file in (world.folder / "trust").glob("*.der"):
        file.write_bytes(TrustSpace().intermediate.crl())
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOCATION_UNKNOWN
    assert world.heard.take() == [("trust.crl_refused", True)] * 2


async def test_status_tells_other_processes_where_lists_come_from(world, space):
    reader = world.another()
    reader.load()
    (one,) = [each for each in reader.status() if "ORGANISATIONS" in each.issuer]
    assert (one.source, one.fetched_at, one.entries) == ("intermediate", NOW, 0)
    assert one.usable_until == one.next_update


async def test_what_could_not_be_kept_is_told_and_tried_again(world, space):
    leaf = space.operator("a.exemple.fr")
    folder = world.folder / "trust"
    folder.rename(world.folder / "gone")
    folder.write_bytes(b"in the way")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    assert ("trust.crl_failed", True) in world.heard.take()
    assert world.reply(leaf) is REVOKED  # here at once
    folder.unlink()
    await world.poll()  # the source has nothing new, and yet
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOKED


async def test_a_kept_file_that_cannot_be_read_holds_up_no_other(world, space):
    """Somebody restored it as another user, or what stands there is no file: the daemon starts, and tells."""
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    world.heard.take()
    folder = world.folder / "trust"
    (folder / "crl-0.der").mkdir()  # the first of all
    (folder / "crl-1.der").symlink_to("crl-1.der")
    (folder / "crl-2.der").symlink_to("gone")
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOKED
    assert world.heard.take() == [("trust.crl_failed", True)] * 2
    for _ in range(2):
        for path, content in after._changed():
            after._take_kept(path, after._read_kept(content))
    assert world.heard.take() == []  # each once
    world.root.content = space.root.crl(space.intermediate.serial)
    await world.poll()
    after.load()
    assert world.reply(space.operator("b.exemple.fr"), after) is REVOKED  # it still follows the others


async def test_a_folder_that_cannot_be_read_is_told(world, monkeypatch):
    """The published lists make good for it."""

    def broken(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    after = world.another()
    monkeypatch.setattr(Path, "glob", broken)
    after.load()
    assert world.heard.take() == [("trust.crl_failed", True)]


async def test_a_file_in_the_place_of_a_list_is_replaced(world, space, monkeypatch):
    """Though it is another user's and not ours to read: the folder is ours."""
    leaf = space.operator("a.exemple.fr")

    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", denied)
        world.intermediate.content = space.intermediate.crl(leaf.serial)
        await world.poll()
    after = world.another()
    after.load()
    assert world.reply(leaf, after) is REVOKED


async def test_of_several_lists_in_one_file_all_are_taken_though_the_disk_is_full(space, tmp_path, monkeypatch):
    """And as many kept as can be; the rest when there is room."""
    both = Given("both", space.root.crl(pem=True) + space.intermediate.crl(pem=True))
    world = World(space, tmp_path)
    crls, keep, full = world.another(both), CrlFiles.keep, [True]

    def keeps(files: CrlFiles, crl: Crl) -> None:
        if full and "RACINE" in crl.text:
            raise StoreFull("the disk of the trust folder is full")
        keep(files, crl)

    monkeypatch.setattr(CrlFiles, "keep", keeps)
    await world.poll(crls)
    assert world.heard.take() == [("trust.crl_taken", False)] * 2 + [("trust.crl_failed", True)]
    assert world.reply(space.operator("a.exemple.fr"), crls) is None
    folder = tmp_path / "trust"
    assert len(list(folder.glob("*.der"))) == 1
    full.clear()
    await world.poll(crls)
    assert len(list(folder.glob("*.der"))) == 2


async def test_a_list_that_is_sent_again_unchanged_is_not_verified_again(world, space, monkeypatch):
    """A server without ETag sends it at each poll; that of a large authority would cost a tenth of a second each."""
    der = space.intermediate.crl()
    world.intermediate.content = der
    await world.poll()
    monkeypatch.setattr("mssgw.edges.crls.read_crl", None)
    world.heard.take()
    world.intermediate.content = bytes(bytearray(der))
    await world.poll()
    assert world.heard.take() == []
    (one,) = [each for each in world.crls.status() if "ORGANISATIONS" in each.issuer]
    assert one.source == "intermediate"


# The task.


async def _until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - it waits for what no event tells
            await asyncio.sleep(0.01)


async def test_one_process_fetches_and_the_others_follow(space, tmp_path, monkeypatch):
    """A revocation published as a file is in force in every worker, and the task ends when it is told to."""
    monkeypatch.setattr("mssgw.edges.crls.FOLLOW", 0.02)
    world = World(space, tmp_path)
    leaf = space.operator("a.exemple.fr")
    files = space.write_crls(tmp_path)
    first, second = (world.another(*(PathSource(file) for file in files), poll=0.02) for _ in range(2))
    tasks = [asyncio.create_task(each.run()) for each in (first, second)]
    await _until(lambda: world.reply(leaf, first) is None is world.reply(leaf, second))
    assert [name for name, _ in world.heard.take() if name == "trust.crl_taken"] == ["trust.crl_taken"] * 2
    space.write_crls(tmp_path, leaf.serial)
    await _until(lambda: world.reply(leaf, first) is REVOKED is world.reply(leaf, second))
    tasks[0].cancel()  # it had the lock
    await asyncio.gather(tasks[0], return_exceptions=True)
    space.write_crls(tmp_path)
    await _until(lambda: world.reply(leaf, second) is None)
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert {name for name, _ in world.heard.take()} <= {"trust.crl_taken", "trust.crl_missing"}


def test_a_hundred_thousand_entries_are_read(space):
    """In the time that one takes, within reason: no step may be quadratic."""
    serials = range(2**100, 2**100 + 100_000)
    read = _read(space, space.intermediate.crl(*serials))
    assert len(read.serials) == 100_000
    assert 2**100 + 99_999 in read.serials
