"""Pictures of a run, as SVG: bars with their spread, and latency by percentile. Readable on light and dark pages."""

import math
from dataclasses import dataclass
from html import escape

from figures import Spread

WIDTH = 860
# Of one series each, by place: told apart by those who see no red or no green too.
COLORS = ["#0072b2", "#d55e00", "#e69f00", "#009e73", "#8c6bb1"]
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-size:15px;font-weight:600}.s{fill:#59636e}"
    ".g{stroke:#d1d9e0}.w{stroke:#1f2328;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.g{stroke:#3d444d}.w{stroke:#e6edf3}}"
)


@dataclass(frozen=True)
class Bar:
    """One server's figure in one group."""

    label: str
    spread: Spread
    color: str


def _svg(height: int, title: str, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
    )
    return "\n".join([head, _text(0, 18, title, "t"), *parts, "</svg>", ""])


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    marks = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{marks} text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def brief(number: float) -> str:
    """Returns a number with three digits that count, without zeros behind them: 0.284, 12.6, 1,280."""
    if number == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def bars(title: str, unit: str, groups: list[tuple[str, list[Bar]]]) -> str:
    """Returns horizontal bars, one block per group, each from the least to the most as a thin line."""
    left, right, row, gap = 170, 110, 22, 34
    parts, y = [], 34
    for name, members in groups:
        most = max((bar.spread.most for bar in members), default=1) or 1
        scale = (WIDTH - left - right) / most
        y += 16
        parts.append(_text(0, y, name, "s"))
        y += 8
        for bar in members:
            middle = y + row / 2
            width = bar.spread.middle * scale
            parts.append(_text(left - 8, middle + 4, bar.label, anchor="end"))
            parts.append(
                f'<rect x="{left}" y="{y + 3}" width="{width:.1f}" height="{row - 6}" rx="2" fill="{bar.color}"/>'
            )
            low, high = left + bar.spread.least * scale, left + bar.spread.most * scale
            parts.append(_line(low, middle, high, middle, "w"))
            parts += [_line(end, middle - 4, end, middle + 4, "w") for end in (low, high)]
            parts.append(_text(max(high, left + width) + 8, middle + 4, f"{brief(bar.spread.middle)} {unit}"))
            y += row
        y += gap - 24
    return _svg(y + 8, title, parts)


def curves(title: str, lines: list[tuple[str, str, list[tuple[float, float]]]]) -> str:
    """Returns latency by percentile: names, colors and points (quantile below 1, milliseconds above 0).

    Both axes are logarithmic: each step to the right is ten times rarer.
    """
    height, left, right, top, bottom = 390, 60, 170, 52, 44
    values = [value for _, _, points in lines for _, value in points if value > 0]
    low = math.floor(math.log10(min(values, default=0.1)))
    high = max(low + 1, math.ceil(math.log10(max(values, default=1))))

    def x_of(quantile: float) -> float:
        return left - math.log10(1 - quantile) / 3 * (WIDTH - left - right)

    def y_of(value: float) -> float:
        return height - bottom - (math.log10(value) - low) / (high - low) * (height - top - bottom)

    parts = []
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        parts += [_line(left, y, WIDTH - right, y, "g"), _text(left - 8, y + 4, brief(10.0**power), "s", "end")]
    for quantile, name in [(0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")]:
        x = x_of(quantile)
        parts += [_line(x, top, x, height - bottom, "g"), _text(x, height - bottom + 18, name, "s", "middle")]
    parts.append(_text(0, top - 8, "ms", "s"))
    parts.append(
        _text((left + WIDTH - right) / 2, height - 6, "of the deliveries took this long at most", "s", "middle")
    )
    # Labels are pushed apart from the lowest upwards, so that close curves keep names that can be read.
    free = float("inf")
    for name, color, points in sorted(lines, key=lambda line: line[2][-1][1] if line[2] else 0):
        drawn = [(x_of(quantile), y_of(value)) for quantile, value in points if value > 0]
        if not drawn:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in drawn]
        free = min(drawn[-1][1] + 4, free - 16)
        parts.append(f'<rect x="{WIDTH - right + 6}" y="{free - 9:.1f}" width="9" height="9" fill="{color}"/>')
        parts.append(_text(WIDTH - right + 20, free, name))
    return _svg(height, title, parts)
