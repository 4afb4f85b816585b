"""The story that `make demo` plays, scene by scene, through real sockets."""

from demo import mail, people
from demo.acting import ARRIVAL, Acting, number
from demo.documents import documents
from demo.mail import LIMIT
from demo.mailboxes import pharmacy, program
from demo.patient_space import patient_space
from demo.stage import Stage, nobody
from demo.standin import Standin
from demo.submission import Stage as Where
from demo.timeline import Timeline

_TRUST_SPACE = """
The trust space is made for this run: root and intermediate authority, operators' certificates, revocation lists, and a
signed white list that says whose certificate may speak for which domain:
  ch-test.mssante.fr, pharmacie-test.mssante.fr   {}
  patient.mssante.fr                              {}
Mon espace santé and the gateway show each other theirs."""


class Play(Acting):
    """One performance. ``perform`` plays all scenes in order; each tells the timeline what it expected."""

    def __init__(self, stage: Stage, timeline: Timeline) -> None:
        super().__init__(stage, timeline)
        self._letter = mail.letter()
        self._letter_id = ""

    async def perform(self) -> None:
        self.timeline.note(_TRUST_SPACE.format(*map(self.stage.space.dn, (people.GATEWAY_HOST, people.MES_HOST))))
        await self._doctor_and_patient()
        await pharmacy(self)
        await self._doctor_who_never_wrote()
        await program(self)
        await patient_space(self)
        await documents(self)
        await self._strangers()
        await self._mistakes_and_sizes()
        await self._next_hop_is_down_and_comes_back()
        await self._what_an_administrator_sees()
        await self._the_end()

    async def _doctor_and_patient(self) -> None:
        self._letter_id = await self.arrives(
            self.hospital, self.mes, self._letter, "a doctor writes to a patient and asks for a read receipt"
        )
        tls = self.mes.letters[-1].tls if self.mes.letters else ""
        right = tls.endswith(f"CN={people.GATEWAY_HOST}")
        self.timeline.check(right, f"over mutual TLS: {tls}", "the gateway showed its certificate")
        receipt = mail.receipt(self._letter)
        await self.arrives(self.mes, self.hospital, receipt, "the patient has opened it: the read receipt")
        answer = mail.answer(self._letter)
        await self.arrives(self.mes, self.hospital, answer, "the patient answers (In-Reply-To)")
        await self.arrives(self.hospital, self.mes, mail.fin(), "the doctor closes the exchange: subject [FIN]")
        answer = mail.answer(self._letter)
        await self.refused(self.mes, answer, "the patient writes once more", "550 5.7.1", Where.RCPT)

    async def _doctor_who_never_wrote(self) -> None:
        same = mail.ordonnance(people.OTHER_DOCTOR)
        await self.refused(self.mes, same, "the same to a doctor who never wrote to him", "550 5.7.1", Where.RCPT)

    async def _strangers(self) -> None:
        """Letters that would pass, had somebody else brought them."""
        refusals = (
            (None, "without a certificate", "Certificat client IGC-Sante exige"),
            (people.STRANGER_HOST, "with a certificate that is not in the white list", "d'aucun operateur"),
            (people.CLINIC_HOST, "with that of another domain's operator", "pas celui d'un operateur de ce domaine"),
            (people.REVOKED_HOST, "with a listed certificate that was revoked", "Certificat revoque"),
        )
        for host, how, says in refusals:
            client = self.stage.space.client(host)
            stranger = Standin("Stranger", ip="127.0.0.5", host="stranger.example", on_letter=nobody, client=client)
            letter = mail.ordonnance(people.PHARMACY)
            await self.refused(stranger, letter, f"a patient's letter {how}", "554 5.7.1", Where.MAIL, says=says)
        line = await self.stage.gateway.logged("trust.operator_unlisted", ARRIVAL)
        told = f"the log says who: {line['event']}, {line['dn']}" if line else "the log does not say who it was"
        dn = self.stage.space.dn(people.STRANGER_HOST)
        self.timeline.check(line is not None and line["dn"] == dn, told, "the stranger's DN")

    async def _mistakes_and_sizes(self) -> None:
        wrong = mail.letter(people.WRONG_KEY)
        await self.refused(self.hospital, wrong, "a patient's INS with a wrong key", "553 5.1.3", Where.RCPT)
        largest, larger = mail.letter_of(LIMIT), mail.letter_of(LIMIT + 1)
        await self.arrives(self.hospital, self.mes, largest, f"10 Mo: a letter of {number(LIMIT)} octets")
        told = "one octet more, and the client says so (SIZE=)"
        await self.refused(self.hospital, larger, told, "552 5.3.4", Where.MAIL)
        told = "one octet more, and the client does not say so"
        await self.refused(self.hospital, larger, told, "552 5.3.4", Where.END, declare_size=False)

    async def _next_hop_is_down_and_comes_back(self) -> None:
        letter = mail.letter(people.CORSICAN)
        self.mes.close()
        answer = await self.send(self.hospital, self.mes, letter, "a doctor writes while Mon espace santé is down")
        if not self.accepted(answer):
            await self.mes.open()
            return
        deferred = await self.stage.gateway.logged("delivery.deferred", ARRIVAL, queue_id=answer.queue_id)
        told = f"deferred: {deferred['code']} {deferred['status']}" if deferred else "not deferred"
        self.timeline.check(deferred is not None, told, "deferred, to be tried again after 2 s")
        code, output = await self.stage.gateway.command("queue", "list")
        self.timeline.show("mssgw queue list", output)
        self.timeline.check(code == 0 and answer.queue_id in output, "the queue shows it", f"{answer.queue_id} waits")
        self.timeline.scene(self.mes.name, "", "is back")
        await self.mes.open()
        await self.arrival(self.mes, letter)

    async def _what_an_administrator_sees(self) -> None:
        self.timeline.scene("Administrator", "Gateway", "where is the first letter?")
        code, output = await self.stage.gateway.command("trace", self._letter_id)
        self.timeline.show(f"mssgw trace {self._letter_id}", output)
        told = [event for event in ("accepted", "delivered", "read") if event in output]
        self.timeline.check(
            code == 0 and len(told) == 3, f"the journal tells: {', '.join(told)}", "accepted, delivered, read"
        )
        self.timeline.check(people.PATIENT not in output, "the patient is masked", "masked without --addresses")

    async def _the_end(self) -> None:
        self.timeline.scene("Gateway", "", "is asked to end (SIGTERM)")
        code = await self.stage.gateway.stop()
        self.timeline.check(code == 0, f"exit code {code}", "exit code 0")
        arrived = [letter.message_id for standin in self.stage.standins for letter in standin.letters]
        bals = self.stage.officine, self.stage.laboratory, self.stage.reader
        arrived += [each for bal in bals for each in await bal.message_ids()]
        strays = len(arrived) - len(self.expected_arrivals.intersection(arrived))
        told = f"{len(arrived)} letters arrived, {strays} of them unexpected or twice"
        self.timeline.check(strays == 0, told, "each once, and none that was refused")
        self.names_nobody(self.stage.gateway)
