"""Dot-stuffing (RFC 5321 section 4.5.2): the wire form in which bodies arrive, rest and leave."""

_PIECE = 4_096  # octets


def unstuffed(wire: bytes) -> bytes:
    """Take away the dots that the wire form adds. ``wire`` begins at the start of a line."""
    plain = wire.replace(b"\r\n..", b"\r\n.") if holds(wire, b"\r\n..", b".") else wire
    return plain[1:] if plain.startswith(b"..") else plain


class Unstuffer:
    """unstuffed() for wire bytes that come in pieces of any length. What it gives is at most some octets late."""

    def __init__(self) -> None:
        self._kept = b"\r\n"  # of the piece before, so that a line that begins in this one is seen; first, none
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """The octets without stuffed dots, up to where the next piece may matter."""
        return self._take(self._kept + piece, last=False)

    def end(self) -> bytes:
        """The rest."""
        return self._take(self._kept, last=True)

    def _take(self, wire: bytes, *, last: bool) -> bytes:
        # A stuffed line begins CRLF..; held back is what may become the first three octets of that.
        held = 0 if last else next((n for n in (3, 2, 1) if wire.endswith(b"\r\n."[:n])), 0)
        plain = (wire[: len(wire) - held]).replace(b"\r\n..", b"\r\n.")
        self._kept = wire[len(wire) - held :]
        if not self._begun and plain:
            self._begun, plain = True, plain[2:]
        return plain


def stuffed(content: bytes) -> bytes:
    """Put content (CRLF line ends) into wire form, without the final ``.CRLF``."""
    wire = content.replace(b"\r\n.", b"\r\n..") if b"\r\n." in content else content
    return b"." + wire if wire.startswith(b".") else wire


def to_wire(file_bytes: bytes) -> bytes:
    """Put a message as editors save it (any line ends) into wire form, ended by CRLF: for files, not for peers."""
    lines = file_bytes.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return stuffed(lines if lines.endswith(b"\r\n") or not lines else lines + b"\r\n")


def holds(octets: bytes, word: bytes, mark: bytes) -> bool:
    """Whether a word is in there. ``mark``: an octet of it that base64 does not have.

    One octet is found ten times as fast as four: the word is looked for only in pieces that begin with the mark.
    """
    more = len(word) - 1
    at = octets.find(mark)
    while at >= 0:
        if octets.find(word, max(0, at - more), at + _PIECE + more) >= 0:
            return True
        at = octets.find(mark, at + _PIECE)
    return False
