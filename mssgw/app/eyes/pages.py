"""The pages: /metrics for Prometheus, /livez and /readyz for whoever restarts or balances."""

import json
from http import HTTPStatus
from typing import Any

from mssgw.app.eyes.family import Family, of_one_missing, together
from mssgw.app.eyes.health import Health
from mssgw.app.telemetry.metrics import CONTENT_TYPE, Metrics
from mssgw.edges.status_http import Page, Pages


class Own:
    """What one worker says of itself."""

    def __init__(self, health: Health, metrics: Metrics) -> None:
        self._health, self._metrics = health, metrics

    async def metrics(self) -> Page:
        """All of its series."""
        self._metrics.ready.set(self._health.ready)
        self._metrics.disk_free.set(self._health.disk_free)
        return Page(content_type=CONTENT_TYPE, body=self._metrics.exposition())

    async def livez(self) -> Page:
        """503: only a restart helps."""
        alive = await self._health.alive()
        return _json(alive, {"alive": alive})

    async def readyz(self) -> Page:
        """503: send no letters now."""
        checks = {check.name: {"ok": check.ok, **check.facts} for check in self._health.checks()}
        ready = self._health.ready
        return _json(ready, {"ready": ready, "checks": checks})

    def pages(self) -> Pages:
        """By path."""
        return {"/metrics": self.metrics, "/livez": self.livez, "/readyz": self.readyz}


class Whole:
    """What the gateway says of itself: this worker, and its siblings."""

    def __init__(self, own: Own, number: int, family: Family) -> None:
        self._own, self._number, self._family = own, number, family

    async def metrics(self) -> Page:
        """The series of all workers, each with its number; of a worker that does not answer, that it is not ready."""
        own, others = await self._own.metrics(), await self._family.ask("/metrics")
        told = {number: page.body if page else of_one_missing(own.body) for number, page in others.items()}
        told[self._number] = own.body
        return Page(content_type=CONTENT_TYPE, body=together(sorted(told.items())))

    async def livez(self) -> Page:
        """Alive when all workers are."""
        own, others = await self._own.livez(), await self._family.ask("/livez")
        alive = own.status == HTTPStatus.OK and all(page and page.status == HTTPStatus.OK for page in others.values())
        return _json(alive, {"alive": alive})

    async def readyz(self) -> Page:
        """Ready when all workers are. A check of all is that of the worker that it fails for."""
        own, others = await self._own.readyz(), await self._family.ask("/readyz")
        pages = [own, *(page for page in others.values() if page)]
        up = {"ok": len(pages) == len(others) + 1, "up": len(pages), "configured": len(others) + 1}
        checks: dict[str, dict[str, Any]] = {"workers": up}
        for page in pages:
            for name, check in json.loads(page.body)["checks"].items():
                if name not in checks or not check["ok"]:
                    checks[name] = check
        ready = all(check["ok"] for check in checks.values())
        return _json(ready, {"ready": ready, "checks": checks})

    def pages(self) -> Pages:
        """By path."""
        return {"/metrics": self.metrics, "/livez": self.livez, "/readyz": self.readyz}


def _json(ok: bool, told: object) -> Page:
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(status=status, content_type="application/json", body=json.dumps(told).encode() + b"\n")
