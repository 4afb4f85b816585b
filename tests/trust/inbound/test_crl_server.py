"""The web server of the revocation lists, as it goes down and comes back: what is known counts to its end (TLS-5)."""

from collections.abc import AsyncIterator

import pytest

from mssgw.core.trust import REVOCATION_UNKNOWN, REVOKED
from tests.trust.gate import Gate, gate
from tests.trust.inbound.rows import FOREIGN, HOST, OPERATOR, OTHER, accepted, listed, meet_and_be_refused, refused
from tests.trust.published import FromServer, from_server


@pytest.fixture
async def source(space, tmp_path, monkeypatch) -> AsyncIterator[FromServer]:
    async with from_server(space, tmp_path, monkeypatch, (OPERATOR, HOST), (FOREIGN, OTHER)) as made:
        yield made


@pytest.fixture
async def here(space, tmp_path, source) -> AsyncIterator[Gate]:
    async with gate(space, tmp_path, source.at_work.space) as made:
        yield made


async def test_a_crl_server_that_is_down_stops_nobody_while_its_lists_are_valid(space, source, here):
    """Told at once, an alarm after a quarter of an hour; letters go on, on open connections and on new ones."""
    await source.heard("trust.crl_taken")
    open_one = await here.meet(listed(space))
    await accepted(here, open_one)
    await source.goes_down()
    await accepted(here, open_one)
    await accepted(here, await here.meet(listed(space)))
    assert source.ready["revocation"]
    assert not {"trust.revocation_unknown", "trust.certificate_revoked"} & set(here.told)


async def test_when_its_lists_have_ended_mail_waits_until_it_is_back(space, source, here):
    """451 4.7.1, also on a connection that was open: nothing is kept, nothing is lost."""
    await source.heard("trust.crl_taken")
    open_one = await here.meet(listed(space))
    await source.goes_down()
    await source.crls_end()
    assert not source.ready["revocation"]
    await meet_and_be_refused(here, listed(space), str(REVOCATION_UNKNOWN), "trust.revocation_unknown", "revocation")
    await refused(open_one, str(REVOCATION_UNKNOWN))
    assert {line["code"] for line in here.log if line["event"] == "trust.revocation_unknown"} == {451}
    assert here.told.count("trust.revocation_unknown") == 2, "one for each connection"
    assert here.kept_nothing()
    source.publish_crls()
    await source.site.up()
    await source.heard("trust.crl_reached")
    await source.heard("trust.crl_taken", of=4)
    await accepted(here, open_one)


async def test_who_was_revoked_before_it_went_down_stays_revoked(space, source, here):
    """While its lists are valid and when they have ended: 554 5.7.1."""
    revoked = listed(space)
    await source.heard("trust.crl_taken")
    source.publish_crls(revoked.serial)
    await source.heard("trust.crl_taken", of=4)
    await source.goes_down()
    for ended in (False, True):
        if ended:
            await source.crls_end()
        peer = await here.meet(revoked)
        await refused(peer, str(REVOKED))
        await peer.close()
    told = [line["serial"] for line in here.log if line["event"] == "trust.certificate_revoked"]
    assert told == [f"{revoked.serial:x}"] * 2
    assert here.kept_nothing()


async def test_a_server_that_was_never_there_opens_no_door(space, tmp_path, monkeypatch):
    """Mail waits from the start, with an alarm that names the authority whose list is missing; then it comes in."""
    listing = (OPERATOR, HOST), (FOREIGN, OTHER)
    async with (
        from_server(space, tmp_path, monkeypatch, *listing, up=False) as source,
        gate(space, tmp_path, source.at_work.space) as here,
    ):
        peer = await here.meet(listed(space))
        await refused(peer, str(REVOCATION_UNKNOWN))
        assert here.line("trust.revocation_unknown")["code"] == 451
        assert here.kept_nothing()
        await source.heard("trust.crl_missing", alarm=True, of=1)
        [told] = source.told("trust.crl_missing", alarm=True)
        assert "AC TEST ORGANISATIONS" in str(told["issuer"])
        await source.site.up()
        await source.heard("trust.crl_taken")
        await accepted(here, peer)
