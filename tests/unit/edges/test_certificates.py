"""Certificates as we go by them, and the chain of each session, resumed ones included."""

import asyncio
import ssl
import warnings
from datetime import timedelta
from pathlib import Path

import pytest

from mssgw.core.names import Name
from mssgw.edges.certificates import UnreadableCertificates, certificate, certificates, chain_of, in_full
from tests.pki import Identity, TrustSpace, dn_text, operator_dn, pem_of, self_signed

HOST = "mss.exemple.fr"


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


def test_a_certificate_says_who_it_is_for_what_and_from_whom(space):
    leaf = space.operator(HOST, purposes=("clientAuth",), serial=0xABC)
    read = certificate(leaf.der)
    assert read.subject == Name.parse(dn_text(operator_dn(HOST)))  # req: WL-4
    assert read.subject.text == dn_text(operator_dn(HOST))
    assert (read.serial, read.hosts, read.purposes, read.flaw) == (0xABC, (HOST,), {"clientAuth"}, "")
    signer = certificate(space.intermediate.der)
    assert read.issuer == certificate(leaf.der).issuer
    assert signer.as_issuer not in ("", read.as_issuer)
    assert read.not_after - read.not_before == timedelta(days=32)


@pytest.mark.parametrize(
    ("pairs", "flaw"),
    [
        ((("OU", "318310021300028"), ("C", "FR")), "no CN"),
        ((("CN", "a.exemple.fr"), ("CN", "b.exemple.fr")), "2 CN"),
        ((("CN", "*.exemple.fr"),), "wildcard"),
        ((("CN", "mss.exemple.fr\0.evil.fr"),), "NUL"),
        ((), "no CN"),
    ],
)
def test_a_doubtful_name_is_none(space, pairs, flaw):
    read = certificate(space.intermediate.issue(pairs, HOST).der)
    assert read.subject is None
    assert flaw in read.flaw


def test_purposes(space):
    """None means not limited, so a limit that we do not know by name must not look like none."""
    assert certificate(space.operator(HOST, purposes=None).der).purposes == frozenset()
    assert certificate(space.operator(HOST, purposes=("emailProtection",)).der).purposes == {"1.3.6.1.5.5.7.3.4"}


def test_what_is_no_certificate_has_a_flaw_and_no_subject():
    for junk in (b"", b"\x30\x03\x02\x01\x01", b"x" * 1000):
        read = certificate(junk)
        assert read.subject is None
        assert read.flaw


def test_any_cut_or_changed_octet_is_survived(space):
    der = space.operator(HOST).der
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cryptography's, about odd values
        for at in range(0, len(der), 3):
            assert certificate(der[:at]).subject is None
            changed = bytearray(der)
            changed[at] ^= 0xFF
            certificate(bytes(changed))  # must not raise; the signature is for the handshake to check


def test_a_pem_file(space):
    leaf = space.operator(HOST)
    read = certificates(leaf.chain_pem)
    assert read == (certificate(leaf.der), certificate(space.intermediate.der))
    for junk in (b"", b"hello", leaf.key_pem, leaf.chain_pem.replace(b"MII", b"!!!", 1)):
        with pytest.raises(UnreadableCertificates):
            certificates(junk)


# Sessions, in memory.


def _contexts(
    space: TrustSpace, folder: Path, version: ssl.TLSVersion, client: Identity | None
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    anchors = space.write_anchors(folder)
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server_side.load_cert_chain(space.operator("server.exemple.fr").write(folder))
    server_side.verify_mode = ssl.CERT_OPTIONAL
    for context in (server_side, client_side):
        context.load_verify_locations(anchors)
        context.minimum_version = context.maximum_version = version
    if client is not None:
        client_side.load_cert_chain(client.write(folder))
    return server_side, client_side


def _shake_hands(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts[0].wrap_bio(up, down, server_side=True)
    client = contexts[1].wrap_bio(down, up, server_hostname="server.exemple.fr", session=session)
    waiting = [client, server]
    for _ in range(6):
        for each in list(waiting):
            try:
                each.do_handshake()
                waiting.remove(each)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    server.write(b"220")
    client.read(3)  # and with it the tickets
    return server, client


TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_both_sides_get_the_verified_chain_with_its_anchor(space, tmp_path, version):
    leaf = space.operator(HOST)
    for side in _shake_hands(_contexts(space, tmp_path, version, leaf)):
        chain = chain_of(side)
        assert [each.fingerprint for each in chain[1:]] == [
            certificate(each.der).fingerprint for each in (space.intermediate, space.root)
        ]
    assert chain[0].hosts == ("server.exemple.fr",)


def test_no_certificate_is_an_empty_chain(space, tmp_path):
    server, _ = _shake_hands(_contexts(space, tmp_path, TLS_1_3, None))
    assert chain_of(server) == ()


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_openssl_gives_no_chain_of_a_resumed_session(space, tmp_path, version):
    """Why chain_of remembers. If this fails one day, it need not any more."""
    contexts = _contexts(space, tmp_path, version, space.operator(HOST))
    _, first = _shake_hands(contexts)
    server, _ = _shake_hands(contexts, first.session)
    assert server.session_reused
    assert server._sslobj.get_verified_chain() is None


def test_tls_1_3_is_not_resumed_in_full_contexts(space, tmp_path):
    contexts = _contexts(space, tmp_path, TLS_1_3, space.operator(HOST))
    in_full(contexts[0])
    _, first = _shake_hands(contexts)
    server, _ = _shake_hands(contexts, first.session)
    assert not server.session_reused
    assert len(chain_of(server)) == 3


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
@pytest.mark.parametrize("full", [True, False])
def test_a_resumed_session_has_the_chain_of_its_handshake(space, tmp_path, version, full):
    """TLS 1.2 resumes by session id even without tickets; Python cannot forbid it. Whoever was revoked is seen."""
    contexts = _contexts(space, tmp_path, version, space.operator(HOST))
    if full:
        in_full(contexts[0])
    server, first = _shake_hands(contexts)
    before = chain_of(server)
    again, _ = _shake_hands(contexts, first.session)
    assert again.session_reused is (version is TLS_1_2 or not full)
    assert chain_of(again) == before
    assert len(before) == 3


def test_a_resumed_session_that_nobody_knows_is_a_leaf_without_anchor(space, tmp_path):
    """Which no revocation list can be told for: 451, never accepted."""
    contexts = _contexts(space, tmp_path, TLS_1_2, space.operator("other.exemple.fr"))
    _, first = _shake_hands(contexts)  # chain_of is not called
    server, _ = _shake_hands(contexts, first.session)
    assert server.session_reused
    assert [each.hosts for each in chain_of(server)] == [("other.exemple.fr",)]


async def test_asyncio_clients_resume_nothing(space, tmp_path):
    """So on the way out each connection verifies the server anew."""
    server_side, client_side = _contexts(space, tmp_path, TLS_1_2, space.operator(HOST))
    reused = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reused.append(writer.get_extra_info("ssl_object").session_reused)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side) as listening:
        for _ in range(3):
            reader, writer = await asyncio.open_connection(
                *listening.sockets[0].getsockname(), ssl=client_side, server_hostname="server.exemple.fr"
            )
            async with asyncio.timeout(5):
                await reader.read()
            assert len(chain_of(writer.get_extra_info("ssl_object"))) == 3
            writer.close()
    assert reused == [False] * 3


def test_a_self_signed_certificate_is_its_own_issuer():
    alone = self_signed(operator_dn(HOST), HOST)
    (read,) = certificates(pem_of(alone.certificate))
    assert read.subject is not None
    assert read.issuer == alone.certificate.subject.public_bytes()
