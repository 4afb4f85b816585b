"""What a setting may hold: text of the file to a typed value, or what was expected instead. Of places: places.py.

A validator raises ValueError with what it expected; the loader adds what it found.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import PlainValidator

from mssgw.core.addresses import Address, domain_key
from mssgw.core.errors import MalformedAddress
from mssgw.core.message import PRODUCT

Network = IPv4Network | IPv6Network

_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]+) ?(B|kB|MB|GB|KiB|MiB|GiB)")
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ARGON2 = re.compile(r"\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322 section 2.2: printable, no colon


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host name or IP address, and a port."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether nothing leaves the machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def wildcard(self) -> bool:
        """Whether it stands for every address of the machine."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104 - recognised, not chosen

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def duration(value: object) -> timedelta:
    """``"30s"``, ``"5m"``, ``"4h"``, ``"365d"``, ``"500ms"``: more than nothing."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, timedelta):
        return value
    if found is None or len(found[1]) > 9 or not int(found[1]):
        raise ValueError('expected a duration such as "48h" (units: ms, s, m, h, d)')
    unit = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[found[2]]
    span = {unit: int(found[1])}
    try:
        return timedelta(**span)
    except OverflowError:
        raise ValueError("expected a duration of less than a thousand centuries") from None


def size(value: object) -> int:
    """Octets: an integer, or ``"10 MiB"``, ``"25 MB"``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or len(found[1]) > 15:
        raise ValueError('expected a size: a number of octets, or text such as "10 MiB"')
    return int(found[1]) * _BYTES[found[2]]


def count(value: object) -> int:
    """A whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise ValueError("expected a whole number from 1 to 1000000")
    return value


def processes(value: object) -> int:
    """How many processes; 0 leaves it to the machine."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 64:
        raise ValueError("expected a whole number from 0 (one for each core) to 64")
    return value


def flag(value: object) -> bool:
    """true or false, and nothing that only looks like it."""
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def day(value: object) -> date:
    """A TOML date, bare or as text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("expected a date such as 2026-03-01")


def name(value: object) -> str:
    """What an operator calls something: shown in logs and traces, so plain."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError('expected a short name of letters, digits, ".", "_" and "-"')
    return value


def text(value: object) -> str:
    """One line of text."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("expected one line of text")
    return value


def login_name(value: object) -> str:
    """A SASL user name (RFC 4616: UTF-8, no NUL)."""
    if not isinstance(value, str) or not value.isprintable() or not 1 <= len(value) <= 255:
        raise ValueError("expected a user name of 1 to 255 printable characters")
    return value


def patients_login(value: object) -> str:
    """The login of a patient's mailbox, with a place for who he is."""
    named = value.count("{address}") + value.count("{matricule}") if isinstance(value, str) else 0
    rest = value.replace("{address}", "").replace("{matricule}", "") if isinstance(value, str) else ""
    if named != 1 or not rest.isprintable() or "{" in rest or "}" in rest or len(rest) > 100:
        raise ValueError('expected "{address}", "{matricule}", or a text with one of them')
    return str(value)


def password_hash(value: object) -> str:
    """An encoded Argon2id hash; the value is never shown."""
    if not isinstance(value, str) or not _ARGON2.fullmatch(value):
        raise ValueError('expected an Argon2id hash that begins with "$argon2id$v=19$"')
    return value


def domain(value: object) -> str:
    """A domain name, as A-labels in lower case."""
    try:
        key = domain_key(value) if isinstance(value, str) else ""
    except MalformedAddress:
        key = ""
    if "." not in key or key.startswith("["):
        raise ValueError('expected a domain such as "chu-exemple.mssante.fr"')
    return key


def host_name(value: object) -> str:
    """A fully qualified host name."""
    try:
        return domain(value)
    except ValueError:
        raise ValueError('expected a full host name such as "mssgw.chu-exemple.fr"') from None


def address(value: object) -> Address:
    """A mailbox address; the value is never shown, for it may hold an INS."""
    try:
        if isinstance(value, str):
            return Address.parse(value)
        why = "it is not text"
    except MalformedAddress as error:
        why = str(error)
    raise ValueError(f'expected an address such as "boite@chu-exemple.mssante.fr": {why}')


def network(value: object) -> Network:
    """An IP address or network in CIDR form; not the whole Internet."""
    expected = 'expected an IP address or network such as "192.0.2.0/24"'
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        given = ip_network(value)
    except ValueError:
        try:
            proper = ip_network(value, strict=False)
        except ValueError:
            raise ValueError(expected) from None
        raise ValueError(f'expected a network without host bits, here "{proper}"') from None
    if not given.prefixlen:
        raise ValueError("expected the addresses of its servers: from these everybody could write as its domains")
    return given


def _endpoint(value: object, lowest_port: int, expected: str) -> Endpoint:
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f'{expected}; an IPv6 address stands in brackets, as in "[::1]:25"')
    digits = re.fullmatch("[0-9]{1,5}", port)
    if not colon or not digits or not lowest_port <= int(port) <= 65535 or not _is_host(host):
        raise ValueError(expected)
    return Endpoint(host.lower(), int(port))


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_host(host: str) -> bool:
    if _is_ip(host):
        return True
    try:
        # Digits and dots only: a mistyped IPv4 address, never a host name.
        return bool(domain_key(host)) and not re.fullmatch("[0-9.]+", host)
    except MalformedAddress:
        return False


def listen_address(value: object) -> Endpoint:
    """Where a listener binds: IP address and port; port 0 takes a free one."""
    expected = 'expected an IP address and port such as "127.0.0.1:25"'
    endpoint = _endpoint(value, 0, expected)
    if not _is_ip(endpoint.host) and not endpoint.loopback:  # whose it is would be for the DNS to say, at each start
        raise ValueError(expected)
    return endpoint


def listen_address_or_none(value: object) -> Endpoint | None:
    """Where a listener binds; None stands for "": it does not."""
    return None if value == "" else listen_address(value)


def next_hop(value: object) -> Endpoint:
    """Where mail goes next."""
    return _endpoint(value, 1, 'expected "host:port", such as "smtp.chu-exemple.fr:25"')


def next_hop_or_mx(value: object) -> Endpoint | None:
    """Where mail goes next; None stands for "mx": the mail exchangers of each domain."""
    if value == "mx":
        return None
    return _endpoint(value, 1, 'expected "mx" or "host:port", such as "smtp.operateur.fr:25"')


def field_name(value: object) -> str:
    """The name of a header field, without its colon."""
    if not isinstance(value, str) or not _FIELD_NAME.fullmatch(value):
        raise ValueError('expected the name of a header field, such as "X-Auteur"')
    return value


def product(value: object) -> str:
    """A reference of X-MSS-NIL, as convergence.esante.gouv.fr gives it (FMT-9)."""
    if not isinstance(value, str) or not PRODUCT.fullmatch(value):
        raise ValueError('expected the reference of a product, such as "NIL-2041-01", without accents')
    return value


Duration = Annotated[timedelta, PlainValidator(duration)]
Size = Annotated[int, PlainValidator(size)]
Count = Annotated[int, PlainValidator(count)]
Processes = Annotated[int, PlainValidator(processes)]
Flag = Annotated[bool, PlainValidator(flag)]
Day = Annotated[date, PlainValidator(day)]
Name = Annotated[str, PlainValidator(name)]
Text = Annotated[str, PlainValidator(text)]
LoginName = Annotated[str, PlainValidator(login_name)]
PatientsLogin = Annotated[str, PlainValidator(patients_login)]
PasswordHash = Annotated[str, PlainValidator(password_hash)]
Domain = Annotated[str, PlainValidator(domain)]
HostName = Annotated[str, PlainValidator(host_name)]
MailAddress = Annotated[Address, PlainValidator(address)]
Cidr = Annotated[Network, PlainValidator(network)]
ListenAddress = Annotated[Endpoint, PlainValidator(listen_address)]
ListenAddressOrNone = Annotated[Endpoint | None, PlainValidator(listen_address_or_none)]
NextHop = Annotated[Endpoint, PlainValidator(next_hop)]
NextHopOrMx = Annotated[Endpoint | None, PlainValidator(next_hop_or_mx)]
FieldName = Annotated[str, PlainValidator(field_name)]
Product = Annotated[str, PlainValidator(product)]
