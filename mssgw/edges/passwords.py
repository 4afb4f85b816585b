"""Passwords: argon2id hashes, checked in threads so that the event loop never waits."""

import asyncio
import hmac
import os
import time
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()  # argon2id, RFC 9106 low-memory profile: 64 MiB, 3 passes, 4 lanes
# Hash of nobody's password, so that an unknown login takes as long as a known one.
_NOBODY = _HASHER.hash("no login has this password")
_REMEMBERED, _FOR = 1_000, 300.0  # how many right answers, and for how many seconds


def hash_password(password: str) -> str:
    """The argon2id hash to put in the configuration. Takes about a tenth of a second and 64 MiB."""
    return _HASHER.hash(password)


class Passwords:
    """Checks passwords, at most ``at_once`` at a time: each check holds 64 MiB and a core."""

    def __init__(self, *, at_once: int = 2, patience: float = 10.0) -> None:
        """``patience``: seconds that a check may wait for its turn and run before TimeoutError."""
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="argon2")
        self._turns = asyncio.Semaphore(at_once)
        self._patience = patience
        # A mail server logs in anew for every letter. What was right is right for five minutes, without 64 MiB and a
        # tenth of a second of work; only a keyed hash of it is kept.
        self._secret, self._right = os.urandom(32), dict[bytes, float]()

    async def check(self, hashed: str | None, password: str) -> bool:
        """Whether ``password`` fits ``hashed``; the same work when there is no such login (None).

        Raises TimeoutError when too many checks wait.
        """
        seen = hmac.digest(self._secret, f"{hashed}\0{password}".encode(), "sha256")
        now = time.monotonic()
        if self._right.get(seen, 0.0) > now:
            return True
        async with asyncio.timeout(self._patience):
            async with self._turns:
                fits = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _fits, hashed or _NOBODY, password
                )
        if fits and hashed is not None:
            if len(self._right) >= _REMEMBERED:
                self._right.clear()
            self._right[seen] = now + _FOR
        return fits and hashed is not None

    def close(self) -> None:
        """Let running checks end by themselves; no more are taken."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _fits(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
