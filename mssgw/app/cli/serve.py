"""``mssgw serve``: the daemon in the foreground, as systemd wants it."""

from pathlib import Path

import click

from mssgw.app import signals
from mssgw.app.cli.opening import config_option


@click.command()
@config_option
def serve(config_path: Path) -> None:
    """Run the gateway in the foreground until SIGTERM.

    SIGHUP reloads the configuration; a bad file leaves the old one in force.

    \b
    Examples:
      mssgw serve
      mssgw serve --config ./mssgw.toml
    """
    signals.hold()
    if signals.stop_was_asked():
        return
    from mssgw.app.crew import serve as run  # pulls in everything: not for --help

    run(config_path)
