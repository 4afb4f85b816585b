"""``mssgw password hash``: what a [[login]] keeps instead of a password."""

import sys

import click


@click.group()
def password() -> None:
    """Passwords of clients that log in."""


@password.command("hash")
def hash_() -> None:
    """Hash a password with Argon2id, for `password_hash` of a [[login]].

    Asks twice without showing it; from a pipe, reads one line.

    \b
    Examples:
      mssgw password hash
      pass show mssgw/scanner | mssgw password hash
    """
    from mssgw.edges.passwords import hash_password  # argon2 is not for --help

    click.echo(hash_password(secret()))


def secret() -> str:
    """A password from whoever sits there, or the next line of a pipe. Raises UsageError when it is empty or no text."""
    try:
        given = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise click.UsageError("expected text in UTF-8 on standard input", click.get_current_context()) from None
    if not given:
        raise click.UsageError("expected a password that is not empty", click.get_current_context())
    return given


def _asked() -> str:
    """The prompt goes to stderr, so that ``mssgw password hash > file`` holds the hash alone."""
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt="Again", err=True)
    return answer
