"""The real daemon tells who reads a pharmacy's mailbox that a patient's letter was delivered there."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as readable
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP as PlainServer

from tests.canaries import leaks
from tests.installation import PATIENT, SERVE, environment, install
from tests.pki import Authority
from tests.wire.running import METRICS, PATIENCE, Daemon, Hop, letter, send
from tests.wire.test_webhook import Server, serving

HOOKED, MAILED = "garde@chu.mssante.fr", "officine@chu.mssante.fr"


class MailServer:
    """An aiosmtpd handler: the server of ordinary mail."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, list[str], EmailMessage]] = []
        self.came = asyncio.Event()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        letter = BytesParser(policy=readable).parsebytes(envelope.content)
        self.letters.append((envelope.mail_from, envelope.rcpt_tos, letter))
        self.came.set()
        return "250 2.0.0 OK"


@asynccontextmanager
async def pharmacy(folder: Path, hook: str, anchors: Path) -> AsyncIterator[tuple[Daemon, MailServer]]:
    """A daemon that patients write to, with two mailboxes whose readers are to be told."""
    hop, ordinary = Hop(), MailServer()
    mails = await asyncio.get_running_loop().create_server(lambda: PlainServer(ordinary), "127.0.0.1", 0)
    mailboxes = "\n".join(
        f'[[mailbox]]\naddress = "{address}"\nkind = "ORG"\npharmacy = true\nresponsible = "M"\nnotify = "{target}"'
        for address, target in ((HOOKED, hook), (MAILED, "mailto:accueil@exemple.fr"))
    )
    notifications = f"""[notifications]
next_hop = "127.0.0.1:{mails.sockets[0].getsockname()[1]}"
next_hop_tls = "none"
sender = "ne-pas-repondre@exemple.fr"
ca_file = "{anchors}"
"""
    install(folder, METRICS, notifications, mailboxes, hop=await hop.listen(), role="trust-space")
    process = await asyncio.create_subprocess_exec(
        *SERVE, env=environment(folder), stdout=asyncio.subprocess.PIPE, limit=2**20
    )
    daemon = Daemon(process, hop)
    try:
        await daemon.said("gateway.ready")
        yield daemon, ordinary
    finally:
        if process.returncode is None:
            await daemon.stop()
        mails.close()


async def ordonnance(daemon: Daemon, to: str) -> str:
    """What the patient hears who sends one. He comes from the network of Mon espace santé."""
    content = letter("ordonnance du docteur").replace(b"dr.martin@chu.mssante.fr", PATIENT.encode())
    async with daemon.client(local_addr=("127.0.0.2", 0)) as peer:
        return await send(peer, content, to, PATIENT)


async def test_a_patients_letter_is_told_by_webhook_and_by_mail_after_its_delivery(
    tmp_path: Path, authority: Authority, ours: Any
) -> None:
    (tmp_path / "anchors.pem").write_text(authority.pem)
    async with (
        serving(ours) as (url, server),
        pharmacy(tmp_path, url, tmp_path / "anchors.pem") as (daemon, ordinary),
    ):
        for mailbox in (HOOKED, MAILED):
            assert (await ordonnance(daemon, mailbox)).startswith("250")
        await daemon.shows({'mssgw_notifications_total{result="sent"}': 2})
        assert daemon.hop.letters == 2
        assert _posted(server) == [{"mailbox": HOOKED, "waiting": 1}]
        async with asyncio.timeout(PATIENCE):
            await ordinary.came.wait()
        ((sender, recipients, notice),) = ordinary.letters
        assert (sender, recipients) == ("ne-pas-repondre@exemple.fr", ["accueil@exemple.fr"])
        assert f"Un nouveau message attend dans la boîte MSSanté {MAILED}." in notice.get_content()
        assert notice["auto-submitted"] == "auto-generated"
        everything = notice.as_bytes() + notice.get_content().encode() + b"".join(server.contents)
        assert not leaks(everything + bytes(daemon.raw) + "".join(server.heads).encode())
        assert "ordonnance" not in everything.decode()
        kinds = sorted(line["by"] for line in daemon.log if line["event"] == "notification.sent")
        assert kinds == ["mail", "webhook"]


async def test_while_the_webhook_is_down_letters_are_delivered_all_the_same(
    tmp_path: Path, authority: Authority
) -> None:
    (tmp_path / "anchors.pem").write_text(authority.pem)
    async with pharmacy(tmp_path, "https://localhost:1/x", tmp_path / "anchors.pem") as (daemon, _):
        for _ in range(3):
            assert (await ordonnance(daemon, HOOKED)).startswith("250")
        failed = await daemon.said("notification.failed")
        assert (failed["by"], failed["attempts"], failed.get("alarm")) == ("webhook", 1, None)
        await daemon.shows({'mssgw_deliveries_total{outcome="delivered",route="establishment:chu"}': 3})
        assert daemon.hop.letters == 3


def _posted(server: Server) -> list[Any]:
    return [json.loads(content) for content in server.contents]
