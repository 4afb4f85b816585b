"""MAIL and RCPT: refused as early as the envelope allows, so that the sender's own server tells its user."""

from dataclasses import replace

from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.decide import decide
from mssgw.core.envelope import Envelope, ForwardPath, Role
from mssgw.core.errors import MalformedMatricule
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.replies import Reply
from mssgw.core.routes import SpaceUnknown
from mssgw.core.rules.findings import not_allowed
from mssgw.core.rules.sender import SENDERS_DOMAIN
from mssgw.core.trust import Chain, Distrust, unfit
from mssgw.core.verdict import Refuse, Verdict, strictest
from mssgw.flow.accept import IncomingLetter, Means
from mssgw.flow.live import Live
from mssgw.ports import Clock, Login, PatientDoor, Trust

UNKNOWN_OPERATOR = not_allowed("Reseau source inconnu de l'espace de confiance")
UNKNOWN_CLIENT = Reply(
    530,
    "5.7.0",
    "Authentification requise : ce reseau n'est pas celui d'un client connu (a ajouter a networks de l'etablissement)",
)
UNKNOWN_PATIENT = Reply(530, "5.7.0", "Authentification requise : votre matricule INS et votre mot de passe")
UNKNOWN = {Role.TRUST_SPACE: UNKNOWN_OPERATOR, Role.PATIENT_SPACE: UNKNOWN_PATIENT}


class Reception:
    """ports.Reception: what stands behind every inbound edge."""

    def __init__(
        self,
        means: Means,
        live: Live,
        trust: Trust | None = None,
        patients: PatientDoor | None = None,
        present: Clock | None = None,
    ) -> None:
        """``trust``: where certificates tell who an operator is; None: networks do. ``patients``: where ours log in.

        ``present``: what the dates of certificates are held against; None: the clock of the flow.
        """
        self._means, self._live, self._trust, self.patients = means, live, trust, patients
        self._present = present or means.clock

    def client_at(self, role: Role, peer: str) -> Client | None:
        return self._live.client_at(role, peer)

    def operator(self, chain: Chain) -> Client | Distrust | None:  # req: TLS-6
        if self._trust is None:
            return None
        return unfit(chain, self._live.purposes, self._present.now()) or self._trust.admit(chain)

    async def authenticate(self, role: Role, login: str, password: str) -> Client | None:
        return await self._live.authenticate(role, login, password)

    def login(self, role: Role, name: str) -> Login | None:
        return self._live.login(role, name)

    async def sender(self, client: Client | None, envelope: Envelope, declared_size: int) -> Reply | None:
        if client is None:
            reply = UNKNOWN.get(envelope.origin.role, UNKNOWN_CLIENT)
            self._log("mail", envelope, reply, "client-is-known", "SD-5", None)  # strangers do not fill the journal
            return reply
        try:
            facts = self._means.inspector.of_sender(self._live.settings, client, envelope, declared_size)
        except MalformedMatricule as error:
            reply = Reply(553, "5.1.7", error.reply.text)
            await self._turned_away("mail", envelope, reply, None)
            return reply
        except SpaceUnknown as error:  # req: WL-8
            self._log("mail", envelope, error.reply, "list-is-usable", "WL-8", None)
            return error.reply
        return await self._refusal("mail", facts, decide(facts))

    async def recipient(self, client: Client, envelope: Envelope, forward_path: ForwardPath) -> Reply | None:
        try:
            facts = await self._means.inspector.of_recipient(self._live.settings, client, envelope, forward_path)
        except MalformedMatricule as error:  # req: NDR-8, INS-3
            await self._turned_away("rcpt", envelope, error.reply, forward_path)
            return error.reply
        except SpaceUnknown as error:  # req: WL-8
            self._log("rcpt", envelope, error.reply, "list-is-usable", "WL-8", forward_path.address)
            return error.reply
        return await self._refusal("rcpt", facts, decide(facts))

    def letter(self, client: Client, envelope: Envelope) -> IncomingLetter:
        once: dict[str, ForwardPath] = {}  # a recipient named twice gets one copy
        for path in envelope.forward_paths:
            once.setdefault(path.address.key, path)
        if len(once) < len(envelope.forward_paths):
            envelope = replace(envelope, forward_paths=tuple(once.values()))
        return IncomingLetter(self._means, self._live.settings, client, envelope)

    async def _refusal(self, stage: str, facts: Facts, verdict: Verdict) -> Reply | None:
        if not isinstance(verdict, Refuse):
            return None
        path = facts.exchanges[0].forward_path if facts.exchanges else None
        if verdict.reply.transient:  # it is tried again until that is known
            worst = strictest(verdict.findings)
            rule, requirement = (worst.rule, worst.requirement) if worst else ("", "")
            self._log(stage, facts.envelope, verdict.reply, rule, requirement, path.address if path else None)
            return verdict.reply
        await self._turned_away(stage, facts.envelope, verdict.reply, path, verdict)
        return verdict.reply

    async def _turned_away(
        self,
        stage: str,
        envelope: Envelope,
        reply: Reply,
        path: ForwardPath | None,
        verdict: Refuse | None = None,
    ) -> None:
        """Journal and log a 5xx. ``verdict`` None: no rule was asked, for an address could not be read."""
        findings = verdict.findings if verdict else ()
        worst = strictest(findings)
        address = path.address if path else None
        await self._means.store.note(
            [
                Entry(
                    at=self._means.clock.now(),
                    event=JournalEvent.REFUSED,
                    sender=envelope.reverse_path,
                    recipient=address,
                    client=envelope.origin.client,
                    peer=envelope.origin.peer,
                    person=envelope.origin.person,
                    reply=reply,
                    detail=worst.rule if worst else "address-is-well-formed",
                    findings=findings,
                )
            ]
        )
        rule, requirement = (worst.rule, worst.requirement) if worst else ("address-is-well-formed", "INS-1 INS-3")
        self._log(stage, envelope, reply, rule, requirement, address)

    def _log(
        self, stage: str, envelope: Envelope, reply: Reply, rule: str, requirement: str, recipient: Address | None
    ) -> None:
        whose = envelope.reverse_path if rule == SENDERS_DOMAIN else None  # for whoever looks it up in the white list
        self._means.telemetry.event(
            "letter.refused" if reply.permanent else "letter.deferred_at_intake",
            stage=stage,
            rule=rule,
            requirement=requirement,
            code=reply.code,
            status=reply.status,
            client=envelope.origin.client,
            peer=envelope.origin.peer,
            domain=whose.domain if whose is not None and envelope.origin.role is Role.TRUST_SPACE else None,
            recipient=self._means.store.alias(recipient) if recipient else None,
        )
