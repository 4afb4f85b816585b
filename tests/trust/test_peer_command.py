"""`mssgw trust peer`: every check of a server one by one, whatever it shows; and `trust` beside a running daemon."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mssgw.app.cli import main
from mssgw.core.trust import Check
from tests import white_lists
from tests.installation import install
from tests.pki import Identity, TrustSpace, operator_dn, pem_of, self_signed, server_context
from tests.trust.test_inbound_daemon import gateway
from tests.wire.scripted_server import ALL, CLOSE, ScriptedServer

THEIRS = "hopital.mssante.fr"
NOW = datetime.now(UTC)
HELLO = "EHLO mssgw.exemple.fr"
VERDICT = "Verdict: trusted as an operator; for no domain in particular: give --domain\n"
LOOKED = [HELLO, "STARTTLS", "QUIT"]  # and nothing over TLS


class Bench:
    """An installation that knows one operator, ``localhost``, of one domain."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.space = folder, TrustSpace()
        self.space.operator("mx.chu.fr").write_apart(folder, "ours")
        anchors, crls = self.space.write_anchors(folder), [str(path) for path in self.space.write_crls(folder)]
        entries = [(THEIRS, white_lists.dn("localhost")), ("autre.mssante.fr", white_lists.dn("mx.autre.fr"))]
        (folder / "list.xml").write_bytes(white_lists.white_list(entries))
        table = f"""
[trust]
white_list = "list.xml"
white_list_unsigned = true
anchors = "{anchors}"
certificate = "ours.pem"
key = "ours.key"
crls = {crls!r}
"""
        install(folder, table, hop=25, role="trust-space", listener='tls = "starttls"')

    async def run(self, *words: str, code: int = 0) -> Any:
        """`mssgw trust` beside the loop of the test."""
        result = await asyncio.to_thread(CliRunner().invoke, main, ["trust", *words])
        assert result.exit_code == code, result.output
        return result

    async def peer(self, port: int, *words: str, host: str = "localhost", code: int = 0) -> Any:
        result = await self.run("peer", f"{host}:{port}", *words, "--json", code=code)
        return json.loads(result.stdout)

    @asynccontextmanager
    async def server(self, identity: Identity) -> AsyncIterator[ScriptedServer]:
        """A server that shows this certificate."""
        tls = server_context(identity.write(self.folder))
        async with ScriptedServer(offers=(*ALL, "STARTTLS"), tls=tls) as server:
            yield server


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MSSGW_CONFIG", str(tmp_path / "mssgw.toml"))
    await made.run("refresh")
    return made


def results(told: Any) -> dict[str, str]:
    return {each["check"]: each["result"] for each in told["checks"]}


def failed(told: Any) -> list[str]:
    return [check for check, result in results(told).items() if result == "failed"]


async def test_a_server_that_is_trusted_passes_every_check_in_order(bench):
    """It hears EHLO over TLS, and nothing of a letter."""
    async with bench.server(bench.space.operator("localhost")) as server:
        told = await bench.peer(server.port, "--domain", THEIRS.upper())
    assert told["trusted"]
    assert told["verified"]
    assert list(results(told).items()) == [(check.value, "passed") for check in Check]
    leaf, intermediate, anchor = told["chain"]
    assert leaf["subject"] == white_lists.dn("localhost")
    assert leaf["issuer"] == intermediate["subject"] == "CN=AC TEST ORGANISATIONS,OU=0002 187512751,O=ASIP-SANTE,C=FR"
    assert anchor["issuer"] == anchor["subject"]
    assert (leaf["purposes"], leaf["hosts"]) == (["clientAuth", "serverAuth"], ["localhost"])
    assert [session.commands for session in server.sessions] == [[HELLO, "STARTTLS", HELLO, "QUIT"]]


async def test_what_is_printed_holds_chain_checks_and_verdict(bench):
    async with bench.server(bench.space.operator("localhost")) as server:
        printed = (await bench.run("peer", f"localhost:{server.port}")).stdout
    for text in (
        "Certificate 2",
        "AC RACINE TEST",
        "domain       not checked  name one",
        "Verdict: trusted as an operator; for no domain in particular: give --domain",
    ):
        assert text in printed


def bad(space: TrustSpace) -> dict[str, tuple[Identity, list[str], bool]]:
    """What a server shows, the checks that fail, and whether its chain is proven."""
    foreign, common = TrustSpace(), operator_dn("localhost")
    past, future = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    return {
        "expired": (space.operator("localhost", not_after=past), ["chain"], False),
        "not yet valid": (space.operator("localhost", not_before=future), ["chain"], False),
        "another authority": (foreign.operator("localhost"), ["chain"], False),
        "self-signed": (self_signed(common, "localhost"), ["chain"], False),
        "for clients only": (space.operator("localhost", purposes=("clientAuth",)), ["chain"], False),
        "another host": (space.intermediate.issue(common, "mx.autre.fr"), ["host"], True),
        "expired, another host": (space.intermediate.issue(common, "x.fr", not_after=past), ["chain", "host"], False),
        "unlisted": (space.intermediate.issue(operator_dn("x.fr"), "localhost"), ["operator", "domain"], True),
        "another domain's": (space.intermediate.issue(operator_dn("mx.autre.fr"), "localhost"), ["domain"], True),
        "two CNs": (space.intermediate.issue((("CN", "a.fr"), *common), "localhost"), ["subject"], True),
        "self-signed, another host": (self_signed(common, "x.fr"), ["chain", "host"], False),
    }


@pytest.mark.parametrize("name", bad(TrustSpace()))
async def test_the_chain_is_shown_and_each_check_told_whatever_fails(bench, name):
    """The looks that come after a failed handshake say EHLO, STARTTLS and QUIT."""
    identity, wanted, proven = bad(bench.space)[name]
    async with bench.server(identity) as server:
        told = await bench.peer(server.port, "--domain", THEIRS, code=1)
    assert (failed(told), told["verified"], told["trusted"]) == (wanted, proven, False)
    assert told["chain"][0]["serial"] == f"{identity.serial:x}"
    assert results(told)["revocation"] == ("passed" if proven else "not checked")
    for session in server.sessions[1:]:
        assert session.commands in (LOOKED, LOOKED[:-1])
    assert not any(session.said("MAIL") for session in server.sessions)


async def test_a_revoked_certificate_fails_that_check_alone(bench):
    identity = bench.space.operator("localhost")
    bench.space.write_crls(bench.folder, identity.serial)
    await bench.run("refresh")
    async with bench.server(identity) as server:
        told = await bench.peer(server.port, "--domain", THEIRS, code=1)
    assert failed(told) == ["revocation"]
    assert "revoked" in next(each["why"] for each in told["checks"] if each["check"] == "revocation")


async def test_without_lists_nothing_can_be_told_and_nobody_is_trusted(bench):
    for each in (bench.folder / "state" / "trust").iterdir():
        each.unlink()
    async with bench.server(bench.space.operator("localhost")) as server:
        told = await bench.peer(server.port, "--domain", THEIRS, code=1)
    assert failed(told) == ["revocation", "white-list"]
    assert results(told)["domain"] == "not checked"


async def test_a_server_that_does_not_take_our_certificate_is_no_success(bench):
    """With TLS 1.3 its alert comes after our handshake ended well."""
    context = server_context(bench.space.operator("localhost").write(bench.folder))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pem_of(TrustSpace().root.certificate).decode())
    async with ScriptedServer(offers=(*ALL, "STARTTLS"), tls=context) as server:
        told = await bench.peer(server.port, "--domain", THEIRS, code=1)
    assert (failed(told), told["trusted"]) == ([], False)
    assert told["answer"]


@pytest.mark.parametrize(
    ("script", "offers", "why"),
    [
        ({}, ALL, "offers no STARTTLS"),
        ({"STARTTLS": b"454 4.7.0 later\r\n"}, (*ALL, "STARTTLS"), "it answered 454 4.7.0 later"),
        ({"GREETING": b"554 5.7.1 no\r\n"}, ALL, "it answered 554 5.7.1 no"),
        ({"EHLO": CLOSE}, ALL, "it closed the connection"),
        ({"STARTTLS": b"220 go\r\n"}, (*ALL, "STARTTLS"), "it closed the connection"),
    ],
    ids=["no STARTTLS", "refused", "greeting", "closed", "no TLS after 220"],
)
async def test_a_server_that_shows_nothing_is_told_on_one_line(bench, script, offers, why):
    async with ScriptedServer(script, offers=offers) as server:
        told = await bench.run("peer", f"localhost:{server.port}", code=1)
    (line,) = told.stderr.splitlines()
    assert line.startswith(f"mssgw: trust peer: localhost:{server.port}: ")
    assert why in line


async def test_an_address_that_is_none_is_a_usage_error(bench):
    for words in ("localhost:0", "localhost:x", ":25", ""):
        await bench.run("peer", words, code=64)
    assert "no connection" in (await bench.run("peer", "[::1]:1", code=1)).stderr


async def test_a_running_daemon_takes_a_list_that_was_accepted_by_hand(tmp_path, monkeypatch):
    """Within seconds; and the commands find what it keeps."""
    space = TrustSpace()
    async with gateway(space, tmp_path) as daemon:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MSSGW_CONFIG", str(tmp_path / "mssgw.toml"))
        run = Bench.run
        status = json.loads((await run(None, "status", "--json", code=1)).stdout)
        assert (status["white_list"]["domains"], len(status["crls"])) == (2, 2)
        assert all("is not listed for our certificate" in each for each in status["errors"]), "as the test's list goes"
        assert all(each["fetched_at"] for each in status["crls"])
        entries = [("patient.mssante.fr", white_lists.dn("mta.patient.fr"))]
        (tmp_path / "list.xml").write_bytes(white_lists.white_list(entries, generated="2026-02-01T08:00:00Z"))
        told = json.loads((await run(None, "diff", "--json", code=1)).stdout)
        assert "--accept" in (await run(None, "refresh", code=1)).stderr
        await run(None, "refresh", "--accept", told["fingerprint"])
        async with asyncio.timeout(30):
            while (await daemon.readyz(True))["checks"]["white_list"]["domains"] != 1:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.1)
        port = str(await daemon.port())
        peer = json.loads((await run(None, "peer", f"localhost:{port}", "--json", code=1)).stdout)
        assert failed(peer) == ["operator"], "its certificate is ours, which the test's list does not name"
