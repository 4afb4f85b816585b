"""What the figures were measured on, and with."""

import os
import platform
import re
import ssl
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OURS = ("mssgw", "aiosmtpd", "aiosmtplib", "sqlalchemy", "cryptography", "lxml", "psycopg")
# What a run writes itself does not make the tree another one than the commit.
WRITTEN = (":!bench/results.json", ":!bench/results.svg", ":!docs/performance.md")


def machine() -> dict[str, Any]:
    return {
        "processor": _first(r"^model name\s*: (.+)$", Path("/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "postfix": _said("postconf", "-h", "mail_version")}
    found["openssl"] = ssl.OPENSSL_VERSION.split()[1]
    for name in OURS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {name: each for name, each in found.items() if each}


def commit() -> str:
    """The commit that was measured, with ``+changes`` when files differ from it; "" outside a repository."""
    found = _said("git", "-C", str(HERE.parent), "rev-parse", "--short=12", "HEAD")
    status = ("git", "-C", str(HERE.parent), "status", "--porcelain", "--untracked-files=no", "--", ".", *WRITTEN)
    return f"{found}+changes" if found and _said(*status) else found


def load() -> list[float]:
    """How busy the machine is: the kernel's averages over 1, 5 and 15 minutes."""
    return [round(each, 2) for each in os.getloadavg()]


def _first(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE) if file.exists() else None
    return found[1] if found else platform.machine()


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
