"""How receipts and notices find the letter they answer, in dictionaries."""

from datetime import datetime

from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.linking import disposition_code, subject_key
from mssgw.edges.memory.content import MemoryPart, Remembered
from mssgw.ports import Conflict, NoticeSeen, ReceiptSeen


class MemoryLinks(MemoryPart):
    """``_refuse_counted`` first, for nothing of a commit that conflicts may stay; then ``_link``."""

    def _link(self, receipt: ReceiptSeen | None, notice: NoticeSeen | None, at: datetime) -> None:
        if receipt is not None:
            self._count(receipt, at)
        if notice is not None:
            self._heed(notice, at)

    def _answering(self, receipt: ReceiptSeen) -> list[Remembered]:
        told = {each.key for each in receipt.told}
        cited = [each for each in self._has.letters if each.answers_to(receipt.patient, receipt.original_message_id)]
        return [each for each in cited if not told or told & set(each.letter.receipt_to)]

    def _refuse_counted(self, receipt: ReceiptSeen | None) -> None:
        answered = self._answering(receipt) if receipt is not None else []
        if answered and all(each.receipt_at is not None for each in answered):
            raise Conflict("the receipt was already counted")

    def _count(self, receipt: ReceiptSeen, at: datetime) -> None:
        due = [each for each in self._answering(receipt) if each.receipt_at is None]
        for each in due:
            each.receipt_at = at
        if due:
            self._has.journal.append(
                Entry(
                    at=at,
                    event=JournalEvent.READ,
                    spool_id=due[-1].spool_id,
                    message_id=receipt.original_message_id,
                    recipient=receipt.patient,
                    detail=disposition_code(receipt.disposition),
                )
            )

    def _heed(self, notice: NoticeSeen, at: datetime) -> None:
        answered = self._answered(notice)
        patient = notice.patient or (answered.letter.pair.patient if answered else None)
        if patient is not None:
            self._has.accounts[patient] = notice.account
        if answered is not None:
            self._has.journal.append(
                Entry(
                    at=at,
                    event=JournalEvent.ACCOUNT,
                    spool_id=answered.spool_id,
                    recipient=notice.patient,
                    detail=notice.account.value,
                )
            )

    def _answered(self, notice: NoticeSeen) -> Remembered | None:
        """The latest letter that the notice can be about (NDR-7)."""
        of_patient = [each for each in self._has.letters if notice.patient in (None, each.letter.pair.patient)]
        cited = [each for each in of_patient if each.letter.message_id in notice.thread]
        subject = subject_key(notice.subject)
        if not cited and notice.patient is not None and subject:
            cited = [each for each in of_patient if subject_key(each.letter.subject) == subject]
        return cited[-1] if cited else None
