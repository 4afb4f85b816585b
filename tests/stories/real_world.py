"""The world of real sockets: listeners, SQLite, encrypted spool, SMTP to a next hop. Only time is set by the story."""

import asyncio
import base64
import contextlib
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP as PlainServer

from mssgw.app.composition import assemble
from mssgw.app.stores import at_rest
from mssgw.core.envelope import Role
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory.validators import MemoryValidators
from mssgw.edges.smtp_in import Listener, SmtpIn
from mssgw.edges.smtp_out import SmtpTransport
from mssgw.edges.smtpd_listener import TlsMode
from mssgw.edges.tls import client_context
from tests.canaries import assert_no_leak
from tests.pki import server_context
from tests.stories.letters import message
from tests.stories.people import PEERS
from tests.stories.story import Story
from tests.stories.worlds import (
    Answer,
    Arrival,
    Events,
    SlowStore,
    World,
    answer_of,
    delivering,
    live_of,
    load_config,
)


class NextHop:
    """An aiosmtpd handler that answers as the story says and keeps what it takes."""

    def __init__(self, arrivals: list[Arrival], hops: dict[str, str]) -> None:
        self.arrivals, self.hops = arrivals, hops

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        answer = answer_of(self.hops, address.rpartition("@")[2])
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        sender = envelope.mail_from.removeprefix("<>")  # aiosmtpd leaves the null reverse-path in its brackets
        for to in envelope.rcpt_tos:
            self.arrivals.append(Arrival(sender, to, envelope.content))
        return "250 2.0.0 OK"


class RealWorld:
    """Built by real_world()."""

    flow: Any
    live: Any
    configured: Any
    store: Any
    desk: Any
    spool: Any
    patients: Any

    def __init__(self) -> None:
        self.clock, self.events = FixedClock(), Events()
        self.arrivals, self.hops = list[Arrival](), dict[str, str]()
        self.ports: dict[str, int] = {}

    async def send(self, send: dict[str, Any]) -> Answer:
        peer, role = PEERS[send["as"]]
        return await asyncio.to_thread(smtp_dialogue, self.ports[role], peer, send)


@contextlib.asynccontextmanager
async def real_world(story: Story, folder: Path) -> AsyncIterator[World]:
    world = RealWorld()
    sink_port = free_port()
    config = load_config(story, folder, {"sink_port": sink_port})
    live = world.live = live_of(config)
    world.configured = live.settings
    handler = NextHop(world.arrivals, world.hops)

    def factory() -> PlainServer:
        return PlainServer(handler, data_size_limit=2**25, hostname="hop.invalid", enable_SMTPUTF8=True)

    async with contextlib.AsyncExitStack() as stack:
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", sink_port)
        stack.callback(server.close)
        rest = await stack.enter_async_context(at_rest(config, founds=True))
        world.store, world.desk, world.spool = SlowStore(rest.store), rest.desk, rest.spool
        world.patients = rest.patients
        transport = SmtpTransport(
            hostname=config.gateway.hostname, spool=rest.spool, tls_contexts=lambda route: client_context()
        )
        world.flow = assemble(
            validators=MemoryValidators(),
            store=world.store,
            spool=rest.spool,
            transport=transport,
            clock=world.clock,
            telemetry=world.events,
            live=live,
            patients=rest.patients,
        )
        stack.push_async_callback(transport.close)
        for role in {each.role for each in config.listeners}:
            patients = role is Role.PATIENT_SPACE
            listener = Listener(
                name=role.value,
                role=role,
                hostname=config.gateway.hostname,
                size_limit=live.settings.limit_for(role),
                tls=TlsMode.STARTTLS if patients else TlsMode.NONE,
                context=server_context(folder / "listener.pem") if patients else None,
                require_tls=patients,
                auth=patients,
            )
            door = await stack.enter_async_context(SmtpIn(world.flow.reception, listener))
            world.ports[role.value] = await door.listen("127.0.0.1", 0)
        await stack.enter_async_context(delivering(world.flow))
        yield world
    assert_no_leak(files_at_rest(folder))


def files_at_rest(folder: Path) -> list[Path]:
    """Database and spool."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "mssgw.toml"]


def smtp_dialogue(port: int, peer: str, send: dict[str, Any]) -> Answer:
    """One letter by a plain client that stops at the first refusal of its whole."""
    with smtplib.SMTP("127.0.0.1", port, source_address=(peer, 0), timeout=20) as smtp:
        smtp.ehlo("client.invalid")
        if "password" in send:
            smtp.starttls(context=ssl._create_unverified_context())
            smtp.ehlo("client.invalid")
            plain = base64.b64encode(f"\0{send['login']}\0{send['password']}".encode()).decode()
            code, text = smtp.docmd(f"AUTH PLAIN {plain}")
            if code >= 400:
                return Answer("auth", f"{code} {text.decode()}")
        elif "login" in send:
            assert smtp.docmd(f"XCLIENT LOGIN={send['login']}")[0] == 220
            smtp.ehlo("client.invalid")
        code, text = smtp.docmd(f"MAIL FROM:<{send['from']}> {send.get('mail', '')}".strip())
        if code >= 400:
            return Answer("mail", f"{code} {text.decode()}")
        refused = {}
        for to in send["to"]:
            code, text = smtp.docmd(f"RCPT TO:<{to}> {send.get('rcpt', '')}".strip())
            if code >= 400:
                refused[to] = f"{code} {text.decode()}"
        if len(refused) == len(set(send["to"])):
            return Answer("rcpt", f"{code} {text.decode()}", refused)
        smtp.docmd("DATA")
        smtp.send(message(send) + b".\r\n")
        code, text = smtp.getreply()
        return Answer("data", f"{code} {text.decode()}", refused)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
