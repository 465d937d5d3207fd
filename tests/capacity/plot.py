"""Line plots with logarithmic axes, as SVG text."""

import math
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 40, 55
COLOURS = ["#1f6feb", "#bc4c00", "#1a7f37", "#8250df", "#57606a"]


@dataclass(frozen=True)
class Line:
    """A line, dots, or both, with a name beside its end."""

    name: str
    line: list[tuple[float, float]]
    dots: list[tuple[float, float]] = field(default_factory=list)
    dashed: bool = False


@dataclass(frozen=True)
class Plot:
    """A plot; both axes are logarithmic and go from the first to the last of their marks."""

    title: str
    x_title: str
    y_title: str
    x_marks: list[float]
    y_marks: list[float]
    lines: list[Line]

    def x(self, value: float) -> float:
        return place(value, self.x_marks, LEFT, WIDTH - RIGHT)

    def y(self, value: float) -> float:
        return place(value, self.y_marks, HEIGHT - BOTTOM, TOP)

    def svg(self) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'font-family="system-ui, sans-serif" font-size="12">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            text(LEFT, 22, self.title, 'font-size="14" font-weight="600"'),
            *self.axes(),
        ]
        for line, colour, label_y in zip(self.lines, COLOURS, self.labels()):
            parts += self.drawn(line, colour)
            parts.append(text(WIDTH - RIGHT + 10, label_y + 4, line.name, f'fill="{colour}"'))
        return "\n".join([*parts, "</svg>"]) + "\n"

    def axes(self) -> list[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for mark in self.x_marks:
            parts.append(rule(self.x(mark), TOP, self.x(mark), bottom))
            parts.append(text(self.x(mark), bottom + 18, short(mark), 'text-anchor="middle"'))
        for mark in self.y_marks:
            parts.append(rule(LEFT, self.y(mark), right, self.y(mark)))
            parts.append(text(LEFT - 8, self.y(mark) + 4, short(mark), 'text-anchor="end"'))
        parts.append(text((LEFT + right) / 2, HEIGHT - 15, self.x_title, 'text-anchor="middle"'))
        turned = f'text-anchor="middle" transform="rotate(-90 18 {(TOP + bottom) / 2:.0f})"'
        parts.append(text(18, (TOP + bottom) / 2, self.y_title, turned))
        return parts

    def drawn(self, line: Line, colour: str) -> list[str]:
        points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in line.line)
        dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
        parts = [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>']
        return parts + [f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line.dots]

    def labels(self) -> list[float]:
        """Returns where the names stand: beside the ends of their lines, but never on each other."""
        ends = [self.y(line.line[-1][1]) for line in self.lines]
        placed: dict[int, float] = {}
        for index in sorted(range(len(ends)), key=ends.__getitem__):
            placed[index] = max([ends[index], *(other + 16 for other in placed.values())])
        return [placed[index] for index in range(len(ends))]


def place(value: float, marks: list[float], begin: float, end: float) -> float:
    """Returns where a value is on an axis; one beyond its end stands at the end."""
    low, high = math.log(marks[0]), math.log(marks[-1])
    share = (math.log(max(value, marks[0])) - low) / (high - low)
    return begin + min(share, 1) * (end - begin)


def short(value: float) -> str:
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#d8dee4"/>'


def text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'
