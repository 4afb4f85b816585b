"""Passwords are checked off the event loop, with the same work for logins that do not exist."""

import asyncio

import pytest

from mssgw.edges.passwords import Passwords, hash_password


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password("sésame")


async def test_the_right_password_fits_and_nothing_else_does(hashed):
    passwords = Passwords()
    assert await passwords.check(hashed, "sésame")
    assert not await passwords.check(hashed, "sesame")
    assert not await passwords.check("not a hash", "sésame")
    passwords.close()


async def test_no_password_fits_a_login_that_does_not_exist():
    """Not even the one that its stand-in hash was made of."""
    passwords = Passwords()
    assert not await passwords.check(None, "no login has this password")
    passwords.close()


async def test_the_loop_turns_while_passwords_are_checked(hashed):
    """A burst of log-ins waits its turn; the loop does not."""
    passwords = Passwords(at_once=2)
    burst = [asyncio.create_task(passwords.check(hashed, "x")) for _ in range(4)]
    turns = 0
    while not all(task.done() for task in burst):
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    assert [task.result() for task in burst] == [False] * 4
    passwords.close()


async def test_a_check_that_waits_too_long_is_given_up(hashed):
    passwords = Passwords(at_once=1, patience=0.001)
    with pytest.raises(TimeoutError):
        await asyncio.gather(passwords.check(hashed, "x"), passwords.check(hashed, "x"))
    passwords.close()


async def test_a_right_password_is_remembered_and_a_wrong_one_is_not(hashed, monkeypatch):
    """A mail server logs in anew for every letter: it shall not cost a tenth of a second each time."""
    passwords = Passwords()
    assert await passwords.check(hashed, "sésame")
    assert not await passwords.check(hashed, "sesame")
    monkeypatch.setattr("mssgw.edges.passwords._fits", lambda *_: False)
    assert await passwords.check(hashed, "sésame")
    assert not await passwords.check(hashed, "sesame")
    assert not await passwords.check(None, "sésame")
    passwords.close()
