"""The nouns: frozen values and pure functions. Standard library only; no clock, files, sockets, logs or async."""
