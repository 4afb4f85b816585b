"""Core values as compact JSON, for what rests encrypted and for what crosses to other processes.

A field at its default is left out, and a field that is no longer known is ignored: so facts of an earlier version can
still be read, and ``explain`` can replay them.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from mssgw.core.addresses import Address

Half = Callable[[Any], Any]  # one direction of a codec
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_known: dict[Any, tuple[Half | None, Half | None]] = {}


def micros(moment: datetime) -> int:
    """Microseconds since 1970: how every table keeps time."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """The aware UTC datetime of ``micros``."""
    return _EPOCH + timedelta(microseconds=micros)


class Codec:
    """Turns values of one type into bytes and back. ``decode`` raises ValueError, TypeError or KeyError."""

    def __init__(self, of: Any) -> None:
        encode, decode = _halves(of)
        self.to_plain: Half = encode or _same
        self.from_plain: Half = decode or _same

    def encode(self, value: Any) -> bytes:
        return dumps(self.to_plain(value))

    def decode(self, data: bytes) -> Any:
        return self.from_plain(json.loads(data))


_encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


def dumps(plain: Any) -> bytes:
    # A lone surrogate can come from a header that was decoded leniently; it must not cost us the letter.
    return _encoder.encode(plain).encode("utf-8", "surrogatepass")


def _same(value: Any) -> Any:
    return value


def _halves(of: Any) -> tuple[Half | None, Half | None]:
    """Encoder and decoder of a type; None where JSON takes the value as it is."""
    if of not in _known:
        _known[of] = _build(of)
    return _known[of]


def _build(of: Any) -> tuple[Half | None, Half | None]:
    origin, arguments = get_origin(of), get_args(of)
    if of in (str, int, bool, float, NoneType):
        return None, None
    if of is Address:
        return lambda a: (a.text, a.key, a.domain), lambda plain: Address(text=plain[0], key=plain[1], domain=plain[2])
    if of is datetime:
        return micros, moment
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin in (tuple, frozenset):
        return _sequence(origin, arguments[0])
    if isinstance(of, type) and issubclass(of, Enum):
        return lambda member: member.value, of
    if is_dataclass(of):
        return _dataclass(of)
    raise TypeError(f"no codec for {of}")


def _union(arguments: tuple[Any, ...]) -> tuple[Half, Half]:
    types = [of for of in arguments if of is not NoneType]
    if len(types) == 1:
        encode, decode = _halves(types[0])
        encode, decode = encode or _same, decode or _same
        return (
            lambda value: None if value is None else encode(value),
            lambda plain: None if plain is None else decode(plain),
        )
    by_type = {of: (of.__name__, _halves(of)[0] or _same) for of in types}
    by_name = {of.__name__: _halves(of)[1] or _same for of in types}

    def encode_tagged(value: Any) -> Any:
        name, encode = by_type[type(value)]
        return name, encode(value)

    return encode_tagged, lambda plain: by_name[plain[0]](plain[1])


def _sequence(make: Any, item: Any) -> tuple[Half, Half]:
    encode, decode = _halves(item)
    in_order: Any = sorted if make is frozenset else list  # the same value, the same bytes
    return (
        lambda values: in_order(values if encode is None else map(encode, values)),
        lambda plain: make(plain if decode is None else map(decode, plain)),
    )


def _dataclass(of: Any) -> tuple[Half, Half]:
    hints = get_type_hints(of)
    plan = [(field.name, field.default, *_halves(hints[field.name])) for field in fields(of)]
    encoders = [(name, default, encode) for name, default, encode, _ in plan]
    decoders = {name: decode for name, _, _, decode in plan}

    def encode_fields(value: Any) -> dict[str, Any]:
        plain = {}
        for name, default, encode in encoders:
            item = getattr(value, name)
            if item is default or (default is not MISSING and item == default):
                continue
            plain[name] = item if encode is None else encode(item)
        return plain

    def decode_fields(plain: dict[str, Any]) -> Any:
        given = {}
        for name, item in plain.items():
            if name in decoders:
                decode = decoders[name]
                given[name] = item if decode is None else decode(item)
        return of(**given)

    return encode_fields, decode_fields
