"""What is left behind of a letter of ours that could not be kept."""

from datetime import UTC, datetime

import pytest

from mssgw.core.addresses import Address
from mssgw.core.errors import CommitInDoubt, StoreFull, StoreUnavailable
from mssgw.core.routes import PATIENTS_HEAR, Route, RouteTable, TlsPolicy
from mssgw.core.settings import Settings
from mssgw.edges.memory.spool import MemorySpool
from mssgw.edges.memory.store import MemoryStore
from mssgw.flow.live import Live, nobody_fits
from mssgw.flow.own_letters import OwnLetter, OwnLetters
from mssgw.formats.own_parts import Written
from mssgw.ports import INLINE_LIMIT, Acceptance

LARGE = Written(content=b"From: x\r\n\r\n" + b"x" * 70 * 1_000 + b"\r\n")
assert len(LARGE.content) > INLINE_LIMIT


@pytest.mark.parametrize(
    ("error", "stays"), [(StoreUnavailable(), False), (StoreFull(), False), (CommitInDoubt(), True)]
)
async def test_only_a_letter_that_may_be_kept_after_all_leaves_its_file(
    monkeypatch: pytest.MonkeyPatch, error: Exception, stays: bool
) -> None:
    async def accept(acceptance: Acceptance) -> None:
        raise error

    store, spool = MemoryStore(), MemorySpool()
    monkeypatch.setattr(store, "accept", accept)
    routes = RouteTable({"x.example": Route(name="out", host="mx", tls=TlsPolicy.NONE)})
    live = Live(Settings(hostname="gw.example", routes=routes), lambda *_: None, nobody_fits)  # type: ignore[arg-type]
    letter = OwnLetter(spool_id="A", message_id="<a@x>", written=LARGE, to=Address.parse("a@x.example"))
    with pytest.raises(type(error)):
        await OwnLetters(store=store, spool=spool, live=live).keep(letter, datetime(2026, 11, 21, tzinfo=UTC))
    assert bool(spool.files) is stays


async def test_the_journal_tells_by_which_domain_a_letter_of_ours_is_routed() -> None:
    """By it a trace knows an address that may be the name of a patient."""
    store, written = MemoryStore(), Written(content=b"From: x\r\n\r\nx\r\n")
    live = Live(Settings(hostname="gw.example", routes=RouteTable({})), lambda *_: None, nobody_fits)  # type: ignore[arg-type]
    own = OwnLetters(store=store, spool=MemorySpool(), live=live)
    for spool_id, domain in (("A", None), ("B", PATIENTS_HEAR)):
        to, message_id = Address.parse("a@x.example"), f"<{spool_id}@x>"
        letter = OwnLetter(spool_id=spool_id, message_id=message_id, written=written, to=to, domain=domain)
        await own.keep(letter, datetime(2026, 11, 21, tzinfo=UTC))
    assert [entry.detail for entry in store._has.journal] == ["", PATIENTS_HEAR]
