"""Loopback ports for the processes that the tests start: the demo's."""

from demo.ports import free_port, listens, wait_until_it_listens

__all__ = ["free_port", "listens", "wait_until_it_listens"]
