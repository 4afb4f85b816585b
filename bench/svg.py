"""A small plot writer: panels of horizontal bars, each with its figure and the line that it is held to, if any."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_LABELS, _WIDTH, _VALUES, _ROW, _HEAD, _EDGE = 380, 420, 190, 22, 34, 16  # pixels
_COLOURS = {"ours": "#1f77b4", "other": "#b0b8c1", "missed": "#d9822b"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bar. ``limit``: where to draw the line; ``kind``: "ours", "other" or "missed"."""

    label: str
    value: float
    text: str
    limit: float | None = None
    kind: str = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Bars on one scale, from 0 to the largest value or limit."""

    title: str
    rows: Sequence[Row]

    @property
    def height(self) -> int:
        return _HEAD + _ROW * len(self.rows) + _EDGE


def plot(title: str, panels: Sequence[Panel]) -> str:
    """The whole picture, as SVG that any browser shows. Panels without rows are left out."""
    shown = [panel for panel in panels if panel.rows]
    width, height = _EDGE + _LABELS + _WIDTH + _VALUES, 44 + sum(panel.height for panel in shown)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_EDGE}" y="26" font-size="16">{escape(title)}</text>',
    ]
    top = 44
    for panel in shown:
        lines += _panel(panel, top)
        top += panel.height
    return "\n".join([*lines, "</svg>", ""])


def _panel(panel: Panel, top: int) -> list[str]:
    largest = max(max(row.value, row.limit or 0.0) for row in panel.rows)
    scale = _WIDTH / largest if largest > 0 else 0.0
    lines = [f'<text x="{_EDGE}" y="{top + 20}" font-weight="bold">{escape(panel.title)}</text>']
    for number, row in enumerate(panel.rows):
        lines += _bar(row, top + _HEAD + _ROW * number, scale)
    return lines


def _bar(row: Row, y: int, scale: float) -> list[str]:
    left, long = _EDGE + _LABELS, max(0.0, row.value * scale)
    line = left + (row.limit or 0.0) * scale
    text = left + 6 + max(long, line - left if row.limit is not None else 0.0)
    lines = [
        f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(row.label)}</text>',
        f'<rect x="{left}" y="{y + 1}" width="{long:.1f}" height="15" fill="{_COLOURS[row.kind]}"/>',
        f'<text x="{text:.1f}" y="{y + 13}">{escape(row.text)}</text>',
    ]
    if row.limit is not None:
        lines.append(f'<path d="M{line:.1f} {y - 1}v19" stroke="#c00" stroke-width="2"/>')
    return lines
