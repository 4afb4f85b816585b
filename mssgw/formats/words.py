"""Encoded words in header values (RFC 2047), both ways, in linear time."""

import binascii
import re

from mssgw.formats.charsets import read_as

_WORD = re.compile(r"=\?([^?\s]{1,60})\?([BbQq])\?([^?\s]*)\?=")
_Q_BYTE = re.compile(rb"=([0-9A-Fa-f]{2})")
_Q_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def text_of(raw: bytes, charset: str | None = None) -> str:
    """Read bytes as text and never fail: in that charset when we know it, else UTF-8, else ISO-8859-1."""
    text = read_as(raw, charset) if charset else None
    if text is not None:
        return text
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("iso-8859-1")


def decoded(value: str) -> str:
    """Replace encoded words by their text; one that cannot be decoded stays as it is.

    White space between two encoded words is dropped (RFC 2047 section 6.2). Neighbours of one charset are decoded as
    one when one alone cannot be, because many programs cut a character in two.
    """
    if "=?" not in value:
        return value
    out: list[str] = []
    run: list[re.Match[str]] = []
    end = 0
    for word in _WORD.finditer(value):
        between = value[end : word.start()]
        if between.strip(" \t") or (run and run[-1][1].lower() != word[1].lower()):
            out.append(_run_text(value, run))
            run = []
            between = between if between.strip(" \t") else ""
        if not run:
            out.append(between)
        run.append(word)
        end = word.end()
    return "".join([*out, _run_text(value, run), value[end:]])


def _run_text(value: str, run: list[re.Match[str]]) -> str:
    """The text of adjacent encoded words of one charset, or the words as they stand."""
    if not run:
        return ""
    charset = run[0][1].partition("*")[0]  # RFC 2231 section 5: charset*language
    as_written = value[run[0].start() : run[-1].end()]
    try:
        octets = [_octets(word) for word in run]
    except ValueError:  # binascii.Error is one
        return as_written
    texts = [text for each in octets if (text := read_as(each, charset)) is not None]
    if len(texts) == len(octets):
        return "".join(texts)
    joined = read_as(b"".join(octets), charset)
    return as_written if joined is None else joined


def bare(value: str) -> str:
    """The value with the octets of its encoded words read as ISO-8859-1, whatever they are said to be.

    No text to act on: it shows what ASCII hides in a charset that is unknown or wrongly named.
    """
    return _WORD.sub(_bare_word, value)


def _bare_word(word: re.Match[str]) -> str:
    try:
        return _octets(word).decode("iso-8859-1")
    except ValueError:
        return word[0]


def _octets(word: re.Match[str]) -> bytes:
    data = word[3].encode("utf-8")
    if word[2] in "Bb":
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    return _Q_BYTE.sub(lambda hexa: bytes((int(hexa[1], 16),)), data.replace(b"_", b" "))


def encoded(text: str) -> str:
    """Write text for a header: as it is when plain printable ASCII, else as Q words of UTF-8, folded."""
    if text.isascii() and text.isprintable() and "=?" not in text and len(text) < 900:
        return text
    words, word = [], ""
    for char in text:
        octets = char.encode("utf-8", "replace")
        piece = "".join(chr(o) if o in _Q_PLAIN else "_" if o == 0x20 else f"={o:02X}" for o in octets)
        if len(word) + len(piece) > 60:  # an encoded word has at most 75 characters; no character is cut in two
            words.append(word)
            word = ""
        word += piece
    return "\r\n ".join(f"=?utf-8?Q?{word}?=" for word in [*words, word])
