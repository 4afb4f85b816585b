"""In-memory twins of the store, its desk, the spool and mail stores, for tests.

tests/contract holds them to the real ones."""

from mssgw.edges.memory.mailbox import MemoryMailStore
from mssgw.edges.memory.spool import MemorySpool
from mssgw.edges.memory.store import MemoryStore

__all__ = ["MemoryMailStore", "MemorySpool", "MemoryStore"]
