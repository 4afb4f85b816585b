"""Clinical documents through a real gateway: what a hospital's software gets back, and what arrives (SD-10, SD-15)."""

import email
import hashlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message

import pytest

from tests.canaries import MATRICULES
from tests.clinical_letters import FAMILY, HARMFUL, UNTIDY, Edit, hidden_from, letter
from tests.corpus import PATIENTS, PROFESSIONAL, RECIPIENT_DOMAINS, SENDER
from tests.peers import swaks as codes
from tests.peers.gateway import COLLEAGUE_OPERATOR, GatewayProcess, Hops
from tests.peers.postfix import PostfixInstance
from tests.peers.swaks import Transcript, swaks

PRODUCT, GATEWAY_PRODUCT = "NIL-2041-01", "NIL-0000-01"
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("needs_postfix", "needs_swaks")]


@pytest.fixture(scope="module")
def next_hop(needs_postfix: None) -> Iterator[PostfixInstance]:
    domains = (*RECIPIENT_DOMAINS, SENDER.rpartition("@")[2])  # notices go back to the establishment's own
    with PostfixInstance("mx.operator.invalid", domains=domains) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(next_hop: PostfixInstance) -> Iterator[GatewayProcess]:
    settings = {
        "mss": {"add_headers": True, "product": GATEWAY_PRODUCT},
        "documents": {"validators": 2, "inbound_rejected": "hold"},
    }
    made = GatewayProcess(Hops(operators=next_hop.port, inward=next_hop.port), settings=settings, product=PRODUCT)
    with made:
        yield made


def real_shaped(about: str, *, edit: Edit | None = None, mark: str = "1", fields: str = "") -> str:
    """300 kB: text, archive with a CDA around a PDF, and that PDF beside it."""
    fields += f"From: <{SENDER}>\nSubject: Compte rendu\nMessage-ID: <documents-{mark}@ch-test>\n"
    pdf = b"%PDF-1.4\n%" + os.urandom(42_000).hex().encode() + b"\ntrailer << /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"
    made = letter(about, fields=fields, edit=edit, pdf=pdf)
    assert 280_000 < len(made) < 320_000
    return made


def send(gateway: GatewayProcess, content: str, to: str) -> Transcript:
    return swaks(gateway.port, "--from", SENDER, "--to", to, "--suppress-data", "--data", "-", stdin=content)


def nothing_is_kept(gateway: GatewayProcess) -> None:
    assert gateway.command("queue", "list", "--json").stdout == ""
    assert not [path for path in (gateway.state_dir / "spool").rglob("*") if path.is_file()]


def test_the_wrong_patient_is_refused_while_the_sender_is_there(gateway: GatewayProcess) -> None:
    """554 5.6.0 with the reason and the id of the report; neither letter nor file stays, and no name is logged."""
    done = send(gateway, real_shaped(MATRICULES[0]), PATIENTS[1])
    assert done.exit_code == codes.LETTER_REFUSED, done.text
    reply = done.reply_to(".")
    found = re.fullmatch(
        r"554 5\.6\.0 Document refuse, regle non respectee : .+ \(CDA-COH-001[^)]*\) Rapport (\S+)", reply
    )
    assert found is not None, reply
    assert not any(value in reply for value in (*MATRICULES, FAMILY))
    nothing_is_kept(gateway)
    traced = gateway.command("trace", found[1])
    assert traced.returncode == 0, traced.stderr
    assert "CDA-COH-001" in traced.stdout
    told = [json.loads(line) for line in gateway.log().splitlines() if found[1] in line]
    assert [(line["event"], line["rule"]) for line in told] == [("letter.refused", "CDA-COH-001")]


def test_a_hidden_document_is_refused_to_whom_it_is_hidden_from(gateway: GatewayProcess) -> None:
    done = send(gateway, real_shaped(MATRICULES[0], edit=hidden_from("INVISIBLE_PATIENT")), PATIENTS[0])
    assert "CDA-HID-001" in done.reply_to(".")
    nothing_is_kept(gateway)


def test_a_document_that_says_one_thing_and_is_another_is_refused(gateway: GatewayProcess) -> None:
    done = send(gateway, real_shaped(MATRICULES[0], edit=HARMFUL), PROFESSIONAL)
    assert done.reply_to(".").startswith("554 5.6.0 Document refuse, regle non respectee : ")
    nothing_is_kept(gateway)


def test_what_is_accepted_arrives_octet_for_octet_and_says_what_it_is(
    gateway: GatewayProcess, next_hop: PostfixInstance
) -> None:
    """Each attachment has the SHA-256 it was sent with; the fields that the sender left out are added."""
    content = real_shaped(MATRICULES[0], mark="whole")
    done = send(gateway, content, PATIENTS[0])
    assert done.exit_code == codes.OK, done.text
    arrived = email.message_from_bytes(next_hop.wait_for_letter("<documents-whole@ch-test>"))
    assert digests(arrived) == digests(email.message_from_string(content))
    assert len(digests(arrived)) == 3
    assert mss_fields(arrived) == {"X-MSS-INS": ["O"], "X-MSS-CODECDA": ["34112-3"], "X-MSS-NIL": [PRODUCT]}
    assert arrived["X-Mssgw-Cda"] is None


def test_a_letter_without_documents_says_its_product_alone(gateway: GatewayProcess, next_hop: PostfixInstance) -> None:
    """X-MSS-NIL is for every letter, the others for those with an archive (FMT-9 to FMT-11)."""
    content = f"From: <{SENDER}>\nSubject: Rendez-vous\nMessage-ID: <documents-none@ch-test>\n\nBonjour\n"
    assert send(gateway, content, PATIENTS[0]).exit_code == codes.OK
    arrived = email.message_from_bytes(next_hop.wait_for_letter("<documents-none@ch-test>"))
    assert mss_fields(arrived) == {"X-MSS-NIL": [PRODUCT]}


def test_what_the_sender_says_stays_and_the_trace_tells_where_it_is_wrong(
    gateway: GatewayProcess, next_hop: PostfixInstance
) -> None:
    """No field is changed or said twice (FMT-12)."""
    said = {"X-MSS-INS": ["N"], "X-MSS-CODECDA": ["11488-4"], "X-MSS-NIL": ["NIL-OTHER"]}
    fields = "".join(f"{name}: {value}\n" for name, (value,) in said.items())
    done = send(gateway, real_shaped(MATRICULES[0], mark="said", fields=fields), PATIENTS[0])
    assert done.exit_code == codes.OK, done.text
    assert mss_fields(email.message_from_bytes(next_hop.wait_for_letter("<documents-said@ch-test>"))) == said
    traced = gateway.command("trace", done.reply_to(".").rpartition(" ")[2]).stdout
    for rule in ("mss-ins-tells-the-truth", "mss-codes-tell-the-truth", "mss-nil-tells-the-truth"):
        assert f"{rule}[FMT-" in traced, traced


def test_a_warning_is_delivered_and_its_report_is_found_by_its_id(
    gateway: GatewayProcess, next_hop: PostfixInstance
) -> None:
    done = send(gateway, real_shaped(MATRICULES[0], edit=UNTIDY, mark="warned"), PATIENTS[0])
    assert done.exit_code == codes.OK, done.text
    arrived = email.message_from_bytes(next_hop.wait_for_letter("<documents-warned@ch-test>"))
    verdict, rules, report = re.split(r";\s+", arrived["X-Mssgw-Cda"])
    assert verdict == "warn"
    traced = gateway.command("trace", report.removeprefix("report="))
    assert traced.returncode == 0
    assert rules.removeprefix("rules=").split(",")[0] in traced.stdout


def test_a_rejected_document_from_outside_waits_for_a_person_who_lets_it_go_or_sends_it_back(
    gateway: GatewayProcess, next_hop: PostfixInstance
) -> None:
    """Where it is configured so. What is let go says that it was rejected; a danger is refused all the same."""
    held = {}
    for mark in ("let-go", "sent-back"):
        done = send_inward(gateway, from_outside(mark, edit=HARMFUL))
        assert done.reply_to(".").startswith("250 2.0.0 "), done.text
        held[mark] = done.reply_to(".").rpartition(" ")[2]
    listed = gateway.command("queue", "list", "--state", "held", "--json").stdout
    assert {json.loads(line)["id"] for line in listed.splitlines()} == set(held.values())
    shown = gateway.command("queue", "show", held["let-go"]).stdout
    assert "CDA-BOD-010" in shown
    assert "Un fichier inclus est ce que dit son mediaType" in shown
    assert gateway.command("queue", "release", held["let-go"]).returncode == 0
    arrived = email.message_from_bytes(next_hop.wait_for_letter("<documents-let-go@ch-test>"))
    assert arrived["X-Mssgw-Cda"].startswith("reject; rules=CDA-BOD-010,")
    assert gateway.command("queue", "bounce", held["sent-back"]).returncode == 0
    notice = next_hop.wait_for_letter("In-Reply-To: <documents-sent-back@ch-test>")
    assert f"To: <{PROFESSIONAL}>".encode() in notice
    gateway.wait_until_nothing_waits()
    assert "<documents-sent-back@ch-test>" not in [
        email.message_from_bytes(each.raw())["Message-ID"] for each in next_hop.arrived()
    ]
    done = send_inward(gateway, from_outside("hidden", edit=hidden_from("MASQUE_PS")))
    assert "CDA-HID-003" in done.reply_to(".")


def from_outside(mark: str, *, edit: Edit) -> str:
    fields = f"From: <{PROFESSIONAL}>\nSubject: Compte rendu\nMessage-ID: <documents-{mark}@ch-test>\n"
    return letter(MATRICULES[0], fields=fields, edit=edit)


def send_inward(gateway: GatewayProcess, content: str) -> Transcript:
    words = ("--from", PROFESSIONAL, "--to", SENDER, "--local-interface", COLLEAGUE_OPERATOR)
    return swaks(gateway.trust_port, *words, "--suppress-data", "--data", "-", stdin=content)


def test_a_validator_that_hangs_costs_one_letter_a_451_and_nobody_else_anything(
    gateway: GatewayProcess, next_hop: PostfixInstance
) -> None:
    """The sender tries again and is served by its replacement (SD-10)."""
    with nobody_judging(gateway):
        done = send(gateway, real_shaped(MATRICULES[0], mark="hung"), PATIENTS[0])
    assert done.reply_to(".").startswith("451 4.3.0 "), done.text
    nothing_is_kept(gateway)
    assert '"letter.documents_unverified"' in gateway.log()
    again = send(gateway, real_shaped(MATRICULES[0], mark="hung"), PATIENTS[0])
    for _ in range(10):
        if again.exit_code == codes.OK:
            break
        time.sleep(1)
        again = send(gateway, real_shaped(MATRICULES[0], mark="hung"), PATIENTS[0])
    assert again.exit_code == codes.OK, again.text
    next_hop.wait_for_letter("<documents-hung@ch-test>")


def test_what_cannot_be_judged_three_times_waits_for_a_person(
    gateway: GatewayProcess, next_hop: PostfixInstance
) -> None:
    """Held, and judged when somebody releases it: the wrong patient is not let go even then."""
    content = real_shaped(MATRICULES[0], mark="third")
    for expected in ("451 4.3.0 ", "451 4.3.0 ", "250 2.0.0 "):
        with nobody_judging(gateway):
            done = send(gateway, content, PATIENTS[1])
        assert done.reply_to(".").startswith(expected), done.text
    queue_id = done.reply_to(".").rpartition(" ")[2]
    released = gateway.command("queue", "release", queue_id)
    assert released.returncode != 0, released.stdout
    assert "CDA-COH-001" in released.stdout + released.stderr
    assert gateway.command("queue", "bounce", queue_id).returncode == 0
    gateway.wait_until_nothing_waits()
    notice = next_hop.wait_for_letter("In-Reply-To: <documents-third@ch-test>")
    assert mss_fields(email.message_from_bytes(notice)) == {"X-MSS-NIL": [GATEWAY_PRODUCT]}


def mss_fields(message: Message) -> dict[str, list[str]]:
    """What the letter says in X-MSS-… fields, each as often as it says it."""
    names = [name for name in message if name.upper().startswith("X-MSS-")]
    return {name: message.get_all(name, []) for name in names}


def digests(message: Message) -> list[str]:
    parts = [part for part in message.walk() if not part.is_multipart()]
    return [hashlib.sha256(part.get_payload(decode=True)).hexdigest() for part in parts]  # type: ignore[arg-type]


@contextmanager
def nobody_judging(gateway: GatewayProcess) -> Iterator[None]:
    """All validators stand still, those that replace them too."""
    over = threading.Event()

    def stop_them() -> None:
        while not over.wait(0.02):
            for each in validators(gateway):
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGSTOP)

    assert validators(gateway), "nobody judges"
    stopping = threading.Thread(target=stop_them)
    stopping.start()
    try:
        time.sleep(0.2)
        yield
    finally:
        over.set()
        stopping.join()
        for each in validators(gateway):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


def validators(gateway: GatewayProcess) -> list[int]:
    """The processes that judge: children of the gateway's workers, warm or being started."""
    found = []
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            try:
                with open(f"/proc/{folder}/cmdline", "rb") as told:
                    words = told.read().split(b"\0")
                if b"mssgw.edges.validator" in words and os.getpgid(int(folder)) == gateway.group:
                    found.append(int(folder))
            except OSError:
                continue
    return found
