"""Mail between operators over mutual TLS, all real processes: two gateways, and a gateway with a Postfix (§8)."""

import smtplib
import ssl
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.peers.operators import Operator, World, postfix_fingerprint, wait_until
from tests.peers.postfix import PostfixInstance
from tests.pki import Identity, pem_of

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("needs_postfix")]

NORTH, SOUTH, WEST = "nord.mssante.fr", "sud.mssante.fr", "ouest.mssante.fr"
HOSTS = {NORTH: "mx.nord.example", SOUTH: "mx.sud.example", WEST: "mx.ouest.example"}
NOBODY = "personne"


def doctor(domain: str) -> str:
    return f"dr.martin@{domain}"


def write(
    port: int, sender: str, to: str, *, size: int = 4_000, tls: ssl.SSLContext | None = None, options: str = ""
) -> tuple[str, str]:
    """Hand a letter to the server on that port; its Message-ID, and the queue id that a gateway gave it.

    ``options``: of RCPT.
    """
    message_id = f"<{uuid.uuid4().hex}@poste.example>"
    head = f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: essai\r\nMessage-ID: {message_id}\r\n\r\n"
    content = head.encode() + b"Bonjour, voici le compte rendu.\r\n" * (size // 33)
    with smtplib.SMTP("127.0.0.1", port, local_hostname="poste.example", timeout=60) as client:
        if tls is not None:
            client.starttls(context=tls)
        client.ehlo()
        assert client.mail(sender)[0] == 250
        code, text = client.rcpt(to, [options] if options else [])
        assert code == 250, text
        code, text = client.data(content)
        assert code == 250, text
        return message_id, text.decode().rpartition(" ")[2]


def body(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


# Two gateways


@dataclass(frozen=True, slots=True)
class Pair:
    """Two gateways of one trust space; the letters of both establishments end in the same Postfix."""

    world: World
    north: Operator
    south: Operator
    inside: PostfixInstance

    def both_ways(self) -> None:
        """A letter goes each way, and arrives."""
        for gateway, other in ((self.north, self.south), (self.south, self.north)):
            message_id, _ = write(gateway.port, doctor(gateway.domain), doctor(other.domain))
            self.inside.wait_for_letter(message_id)


@contextmanager
def two_gateways(folder: Path) -> Iterator[Pair]:
    world = World(folder, HOSTS)
    # Without DSN, so that the last gateway of the chain is the one to tell that a letter was handed on.
    known = ", ".join(f"{doctor(each)}=inbox/" for each in HOSTS)
    settings = {"virtual_mailbox_maps": f"inline:{{{known}}}", "smtpd_discard_ehlo_keywords": "dsn"}
    with ExitStack() as stack:
        inside = stack.enter_context(PostfixInstance("interne.example", domains=(NORTH, SOUTH), settings=settings))
        north, south = (Operator(world, HOSTS[each], each, inside.port) for each in (NORTH, SOUTH))
        north.knows({SOUTH: south.trust_port})
        south.knows({NORTH: north.trust_port})
        yield Pair(world, stack.enter_context(north), stack.enter_context(south), inside)


@pytest.fixture(scope="module")
def pair(needs_postfix: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with two_gateways(tmp_path_factory.mktemp("space")) as made:
        yield made


@pytest.fixture
def pair_of_its_own(needs_postfix: None, tmp_path: Path) -> Iterator[Pair]:
    """For a test after which they exchange nothing more."""
    with two_gateways(tmp_path) as made:
        yield made


def test_two_gateways_exchange_letters_and_notices_over_mutual_tls(pair: Pair) -> None:
    """Both ways, a long letter too; its receipt comes back, and for one to nobody the failure notice (TLS-6)."""
    pair.both_ways()
    long, _ = write(pair.north.port, doctor(NORTH), doctor(SOUTH), size=2_000_000)
    assert body(pair.inside.wait_for_letter(long)).count(b"compte rendu") == 2_000_000 // 33

    asked, _ = write(pair.north.port, doctor(NORTH), doctor(SOUTH), options="NOTIFY=SUCCESS,FAILURE")
    receipt = pair.inside.wait_for_letter("Action: relayed")
    assert asked.encode() in receipt
    assert f"MAILER-DAEMON@{HOSTS[SOUTH]}".encode() in receipt
    assert f"by {HOSTS[NORTH]}".encode() in receipt, "it came back through the first gateway"

    lost, _ = write(pair.north.port, doctor(NORTH), f"{NOBODY}@{SOUTH}")
    notice = pair.inside.wait_for_letter("Action: failed")
    assert lost.encode() in notice
    assert f"by {HOSTS[NORTH]}".encode() in notice
    for gateway in (pair.north, pair.south):
        assert gateway.said("delivery.connected", tls="TLSv1.3")
        # In its first moments a worker may not have read the lists yet: then a letter waits, for nothing is known.
        doubted = {line["check"] for line in gateway.said("delivery.peer_not_trusted")}
        assert doubted <= {"white-list", "revocation"}


def test_a_revocation_ends_the_exchange_both_ways_within_a_minute(pair_of_its_own: Pair) -> None:
    """A new list is published, nothing is restarted: what one sends is refused, what is for it waits (TLS-5)."""
    pair = pair_of_its_own
    pair.both_ways()  # connections are open, and kept
    pair.world.revoke(pair.south.identity)
    streak = 0

    def all_refuse() -> bool:
        """Each worker takes the list in its own time; letters come to any of them."""
        nonlocal streak
        _, queue_id = write(pair.north.port, doctor(NORTH), doctor(SOUTH))
        wait_until(lambda: any(fate(pair.north, queue_id)), pair.north.last_log_lines)
        delivered, _ = fate(pair.north, queue_id)
        streak = 0 if delivered else streak + 1
        return streak == 8

    wait_until(all_refuse, pair.north.last_log_lines)
    message_id, queue_id = write(pair.north.port, doctor(NORTH), doctor(SOUTH))
    wait_until(lambda: len(fate(pair.north, queue_id)[1]) >= 2, pair.north.last_log_lines)
    assert fate(pair.north, queue_id)[1][0]["alarm"]
    assert pair.inside.letter_with(message_id) is None
    assert {line["check"] for line in pair.north.said("delivery.peer_not_trusted")} == {"revocation"}

    from_the_revoked, _ = write(pair.south.port, doctor(SOUTH), doctor(NORTH))
    notice = pair.inside.wait_for_letter("Action: failed")
    assert from_the_revoked.encode() in notice
    assert b"554 5.7.1 Certificat revoque" in notice
    line = pair.north.said("trust.certificate_revoked")[0]
    assert line["serial"] == f"{pair.south.identity.serial:x}"


def fate(gateway: Operator, queue_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the gateway logged of this letter: deliveries, deferrals."""
    delivered, deferred = (gateway.said(f"delivery.{each}", queue_id=queue_id) for each in ("delivered", "deferred"))
    return delivered, deferred


def test_a_new_certificate_and_key_disturb_no_session(pair: Pair) -> None:
    """Files replaced while serving: an open session goes on, new ones see the new certificate, mail flows (TLS-6)."""
    pair.both_ways()
    deferred = [len(gateway.said("delivery.deferred")) for gateway in (pair.north, pair.south)]  # as they started
    known = pem_of(pair.world.space.root.certificate).decode()
    context = ssl.create_default_context(cadata=known)
    context.load_cert_chain(pair.world.identity(HOSTS[SOUTH]).write(pair.world.folder))
    with smtplib.SMTP("127.0.0.1", pair.north.trust_port, local_hostname=HOSTS[SOUTH], timeout=60) as before:
        before.starttls(context=context)
        shown = serial_shown(before)
        before.ehlo()
        assert before.mail(doctor(SOUTH))[0] == 250
        new = pair.north.renew()
        pair.north.wait_until_said("trust.certificate_renewed")
        wait_until(lambda: _serial_now(pair.north, context) == new.serial, pair.north.last_log_lines)
        assert shown != new.serial
        assert before.rcpt(doctor(NORTH))[0] == 250
        mark = uuid.uuid4().hex
        letter = f"From: <{doctor(SOUTH)}>\r\nTo: <{doctor(NORTH)}>\r\nMessage-ID: <{mark}@sud>\r\n\r\nBonjour\r\n"
        assert before.data(letter.encode())[0] == 250
        assert serial_shown(before) == shown
    pair.inside.wait_for_letter(f"<{mark}@")
    pair.both_ways()
    assert deferred == [len(gateway.said("delivery.deferred")) for gateway in (pair.north, pair.south)]
    assert not pair.north.said("trust.certificate_refused")


def _serial_now(gateway: Operator, context: ssl.SSLContext) -> int:
    """Of the certificate that a new session is shown."""
    with smtplib.SMTP("127.0.0.1", gateway.trust_port, local_hostname=HOSTS[SOUTH], timeout=60) as client:
        client.starttls(context=context)
        return serial_shown(client)


def serial_shown(client: smtplib.SMTP) -> int:
    assert isinstance(client.sock, ssl.SSLSocket)
    shown = client.sock.getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


# A gateway and a Postfix


@dataclass(frozen=True, slots=True)
class Mixed:
    """``postfix`` is an operator: it wants certificates from whoever connects, and shows its own to whom it calls."""

    world: World
    gateway: Operator
    postfix: PostfixInstance
    inside: PostfixInstance
    desk: ssl.SSLContext  # of who hands letters to that Postfix


@pytest.fixture
def mixed(needs_postfix: None, tmp_path: Path) -> Iterator[Mixed]:
    world = World(tmp_path, HOSTS)
    theirs, desk = world.identity(HOSTS[WEST]), world.identity("poste.ouest.example")
    with ExitStack() as stack:
        inside = stack.enter_context(PostfixInstance("interne.example", domains=(NORTH,)))
        gateway = Operator(world, HOSTS[NORTH], NORTH, inside.port)
        settings = operator_postfix(world, theirs, admitted=(gateway.identity, desk), peer=HOSTS[NORTH])
        postfix = stack.enter_context(
            PostfixInstance(HOSTS[WEST], domains=(WEST,), relay_to=gateway.trust_port, settings=settings)
        )
        gateway.knows({WEST: postfix.port})
        context = ssl.create_default_context(cafile=world.anchors)
        context.load_cert_chain(desk.write(tmp_path))
        yield Mixed(world, stack.enter_context(gateway), postfix, inside, context)


def operator_postfix(world: World, own: Identity, *, admitted: tuple[Identity, ...], peer: str) -> dict[str, str]:
    """Postfix with client certificates both ways: takes mail from these alone, sends to that host name alone."""
    files = {"chain_files": str(own.write(world.folder)), "CAfile": str(world.anchors), "loglevel": "1"}
    fingerprints = ", ".join(f"{{{postfix_fingerprint(each)} = admitted}}" for each in admitted)
    return {
        **{f"smtpd_tls_{key}": value for key, value in files.items()},
        **{f"smtp_tls_{key}": value for key, value in files.items()},
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_req_ccert": "yes",
        "smtpd_tls_fingerprint_digest": "sha256",
        "relay_clientcerts": f"inline:{{{fingerprints}}}",
        "smtpd_recipient_restrictions": "permit_tls_clientcerts, reject",
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": peer,
    }


def test_a_gateway_and_a_postfix_exchange_letters_over_mutual_tls(mixed: Mixed) -> None:
    """Each verifies the other: Postfix by fingerprint and host name, we by chain, revocation, DN and domain."""
    out, _ = write(mixed.gateway.port, doctor(NORTH), doctor(WEST), size=300_000)
    assert body(mixed.postfix.wait_for_letter(out)).count(b"compte rendu") == 300_000 // 33
    back, _ = write(mixed.postfix.port, doctor(WEST), doctor(NORTH), size=300_000, tls=mixed.desk)
    assert body(mixed.inside.wait_for_letter(back)).count(b"compte rendu") == 300_000 // 33
    log = mixed.postfix.log()
    assert "Trusted TLS connection established from" in log
    assert "Verified TLS connection established to" in log
    assert mixed.gateway.said("letter.accepted", client=f"CN={HOSTS[WEST]}")


def test_a_postfix_that_does_not_know_our_certificate_gets_no_letter(mixed: Mixed) -> None:
    """The control of the one before: our new certificate is a stranger's to it, and the sender is told."""
    mixed.gateway.renew()
    mixed.gateway.wait_until_said("trust.certificate_renewed")
    sent = []
    for _ in range(10):  # each worker takes it within seconds; until then letters pass as before
        sent.append(write(mixed.gateway.port, doctor(NORTH), doctor(WEST))[0])
        with suppress(AssertionError):
            mixed.inside.wait_for_letter("Action: failed", limit=3)
            break
    notice = mixed.inside.wait_for_letter("Action: failed")
    assert any(each.encode() in notice for each in sent)
    assert "Recipient address rejected: Access denied" in mixed.postfix.log()
