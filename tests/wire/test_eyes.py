"""What monitoring sees of a real daemon while letters pass."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mssgw.app.config import ConfigErrors, load
from tests import canaries
from tests.installation import DOCTOR, PATIENT, install
from tests.wire.running import Daemon, letter, running, send

PATIENTS = 'route="operator:mes"'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with running(tmp_path_factory.mktemp("eyes")) as started:
        yield started


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def moved(daemon: Daemon, before: dict[str, float], **changes: float) -> dict[str, float]:
    """Wait until these samples have moved by so much."""
    return await daemon.shows({name: before[name] + by for name, by in changes.items()})


async def test_a_letter_is_counted_on_its_way(daemon: Daemon) -> None:
    """Accepted, committed, delivered; its octets too."""
    before = await daemon.scrape()
    content = letter()
    assert (await daemon.send(content)).startswith("250 ")
    after = await moved(
        daemon,
        before,
        **{
            "mssgw_letters_accepted_total": 1,
            "mssgw_octets_accepted_total": len(content),
            f'mssgw_deliveries_total{{outcome="delivered",{PATIENTS}}}': 1,
            "mssgw_octets_delivered_total": len(content),
        },
    )
    for name in ("mssgw_commit_seconds_count", "mssgw_commit_units_count", 'mssgw_commits_total{result="kept"}'):
        assert after[name] > before[name]
    assert after['mssgw_commits_total{result="failed"}'] == 0
    assert after["mssgw_event_loop_lag_seconds_count"] > 0
    assert after["process_resident_memory_bytes"] > 10_000_000
    assert 0 <= after['mssgw_sweep_age_seconds{sweep="erase"}'] < 600


async def test_a_large_letter_is_measured_in_the_spool(daemon: Daemon) -> None:
    """With what its file took."""
    before = await daemon.scrape()
    assert (await daemon.send(letter(text=b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 5_000))).startswith("250 ")
    await moved(daemon, before, **{'mssgw_spool_write_seconds_count{step="sync"}': 1})
    await daemon.shows({"mssgw_hot_bodies_bytes": 0, "mssgw_letters_in_data": 0})


async def test_refusals_are_counted_by_rule_and_by_reason(daemon: Daemon) -> None:
    """The rule is what the log and the journal call it."""
    before = await daemon.scrape()
    async with daemon.client() as peer:
        await peer.ask(f"MAIL FROM:<{DOCTOR}>")
        assert (await peer.ask("RCPT TO:<279035121518988@patient.mssante.fr>")).startswith("553 ")
        assert (await peer.ask("RCPT TO:<quelqu.un@ailleurs.fr>")).startswith("550 ")
        assert (await peer.ask(f"RCPT TO:<{PATIENT}>")).startswith("250 ")
        assert (await peer.data(b"From: " + DOCTOR.encode() + b"\r\n\r\nbare\nLF\r\n")).startswith("554 ")
        assert (await peer.ask("DATA")).startswith("503 ")
    await moved(
        daemon,
        before,
        **{
            'mssgw_letters_refused_total{rule="address-is-well-formed"}': 1,
            'mssgw_letters_refused_total{rule="route-exists"}': 1,
            'mssgw_letters_refused_total{rule="octets-are-clean"}': 1,
            'mssgw_letters_refused_total{rule="other"}': 0,
            'mssgw_smtp_refusals_total{reason="bad-sequence"}': 1,
        },
    )


async def test_connections_are_those_that_are_open(daemon: Daemon) -> None:
    """By listener."""
    gauge = 'mssgw_connections_open{listener="house"}'
    await daemon.shows({gauge: 0})
    async with daemon.client(), daemon.client():
        await daemon.shows({gauge: 2})
    await daemon.shows({gauge: 0})


async def test_no_canary_is_ever_seen(daemon: Daemon) -> None:
    """Letters full of names, matricules and subjects, taken and refused: no page and no log line holds one."""
    for matricule, subject in zip(canaries.MATRICULES, canaries.SUBJECTS * 2, strict=True):
        text = f"{canaries.PATIENT_NAME} {canaries.FILE_NAMES[0]}\r\n".encode()
        sender = f"{canaries.DOCTOR}@chu.mssante.fr"
        async with daemon.client() as peer:
            content = letter(subject.encode("ascii", "replace").decode(), text).replace(
                DOCTOR.encode(), sender.encode()
            )
            await send(peer, content, f"{matricule}@patient.mssante.fr", sender)
            await peer.ask(f"MAIL FROM:<{sender}>")
            await peer.ask(f"RCPT TO:<{canaries.BAD_MATRICULES[0]}@patient.mssante.fr>")
            await peer.ask(f"XYZZY {matricule}")
    for path in ("/metrics", "/livez", "/readyz", f"/{canaries.MATRICULES[0]}"):
        assert canaries.leaks((await daemon.get(path))[2]) == {}
    assert canaries.leaks(bytes(daemon.raw)) == {}


async def test_it_is_alive_and_ready(daemon: Daemon) -> None:
    """Each check with its facts."""
    status, fields, body = await daemon.get("/livez")
    assert (status, json.loads(body)) == (200, {"alive": True})
    assert fields["content-type"] == "application/json"
    told = await daemon.readyz(True)
    assert set(told["checks"]) == {"store", "disk", "listeners", "serving"}
    assert told["checks"]["listeners"] == {"ok": True, "up": 1, "configured": 1}
    assert (await daemon.scrape())["mssgw_ready"] == 1


async def test_letters_that_wait_show_with_their_age(tmp_path: Path) -> None:
    """A next hop that says 451 to all: the queue grows, and is seen to."""
    async with running(tmp_path) as daemon:
        daemon.hop.reply = "451 4.2.0 plus tard"
        for _ in range(2):
            await daemon.send(letter())
        seen = await daemon.shows(
            {
                'mssgw_queue_deliveries{state="waiting"}': 2,
                'mssgw_queue_age_seconds_bucket{le="+Inf"}': 2,
                f'mssgw_deliveries_total{{outcome="deferred",{PATIENTS}}}': 2,
            }
        )
        assert 0 < seen["mssgw_queue_oldest_seconds"] < 600
        assert seen["mssgw_queue_age_seconds_gcount"] == 2


async def test_below_the_disk_reserve_letters_are_deferred_with_a_clear_line(tmp_path: Path) -> None:
    """A reserve that no disk has: 452 at DATA, 503 at /readyz, an alarm; and the dialogue goes on."""
    async with running(tmp_path, limits='disk_reserve = "900000 GB"') as daemon:
        line = await daemon.said("disk.reserve_reached")
        assert line["alarm"] is True
        assert line["free_mib"] < line["reserve_mib"]
        told = await daemon.readyz(False)
        assert told["checks"]["disk"]["ok"] is False
        async with daemon.client() as peer:
            await peer.envelope(f"MAIL FROM:<{DOCTOR}>", f"RCPT TO:<{PATIENT}>")
            assert (await peer.ask("DATA")).startswith("452 4.3.1 ")
            assert (await peer.ask("RSET")).startswith("250 ")
        seen = await daemon.shows({'mssgw_smtp_refusals_total{reason="disk-reserve"}': 1, "mssgw_ready": 0})
        assert seen['mssgw_alarm{event="disk.reserve_reached"}'] > 1_700_000_000
        assert (await daemon.get("/livez"))[0] == 200


async def test_several_workers_answer_as_one_gateway(tmp_path: Path) -> None:
    """Whoever is asked tells of all, each series with the number of its worker; one that is lost is missed."""
    async with running(tmp_path, workers=2) as daemon:
        workers = {line["worker"] for line in daemon.log if line["event"] == "gateway.ready" and "worker" in line}
        told = await daemon.readyz(True)
        assert told["checks"]["workers"] == {"ok": True, "up": 2, "configured": 2}
        assert (await daemon.get("/livez"))[0] == 200
        for _ in range(8):
            assert (await daemon.send(letter())).startswith("250 ")

        def total(seen: dict[str, float], name: str) -> float:
            return sum(seen[f'{name}{{worker="{n}"}}'] for n in (1, 2))

        async with asyncio.timeout(30):
            wanted = 8 * len(letter())
            while total(seen := await daemon.scrape(), "mssgw_octets_delivered_total") != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert total(seen, "mssgw_letters_accepted_total") == 8
        assert seen['mssgw_queue_deliveries{state="waiting",worker="1"}'] == 0
        assert 'mssgw_sweep_age_seconds{sweep="erase",worker="1"}' in seen
        assert not any(name.startswith(("mssgw_sweep", "mssgw_queue")) for name in seen if 'worker="2"' in name)
        started = {n: seen[f'mssgw_start_time_seconds{{worker="{n}"}}'] for n in (1, 2)}
        pid = next(pid for pid in children(daemon.pid))
        os.kill(pid, signal.SIGKILL)
        await daemon.said("gateway.worker_died")
        await daemon.readyz(True)
        seen = await daemon.scrape()
        assert sum(seen[f'mssgw_start_time_seconds{{worker="{n}"}}'] > started[n] for n in (1, 2)) == 1
        assert workers <= {1, 2}


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_worker_that_hangs_makes_the_gateway_neither_alive_nor_ready(
    tmp_path: Path,
) -> None:
    """Mail that comes to it would wait; until it is replaced."""
    async with running(tmp_path, workers=2) as daemon:
        await daemon.readyz(True)
        hung = children(daemon.pid)[0]
        os.kill(hung, signal.SIGSTOP)
        try:
            told = await asyncio.wait_for(_answered(daemon), 60)
            assert told["checks"]["workers"] == {"ok": False, "up": 1, "configured": 2}
        finally:
            os.kill(hung, signal.SIGCONT)
        await daemon.readyz(True)


async def _answered(daemon: Daemon) -> dict[str, Any]:
    """Ask until the worker that turns takes the question: the other one takes some and answers none."""
    while True:
        try:
            async with asyncio.timeout(10):
                status, _, body = await daemon.get("/readyz")
        except TimeoutError:
            continue
        assert status == 503
        told: dict[str, Any] = json.loads(body)
        return told


@pytest.mark.parametrize("workers", [1, 2])
async def test_systemd_hears_what_readyz_says(tmp_path: Path, workers: int) -> None:
    """STATUS, beside READY."""
    heard: list[str] = []
    path = str(tmp_path / "notify")

    class Manager(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _addr: object) -> None:
            heard.append(data.decode())

    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    end.bind(path)
    end.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Manager, sock=end)
    async with running(tmp_path, workers=workers, NOTIFY_SOCKET=path):
        async with asyncio.timeout(30):
            while not any(line.startswith("STATUS=ready: 0 waiting") for line in heard):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    transport.close()
    assert any(line.startswith("READY=1") for line in heard)
    assert any(line.startswith("STOPPING=1") for line in heard)


async def test_a_port_that_is_taken_is_an_alarm_and_mail_goes_on(tmp_path: Path) -> None:
    """Nobody sees us then, but letters are worth more than their count."""
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    (tmp_path / "two").mkdir()
    async with running(tmp_path / "two", metrics=f'[metrics]\naddress = "127.0.0.1:{port}"') as daemon:
        assert (await daemon.said("metrics.unavailable"))["alarm"] is True
        assert (await daemon.send(letter())).startswith("250 ")
    taken.close()


def _config(tmp_path: Path, metrics: str) -> Path:
    return install(tmp_path, f"[metrics]\n{metrics}", hop=2525)


async def test_metrics_stay_on_the_machine_unless_told_otherwise(tmp_path: Path) -> None:
    """It has neither password nor TLS."""
    with pytest.raises(ConfigErrors, match=r"metrics\.address.*loopback"):
        load(_config(tmp_path, 'address = "0.0.0.0:9479"'))
    allowed = load(_config(tmp_path, 'address = "192.0.2.1:9479"\nallow_remote = true'))
    assert str(allowed.metrics.address) == "192.0.2.1:9479"
    assert load(_config(tmp_path, 'address = ""')).metrics.address is None
    assert load(_config(tmp_path, "")).metrics.address is None


async def test_without_an_address_nothing_listens(tmp_path: Path) -> None:
    """The default."""
    async with running(tmp_path, metrics="") as daemon:
        assert not any(line["event"].startswith("metrics.") for line in daemon.log)
