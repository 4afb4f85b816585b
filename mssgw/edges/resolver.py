"""Where a next hop is: MX and address look-ups that tell "no such domain" from "no answer" (RFC 5321 section 5.1)."""

import asyncio
import ipaddress
import random
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import Any, Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX

from mssgw.core.delivery import Bounced, Deferred
from mssgw.core.replies import Reply


class Unreachable(Exception):
    """No connection. ``outcome`` is what becomes of the letter; ``try_next``: another host or address may do."""

    def __init__(self, outcome: Deferred | Bounced, *, try_next: bool = False) -> None:
        super().__init__(outcome.reply.code, outcome.reply.status)
        self.outcome = outcome
        self.try_next = try_next


# Our routes name each domain that mail may go to, so a domain that vanishes from the DNS is a mistake of a zone, a
# resolver or a configuration far more often than a wrong address: letters wait and an administrator hears of it,
# where a plain MTA would bounce with 5.1.2.
NO_SUCH_DOMAIN = Reply(450, "4.4.3", "Domaine du serveur suivant introuvable dans le DNS")
NO_ANSWER = Reply(450, "4.4.3", "Le DNS ne repond pas pour le serveur suivant")
NULL_MX = Reply(556, "5.1.10", "Ce domaine ne recoit pas de courrier")


class Resolver(Protocol):
    async def exchangers(self, domain: str) -> Sequence[str]:
        """Hosts that take mail for the domain, best first. Raises Unreachable."""

    async def addresses(self, host: str, *, mx: bool) -> Sequence[str]:
        """IP addresses of a host, at least one. ``mx``: it was named by exchangers(). Raises Unreachable."""


class DnsResolver:
    """Exchangers and their addresses by dnspython, cached as long as the DNS allows.

    A host that the configuration names is looked up as the system does it, /etc/hosts included.
    """

    def __init__(self, nameservers: Sequence[str] = (), port: int = 53, lifetime: float = 10.0) -> None:
        """``nameservers``: IP addresses; none: those of /etc/resolv.conf. ``lifetime``: seconds for one look-up."""
        self._nameservers, self._port, self._lifetime = nameservers, port, lifetime
        self._resolver: dns.asyncresolver.Resolver | None = None  # made at the first MX route: not all have one
        # Of its own: a look-up that hangs keeps its thread when its time is up, and others wait for the common ones.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="look-up")
        self._asked: dict[str, asyncio.Future[Sequence[tuple[Any, ...]]]] = {}  # by the system, and not answered yet

    async def exchangers(self, domain: str) -> Sequence[str]:
        try:
            answer = await self._ask(domain, "MX")
        except dns.resolver.NoAnswer:
            return (domain,)  # the implicit MX
        except dns.resolver.NXDOMAIN:
            raise Unreachable(Deferred(reply=NO_SUCH_DOMAIN, next_hop=domain, alarm=True)) from None
        except (dns.exception.DNSException, OSError):
            raise Unreachable(Deferred(reply=NO_ANSWER, next_hop=domain)) from None
        found = [record for record in answer if isinstance(record, MX)]
        hosts = [record for record in found if record.exchange != dns.name.root]
        if found and not hosts:
            raise Unreachable(Bounced(reply=NULL_MX, next_hop=domain))  # RFC 7505
        random.shuffle(hosts)  # before the stable sort: equals are taken in turn
        hosts.sort(key=lambda record: record.preference)
        return tuple(record.exchange.to_text(omit_final_dot=True) for record in hosts) or (domain,)

    async def addresses(self, host: str, *, mx: bool) -> Sequence[str]:
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            return await (self._dns_addresses(host) if mx else self._system_addresses(host))

    async def _dns_addresses(self, host: str) -> Sequence[str]:
        answers = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"), return_exceptions=True)
        found = [[record.to_text() for record in answer] for answer in answers if not isinstance(answer, BaseException)]
        if any(found):  # in turn: whoever dials tries the first few, and there may be no way to one of the families
            return [address for both in zip_longest(*found) for address in both if address is not None]
        if all(isinstance(answer, dns.resolver.NXDOMAIN | dns.resolver.NoAnswer) for answer in answers):
            raise Unreachable(Deferred(reply=NO_SUCH_DOMAIN, next_hop=host, alarm=True), try_next=True)
        raise Unreachable(Deferred(reply=NO_ANSWER, next_hop=host), try_next=True)

    async def _system_addresses(self, host: str) -> Sequence[str]:
        try:
            async with asyncio.timeout(self._lifetime):
                found = await asyncio.shield(self._answer(host))
        except socket.gaierror as exc:
            known = exc.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
            reply = NO_SUCH_DOMAIN if known else NO_ANSWER
            raise Unreachable(Deferred(reply=reply, next_hop=host, alarm=known), try_next=True) from None
        except (OSError, UnicodeError):  # a TimeoutError is an OSError
            raise Unreachable(Deferred(reply=NO_ANSWER, next_hop=host), try_next=True) from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def _answer(self, host: str) -> "asyncio.Future[Sequence[tuple[Any, ...]]]":
        """One look-up of a host at a time, for all who ask: where it hangs, it must not take every thread."""
        if host not in self._asked:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, _system_lookup, host)
            self._asked[host] = asked
            asked.add_done_callback(lambda _: self._answered(host))
        return self._asked[host]

    def _answered(self, host: str) -> None:
        asked = self._asked.pop(host)
        if not asked.cancelled():
            asked.exception()  # perhaps nobody waits for it any more

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer:
        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                self._resolver.nameservers = list(self._nameservers)
            self._resolver.port, self._resolver.lifetime = self._port, self._lifetime
            self._resolver.cache = dns.resolver.LRUCache(10_000)
        return await self._resolver.resolve(dns.name.from_text(name), kind, search=False)


def _system_lookup(host: str) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
