"""In-memory twins of the store, its desk and the spool, for tests. tests/contract holds them to the real ones."""

from mssgw.edges.memory.spool import MemorySpool
from mssgw.edges.memory.store import MemoryStore

__all__ = ["MemorySpool", "MemoryStore"]
