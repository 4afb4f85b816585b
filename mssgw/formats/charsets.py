"""The charsets that mail comes in, by their IANA names and usual aliases; no other codec of Python is ever asked.

Names are looked up in a table of our own: ``codecs.lookup`` imports modules by name and remembers every name that it
does not know, and some codecs are no charsets, or take quadratic time (punycode, idna). UTF-7 is left out: mail
programs ceased to read it, so what it hides is not what the reader saw.
"""

import codecs
import re
from encodings.aliases import aliases

_CODECS = (
    *("ascii", "utf_8", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"),
    *("latin_1", *(f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16))),
    *(f"cp{page}" for page in (437, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869, 874)),
    *(f"cp{page}" for page in range(1250, 1259)),
    *("koi8_r", "koi8_u", "koi8_t", "kz1048", "ptcp154", "tis_620", "hp_roman8"),
    *("mac_roman", "mac_cyrillic", "mac_greek", "mac_turkish", "mac_latin2", "mac_iceland"),
    *("gb2312", "gbk", "gb18030", "hz", "big5", "big5hkscs", "cp950", "euc_kr", "cp949", "johab", "iso2022_kr"),
    *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_ext"),
)
_ALSO = {  # names in use that Python does not know
    **{f"windows_{page}": f"cp{page}" for page in (874, *range(1250, 1259))},
    **{f"iso_8859_{part}_{order}": f"iso8859_{part}" for part in (6, 8) for order in "ei"},
    **{f"x_{codec}": codec for codec in ("euc_jp", "gbk", "big5", "mac_roman", "mac_cyrillic")},
    "x_sjis": "shift_jis",
    "cn_gb": "gb2312",
    "ks_c_5601": "euc_kr",
    "unicode_1_1_utf_8": "utf_8",
    "ansi_x3_4_1968": "ascii",
}
# What programs really write under these names.
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "shift_jis": "cp932"}
_SEPARATORS = re.compile(r"[^a-z0-9]+")


def _folded(name: str) -> str:
    return _SEPARATORS.sub("_", name.lower())


def _by_name() -> dict[str, str]:
    known = {codec: codec for codec in _CODECS}
    known |= {alias: codec for alias, codec in aliases.items() if codec in known}
    known |= {codec.replace("iso8859", "iso_8859"): codec for codec in _CODECS if codec.startswith("iso8859")}
    known |= _ALSO
    return {_folded(name): _WIDER.get(codec, codec) for name, codec in known.items()}


_BY_NAME = _by_name()
_SHIFTING = frozenset(codec for codec in _BY_NAME.values() if codec == "hz" or codec.startswith("iso2022"))
_NAMED_SHIFTING = ("utf7", "utf_7", "iso2022", "iso_2022")  # also those that Python does not know
_MARKED = {  # a byte order mark names the order; without one it is big-endian (RFC 2781 section 4.3)
    "utf_16": (b"\xff\xfe", b"\xfe\xff"),
    "utf_32": (b"\xff\xfe\0\0", b"\0\0\xfe\xff"),
}


def codec_of(name: str) -> str | None:
    """Python's name for a charset, without importing anything; None when it is none of these."""
    return _BY_NAME.get(_folded(name[:60]))


def is_told_by_octets(name: str) -> bool:
    """Whether in a charset of that name a word of ASCII letters always stands as ASCII, UTF-16 or UTF-32 write it.

    In others escape sequences may stand in its midst; of one that is unknown, nobody can say.
    """
    codec = codec_of(name)
    return codec is not None and codec not in _SHIFTING


def is_known_to_shift(name: str) -> bool:
    """Whether it is one of those whose escapes may stand in the midst of a word: UTF-7, ISO 2022, HZ."""
    folded = _folded(name[:60])
    return codec_of(name) in _SHIFTING or any(word in folded for word in _NAMED_SHIFTING)


def preload() -> None:
    """Import every codec that ``read_as`` may ask for: for a process that will open no file any more."""
    for codec in {*_BY_NAME.values(), *(f"{marked}_be" for marked in _MARKED)}:
        codecs.lookup(codec)


def read_as(raw: bytes, charset: str) -> str | None:
    """The text of these octets in the charset of that name; None when it is unknown, or they are no such text.

    Never raises; in time linear in ``raw``.
    """
    codec = codec_of(charset)
    if codec is None:
        return None
    if codec in _MARKED and not raw.startswith(_MARKED[codec]):
        codec += "_be"
    try:
        return raw.decode(codec)
    except ValueError:  # UnicodeDecodeError is one
        return None
