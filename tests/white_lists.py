"""White lists of the tests: the real one where it is at hand, and small ones made on the spot, signed or not."""

from pathlib import Path

import pytest

# Made as the demo makes them.
from demo.pki import dn_text, operator_dn
from demo.white_list import SPACE, Entry, Signer, entry, white_list

__all__ = ["REAL", "SPACE", "TRUNCATED", "Entry", "Signer", "dn", "entry", "white_list", "with_the_real_list"]

_DATA = Path(__file__).parents[2] / "shared" / "data" / "trust"
REAL, TRUNCATED = _DATA / "listeblanchemssante.xml", _DATA / "listeblanchemssante-truncated.xml"
with_the_real_list = pytest.mark.skipif(not REAL.exists(), reason="the published list is not at hand")


def dn(host: str) -> str:
    """The DN of an operator, as the real list writes it."""
    return dn_text(operator_dn(host))
