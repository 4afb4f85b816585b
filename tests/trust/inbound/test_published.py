"""The real list and revocation lists, read from files, as they age and change (WL-7, TLS-5)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mssgw.core.trust import REVOKED
from tests.pki import TrustSpace
from tests.trust.gate import Gate, gate
from tests.trust.inbound.rows import (
    FOREIGN,
    HOST,
    HOUR,
    MAIL,
    OPERATOR,
    OTHER,
    RCPT,
    STRANGER,
    accepted,
    listed,
    refused,
)
from tests.trust.published import Published


@asynccontextmanager
async def reading(space: TrustSpace, folder: Path, **given: Any) -> AsyncIterator[tuple[Gate, Published]]:
    source = Published(space, folder, (OPERATOR, HOST), (FOREIGN, OTHER), **given)
    async with gate(space, folder, source.at_work.space) as here:
        yield here, source


async def test_before_the_first_list_and_crl_mail_waits_and_then_comes_in(space, tmp_path):
    """451 4.7.1 and not ready; never an open door, never a letter refused for good (WL-7, WL-8)."""
    async with reading(space, tmp_path) as (here, source):
        peer = await here.meet(listed(space))
        assert (await peer.ask(MAIL))[:9] == "451 4.7.1"
        assert here.line("trust.revocation_unknown")["code"] == 451
        assert here.kept_nothing()
        assert source.ready == {"white_list": False, "revocation": False}
        await source.settle()
        assert source.ready == {"white_list": True, "revocation": True}
        await accepted(here, peer)


@pytest.mark.parametrize(("hours", "reply"), [(25, "250"), (71, "250"), (73, "451 4.7.1")])
async def test_a_list_that_is_not_heard_of_any_more_serves_for_three_days(space, tmp_path, hours, reply):
    """Then mail waits (WL-7)."""
    async with reading(space, tmp_path) as (here, source):
        await source.settle()
        source.clock.pass_(hours=hours)
        peer = await here.meet(listed(space))
        assert source.ready["white_list"] is (reply == "250")
        if reply == "250":
            await accepted(here, peer)
        else:
            await refused(peer, reply)
            await peer.close()
            assert here.line("trust.list_unusable")["check"] == "white-list"
            assert here.kept_nothing()


@pytest.mark.parametrize(
    ("grace", "hours", "reply"),
    [(None, 99, "250"), (None, 101, "451 4.7.1"), (4 * HOUR, 103, "250"), (4 * HOUR, 105, "451 4.7.1")],
)
async def test_an_expired_crl_counts_as_long_as_grace_says(space, tmp_path, grace, hours, reply):
    """Without grace not a moment longer (TLS-5); the white list is kept young meanwhile."""
    async with reading(space, tmp_path, grace=grace) as (here, source):
        await source.settle()
        source.clock.pass_(hours=hours)
        await source.renew_list()
        peer = await here.meet(listed(space))
        assert source.ready["revocation"] is (reply == "250")
        if reply == "250":
            await accepted(here, peer)
        else:
            await refused(peer, reply)
            await peer.close()
            assert here.line("trust.revocation_unknown")["check"] == "revocation"
            assert here.kept_nothing()


async def test_a_new_crl_revokes_on_an_open_connection(space, tmp_path):
    """As soon as it is read."""
    async with reading(space, tmp_path) as (here, source):
        await source.settle()
        identity = listed(space)
        peer = await here.meet(identity)
        await peer.envelope(MAIL, RCPT)
        source.crl_file.write_bytes(space.intermediate.crl(identity.serial))
        await source.settle()
        assert await peer.ask("DATA") == str(REVOKED)
        await peer.close()
        assert here.line("trust.certificate_revoked")["serial"] == f"{identity.serial:x}"
        assert here.kept_nothing()


@pytest.mark.parametrize(
    "content", [b"", b"<html/>", b"<?xml version='1.0'?><!DOCTYPE a><a/>"], ids=["empty", "html", "dtd"]
)
async def test_a_bad_list_opens_and_closes_nothing(space, tmp_path, content):
    """Refused with an alarm, and the good one stays in force."""
    async with reading(space, tmp_path) as (here, source):
        await source.settle()
        source.list_file.write_bytes(content)
        await source.settle()
        [told] = source.told("trust.list_refused", alarm=True)
        assert told["reason"] == "unusable"
        await refused(await here.meet(space.operator(STRANGER)), "554 5.7.1")
        assert here.line("trust.operator_unlisted")["code"] == 554
        assert here.kept_nothing()
        await accepted(here, await here.meet(listed(space)))


async def test_a_list_rolled_back_does_not_bring_an_operator_back(space, tmp_path):
    """An older DateDeGeneration is refused (WL-7)."""
    async with reading(space, tmp_path) as (here, source):
        await source.settle()
        source.publish((OPERATOR, OTHER), (FOREIGN, OTHER), day=6)
        await source.settle()
        source.publish((OPERATOR, HOST), (FOREIGN, OTHER), day=5)
        await source.settle()
        peer = await here.meet(listed(space))
        await refused(peer, "554 5.7.1")
        await peer.close()
        assert here.line("trust.operator_unlisted")["code"] == 554
        [told] = source.told("trust.list_refused", alarm=True)
        assert told["reason"] == "older"
        assert here.kept_nothing()
