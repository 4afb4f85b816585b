"""TLS contexts between operators: whom both sides believe, and what sessions cost."""

import contextlib
import gc
import ssl
import weakref

import pytest

from mssgw.edges import tls_mutual
from mssgw.edges.anchors import Anchors
from mssgw.edges.certificates import chain_of
from mssgw.edges.tls import TlsMisconfigured
from mssgw.edges.tls_mutual import PeerContext, PeerSession, mutual_client_context, peer_context
from tests.pki import TrustSpace, pem_of

HOST = "mta.operateur.fr"


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


@pytest.fixture
def listening(space, tmp_path) -> PeerContext:
    certificate, key = space.operator("localhost").write_apart(tmp_path, "ours")
    return peer_context(certificate, key, anchors=Anchors.read(space.write_anchors(tmp_path)))


@pytest.fixture
def calling(space, tmp_path) -> ssl.SSLContext:
    certificate, key = space.operator(HOST).write_apart(tmp_path, "theirs")
    made = mutual_client_context(anchors=Anchors.read(space.write_anchors(tmp_path)), certificate=certificate, key=key)
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Our side; the connection is over, in good order."""
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = server.wrap_bio(a, b, server_side=True), client.wrap_bio(b, a, server_hostname="localhost")
    waiting = [theirs, ours]
    for _ in range(4):
        for each in tuple(waiting):
            try:
                each.do_handshake()
                waiting.remove(each)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    for each in (theirs, ours):
        with contextlib.suppress(ssl.SSLWantReadError):
            each.unwrap()
    return ours


def test_sessions_of_tls_1_2_do_not_pile_up(listening, calling, monkeypatch):
    """OpenSSL keeps 20,480 of 13 kB in a context, each with the chain: that of a full one goes away, with all of it."""
    monkeypatch.setattr(tls_mutual, "MOST_SESSIONS", 10)
    rounds: weakref.WeakSet[ssl.SSLContext] = weakref.WeakSet()
    kept = []
    for _ in range(25):
        connection = shake_hands(listening, calling)
        assert isinstance(connection, PeerSession)
        assert len(chain_of(connection)) == 3
        rounds.add(connection.context)
        del connection
        gc.collect()
        kept.append(sum(each.session_stats()["number"] for each in (*rounds, listening)))
    assert max(kept) == 10
    assert len(rounds) == 1


def test_a_new_round_needs_no_file(listening, calling, tmp_path, monkeypatch):
    """What lies there by then may be half of a pair."""
    monkeypatch.setattr(tls_mutual, "MOST_SESSIONS", 2)
    for path in tmp_path.iterdir():
        path.unlink()
    contexts = {shake_hands(listening, calling).context for _ in range(5)}
    assert len(contexts) == 3, "where a file was missed, the old one would serve all"


def test_where_no_other_context_can_be_made_the_old_one_serves(listening, calling, monkeypatch):
    monkeypatch.setattr(tls_mutual, "MOST_SESSIONS", 2)
    shake_hands(listening, calling)

    def none() -> ssl.SSLContext:
        raise OSError(24, "Too many open files")

    listening.another = none
    contexts = {shake_hands(listening, calling).context for _ in range(5)}
    assert len(contexts) == 1


def test_both_sides_are_as_strict_about_anchors(space, tmp_path):
    """A certificate of no authority among them is refused, whoever asks."""
    certificate, _ = space.operator(HOST).write_apart(tmp_path)
    wrong = tmp_path / "wrong.pem"
    for pem in (pem_of(space.root.certificate) + certificate.read_bytes(), pem_of(space.intermediate.certificate), b""):
        wrong.write_bytes(pem)
        with pytest.raises(TlsMisconfigured, match=str(wrong)):
            Anchors.read(wrong)
