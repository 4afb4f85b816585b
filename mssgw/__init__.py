"""mssgw: an MSSanté mail gateway. Start reading at docs/flow.md, then ``ls mssgw/flow``."""

__version__ = "0.1.0"
