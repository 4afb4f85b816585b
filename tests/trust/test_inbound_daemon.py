"""The real daemon with [trust]: what the configuration says is what operators meet."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests import white_lists
from tests.installation import DOCTOR, PATIENT, SERVE, environment, install
from tests.pki import BOTH, Identity, TrustSpace, pem_of
from tests.wire.inbound import Peer
from tests.wire.running import METRICS, Daemon, Hop

MES = "mta.patient.fr"


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


def trust_table(space: TrustSpace, folder: Path, purposes: tuple[str, ...]) -> str:
    """The [trust] table, and the files that it names."""
    certificate, key = space.operator("localhost").write_apart(folder, "ours")
    root, intermediate = space.write_crls(folder)
    entries = [("patient.mssante.fr", white_lists.dn(MES)), ("autre.mssante.fr", white_lists.dn("mta.autre.fr"))]
    (folder / "list.xml").write_bytes(white_lists.white_list(entries))
    return f"""
[trust]
white_list = "list.xml"
white_list_unsigned = true
anchors = "{space.write_anchors(folder)}"
certificate = "{certificate}"
key = "{key}"
crls = ["{root}", "{intermediate}"]
crl_poll = "200ms"
purposes = {list(purposes)!r}
"""


@asynccontextmanager
async def gateway(
    space: TrustSpace, folder: Path, *, purposes: tuple[str, ...] = ("clientAuth",), workers: int = 1
) -> AsyncIterator[Daemon]:
    hop = Hop()
    table = trust_table(space, folder, purposes)
    listener = 'tls = "starttls"'
    port = await hop.listen()
    install(folder, METRICS, table, hop=port, role="trust-space", listener=listener, workers=workers)
    process = await asyncio.create_subprocess_exec(
        *SERVE, env=environment(folder), stdout=asyncio.subprocess.PIPE, limit=2**20
    )
    daemon = Daemon(process, hop)
    try:
        await daemon.said("gateway.ready")
        await daemon.readyz(True)
        yield daemon
    finally:
        await daemon.stop()


async def meet(daemon: Daemon, space: TrustSpace, identity: Identity, folder: Path) -> Peer:
    context = ssl.create_default_context(cadata=pem_of(space.root.certificate).decode())
    context.load_cert_chain(identity.write(folder))
    peer = Peer(*await asyncio.open_connection("127.0.0.1", await daemon.port()))
    assert (await peer.hear()).startswith("220")
    assert (await peer.ask("EHLO mta.patient.fr")).startswith("250")
    await peer.starttls(context)
    assert (await peer.ask("EHLO mta.patient.fr")).startswith("250")
    return peer


async def test_the_daemon_admits_refuses_and_revokes(space, tmp_path):
    """Not ready before list and CRLs are read; a revocation needs no restart and no new connection (TLS-5)."""
    async with gateway(space, tmp_path) as daemon:
        checks = (await daemon.readyz(True))["checks"]
        assert checks["white_list"]["domains"] == 2
        assert checks["revocation"] == {"ok": True, "usable": 2, "known": 2}
        listed, foreign = space.operator(MES), space.operator("mta.autre.fr")
        peer = await meet(daemon, space, listed, tmp_path)
        reply = await peer.ask(f"MAIL FROM:<{PATIENT}>")
        assert reply.startswith("250"), reply
        assert (await peer.ask(f"RCPT TO:<{DOCTOR}>"))[:9] == "550 5.7.1", "nobody wrote to this patient yet"
        assert (await peer.ask("RSET"))[:3] == "250"
        other = await meet(daemon, space, foreign, tmp_path)
        assert (await other.ask(f"MAIL FROM:<{PATIENT}>")).startswith("554 5.7.1 Ce certificat n'est pas celui")
        (tmp_path / "next.crl").write_bytes(space.intermediate.crl(listed.serial))
        (tmp_path / "next.crl").replace(tmp_path / "intermediate.crl")
        async with asyncio.timeout(30):
            while (reply := await peer.ask(f"MAIL FROM:<{PATIENT}>"))[:3] == "250":
                await peer.ask("RSET")
                await asyncio.sleep(0.05)
        assert reply == "554 5.7.1 Certificat revoque"
        line = await daemon.said("trust.certificate_revoked")
        assert line["serial"] == f"{listed.serial:x}"
        assert MES in line["dn"]
        for each in (peer, other):
            await each.close()


@pytest.mark.parametrize(("purposes", "accepted"), [(("clientAuth",), False), (BOTH, True)])
async def test_the_setting_decides_about_certificates_for_servers(space, tmp_path, purposes, accepted):
    """By default the handshake refuses them; with "serverAuth" they are taken."""
    async with gateway(space, tmp_path, purposes=purposes) as daemon:
        identity = space.operator(MES, purposes=("serverAuth",))
        if accepted:
            peer = await meet(daemon, space, identity, tmp_path)
            reply = await peer.ask(f"MAIL FROM:<{PATIENT}>")
            assert reply.startswith("250"), reply
            await peer.close()
        else:
            with pytest.raises(ssl.SSLError, match="UNSUPPORTED_CERTIFICATE"):
                await meet(daemon, space, identity, tmp_path)
            line = await daemon.said("trust.handshake_refused")
            assert line["reason"] == "unsuitable certificate purpose"
            assert MES in line["dn"]
