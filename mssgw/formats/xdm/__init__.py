"""IHE XDM archives (IHE_XDM.zip): opened within bounds, METADATA.XML read and held against the documents (FMT-1 to 4).

``read`` never raises: what the guard stops is a finding that refuses, like any other.
"""

from mssgw.formats.xdm.package import Package, is_called_xdm, is_xdm, read
from mssgw.formats.xdm.rules import RULES

__all__ = ["RULES", "Package", "is_called_xdm", "is_xdm", "read"]
