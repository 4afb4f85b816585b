"""TLS contexts: 1.2 or later, AEAD ciphers only, and configuration errors that name the file."""

import ssl
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from mssgw.edges.tls import TlsMisconfigured, client_context, server_context
from tests.pki import Authority, TrustSpace, pem_of


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def test_contexts_take_tls_1_2_and_aead_ciphers_only(authority, tmp_path):
    """TLS-2."""
    for context in (server_context(authority.issue(tmp_path, "localhost")), client_context()):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        names = [cipher["name"] for cipher in context.get_ciphers()]
        assert names
        assert all("GCM" in name or "CHACHA20" in name for name in names)
        assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)


def test_a_client_verifies_certificate_and_name(authority, tmp_path):
    anchors = tmp_path / "ca.pem"
    anchors.write_text(authority.pem)
    context = client_context(ca_file=anchors)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert any(
        ca["serialNumber"] == f"{authority.certificate.serial_number:X}".zfill(len(ca["serialNumber"]))
        for ca in context.get_ca_certs()
    )


def test_an_authority_made_at_home_is_believed_on_every_python(authority, tmp_path):
    """Its certificates name no key of their issuer. Python 3.13's own contexts refuse that; Debian 12's do not."""
    anchors = tmp_path / "ca.pem"
    anchors.write_text(authority.pem)
    told = _handshake(client_context(ca_file=anchors), server_context(authority.issue(tmp_path, "imap.example")))
    assert told == ""


def test_an_intermediate_authority_is_no_root_on_any_python(tmp_path):
    """Python 3.13's own contexts take it for one."""
    space = TrustSpace()
    anchors = tmp_path / "ca.pem"
    server = server_context(space.operator("imap.example").write(tmp_path))
    anchors.write_bytes(pem_of(space.intermediate.certificate))
    assert "unable to get issuer certificate" in _handshake(client_context(ca_file=anchors), server)
    anchors.write_bytes(pem_of(space.root.certificate))
    assert _handshake(client_context(ca_file=anchors), server) == ""


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> str:
    """Between imap.example and who calls it, in memory: "", or why the caller ends it."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="imap.example"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    assert ends[0].version() is not None
    return ""


def test_no_certificate_file(tmp_path):
    with pytest.raises(TlsMisconfigured, match="no such file"):
        server_context(tmp_path / "absent.pem")


def test_no_key_file(authority, tmp_path):
    with pytest.raises(TlsMisconfigured, match="key: no such file"):
        server_context(authority.issue(tmp_path, "a.fr"), tmp_path / "absent.key")


def test_the_key_of_another_certificate(authority, tmp_path):
    mine, other = authority.issue(tmp_path, "a.fr"), authority.issue(tmp_path, "b.fr")
    with pytest.raises(TlsMisconfigured, match="is not the private key of"):
        server_context(mine, other)


def test_a_file_that_is_no_certificate(tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("hello")
    with pytest.raises(TlsMisconfigured, match="no PEM certificate in it"):
        server_context(wrong)
    with pytest.raises(TlsMisconfigured, match="no PEM certificate in it"):
        client_context(ca_file=wrong)


def test_a_key_with_a_passphrase_is_an_error_and_asks_nobody(authority, tmp_path):
    """OpenSSL would ask on the terminal, and the daemon would never start."""
    pem = authority.issue(tmp_path, "a.fr")
    key = serialization.load_pem_private_key(pem.read_bytes(), None)
    locked = tmp_path / "locked.key"
    secret = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    with warnings.catch_warnings(), pytest.raises(TlsMisconfigured, match="passphrase"):
        server_context(pem, locked)


def test_a_missing_ca_file():
    with pytest.raises(TlsMisconfigured, match="cannot be read"):
        client_context(ca_file=Path("/nonexistent/ca.pem"))


def test_an_error_of_the_system_names_the_file(authority, tmp_path):
    """A directory, a loop of links, a path through a file: whatever it is."""
    mine, loop = authority.issue(tmp_path, "a.fr"), tmp_path / "loop"
    loop.symlink_to(loop)
    for wrong in (tmp_path, loop, mine / "key.pem"):
        with pytest.raises(TlsMisconfigured, match=f"{wrong}: cannot be read"):
            server_context(mine, wrong)
        with pytest.raises(TlsMisconfigured, match=f"{wrong}: cannot be read"):
            server_context(wrong)
