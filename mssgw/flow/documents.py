"""The documents of a letter: read back from where it rests, and judged by a validator."""

from mssgw.core.bal import Party
from mssgw.core.clinical import Profile
from mssgw.core.errors import MalformedMatricule
from mssgw.core.facts import Facts
from mssgw.core.ins import Matricule
from mssgw.core.message import Content
from mssgw.core.report import Order, Report
from mssgw.ports import Body, Spool, Validators


class Documents:
    """Asks validators about letters. It decides nothing."""

    def __init__(self, validators: Validators, spool: Spool) -> None:
        self._validators, self._spool = validators, spool

    async def report_on(self, body: Body, facts: Facts) -> Report:
        """What its documents are like, and as sent to these recipients; not ``complete`` when nobody could tell.

        Raises what reading the body raises: Gone, Undecryptable, StoreUnavailable.
        """
        report = await self._validators.judge(self._spool.read(body), order_of(facts), queue_id=body.spool_id)
        return report.weighty()


def order_of(facts: Facts) -> Order:
    """Under what a letter's documents are judged: who sends it where decides how strictly.

    A delivery report brings a letter back that was judged on its way out: to refuse it for what is merely wrong with
    it would cost its sender the word that it did not arrive.
    """
    documents = facts.policy.documents
    returned = facts.head is not None and facts.head.content is Content.DSN
    parties = {exchange.party for exchange in facts.exchanges}
    return Order(
        profile=Profile.OBSERVE if returned else documents.profile,
        now=facts.taken_at,
        environment=documents.environment,
        patients=_patients(facts),
        professionals=bool(parties - {Party.PATIENT}),
    )


def _patients(facts: Facts) -> tuple[Matricule, ...]:
    found = []
    for exchange in facts.exchanges:
        if exchange.party is Party.PATIENT:
            try:
                found.append(Matricule.parse(exchange.forward_path.address.local))
            except MalformedMatricule:
                continue  # an address of the patient domain that is nobody's (INS-10)
    return tuple(found)
