"""Revocation and the list as they change: at MAIL, between letters, within one, on a resumed session (TLS-5, WL-7)."""

import ssl

import pytest

from mssgw.core.trust import LIST_UNUSABLE, REVOCATION_UNKNOWN, REVOKED
from tests.trust.gate import DOCTOR, EHLO, Gate, gate, letter
from tests.trust.inbound.rows import (
    CLIENT,
    MAIL,
    NOTICE,
    OPERATOR,
    RCPT,
    accepted,
    listed,
    meet_and_be_refused,
    refused,
)
from tests.wire.inbound import Peer


async def test_a_revoked_certificate_is_refused(space, trust, tmp_path):
    """554 5.7.1 (TLS-5)."""
    identity = listed(space)
    trust.revoked.add(identity.serial)
    async with gate(space, tmp_path, trust) as here:
        await meet_and_be_refused(here, identity, str(REVOKED), "trust.certificate_revoked", "revocation")


async def test_what_a_revoked_intermediate_signed_is_refused(space, trust, tmp_path):
    """Leaf and intermediates, all below the anchor."""
    trust.revoked.add(space.intermediate.serial)
    async with gate(space, tmp_path, trust) as here:
        await meet_and_be_refused(here, listed(space), str(REVOKED), "trust.certificate_revoked", "revocation")


async def test_without_a_usable_crl_mail_waits(space, trust, tmp_path):
    """451 4.7.1: never accepted, never lost."""
    trust.revoked = None
    async with gate(space, tmp_path, trust) as here:
        await meet_and_be_refused(
            here, listed(space), str(REVOCATION_UNKNOWN), "trust.revocation_unknown", "revocation"
        )


async def test_without_a_usable_list_mail_waits(space, trust, tmp_path):
    """451 4.7.1, also when it is missing from the start (WL-7)."""
    trust.listed_names = None
    async with gate(space, tmp_path, trust) as here:
        await meet_and_be_refused(here, listed(space), str(LIST_UNUSABLE), "trust.list_unusable", "white-list")


async def test_a_revocation_takes_effect_on_an_open_connection(space, trust, tmp_path):
    """At the next letter, and in the middle of one."""
    async with gate(space, tmp_path, trust) as here:
        identity = listed(space)
        between, within = await here.meet(identity), await here.meet(identity)
        await accepted(here, between)
        await within.envelope(MAIL, RCPT)
        trust.revoked.add(identity.serial)
        assert await between.ask(MAIL) == str(REVOKED)
        assert await within.ask("DATA") == str(REVOKED)
        for peer in (between, within):
            await peer.close()
        assert here.told.count("trust.certificate_revoked") == 2
        await here.handed(1)


async def test_a_new_list_takes_effect_on_an_open_connection(space, trust, tmp_path):
    """And when the operator is listed again, the connection goes on."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        names = trust.listed_names.pop(OPERATOR)
        assert (await peer.ask(MAIL))[:9] == "550 5.7.1"
        told = here.refusal()
        assert (told["rule"], told["client"]) == ("sender-is-the-clients-own", CLIENT)
        assert here.kept_nothing()
        trust.listed_names[OPERATOR] = names
        await accepted(here, peer)


@pytest.mark.parametrize("known", [True, False], ids=["revoked", "unknown"])
async def test_a_revocation_within_data_takes_effect_at_the_final_dot(space, trust, tmp_path, known):
    """DATA may last half an hour: what was received is not kept, and the connection goes on (TLS-5, TLS-7)."""
    async with gate(space, tmp_path, trust) as here:
        identity = listed(space)
        peer = await here.meet(identity)
        await peer.envelope(MAIL, RCPT)
        assert (await peer.ask("DATA"))[:3] == "354"
        trust.revoked = {identity.serial} if known else None
        await peer.send(letter(f"boite@{OPERATOR}") + b".\r\n")
        assert await peer.hear() == str(REVOKED if known else REVOCATION_UNKNOWN)
        assert (await peer.ask("NOOP"))[:3] == "250"
        await peer.close()
        line = here.line("trust.certificate_revoked" if known else "trust.revocation_unknown")
        assert (line["check"], line["code"]) == ("revocation", 554 if known else 451)
        assert here.kept_nothing()


async def test_a_list_that_is_lost_within_a_letter_defers_it(space, trust, tmp_path):
    """Between DATA and the final dot, too: 451, nothing kept."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        await peer.envelope("MAIL FROM:<>", RCPT)
        assert (await peer.ask("DATA"))[:3] == "354"
        trust.listed_names = None
        await peer.send(letter("mailer-daemon@mta.operateur.fr", DOCTOR, NOTICE) + b".\r\n")
        assert (await peer.hear())[:9] == "451 4.7.1"
        await peer.close()
        assert here.line("trust.list_unusable")["code"] == 451
        assert here.kept_nothing()


@pytest.mark.parametrize("revoked", [False, True], ids=["valid", "revoked"])
async def test_a_resumed_session_is_checked_like_any_other(space, trust, tmp_path, revoked):
    """TLS 1.2 resumes by session id, which OpenSSL offers without tickets; TLS 1.3 not at all (threats finding 5)."""
    async with gate(space, tmp_path, trust) as here:
        identity = listed(space)
        context = here.client_context(identity, version=ssl.TLSVersion.TLSv1_2)
        first, session = await _over(here, context, None)
        assert (await first.ask("QUIT"))[:3] == "221"
        await first.close()
        await here.quiet()
        if revoked:
            trust.revoked.add(identity.serial)
        again, resumed = await _over(here, context, session)
        assert resumed.id == session.id, "it was resumed"
        if not revoked:
            await accepted(here, again)
            return
        await refused(again, str(REVOKED))
        await again.close()
        line = here.line("trust.certificate_revoked")
        assert (line["check"], line["serial"]) == ("revocation", f"{identity.serial:x}")
        assert here.kept_nothing()


async def test_tls_1_3_offers_no_session_to_resume(space, trust, tmp_path):
    """No tickets: every connection shows its certificate anew."""
    async with gate(space, tmp_path, trust) as here:
        peer, session = await _over(here, here.client_context(listed(space)), None)
        assert not session.has_ticket
        await accepted(here, peer)


async def _over(here: Gate, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[Peer, ssl.SSLSession]:
    """A connection with that session to resume, and the session that it has."""

    class Resuming(ssl.SSLObject):
        def do_handshake(self) -> None:
            if session is not None and self.session is None:
                self.session = session
            super().do_handshake()

    context.sslobject_class = Resuming
    peer = await here.connect()
    await peer.starttls(context)
    assert (await peer.ask(EHLO)).startswith("250")
    return peer, peer.writer.get_extra_info("ssl_object").session
