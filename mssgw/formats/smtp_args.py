"""The arguments of MAIL, RCPT and XCLIENT: text after the verb in, core values out.

RFC 5321 section 4.1.1, RFC 1870 (SIZE), 6152 (BODY), 6531 (SMTPUTF8), 3461 (RET, ENVID, NOTIFY, ORCPT). Paths must
stand in angle brackets. A source route (``<@a,@b:user@c>``) is dropped as RFC 5321 section 4.1.1.3 advises: the
mailbox behind the colon alone decides. What is wrong raises BadArgument, whose text never repeats the value.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mssgw.core.addresses import Address
from mssgw.core.envelope import ForwardPath, Notify
from mssgw.core.errors import GatewayError, MalformedAddress
from mssgw.core.replies import Reply

_PATH = re.compile(r' *<((?:"(?:[^"\\]|\\.)*"|[^"<>])*)>(?: +(.*))?', re.DOTALL)
_ROUTE = re.compile(r"@[^\s@:,<>\"]+(?:,@[^\s@:,<>\"]+)*:")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^= \x00-\x20\x7f]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")  # RFC 3461 section 4: no "+" or "=" but as +HH
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]{1,40}")


class BadArgument(GatewayError):
    """The argument of an SMTP command cannot be read."""

    def __init__(self, reply: Reply) -> None:
        """``reply`` names what is wrong, in French ASCII, without the value."""
        super().__init__(reply.text)
        self.reply = reply


def _bad(text: str, code: int = 501, status: str = "5.5.4") -> BadArgument:
    return BadArgument(Reply(code, status, text))


@dataclass(frozen=True, slots=True, kw_only=True)
class MailArguments:
    """MAIL FROM. ``size`` 0: none declared. The other fields as in core.envelope.Envelope."""

    reverse_path: Address | None
    size: int = 0
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


def parse_mail(argument: str, *, extended: bool = True) -> MailArguments:
    """Take what follows ``MAIL ``; ``extended`` False after HELO, where no parameter is allowed. Raises BadArgument."""
    path, rest = _path("FROM:", argument)
    given = _parameters(rest, extended, {"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"})
    smtputf8 = "SMTPUTF8" in given
    if given.get("SMTPUTF8"):
        raise _bad("SMTPUTF8 ne prend pas de valeur")
    _checked(given, "AUTH", lambda value: value == "<>" or _is_xtext(value))  # RFC 4954 section 5: taken, not used
    size = _checked(given, "SIZE", lambda value: re.fullmatch(r"[0-9]{1,20}", value) is not None)
    body = _checked(given, "BODY", lambda value: value.upper() in ("7BIT", "8BITMIME"))
    ret = _checked(given, "RET", lambda value: value.upper() in ("FULL", "HDRS"))
    return MailArguments(
        reverse_path=_address(path, smtputf8, "5.1.7") if path else None,
        size=int(size or 0),
        eight_bit=(body or "").upper() == "8BITMIME",
        smtputf8=smtputf8,
        ret=ret.upper() if ret else None,
        envid=_checked(given, "ENVID", lambda value: len(value) <= 100 and _is_xtext(value)),
    )


def parse_rcpt(argument: str, *, extended: bool = True, smtputf8: bool = False, hostname: str = "") -> ForwardPath:
    """Take what follows ``RCPT ``. Raises BadArgument.

    ``smtputf8``: MAIL announced it. ``hostname``: the domain of a bare ``<Postmaster>`` (RFC 5321 section 4.5.1).
    """
    path, rest = _path("TO:", argument)
    given = _parameters(rest, extended, {"NOTIFY", "ORCPT"})
    if not path:
        raise _bad("Destinataire vide", 553, "5.1.3")
    if path.lower() == "postmaster" and hostname:
        path = f"{path}@{hostname}"
    return ForwardPath(
        address=_address(path, smtputf8, "5.1.3"),
        notify=_notify(given),
        orcpt=_checked(given, "ORCPT", lambda value: _is_orcpt(value, smtputf8)),
    )


def parse_xclient(argument: str) -> str | None:
    """Take what follows ``XCLIENT ``: the login of the person behind the connection, None when unavailable.

    LOGIN is the only attribute we offer. Raises BadArgument.
    """
    name, equals, value = argument.partition("=")
    if name.upper() != "LOGIN" or not equals or " " in value:
        raise _bad("Seul XCLIENT LOGIN=valeur est accepte")
    if value.upper() in ("[UNAVAILABLE]", "[TEMPUNAVAIL]"):
        return None
    if not value or len(value) > 500 or not _is_xtext(value):
        raise _bad("La valeur de LOGIN n'est pas du xtext")
    return _decode(value)


def _path(keyword: str, argument: str) -> tuple[str, str]:
    """What stands in angle brackets, without source route, and the parameters behind it."""
    if argument[: len(keyword)].upper() != keyword:
        raise _bad(f"Syntaxe : {keyword}<adresse>")
    found = _PATH.fullmatch(argument[len(keyword) :])
    if not found:
        raise _bad(f"Syntaxe : {keyword}<adresse>")
    path: str = found.group(1)
    route = _ROUTE.match(path)
    return path[route.end() :] if route else path, found.group(2) or ""


def _address(path: str, smtputf8: bool, status: str) -> Address:
    try:
        address = Address.parse(path)
    except MalformedAddress as malformed:
        raise BadArgument(Reply(553, status, malformed.reply.text)) from None
    if not address.ascii_only and not smtputf8:
        raise _bad("Une adresse non ASCII demande SMTPUTF8", 553, "5.6.7")  # RFC 6531 section 3.5
    return address


def _parameters(rest: str, extended: bool, known: set[str]) -> dict[str, str]:
    """ESMTP parameters by upper-case name; one without a value has ""."""
    given: dict[str, str] = {}
    for word in rest.split():
        parameter = _PARAMETER.fullmatch(word)
        if not parameter or not extended:
            raise _bad("Parametre mal forme ou inattendu")
        name = parameter.group(1).upper()
        if name not in known:
            raise _bad("Parametre inconnu", 555)
        if name in given:
            raise _bad("Parametre donne deux fois")
        given[name] = parameter.group(2) or ""
    return given


def _checked(given: dict[str, str], name: str, is_good: Callable[[str], bool]) -> str | None:
    value = given.get(name)
    if value is not None and not (value and is_good(value)):
        raise _bad(f"Valeur de {name} invalide")
    return value


def _notify(given: dict[str, str]) -> frozenset[Notify] | None:
    value = given.get("NOTIFY")
    if value is None:
        return None
    words = value.upper().split(",")
    if not set(words) <= set(Notify) or ("NEVER" in words and len(words) > 1):
        raise _bad("Valeur de NOTIFY invalide")
    return frozenset(Notify(word) for word in words)


def _is_xtext(value: str) -> bool:
    """xtext that decodes to printable ASCII: it will stand in the header of a report."""
    return _XTEXT.fullmatch(value) is not None and all(" " <= octet <= "~" for octet in _decode(value))


def _decode(value: str) -> str:
    return _HEXCHAR.sub(lambda found: chr(int(found.group(1), 16)), value)


def _is_orcpt(value: str, smtputf8: bool) -> bool:
    kind, semicolon, address = value.partition(";")
    if not semicolon or not address or len(value) > 500 or not _ADDRESS_TYPE.fullmatch(kind):
        return False
    if kind.lower() == "utf-8" and smtputf8:  # RFC 6533 section 3: may hold UTF-8 and \x{…}
        return address.isprintable()
    return _is_xtext(address)
