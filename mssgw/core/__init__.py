"""The nouns: frozen values and pure functions, and Reminders, which remember. Standard library only; no clock, files,
sockets, logs or async.
"""
