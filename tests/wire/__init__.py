"""Dialogues over real loopback sockets."""
