"""SIGHUP: what a running gateway takes from a changed file, in every worker, and what it says of the rest."""

import asyncio
import base64
import os
import signal
import ssl
from pathlib import Path

import pytest

from mssgw.edges.passwords import hash_password
from tests.installation import DOCTOR
from tests.pki import Authority
from tests.wire.inbound import Peer
from tests.wire.running import METRICS, PATIENCE, Daemon, running

MESSAGE_SIZE = 30_000_000
PASSWORD = "sésame ouvre-toi"


async def reloaded(daemon: Daemon, folder: Path, *, workers: int) -> None:
    """Change a key of [limits] that a reload takes, and two that wait; then reload."""
    file = folder / "mssgw.toml"
    text = file.read_text().replace("[limits]\n", f'[limits]\nmessage_size = {MESSAGE_SIZE}\nbody_memory = "64 MiB"\n')
    file.write_text(text.replace("mssgw.exemple.fr", "autre.exemple.fr"))
    os.kill(daemon.pid, signal.SIGHUP)
    await said(daemon, "config.reloaded", workers)


async def said(daemon: Daemon, event: str, times: int) -> None:
    """Wait until so many processes have said it."""
    async with asyncio.timeout(PATIENCE):
        while sum(line["event"] == event for line in daemon.log) < times:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0.02)


async def greeting(daemon: Daemon) -> list[str]:
    """What EHLO is answered on a new connection."""
    async with daemon.client() as peer:
        return (await peer.ask("EHLO serveur.chu.fr")).split("|")


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_reload_is_in_force_whole_or_named(tmp_path: Path) -> None:
    """The new size for new connections; the old host name everywhere, and one line that says what waits."""
    async with running(tmp_path) as daemon:
        await reloaded(daemon, tmp_path, workers=1)
        lines = await greeting(daemon)
        assert f"250-SIZE {MESSAGE_SIZE}" in lines
        assert lines[0] == "250-mssgw.exemple.fr"
        (told,) = [line for line in daemon.log if line["event"] == "config.needs_restart"]
        assert told["keys"] == "gateway.hostname, limits.body_memory"
        shown = await daemon.scrape()
        assert shown["mssgw_letters_in_data_limit"] == 128 * 2**20 // 1_572_864


async def test_a_worker_that_is_replaced_starts_with_what_the_others_have(tmp_path: Path) -> None:
    """Not with the file as it was at the start, nor with what nobody has taken yet."""
    async with running(tmp_path, workers=2) as daemon:
        await reloaded(daemon, tmp_path, workers=2)
        assert sum(line["event"] == "config.needs_restart" for line in daemon.log) == 1
        (tmp_path / "mssgw.toml").write_text("nothing that anybody takes")
        await said(daemon, "gateway.ready", 3)  # the supervisor, too
        for child in children_of(daemon.pid):
            os.kill(child, signal.SIGKILL)
        await said(daemon, "gateway.ready", 5)
        lines = await greeting(daemon)
        assert f"250-SIZE {MESSAGE_SIZE}" in lines
        assert lines[0] == "250-mssgw.exemple.fr"


async def logged_in(daemon: Daemon, trust: ssl.SSLContext, password: str = PASSWORD) -> tuple[Peer, str]:
    """A new connection, and what its AUTH was answered."""
    peer = Peer(*await asyncio.open_connection("localhost", await daemon.port(), ssl=trust))
    assert (await peer.hear()).startswith("220 ")
    await peer.ask("EHLO poste.chu.fr")
    return peer, await peer.ask(f"AUTH PLAIN {base64.b64encode(f'{chr(0)}marie{chr(0)}{password}'.encode()).decode()}")


@pytest.mark.parametrize("becomes", ["", f'[[login]]\nuser = "marie"\npassword_hash = "{hash_password("autre")}"'])
async def test_a_login_is_withdrawn_on_open_connections_too(
    tmp_path: Path, authority: Authority, trust: ssl.SSLContext, becomes: str
) -> None:
    """SD-5: what was urgent to withdraw, or whose password leaked, sends nothing more; the same login goes on."""
    pem = authority.issue(tmp_path, "localhost", "127.0.0.1")
    secured = f'tls = "implicit"\nauth = true\ncertificate = "{pem}"\nkey = "{pem}"'
    marie = f'[[login]]\nuser = "marie"\nestablishment = "chu"\npassword_hash = "{hash_password(PASSWORD)}"'
    async with running(tmp_path, listener=secured, metrics=f"{METRICS}\n{marie}") as daemon:
        peer, answer = await logged_in(daemon, trust)
        assert answer.startswith("235 ")
        file = tmp_path / "mssgw.toml"
        os.kill(daemon.pid, signal.SIGHUP)
        await said(daemon, "config.reloaded", 1)
        assert (await peer.ask(f"MAIL FROM:<{DOCTOR}>")).startswith("250 ")
        assert (await peer.ask("RSET")).startswith("250 ")
        file.write_text(file.read_text().replace(marie, f'{becomes}\nestablishment = "chu"' if becomes else ""))
        os.kill(daemon.pid, signal.SIGHUP)
        await said(daemon, "config.reloaded", 2)
        assert (await peer.ask(f"MAIL FROM:<{DOCTOR}>")).startswith("421 4.7.0")
        await peer.close()
        peer, answer = await logged_in(daemon, trust)
        assert answer.startswith("535 5.7.8")
        await peer.close()


async def test_half_a_renewal_is_refused_with_the_line_to_look_at(tmp_path: Path, authority: Authority) -> None:
    """The certificate is the new one, the key still the old one: the old pair stays in use, and one line says why."""
    old, new = (authority.issue(tmp_path, "localhost", "127.0.0.1") for _ in range(2))
    pair = tmp_path / "pair.pem"
    pair.write_bytes(old.read_bytes())
    secured = f'tls = "implicit"\ncertificate = "{pair}"\nkey = "{old}"'
    async with running(tmp_path, listener=secured) as daemon:
        await daemon.port()
        pair.write_bytes(new.read_bytes())
        os.kill(daemon.pid, signal.SIGHUP)
        told = await daemon.said("config.refused")
        line = (tmp_path / "mssgw.toml").read_text().splitlines()[told["line"] - 1]
        assert (told["key"], line) == ("listener[0].certificate", f'certificate = "{pair}"')
        assert "is not the private key of" in told["expected"]
