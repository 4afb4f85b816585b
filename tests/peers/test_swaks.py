"""The gateway as an administrator meets it: swaks, typed by hand, and what it answers."""

import base64
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.canaries import BAD_MATRICULES, FILE_NAMES, PATIENT_NAME, SUBJECTS
from tests.corpus import PATIENTS, PROFESSIONAL, RECIPIENT_DOMAINS, SENDER
from tests.peers import swaks as codes
from tests.peers.gateway import COLLEAGUE_OPERATOR, LOGIN, PASSWORD, PATIENT_OPERATOR, GatewayProcess, Hops
from tests.peers.postfix import PostfixInstance
from tests.peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("needs_postfix", "needs_swaks")]

LETTER = ("--from", SENDER, "--header", f"Subject: {SUBJECTS[0]}", "--body", f"Concerne {PATIENT_NAME}")


@pytest.fixture(scope="module")
def next_hop(needs_postfix: None) -> Iterator[PostfixInstance]:
    with PostfixInstance("mx.operator.invalid", domains=(*RECIPIENT_DOMAINS, "ch-test.mssante.fr")) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(next_hop: PostfixInstance) -> Iterator[GatewayProcess]:
    with GatewayProcess(Hops(operators=next_hop.port, inward=next_hop.port), tls=True) as made:
        yield made


def test_an_accepted_letter_has_its_queue_id_in_the_250_and_arrives(
    gateway: GatewayProcess, next_hop: PostfixInstance, tmp_path: Path
) -> None:
    """The id of the 250 is the id of the gateway's Received field, and ``mssgw trace`` knows it."""
    attachment = tmp_path / FILE_NAMES[0]
    attachment.write_bytes(b"%PDF-1.7 " + b"x" * 9_000)
    done = swaks(gateway.port, *LETTER, "--to", PATIENTS[0], "--attach", f"@{attachment}")
    assert done.exit_code == codes.OK, done.text
    found = re.fullmatch(r"250 2\.0\.0 .*queued as (\S+)", done.reply_to("."))
    assert found is not None, done.text
    raw = next_hop.wait_for_letter(f"id {found[1]}")
    assert b"%PDF" not in raw
    assert base64.b64encode(b"%PDF-1.7 ") in raw
    traced = gateway.command("trace", found[1])
    assert traced.returncode == 0, traced.stderr


def test_the_greeting_offers_what_a_mail_server_needs(gateway: GatewayProcess) -> None:
    """SIZE at the true limit, 8BITMIME, SMTPUTF8, PIPELINING, ENHANCEDSTATUSCODES, DSN; no CHUNKING."""
    text = swaks(gateway.port, "--quit-after", "EHLO").text
    offered = set(re.findall(r"^<-  250[- ](.+?)\s*$", text, re.MULTILINE))
    assert {"SIZE 10485760", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "DSN"} <= offered
    assert "CHUNKING" not in offered


@pytest.mark.parametrize("matricule", BAD_MATRICULES)
def test_a_matricule_with_a_wrong_key_is_refused_before_data(gateway: GatewayProcess, matricule: str) -> None:
    """553 5.1.3 at RCPT (INS-1, NDR-8), without repeating the number."""
    done = swaks(gateway.port, *LETTER, "--to", f"{matricule}@patient.mssante.fr")
    reply = done.reply_to("RCPT")
    assert done.exit_code == codes.ALL_RCPT_REFUSED
    assert reply.startswith("553 5.1.3 ")
    assert matricule not in reply
    assert "-> DATA" not in done.text


def test_a_corsican_matricule_in_lower_case_passes_unchanged(
    gateway: GatewayProcess, next_hop: PostfixInstance
) -> None:
    """INS-3: 2a is 2A for the key, and the next hop gets what was typed."""
    done = swaks(gateway.port, *LETTER, "--to", "177012a12345670@patient.mssante.fr")
    assert done.exit_code == codes.OK, done.text
    next_hop.wait_for_letter("X-Original-To: 177012a12345670@patient.mssante.fr\r\n")


def test_a_declared_size_over_the_limit_is_refused_at_mail(gateway: GatewayProcess) -> None:
    """552 5.3.4 before a byte of the letter was sent. The closing bracket that swaks adds ends up in ENVID."""
    for octets, code in ((10_485_760, codes.OK), (10_485_761, codes.MAIL_REFUSED)):
        sender = ("--from", f"{SENDER}> SIZE={octets} ENVID=a")
        done = swaks(gateway.port, *sender, "--to", PATIENTS[0], "--header", f"From: {SENDER}", "--quit-after", "MAIL")
        assert done.exit_code == code, done.text
    assert done.reply_to("MAIL").startswith("552 5.3.4 ")


def test_an_undeclared_size_over_the_limit_is_refused_after_data(gateway: GatewayProcess, tmp_path: Path) -> None:
    """swaks says no SIZE, so the gateway counts."""
    large = tmp_path / "letter.eml"
    large.write_text(f"From: {SENDER}\nTo: {PATIENTS[0]}\nSubject: {SUBJECTS[1]}\n\n" + ("y" * 76 + "\n") * 134_500)
    done = swaks(gateway.port, "--from", SENDER, "--to", PATIENTS[0], "--data", f"@{large}", "--suppress-data")
    assert done.exit_code == codes.LETTER_REFUSED, done.text[-2_000:]
    assert done.reply_to(".").startswith("552 5.3.4 ")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_person_logs_in_over_starttls_and_sends(gateway: GatewayProcess, mechanism: str) -> None:
    """STARTTLS, then AUTH against an Argon2id hash."""
    assert gateway.tls_port is not None
    words = ("--tls", "--auth", mechanism, "--auth-user", LOGIN, "--auth-password", PASSWORD)
    done = swaks(gateway.tls_port, *words, *LETTER, "--to", PROFESSIONAL)
    assert done.exit_code == codes.OK, done.text


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_wrong_password_is_535(gateway: GatewayProcess, mechanism: str) -> None:
    """535 5.7.8, alike for a wrong password and for an unknown user."""
    assert gateway.tls_port is not None
    for user, password in ((LOGIN, "wrong"), ("nobody-here", PASSWORD)):
        words = ("--tls", "--auth", mechanism, "--auth-user", user, "--auth-password", password)
        done = swaks(gateway.tls_port, *words, *LETTER, "--to", PROFESSIONAL)
        assert done.exit_code == codes.NO_AUTH
        assert "535 5.7.8 " in done.text


def test_no_password_and_no_letter_in_clear_text(gateway: GatewayProcess) -> None:
    """Before STARTTLS no AUTH is offered, and MAIL is 530 5.7.0 (TLS-1, TLS-7)."""
    assert gateway.tls_port is not None
    done = swaks(
        gateway.tls_port, "--auth", "PLAIN", "--auth-user", LOGIN, "--auth-password", PASSWORD, "--to", PROFESSIONAL
    )
    assert done.exit_code == codes.NO_AUTH
    assert "-> AUTH" not in done.text
    done = swaks(gateway.tls_port, *LETTER, "--to", PROFESSIONAL)
    assert done.exit_code == codes.MAIL_REFUSED
    assert done.reply_to("MAIL").startswith("530 5.7.0 ")


def test_a_domain_that_nobody_configured_is_refused_at_rcpt(gateway: GatewayProcess) -> None:
    """No open relay, and no route out of the space (WHO-9)."""
    done = swaks(gateway.port, *LETTER, "--to", "quelquun@example.org")
    assert done.exit_code == codes.ALL_RCPT_REFUSED
    assert done.reply_to("RCPT").startswith("550 5.")


@pytest.mark.parametrize("sender", ["quelquun@example.org", PATIENTS[1], PROFESSIONAL])
def test_an_establishment_speaks_only_as_itself(gateway: GatewayProcess, sender: str) -> None:
    """Another domain, a patient, another operator: 550 5.7.1 at MAIL (SD-5)."""
    done = swaks(gateway.port, "--from", sender, "--to", PATIENTS[0])
    assert done.exit_code == codes.MAIL_REFUSED
    assert done.reply_to("MAIL").startswith("550 5.7.1 ")


def test_two_patients_refuse_the_whole_letter_after_data(gateway: GatewayProcess, next_hop: PostfixInstance) -> None:
    """One patient a letter (WHO-6, SD-7); neither of them gets it."""
    refused, later = uuid.uuid4().hex, uuid.uuid4().hex
    done = swaks(gateway.port, *LETTER, "--header", f"X-Mark: {refused}", "--to", f"{PATIENTS[0]},{PATIENTS[1]}")
    assert done.exit_code == codes.LETTER_REFUSED, done.text
    assert done.reply_to(".").startswith("550 5.")
    done = swaks(gateway.port, *LETTER, "--header", f"X-Mark: {later}", "--to", PROFESSIONAL)
    assert done.exit_code == codes.OK
    next_hop.wait_for_letter(later)
    assert next_hop.letter_with(refused) is None


def test_a_patient_answers_who_wrote_to_them_and_nobody_else(gateway: GatewayProcess) -> None:
    """At RCPT 550 5.7.1, until the doctor wrote; and never again after [FIN] (WHO-1, WHO-2, FIN-1, FIN-7)."""
    patient = PATIENTS[3]
    answer = ("--from", patient, "--to", SENDER, "--local-interface", PATIENT_OPERATOR)

    done = swaks(gateway.trust_port, *answer)
    assert (done.exit_code, done.reply_to("RCPT")[:10]) == (codes.ALL_RCPT_REFUSED, "550 5.7.1 ")

    assert swaks(gateway.port, *LETTER, "--to", patient).exit_code == codes.OK
    done = swaks(gateway.trust_port, *answer)
    assert done.exit_code == codes.OK, done.text

    closing = ("--from", SENDER, "--header", "Subject: [FIN]", "--to", patient)
    assert swaks(gateway.port, *closing).exit_code == codes.OK
    done = swaks(gateway.trust_port, *answer)
    assert (done.exit_code, done.reply_to("RCPT")[:10]) == (codes.ALL_RCPT_REFUSED, "550 5.7.1 ")


def test_an_operator_speaks_only_for_its_domains(gateway: GatewayProcess) -> None:
    """A patient's letter from the network of another operator is 550 5.7.1 at MAIL."""
    forged = ("--from", PATIENTS[0], "--to", SENDER, "--local-interface", COLLEAGUE_OPERATOR)
    done = swaks(gateway.trust_port, *forged)
    assert done.exit_code == codes.MAIL_REFUSED
    assert done.reply_to("MAIL").startswith("550 5.7.1 ")
