"""What is measured, and beside what: see docs/performance.md."""

import os

# What is timed has its modules compiled, as an installation has, also where Python is told to keep nothing.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
