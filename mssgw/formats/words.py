"""Encoded words in header values (RFC 2047), both ways, in linear time."""

import binascii
import re

# Charsets that letters in French come in; anything else stays as it was written.
_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([BbQq])\?([^?\s]*)\?=")
_Q_BYTE = re.compile(rb"=([0-9A-Fa-f]{2})")
_Q_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def text_of(raw: bytes, charset: str | None = None) -> str:
    """Read bytes as text and never fail: in that charset when we know it, else UTF-8, else ISO-8859-1."""
    for codec in (_CHARSETS.get((charset or "").lower()), "utf-8"):
        if codec is not None:
            try:
                return raw.decode(codec)
            except UnicodeDecodeError:
                continue
    return raw.decode("iso-8859-1")


def decoded(value: str) -> str:
    """Replace encoded words by their text; one that cannot be decoded stays as it is.

    White space between two encoded words is dropped (RFC 2047 section 6.2). Neighbours of one charset are decoded as
    one, because many programs cut a character in two.
    """
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
    codec = _CHARSETS.get(run[0][1].partition("*")[0].lower())  # RFC 2231 section 5: charset*language
    if codec is not None:
        try:
            return b"".join(_octets(word) for word in run).decode(codec)
        except ValueError:  # UnicodeDecodeError and binascii.Error are ValueErrors
            pass
    return value[run[0].start() : run[-1].end()]


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
