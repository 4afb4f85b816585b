"""What a queue is asked, in forms that its indexes answer: no question looks at every letter that waits.

Queued deliveries are in ``deliveries_due``: first those that nobody holds (``lease_until`` NULL) by due time, then the
leased ones; those that nobody holds are in ``deliveries_of_domain``, too. All others are in ``deliveries_not_queued``.
What these indexes are restricted to is spelt out in each question, not a parameter: only so does a planner know that
the index will do. tests/contract/test_plans.py watches.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from mssgw.core.delivery import Lease, State
from mssgw.edges.codec import micros
from mssgw.edges.sql.tables import OF_DOMAIN, deliveries

FINAL = tuple(state.value for state in State if state.final)
QUEUED, HELD = State.QUEUED.value, State.HELD.value
IS_QUEUED = deliveries.c.state == literal_column(f"'{QUEUED}'")
_IS_NOT_QUEUED = deliveries.c.state != literal_column(f"'{QUEUED}'")
_FREE = deliveries.c.lease_until.is_(None)
_OF_DOMAIN: ColumnElement[bool] = literal_column(f"({OF_DOMAIN})")
_LEASED = deliveries.c.lease_until.is_not(None)
# What PostgreSQL cannot know: where lease_until is NULL in every row, the index is in the order of due_at alone.
_BY_DUE = (deliveries.c.lease_until, deliveries.c.due_at)
_KEY = (deliveries.c.spool_id, deliveries.c.number)


def unowned(now: int) -> ColumnElement[bool]:
    """Whether nobody holds a delivery. For questions about given letters: no index answers it."""
    return or_(_FREE, deliveries.c.lease_until <= now)


def due_and_free(now: int) -> Select[Any]:
    """The queue ids of what claiming() may look at, oldest due first."""
    due = select(deliveries.c.spool_id).where(IS_QUEUED, deliveries.c.due_at <= now, unowned(now))
    return due.order_by(deliveries.c.due_at)


def claiming(now: int, lease: Lease, limit: int, *, lapsed: bool = True, domain: str | None = None) -> Any:
    """Lease the oldest due deliveries that nobody holds, and return them. ``lapsed``: those held until now, too.

    ``domain``: only those to that domain.
    """
    due = select(*_KEY, deliveries.c.due_at).where(IS_QUEUED, deliveries.c.due_at <= now)
    free = due.where(_FREE).order_by(*_BY_DUE)
    held_until_now = due.where(deliveries.c.lease_until <= now).order_by(*_BY_DUE)
    if domain is not None:
        free = due.where(_OF_DOMAIN, deliveries.c.domain == domain).order_by(deliveries.c.due_at)
        held_until_now = held_until_now.where(deliveries.c.domain == domain)
    ready = [
        part.limit(limit).with_for_update(skip_locked=True).subquery()
        for part in (free, *((held_until_now,) if lapsed else ()))
    ]
    oldest = union_all(*(select(part) for part in ready)).subquery()
    chosen = select(oldest.c.spool_id, oldest.c.number).order_by(oldest.c.due_at).limit(limit)
    # Once, and not again for every row that is looked at: each time it would lock and take other rows.
    once = chosen.cte("chosen").prefix_with("MATERIALIZED", dialect="postgresql")
    return (
        update(deliveries)
        .where(tuple_(*_KEY).in_(select(once)))
        .values(lease_token=lease.token, lease_until=micros(lease.until))
        .returning(deliveries)
    )


def domains_due(now: int, *, lapsed: bool) -> list[Select[Any]]:
    """The domains of what claiming() would take, each with when the first is due; in up to two answers.

    From one domain to the next, however many letters wait for each. What was held until now is looked at in full: it is
    no more than the memory of processes that died.
    """
    of_domain = select(deliveries.c.domain).where(_OF_DOMAIN).order_by(deliveries.c.domain).limit(1)
    each = select(cast("", Text).label("domain")).cte("each", recursive=True)
    following = of_domain.where(deliveries.c.domain > each.c.domain).scalar_subquery()
    each = each.union_all(select(following).where(each.c.domain.is_not(None)))
    of_due = select(deliveries.c.due_at).where(_OF_DOMAIN, deliveries.c.domain == each.c.domain)
    of_due = of_due.order_by(deliveries.c.due_at).limit(1)
    found = each.c.domain.is_not(None)
    firsts = select(each.c.domain, of_due.scalar_subquery().label("due_at")).where(found).subquery()
    held = select(deliveries.c.domain, func.min(deliveries.c.due_at)).group_by(deliveries.c.domain)
    return [
        select(firsts).where(firsts.c.due_at <= now),
        *([held.where(IS_QUEUED, deliveries.c.due_at <= now, deliveries.c.lease_until <= now)] if lapsed else []),
    ]


def earliest() -> tuple[Select[Any], Select[Any]]:
    """When the first delivery that nobody holds is due, and when the first lease lapses."""
    lapses = case((deliveries.c.lease_until > deliveries.c.due_at, deliveries.c.lease_until), else_=deliveries.c.due_at)
    return (
        select(deliveries.c.due_at).where(IS_QUEUED, _FREE).order_by(*_BY_DUE).limit(1),
        select(lapses).where(IS_QUEUED, _LEASED).order_by(*_BY_DUE).limit(1),
    )


def freed(*whose: ColumnElement[bool]) -> Any:
    """Deliveries of these leases are due as before."""
    return update(deliveries).where(IS_QUEUED, _LEASED, *whose).values(lease_token=None, lease_until=None)


def renewed(tokens: Sequence[str], until: int) -> Any:
    """Among what is leased at all, what these tokens hold."""
    held = deliveries.c.lease_token.in_(tokens)
    return update(deliveries).where(IS_QUEUED, _LEASED, held).values(lease_until=until)


def first(limit: int, states: Sequence[str], *, domain: str | None = None, of: str | None = None) -> Select[Any]:
    """The deliveries in these states that are due first, with all their columns; ``of``: only of that letter."""
    order = (deliveries.c.due_at, *_KEY)
    there = [] if domain is None else [deliveries.c.domain == domain]
    if of is not None:
        there += [deliveries.c.spool_id == of, deliveries.c.state.in_(states)]
        return select(deliveries).where(*there).order_by(*order).limit(limit)
    parts = []
    for state in states:
        if state == QUEUED:
            free = select(deliveries).where(IS_QUEUED, _FREE, *there).order_by(deliveries.c.lease_until, *order)
            parts += [free, select(deliveries).where(IS_QUEUED, _LEASED, *there).order_by(*order)]
        else:
            parts.append(select(deliveries).where(_IS_NOT_QUEUED, deliveries.c.state == state, *there).order_by(*order))
    each = union_all(*(select(part.limit(limit).subquery()) for part in parts)).subquery()
    return select(each).order_by(each.c.due_at, each.c.spool_id, each.c.number).limit(limit)


def finished() -> Select[Any]:
    """Messages whose deliveries are all final: that never changes, so what is found now stays true.

    A message has a delivery at least: both are kept in one transaction, and erased in one.
    """
    other = deliveries.alias()
    still_open = select(other.c.spool_id).where(other.c.spool_id == deliveries.c.spool_id, other.c.state.not_in(FINAL))
    done = (_IS_NOT_QUEUED, deliveries.c.state.in_(FINAL))
    return select(deliveries.c.spool_id).distinct().where(*done, ~still_open.exists())
