"""Which edition of the directory is in force, and what another one says otherwise."""

from typing import Any

from sqlalchemy import Connection, Select, and_, func, literal, select

from mssgw.core.directory import Change
from mssgw.edges.sql.knowledge import IN_FORCE
from mssgw.edges.sql.tables import directory_editions as editions
from mssgw.edges.sql.tables import directory_mailboxes as mailboxes


def in_force() -> Select[Any]:
    """The generation that everybody goes by."""
    return select(editions.c.generation).where(editions.c.standing == IN_FORCE)


def change(connection: Connection, generation: int, most: int) -> Change:
    """See ports.Directory.compare."""
    present: int = connection.execute(in_force()).scalar() or 0
    one, other = mailboxes.alias("one"), mailboxes.alias("other")

    def of(number: int, *conditions: Any) -> Any:
        return and_(one.c.generation == number, *conditions)

    def elsewhere(number: int, *conditions: Any) -> Any:
        same = and_(other.c.generation == number, other.c.mailbox == one.c.mailbox, *conditions)
        return select(literal(1)).select_from(other).where(same).exists()

    def count(condition: Any) -> int:
        number: int = connection.execute(select(func.count()).select_from(one).where(condition)).scalar_one()
        return number

    def some(condition: Any) -> tuple[str, ...]:
        found = select(one.c.mailbox).where(condition).order_by(one.c.mailbox).limit(most)
        return tuple(connection.execute(found).scalars())

    is_pharmacy, was_pharmacy = one.c.pharmacy == 1, other.c.pharmacy == 1
    gained = of(generation, is_pharmacy, ~elsewhere(present, was_pharmacy))
    lost = of(present, is_pharmacy, ~elsewhere(generation, was_pharmacy))
    return Change(
        before=count(of(present)),
        pharmacies_before=count(of(present, is_pharmacy)),
        added=count(of(generation, ~elsewhere(present))),
        removed=count(of(present, ~elsewhere(generation))),
        other_kind=count(of(generation, elsewhere(present, other.c.kind != one.c.kind))),
        pharmacies_gained=count(gained),
        pharmacies_lost=count(lost),
        gained=some(gained),
        lost=some(lost),
    )
