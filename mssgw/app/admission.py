"""Who is let in by network, and by login (SD-5)."""

from collections.abc import Callable
from functools import lru_cache

from mssgw.app.wiring import Clients
from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.edges.passwords import Passwords
from mssgw.ports import Login


class Admission:
    """What flow.live asks, over one configuration's clients; a reload makes another one."""

    def __init__(self, clients: Clients, passwords: Passwords) -> None:
        self._logins, self._passwords = clients.logins, passwords
        self.client_at: Callable[[Role, str], Client | None] = lru_cache(4_096)(clients.at)  # asked for at every MAIL

    async def authenticate(self, role: Role, login: str, password: str) -> Client | None:
        client, hashed = self._logins.get(login, (None, None))
        fits = await self._passwords.check(hashed, password)
        return client if fits and client is not None and client.role is role else None

    def login(self, role: Role, name: str) -> Login | None:
        client, hashed = self._logins.get(name, (None, ""))
        if client is None or client.role is not role:
            return None
        return Login(name=name, client=client, password_hash=hashed)
