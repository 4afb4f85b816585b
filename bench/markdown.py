"""What every block of docs/performance.md is made of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NOT_MEASURED = "Not measured yet.\n"

Results = Mapping[str, Any]  # as in results.json


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown; all columns but the first are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def figures_of(results: Results, part: str) -> dict[str, Any]:
    """Empty when it was not measured."""
    return dict(results["parts"].get(part, {}).get("figures", {}))
