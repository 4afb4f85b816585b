"""What a peer can do, and the MAIL and RCPT commands that fit it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mssgw.core.addresses import Address
from mssgw.core.envelope import Envelope, ForwardPath
from mssgw.core.errors import MalformedAddress

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_XTEXT = re.compile(r"[!-~]{1,500}")
_NOT_PLAIN = re.compile(r"[^!-*,-<>-~]")  # what xtext writes as +XX, "+" and "=" among it (RFC 3461 section 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The extensions that the peer's EHLO named. ``size``: its limit in octets, None when it names none."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    size: int | None = None

    @classmethod
    def of(cls, extensions: Mapping[str, str]) -> "Offer":
        """Take the keywords, lower case, with their parameters."""
        limit = extensions.get("size", "").strip()
        return cls(
            pipelining="pipelining" in extensions,
            eight_bit="8bitmime" in extensions,
            smtputf8="smtputf8" in extensions,
            dsn="dsn" in extensions,
            size=(int(limit) or None) if re.fullmatch(r"[0-9]{1,20}", limit) else None,  # 0: no limit (RFC 1870)
        )


def mail(envelope: Envelope, offer: Offer, *, size: int, eight_bit: bool, smtputf8: bool) -> bytes:
    """MAIL FROM. ``size`` as RFC 1870 counts it: without stuffed dots. Raises MalformedAddress."""
    words = ["MAIL FROM:" + (_path(envelope.reverse_path) if envelope.reverse_path else "<>")]
    if offer.size is not None:
        words.append(f"SIZE={size}")
    if eight_bit and offer.eight_bit:
        words.append("BODY=8BITMIME")
    if smtputf8:
        words.append("SMTPUTF8")
    if offer.dsn and envelope.ret in ("FULL", "HDRS"):
        words.append(f"RET={envelope.ret}")
    if offer.dsn and envelope.envid and _XTEXT.fullmatch(envelope.envid):
        words.append(f"ENVID={envelope.envid}")
    return (" ".join(words) + "\r\n").encode()


def rcpt(forward_path: ForwardPath, offer: Offer) -> bytes:
    """RCPT TO. Raises MalformedAddress."""
    words = ["RCPT TO:" + _path(forward_path.address)]
    if offer.dsn:
        if forward_path.notify:
            words.append("NOTIFY=" + ",".join(sorted(forward_path.notify)))
        words.extend(_orcpt(forward_path))
    return (" ".join(words) + "\r\n").encode()


def _orcpt(forward_path: ForwardPath) -> tuple[str, ...]:
    """The original recipient as we got it, or else the address as we got it (RFC 3461 section 5.2.1)."""
    if forward_path.orcpt is not None:
        return (f"ORCPT={forward_path.orcpt}",) if _XTEXT.fullmatch(forward_path.orcpt) else ()
    if not forward_path.address.ascii_only:
        return ()
    return (f"ORCPT=rfc822;{xtext(forward_path.address.text)}",)


def xtext(text: str) -> str:
    """ASCII text as xtext (RFC 3461 section 4)."""
    return _NOT_PLAIN.sub(lambda found: f"+{ord(found[0]):02X}", text)


def _path(address: Address) -> str:
    # Address.parse lets no such character through; one that came by another way must not become a second command.
    if _CONTROL.search(address.text):
        raise MalformedAddress("an address holds a control character")
    return f"<{address.text}>"
