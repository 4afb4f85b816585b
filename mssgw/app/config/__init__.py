"""The configuration: a frozen value read from TOML, whose errors point at the line to mend.

``load(path)`` gives a Config or raises ConfigErrors; ``warnings(config)`` says what deserves a second look.
"""

from mssgw.app.config.loading import load, warnings
from mssgw.app.config.model import Config
from mssgw.app.config.problems import ConfigErrors, Problem

__all__ = ["Config", "ConfigErrors", "Problem", "load", "warnings"]
