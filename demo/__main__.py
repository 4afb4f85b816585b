"""``python -m demo``: play the story, or with ``--keep`` leave its set-up running.

Exit code 0 when everything was as it should be, 1 when something was not or the gateway did not start, 130 on Ctrl-C.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from demo.bal import STORES
from demo.gateway import DidNotStart
from demo.keep import keep
from demo.play import Play
from demo.stage import stage
from demo.timeline import Timeline

LIMIT = 55.0  # seconds for the whole story
KEPT = Path(__file__).resolve().parents[1] / "var" / "demo"


async def play(home: Path, timeline: Timeline, store: str | None) -> None:
    """The story, once. Raises DidNotStart, TimeoutError."""
    timeline.title("A hospital, a pharmacy and Mon espace santé (stand-ins) around a real gateway, on loopback sockets")
    async with asyncio.timeout(LIMIT), stage(home, store=store) as here:
        await Play(here, timeline).perform()


async def until_signalled(keeping: bool, home: Path, timeline: Timeline, store: str | None) -> None:
    """SIGTERM and a closed terminal end it like Ctrl-C: nothing stays behind."""
    task = asyncio.current_task()
    assert task is not None
    for each in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    await (keep if keeping else play)(home, timeline, store)


def run(keeping: bool, home: Path, timeline: Timeline, store: str | None) -> int:
    """The exit code; what went wrong is told."""
    try:
        asyncio.run(until_signalled(keeping, home, timeline, store))
    except (KeyboardInterrupt, asyncio.CancelledError):
        timeline.note("\nended")
        return 0 if keeping else 130
    except DidNotStart as error:
        timeline.note(f"\nThe gateway does not run: {error}")
        return 1
    except TimeoutError:
        timeline.check(False, f"not over after {LIMIT:.0f} s", "the whole story")
    return 0 if timeline.end() else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="See real letters go through a real gateway.")
    parser.add_argument("--keep", action="store_true", help="leave the set-up running and say how to send to it")
    parser.add_argument("--home", type=Path, metavar="DIR", help="keep configuration, state and log in this folder")
    parser.add_argument("--store", choices=STORES, help="the IMAP server: dovecot where it can run, else pymap")
    given = parser.parse_args()
    timeline = Timeline()
    home: Path | None = given.home or (KEPT if given.keep else None)
    if home is None:
        with tempfile.TemporaryDirectory(prefix="mssgw-demo-") as folder:
            return run(given.keep, Path(folder), timeline, given.store)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return run(given.keep, home.resolve(), timeline, given.store)


if __name__ == "__main__":
    sys.exit(main())
