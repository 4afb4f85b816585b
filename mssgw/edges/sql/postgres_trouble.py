"""What to say when PostgreSQL fails. A refusal has a code (SQLSTATE).

Where there is no connection, the driver knows no code, and its text quotes what it was given. So that text is only
looked at, in the languages that servers of ours speak, and what is told is always ours.
"""

import re

_TOLD = {
    "25006": "this PostgreSQL takes no writes: perhaps a standby",
    "28000": "PostgreSQL refuses the login of store.url",
    "28P01": "PostgreSQL refuses the password",
    "3D000": "no such database",
    "42501": "PostgreSQL lets our user not do that; he should own the database",
    "53300": "PostgreSQL has too many connections: max_connections",
    "55P03": "another session has kept a lock for too long",
    "57014": "PostgreSQL took too long",
    "57P01": "PostgreSQL is being shut down",
    "57P03": "PostgreSQL is starting, or being shut down",
}

_QUOTED = re.compile(r'"[^"]*"|«[^»]*»')  # names, which may hold any of the words below

#: The first that is found counts: of several hosts each says something.
_SIGNS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("password authentication failed", "no password supplied", "authentification par mot de passe"),
        "PostgreSQL refuses the password of store.password_file for the login of store.url",
    ),
    (("database  does not exist", "la base de données  n'existe pas"), "PostgreSQL has no database of that name"),
    (
        ("role  does not exist", "le rôle  n'existe pas", "authentication failed", "authentification"),
        "PostgreSQL refuses the login of store.url",
    ),
    (("pg_hba.conf",), "PostgreSQL does not let the login of store.url in from here: its pg_hba.conf"),
    (
        ("too many clients", "connection slots", "trop de clients", "trop de connexions"),
        "PostgreSQL has too many connections: max_connections",
    ),
    (
        ("starting up", "shutting down", "cours de démarrage", "cours d'arrêt"),
        "PostgreSQL is starting, or being shut down",
    ),
    (("read-only", "hot standby"), "no PostgreSQL of store.url takes writes: perhaps a standby"),
    (("resolve host", "translate host name"), "the host name of store.url is not known: a slip, or the DNS?"),
    (("certificate", "SSL"), "TLS with PostgreSQL fails: its certificate, sslmode in store.url?"),
    (("Connection refused",), "nobody listens where store.url says: is PostgreSQL up, are host and port right?"),
    (("No such file",), "no socket where store.url says: is PostgreSQL up, is that its folder?"),
    (("timeout", "timed out", "unreachable", "No route"), "PostgreSQL does not answer: network, firewall?"),
    (("server closed", "terminating", "connection is closed"), "PostgreSQL has closed the connection: is it up?"),
)


def refusal(state: str) -> str:
    """What a SQLSTATE means for an administrator."""
    return _TOLD.get(state, "the database failed")


def no_connection(text: str) -> str:
    """What to say of the driver's sentence about a connection that failed or was lost; none of its words is in it."""
    bare = _QUOTED.sub("", text)
    for signs, told in _SIGNS:
        if any(sign in bare for sign in signs):
            return told
    return "no connection to PostgreSQL: is it up, and does it take the login of store.url?"
