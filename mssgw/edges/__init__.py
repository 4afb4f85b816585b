"""The world: the only rooms that know sockets, files, SQL and cryptography."""
