"""The real gateway as a process of its own, and its real command line."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_LIMIT, STOP_LIMIT, COMMAND_LIMIT = 20.0, 15.0, 20.0  # seconds
POLL = 0.05
MSSGW = Path(sys.executable).with_name("mssgw")


class DidNotStart(Exception):
    """The gateway does not run; the text is why, as far as it said."""


class Gateway:
    """``mssgw serve`` with a configuration file; its log goes to ``gateway.log`` beside that."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.log_file = config.with_name("gateway.log")
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Whatever happened, no process stays behind."""
        if self.running:
            await self.stop()

    async def start(self, *ports: int, monitoring: int) -> None:
        """Start it, and wait until it listens on these ports and calls itself ready. Raises DidNotStart."""
        if not MSSGW.exists():
            raise DidNotStart(f"there is no {MSSGW}: `make demo` installs it")
        with self.log_file.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(MSSGW), "serve", "--config", str(self.config)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours: we end it when the letters are where they belong
            )
        try:
            async with asyncio.timeout(START_LIMIT):
                for port in ports:
                    await self._until_it_listens(port)
                await self._until_it_is_ready(monitoring)
        except TimeoutError:
            raise DidNotStart(f"it is not ready after {START_LIMIT:.0f} s\n{self.last_lines()}") from None

    async def ended(self) -> None:
        """Returns when it is no longer there."""
        assert self._process is not None
        await self._process.wait()

    async def _until_it_listens(self, port: int) -> None:
        while True:
            if (code := self.exit_code) is not None:
                raise DidNotStart(f"it ended with exit code {code}\n{self.last_lines()}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(POLL)
            else:
                writer.close()
                return

    async def _until_it_is_ready(self, monitoring: int) -> None:
        """Asks what a load balancer would: it is not before white list and revocation lists are read."""
        told = b""
        while b" 200 " not in told:
            await self._until_it_listens(monitoring)
            reader, writer = await asyncio.open_connection("127.0.0.1", monitoring)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            told = await reader.readline()
            writer.close()
            await asyncio.sleep(POLL)

    @property
    def running(self) -> bool:
        """Whether there is a process to end."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode if self._process is not None else None

    async def stop(self) -> int | None:
        """SIGTERM; the exit code, or None when it did not end in time and had to be killed."""
        assert self._process is not None
        try:
            self._process.terminate()
            async with asyncio.timeout(STOP_LIMIT):
                return await self._process.wait()
        except TimeoutError:
            return None
        finally:
            if self.running:
                os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()

    async def logged(self, event: str, limit: float, **fields: str) -> dict[str, Any] | None:
        """The line of the gateway's log that tells this, waiting up to ``limit`` seconds for it."""
        try:
            async with asyncio.timeout(limit):
                while True:
                    for line in self._events():
                        if line.items() >= {"event": event, **fields}.items():
                            return line
                    await asyncio.sleep(POLL)
        except TimeoutError:
            return None

    def _events(self) -> list[dict[str, Any]]:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def last_lines(self, count: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-count:])

    async def command(self, *words: str) -> tuple[int, str]:
        """Run ``mssgw`` as an administrator would: exit code and what it printed."""
        return await self.tool(*words, "--config", str(self.config))

    async def tool(self, *words: str) -> tuple[int, str]:
        """The same for what needs no configuration."""
        process = await asyncio.create_subprocess_exec(
            *(str(MSSGW), *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(COMMAND_LIMIT):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output.decode(errors="replace")
