"""The real daemon says when other operators have something against us, and when it is over."""

import asyncio
import datetime
import sys
from pathlib import Path

import pytest
from cryptography import x509

from tests import white_lists
from tests.installation import environment
from tests.pki import TrustSpace
from tests.trust.test_inbound_daemon import MES, gateway
from tests.wire.running import Daemon

OURS = "chu.mssante.fr"
REVOKED, UNLISTED = "mssgw_trust_own_certificate_revoked", "mssgw_trust_own_domains_unlisted"
REFRESH = (sys.executable, "-c", "from mssgw.app.cli import main; main(['trust', 'refresh'])")


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


async def listed_now(folder: Path, *entries: white_lists.Entry) -> None:
    """That list is published, and taken by hand."""
    generated = datetime.datetime.now(datetime.UTC).isoformat()
    (folder / "list.xml").write_bytes(white_lists.white_list(entries, generated=generated))
    process = await asyncio.create_subprocess_exec(*REFRESH, env=environment(folder), stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, said


def replaced(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


async def told(daemon: Daemon, event: str, since: int = 0) -> int:
    """Wait for it; how long the log is then."""
    line = await daemon.said(event, since)
    return daemon.log.index(line) + 1


async def test_a_domain_of_ours_that_is_not_listed_is_an_alarm_until_it_is(space, tmp_path):
    """At the start, from the list that was kept or fetched; a new list is followed within seconds (TLS-6)."""
    async with gateway(space, tmp_path) as daemon:
        here = await told(daemon, "trust.own_domains_unlisted")
        line = daemon.log[here - 1]
        assert (line["alarm"], line["domains"], line["unlisted"], line["of"]) == (True, OURS, 1, 1)
        assert "trust status" in line["hint"]
        await daemon.shows({UNLISTED: 1, REVOKED: 0})
        others = [("patient.mssante.fr", white_lists.dn(MES)), ("autre.mssante.fr", white_lists.dn("mta.autre.fr"))]
        await listed_now(tmp_path, *others, (OURS, white_lists.dn("localhost")))
        here = await told(daemon, "trust.own_domains_listed", here)
        await daemon.shows({UNLISTED: 0})


async def test_a_revocation_of_our_certificate_is_an_alarm_until_it_is_replaced(space, tmp_path):
    """A revocation list that comes, a certificate that is replaced: neither needs a restart (TLS-5)."""
    async with gateway(space, tmp_path) as daemon:
        await daemon.shows({REVOKED: 0})
        serial = x509.load_pem_x509_certificate((tmp_path / "ours.pem").read_bytes()).serial_number
        replaced(tmp_path / "intermediate.crl", space.intermediate.crl(serial))
        here = await told(daemon, "trust.own_certificate_revoked")
        line = daemon.log[here - 1]
        assert line["alarm"] is True
        assert f"serial {serial:x}" in line["detail"]
        await daemon.shows({REVOKED: 1})
        ours = space.operator("localhost")
        for path, content in ((tmp_path / "ours.pem", ours.chain_pem), (tmp_path / "ours.key", ours.key_pem)):
            replaced(path, content)
        await told(daemon, "trust.own_certificate_in_order", here)
        await daemon.shows({REVOKED: 0})
