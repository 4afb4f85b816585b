"""Who is let in by network, and by login (SD-5)."""

from dataclasses import dataclass

from mssgw.app.wiring import Clients
from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.edges.passwords import Passwords
from mssgw.ports import Login


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What flow.live asks, over one configuration's clients; a reload makes another one."""

    clients: Clients
    passwords: Passwords

    def client_at(self, role: Role, peer: str) -> Client | None:
        return self.clients.at(role, peer)

    async def authenticate(self, role: Role, login: str, password: str) -> Client | None:
        client, hashed = self.clients.logins.get(login, (None, None))
        fits = await self.passwords.check(hashed, password)
        return client if fits and client is not None and client.role is role else None

    def login(self, role: Role, name: str) -> Login | None:
        client, hashed = self.clients.logins.get(name, (None, ""))
        if client is None or client.role is not role:
            return None
        return Login(name=name, client=client, password_hash=hashed)
