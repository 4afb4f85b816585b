"""Percentiles, schedules and slopes: the arithmetic of the suite, without any I/O."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

_LAG = re.compile(r'^mssgw_event_loop_lag_seconds_bucket\{.*?le="([^"]+)".*?\} (\S+)$', re.MULTILINE)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that ``share`` (0 to 1) of all values do not exceed: one that was really measured.

    Raises ValueError when there is none.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no value was measured")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """50th and 99th percentile and the worst, in milliseconds; nothing when nothing was measured."""
    if not seconds:
        return {}
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * percentile(seconds, share), 2) for name, share in shares.items()}


def schedule(rate: float, seconds: float) -> list[float]:
    """When each letter is due, in seconds from the start: fixed beforehand, whatever the server does meanwhile."""
    return [number / rate for number in range(round(rate * seconds))]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: by how much y grows when x grows by one."""
    if len(points) < 2:
        raise ValueError("a slope needs two points")
    mean_x, mean_y = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def lag_buckets(exposition: str) -> dict[float, float]:
    """How often the event loop was so late or less, all workers together: Prometheus' cumulative buckets."""
    found: dict[float, float] = {}
    for edge, count in _LAG.findall(exposition):
        found[float(edge)] = found.get(float(edge), 0.0) + float(count)
    return found


def quantile_between(before: Mapping[float, float], after: Mapping[float, float], share: float) -> float:
    """A quantile of what was counted in between, as Prometheus' histogram_quantile estimates it (within its bucket).

    Raises ValueError when nothing was counted.
    """
    counted = [(edge, after[edge] - before.get(edge, 0.0)) for edge in sorted(after)]
    if not counted or counted[-1][1] <= 0:
        raise ValueError("nothing was counted")
    wanted, below, floor = share * counted[-1][1], 0.0, 0.0
    for edge, count in counted:
        if count >= wanted and count > below:
            return floor if math.isinf(edge) else floor + (edge - floor) * (wanted - below) / (count - below)
        below, floor = count, edge
    return floor
