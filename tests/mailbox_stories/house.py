"""A gateway that delivers into mailboxes of a real IMAP store, and collects from others there; all who write to it."""

import json
import smtplib
import ssl
from typing import Any

from argon2 import PasswordHasher
from click.testing import CliRunner

from mssgw.app.cli import main
from tests.collecting import collects_from
from tests.corpus import SENDER
from tests.mailbox_stories.box import Box
from tests.mailbox_stories.elsewhere import Elsewhere, Hook
from tests.mailbox_stories.letters import Letter
from tests.peers.gateway import PASSWORD, PATIENT_OPERATOR, GatewayProcess, Hops
from tests.peers.mail_store import HOST, MailStore

HOSPITAL, PHARMACY, PATIENTS_DOMAIN = "ch-test.mssante.fr", "pharmacie-test.mssante.fr", "patient.mssante.fr"
SOURCES = {HOSPITAL: "127.0.0.1", PHARMACY: "127.0.0.4", PATIENTS_DOMAIN: PATIENT_OPERATOR}  # who connects from where
NURSES = ("agathe", "benoit")  # each with a login of her or his own

OFFICINE, COUNTER, NIGHT = (f"{each}@{PHARMACY}" for each in ("officine", "comptoir", "garde"))
COUNTER_INBOX = "comptoir@pharmacie-exemple.fr"  # an ordinary address, which is told of COUNTER
WARD, LAB, RECORDS, DOCTOR = f"soins@{HOSPITAL}", f"labo@{HOSPITAL}", f"dossiers@{HOSPITAL}", SENDER
TAKEN, KEYWORD = "Integres", "$Integre"  # how the programs of LAB and RECORDS say that they took a letter in
# BALs that another operator hosts, by the name of their collector: to whom their letters go here.
HOSTED = {
    "ville": f"ville@{PHARMACY}",
    "observed": f"reeducation@{HOSPITAL}",
    "enforced": f"urgences@{HOSPITAL}",
}

_ORG, _APP = {"kind": "ORG", "responsible": "Mme Invente"}, {"kind": "APP", "responsible": "Mme Invente"}
_PHARMACY = {**_ORG, "pharmacy": True}


class House:
    """``boxes``: the mailbox that the gateway delivers into, by address. ``hosted``: that it collects from, by name.

    ``records`` tells of keywords, which pymap does not keep.
    """

    def __init__(self, server: MailStore, elsewhere: Elsewhere, hook: Hook) -> None:
        self.server, self.elsewhere, self.hook = server, elsewhere, hook
        kinds: dict[str, dict[str, Any]] = {
            OFFICINE: _PHARMACY,
            COUNTER: {**_PHARMACY, "notify": f"mailto:{COUNTER_INBOX}"},
            NIGHT: {**_PHARMACY, "notify": hook.url},
            HOSTED["ville"]: _PHARMACY,
            HOSTED["observed"]: _ORG,
            HOSTED["enforced"]: _ORG,
            WARD: _ORG,
            LAB: {**_APP, "processed_folder": TAKEN},
            RECORDS: {**_APP, "processed_keyword": KEYWORD},
            DOCTOR: {"kind": "PER"},
        }
        self.boxes = {address: Box(server) for address in kinds}
        self.hosted = {name: Box(server) for name in HOSTED}
        self.boxes[LAB].make(TAKEN)
        settings = self._settings(kinds)
        self.gateway = GatewayProcess(Hops(operators=elsewhere.port), settings=settings, tls=True)

    def _settings(self, kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
        collected = [
            {
                **collects_from(self.server, box.account, name=name),  # it writes the file of the password, too
                "recipient": HOSTED[name],
                "sends_through_us": name == "enforced",
            }
            for name, box in self.hosted.items()
        ]
        stored = {"mail_store": "bals", "password_file": str(self.server.home / "bal.password")}
        hashed = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
        ordinary = {"next_hop": f"127.0.0.1:{self.elsewhere.port}", "next_hop_tls": "none"}
        trusted = {"ca_file": str(self.server.anchors)}
        return {
            "gateway": {"workers": 2},
            "documents": {"validators": 1},
            "delivery": trusted,
            "notifications": {**ordinary, **trusted, "sender": "ne-pas-repondre@passerelle-exemple.fr"},
            "establishment": [
                {"name": domain.partition(".")[0], "domains": [domain], "networks": [SOURCES[domain]]}
                for domain in (HOSPITAL, PHARMACY)
            ],
            "login": [{"user": each, "password_hash": hashed, "establishment": "ch-test"} for each in NURSES],
            "mail_store": [{"name": "bals", "host": HOST, "port": self.server.port, "tls": "starttls"}],
            "mailbox": [
                {"address": each, "user": box.account, **kinds[each], **stored} for each, box in self.boxes.items()
            ],
            "collector": collected,
        }

    def send(self, letter: Letter, *, login: str = "") -> str:
        """What is answered to it, and where. Who writes connects from where he is known, or logs in."""
        domain = letter.sender.partition("@")[2] or PATIENTS_DOMAIN  # only receipts of patients come without a sender
        port = self.gateway.trust_port if domain == PATIENTS_DOMAIN else self.gateway.port
        port = (self.gateway.tls_port or 0) if login else port
        with smtplib.SMTP("127.0.0.1", port, source_address=(SOURCES[domain], 0), timeout=20) as client:
            if login:
                client.starttls(context=ssl._create_unverified_context())
                client.login(login, PASSWORD)
            client.ehlo("client.invalid")
            for command in (f"MAIL FROM:<{letter.sender}>", f"RCPT TO:<{letter.to}>"):
                code, text = client.docmd(command)
                if code != 250:
                    return f"{code} {text.decode()} at {command[:4]}"
            code, text = client.data(letter.content)
            return f"{code} {text.decode()}"

    def accepted(self, letter: Letter, *, login: str = "") -> str:
        """Send it; its queue id."""
        answer = self.send(letter, login=login)
        assert answer.startswith("250 2.0.0"), answer
        return answer.rpartition(" ")[2]

    def trace(self, of: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What the journal says of a queue id or a Message-ID, and the summary of it for its one recipient."""
        *lines, summary = self.lines("trace", of)
        return lines, summary

    def lines(self, *words: str) -> list[dict[str, Any]]:
        """What a command prints for machines. It runs here: a process for each would be most of the tests' time."""
        done = CliRunner().invoke(main, [*words, "--json", "--config", str(self.gateway.config_file)])
        assert not done.stderr, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
