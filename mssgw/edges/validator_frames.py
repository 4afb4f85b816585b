"""What the gateway and a validator process say to each other over two pipes: frames of a kind, a length and octets.

To the process: an order, the letter in pieces, its end; or that the letter is abandoned. Back: that it is warm, and for
each order one answer. Values are JSON; nothing that comes back is ever executed or unpickled.

A letter, or its beginning, lies in memory that both have: through a pipe, the kernel would copy it twice, page by page.
What does not fit follows through the pipe.
"""

import struct
from enum import Enum
from typing import Final

from mssgw.core.report import Order, Report
from mssgw.edges.codec import Codec

HEAD: Final = struct.Struct(">cI")
MAX_FRAME = 64 * 1024 * 1024  # octets
SHARED = 1024 * 1024  # octets of memory that both have
MAX_ANSWER = 4 * 1024 * 1024  # octets; judging bounds a report well below
ORDERS, REPORTS = Codec(Order), Codec(Report)


class Kind(bytes, Enum):
    """The first octet of a frame."""

    ORDER = b"O"
    LAID = b"M"  # so many octets of the letter lie in memory; none follow here
    LETTER = b"L"  # the next piece
    END = b"E"
    ABANDON = b"A"  # of the letter: no more of it will come. Answered in kind.
    WARM = b"W"
    REPORT = b"R"
    FAILURE = b"F"  # a defect of ours: class and place of an exception


def frame(kind: Kind, octets: bytes = b"") -> bytes:
    """A whole frame."""
    return HEAD.pack(kind.value, len(octets)) + octets
