"""Ordinary addresses of patients in what commands print: they may be names, and are masked like matricules."""

from collections.abc import Iterable
from dataclasses import replace

from mssgw.core.addresses import Address
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry
from mssgw.core.routes import PATIENTS_HEAR


class PrivateAddress(Address):
    """The ordinary address of a patient: it may be his name."""

    @classmethod
    def of(cls, address: Address) -> "PrivateAddress":
        return cls(text=address.text, key=address.key, domain=address.domain)


def apart(entries: Iterable[Entry], others: Iterable[Entry] = ()) -> list[Entry]:
    """The lines, with patients' ordinary addresses as such: those of the words that something waits for them.

    ``others``: more lines of the same letters, where the first is not among ``entries``, which tells of a word.
    """
    told = list(entries)
    words = {entry.spool_id for entry in (*told, *others) if entry.detail == PATIENTS_HEAR}
    return [
        replace(entry, recipient=PrivateAddress.of(entry.recipient))
        if entry.recipient is not None and entry.spool_id in words
        else entry
        for entry in told
    ]


def facts_apart(facts: Facts, entries: Iterable[Entry]) -> Facts:
    """The same of the facts of a letter, ``entries`` being its journal."""
    if all(entry.detail != PATIENTS_HEAR for entry in entries):
        return facts
    paths = tuple(replace(each, address=PrivateAddress.of(each.address)) for each in facts.envelope.forward_paths)
    exchanges = tuple(replace(each, forward_path=path) for each, path in zip(facts.exchanges, paths, strict=True))
    return replace(facts, envelope=replace(facts.envelope, forward_paths=paths), exchanges=exchanges)
