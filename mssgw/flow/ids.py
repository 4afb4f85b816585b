"""Queue ids: what the 250 names, what the log and ``trace`` know a letter by."""

import random
from datetime import UTC, datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: no I, L, O, U to misread on the telephone


def new_id(now: datetime) -> str:
    """16 characters: 9 of time in milliseconds, so that ids sort by age, and 7 random (35 bits).

    They need to differ, not to be unguessable: Python's generator, which every process seeds anew after a fork.
    """
    number = (int(now.timestamp() * 1000) << 35) | random.getrandbits(35)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(75, -1, -5))


def made_at(spool_id: str) -> datetime | None:
    """When a queue id was made, to the millisecond; None for what is none."""
    digits = [_ALPHABET.find(character) for character in spool_id]
    if len(digits) != 16 or -1 in digits:
        return None
    number = 0
    for digit in digits:
        number = number << 5 | digit
    return datetime.fromtimestamp((number >> 35) / 1000, UTC)
