"""Conversations that go from node to node: what one node accepted binds the next RCPT on every other."""

import random
import smtplib
import threading
import time

from tests.peers.gateway import PATIENT_OPERATOR, GatewayProcess

PATIENT = "279035121518989@patient.mssante.fr"
_LIMIT = 45.0


class Watch:
    """A doctor opens and closes conversations on random nodes; the patient tries to answer on all others."""

    def __init__(self, nodes: list[GatewayProcess], *, seed: int) -> None:
        self.checked = 0
        self.violations: list[str] = []
        self._nodes, self._random = nodes, random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(2 * _LIMIT)

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            doctor = f"dr.numero{number}@ch-test.mssante.fr"
            for subject, expected in (("bonjour", 250), ("[FIN]", 550), ("encore", 250)):
                if not self._doctor_writes(doctor, subject):
                    break
                for node in self._nodes:
                    self._patient_tries(node, doctor, expected)
            time.sleep(0.05)

    def _doctor_writes(self, doctor: str, subject: str) -> bool:
        """Whether the letter got its 250: without one nothing is known of the conversation."""
        letter = f"From: <{doctor}>\r\nTo: <{PATIENT}>\r\nSubject: {subject}\r\n\r\nBonjour\r\n"
        try:
            with smtplib.SMTP("127.0.0.1", self._random.choice(self._nodes).port, timeout=_LIMIT) as client:
                client.sendmail(doctor, [PATIENT], letter)
        except (OSError, smtplib.SMTPException):
            return False
        return True

    def _patient_tries(self, node: GatewayProcess, doctor: str, expected: int) -> None:
        source = (PATIENT_OPERATOR, 0)
        try:
            with smtplib.SMTP("127.0.0.1", node.trust_port, timeout=_LIMIT, source_address=source) as client:
                client.ehlo()
                client.mail(PATIENT)
                code, text = client.rcpt(doctor)
        except (OSError, smtplib.SMTPException):
            return
        if 400 <= code < 500:  # the node cannot ask the database now: it must not guess
            return
        self.checked += 1
        if code != expected:
            self.violations.append(f"{doctor}: {code} {text!r} instead of {expected}")
