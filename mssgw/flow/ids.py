"""Queue ids: what the 250 names, what the log and ``trace`` know a letter by."""

import random
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: no I, L, O, U to misread on the telephone


def new_id(now: datetime) -> str:
    """16 characters: 9 of time in milliseconds, so that ids sort by age, and 7 random (35 bits).

    They need to differ, not to be unguessable: Python's generator, which every process seeds anew after a fork.
    """
    number = (int(now.timestamp() * 1000) << 35) | random.getrandbits(35)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(75, -1, -5))
