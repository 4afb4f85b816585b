"""The story that `make demo` plays, scene by scene, through real sockets."""

import hashlib
import time

from demo import mail, people
from demo.mail import LIMIT, Mail
from demo.stage import Stage, nobody
from demo.standin import Received, Standin
from demo.submission import Answer
from demo.submission import Stage as Where
from demo.timeline import Timeline

ARRIVAL = 10.0  # seconds a letter may take
_TRUST_SPACE = """
The trust space is made for this run: root and intermediate authority, operators' certificates, revocation lists, and a
signed white list that says whose certificate may speak for which domain:
  ch-test.mssante.fr, pharmacie-test.mssante.fr   {}
  patient.mssante.fr                              {}
Mon espace santé and the gateway show each other theirs."""


class Play:
    """One performance. ``perform`` plays all scenes in order; each tells the timeline what it expected."""

    def __init__(self, stage: Stage, timeline: Timeline) -> None:
        self._stage, self._timeline = stage, timeline
        self._hospital, self._pharmacy, self._mes = stage.standins
        self._expected_arrivals: set[str] = set()
        self._letter = mail.letter()
        self._letter_id = ""

    async def perform(self) -> None:
        self._timeline.note(_TRUST_SPACE.format(*map(self._stage.space.dn, (people.GATEWAY_HOST, people.MES_HOST))))
        await self._doctor_and_patient()
        await self._pharmacy_and_doctor()
        await self._strangers()
        await self._mistakes_and_sizes()
        await self._next_hop_is_down_and_comes_back()
        await self._what_an_administrator_sees()
        await self._the_end()

    async def _doctor_and_patient(self) -> None:
        self._letter_id = await self._arrives(
            self._hospital, self._mes, self._letter, "a doctor writes to a patient and asks for a read receipt"
        )
        tls = self._mes.letters[-1].tls if self._mes.letters else ""
        right = tls.endswith(f"CN={people.GATEWAY_HOST}")
        self._timeline.check(right, f"over mutual TLS: {tls}", "the gateway showed its certificate")
        receipt = mail.receipt(self._letter)
        await self._arrives(self._mes, self._hospital, receipt, "the patient has opened it: the read receipt")
        answer = mail.answer(self._letter)
        await self._arrives(self._mes, self._hospital, answer, "the patient answers (In-Reply-To)")
        await self._arrives(self._hospital, self._mes, mail.fin(), "the doctor closes the exchange: subject [FIN]")
        answer = mail.answer(self._letter)
        await self._refused(self._mes, answer, "the patient writes once more", "550 5.7.1", Where.RCPT)

    async def _pharmacy_and_doctor(self) -> None:
        first = mail.ordonnance(people.PHARMACY)
        await self._arrives(
            self._mes, self._pharmacy, first, "a patient writes first to a pharmacy, with a PDF: an ordonnance"
        )
        same = mail.ordonnance(people.OTHER_DOCTOR)
        await self._refused(self._mes, same, "the same to a doctor who never wrote to him", "550 5.7.1", Where.RCPT)

    async def _strangers(self) -> None:
        """Letters that would pass, had somebody else brought them."""
        refusals = (
            (None, "without a certificate", "Certificat client IGC-Sante exige"),
            (people.STRANGER_HOST, "with a certificate that is not in the white list", "d'aucun operateur"),
            (people.CLINIC_HOST, "with that of another domain's operator", "pas celui d'un operateur de ce domaine"),
            (people.REVOKED_HOST, "with a listed certificate that was revoked", "Certificat revoque"),
        )
        for host, how, says in refusals:
            client = self._stage.space.client(host)
            stranger = Standin("Stranger", ip="127.0.0.5", host="stranger.example", on_letter=nobody, client=client)
            letter = mail.ordonnance(people.PHARMACY)
            await self._refused(stranger, letter, f"a patient's letter {how}", "554 5.7.1", Where.MAIL, says=says)
        line = await self._stage.gateway.logged("trust.operator_unlisted", ARRIVAL)
        told = f"the log says who: {line['event']}, {line['dn']}" if line else "the log does not say who it was"
        dn = self._stage.space.dn(people.STRANGER_HOST)
        self._timeline.check(line is not None and line["dn"] == dn, told, "the stranger's DN")

    async def _mistakes_and_sizes(self) -> None:
        wrong = mail.letter(people.WRONG_KEY)
        await self._refused(self._hospital, wrong, "a patient's INS with a wrong key", "553 5.1.3", Where.RCPT)
        largest, larger = mail.letter_of(LIMIT), mail.letter_of(LIMIT + 1)
        await self._arrives(self._hospital, self._mes, largest, f"10 Mo: a letter of {_number(LIMIT)} octets")
        told = "one octet more, and the client says so (SIZE=)"
        await self._refused(self._hospital, larger, told, "552 5.3.4", Where.MAIL)
        told = "one octet more, and the client does not say so"
        await self._refused(self._hospital, larger, told, "552 5.3.4", Where.END, declare_size=False)

    async def _next_hop_is_down_and_comes_back(self) -> None:
        letter = mail.letter(people.CORSICAN)
        self._mes.close()
        answer = await self._send(self._hospital, self._mes, letter, "a doctor writes while Mon espace santé is down")
        if not self._accepted(answer):
            await self._mes.open()
            return
        deferred = await self._stage.gateway.logged("delivery.deferred", ARRIVAL, queue_id=answer.queue_id)
        told = f"deferred: {deferred['code']} {deferred['status']}" if deferred else "not deferred"
        self._timeline.check(deferred is not None, told, "deferred, to be tried again after 2 s")
        code, output = await self._stage.gateway.command("queue", "list")
        self._timeline.show("mssgw queue list", output)
        self._timeline.check(code == 0 and answer.queue_id in output, "the queue shows it", f"{answer.queue_id} waits")
        self._timeline.scene(self._mes.name, "", "is back")
        await self._mes.open()
        await self._arrival(self._mes, letter)

    async def _what_an_administrator_sees(self) -> None:
        self._timeline.scene("Administrator", "Gateway", "where is the first letter?")
        code, output = await self._stage.gateway.command("trace", self._letter_id)
        self._timeline.show(f"mssgw trace {self._letter_id}", output)
        told = [event for event in ("accepted", "delivered", "read") if event in output]
        self._timeline.check(
            code == 0 and len(told) == 3, f"the journal tells: {', '.join(told)}", "accepted, delivered, read"
        )
        self._timeline.check(people.PATIENT not in output, "the patient is masked", "masked without --addresses")

    async def _the_end(self) -> None:
        self._timeline.scene("Gateway", "", "is asked to end (SIGTERM)")
        code = await self._stage.gateway.stop()
        self._timeline.check(code == 0, f"exit code {code}", "exit code 0")
        arrived = [letter.message_id for standin in self._stage.standins for letter in standin.letters]
        strays = len(arrived) - len(self._expected_arrivals.intersection(arrived))
        told = f"{len(arrived)} letters arrived, {strays} of them unexpected or twice"
        self._timeline.check(strays == 0, told, "each once, and none that was refused")
        log = self._stage.gateway.log_file.read_text(errors="replace").lower()
        leaks = sum(word in log for word in people.PERSONAL)
        told = f"its log of {log.count(chr(10))} lines names {leaks or 'nobody'}"
        self._timeline.check(bool(log) and not leaks, told, "no INS, name, subject or file name")

    async def _send(
        self, sender: Standin, receiver: Standin | None, letter: Mail, what: str, *, declare_size: bool = True
    ) -> Answer:
        whom = receiver.name if receiver else "Gateway"
        self._timeline.scene(sender.name, whom, what, f"from <{letter.sender}> to <{letter.recipient}>")
        return await sender.send(letter, port=self._stage.port_for(sender), declare_size=declare_size)

    def _accepted(self, answer: Answer) -> bool:
        right = answer.accepted and bool(answer.queue_id)
        return self._timeline.check(right, f"{answer}", "250 with a queue id")

    async def _arrives(self, sender: Standin, receiver: Standin, letter: Mail, what: str) -> str:
        """The letter is accepted and arrives unchanged; gives its queue id."""
        answer = await self._send(sender, receiver, letter, what)
        if self._accepted(answer):
            await self._arrival(receiver, letter)
        return answer.queue_id

    async def _arrival(self, receiver: Standin, letter: Mail) -> None:
        self._expected_arrivals.add(letter.message_id)
        began = time.monotonic()
        received = await receiver.letter(letter.message_id, ARRIVAL)
        if received is None:
            self._timeline.check(False, f"nothing arrived in {ARRIVAL:.0f} s", f"arrives at {receiver.name}")
            return
        told = f"arrived at {receiver.name} {time.monotonic() - began:.2f} s later"
        self._timeline.check(_same_envelope(letter, received), told, "with its envelope as it was")
        sent, came = _sha256(letter.content), _sha256(received.content[-len(letter.content) :])
        told = f"{_number(len(letter.content))} octets, SHA-256 {came[:16]}…"
        self._timeline.check(sent == came, told, f"{sent[:16]}… as sent, below the trace headers")

    async def _refused(
        self,
        sender: Standin,
        letter: Mail,
        what: str,
        status: str,
        where: Where,
        *,
        declare_size: bool = True,
        says: str = "",
    ) -> None:
        answer = await self._send(sender, None, letter, what, declare_size=declare_size)
        right = answer.status == status and answer.stage is where and says in answer.text
        self._timeline.check(right, f"{answer.stage}: {answer}", f"{status} {where}")


def _same_envelope(letter: Mail, received: Received) -> bool:
    return (received.sender, received.recipients) == (letter.sender, (letter.recipient,))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _number(count: int) -> str:
    return f"{count:,}".replace(",", " ")
