"""Small plots as SVG text: axes, lines, points with error bars, bars and cells; equal data give equal bytes.

A plotting library would add some 75 MB and a second of import for a dozen figures whose bytes change with its version.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

SIGN: Final = "churnflow-figure"
WIDTH: Final = 520
HEIGHT: Final = 380
LEFT: Final = 64
RIGHT: Final = 18
TOP: Final = 40
BOTTOM: Final = 52
INK: Final = "#1c2733"
FAINT: Final = "#dfe6ee"
BLUE: Final = "#1f6fb2"
GREY: Final = "#8795a5"
ORANGE: Final = "#c8641b"
GREEN: Final = "#2e7d4f"
# From the lowest to the highest value; told apart also by those who do not see red and green apart.
SHADES: Final = ("#2166ac", "#6f9cc9", "#b9a6c3", "#d98a86", "#c0392b")

# Of a swarm: points so many units wide form a pile, and lie so far apart in it.
_WIDE: Final = 4.0
_STEP: Final = 2.4
# In a line of names: the room of the mark before each, and of a letter.
_MARK: Final = 32.0
_LETTER: Final = 6.4

DASH: Final = ' stroke-dasharray="5 4"'

Point = tuple[float, float]


@dataclass
class Plot:
    """A plot in the making: linear axes over `x` and `y`, drawn upon piece by piece."""

    title: str
    x_label: str
    y_label: str
    x: Point = (0.0, 1.0)
    y: Point = (0.0, 1.0)
    left: int = LEFT
    _pieces: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str, str]] = field(default_factory=list)

    def line(self, points: Sequence[Point], colour: str = BLUE, *, name: str = "", dashed: bool = False) -> None:
        """Draw a line through points in data units."""
        path = " ".join(f"{self._at_x(x):.1f},{self._at_y(y):.1f}" for x, y in points)
        dash = DASH if dashed else ""
        self._pieces.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        if name:
            self._legend.append((name, colour, dash))

    def point(self, at: Point, interval: Point | None = None, colour: str = BLUE) -> None:
        """Draw a point, with its interval in y as a bar."""
        x, y = self._at_x(at[0]), self._at_y(at[1])
        if interval is not None:
            low, high = (self._at_y(value) for value in interval)
            self._pieces.append(_stroke((x, low), (x, high), colour, 1.5))
        self._pieces.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')

    def bar(self, row: tuple[int, int], label: str, value: float, interval: Point | None = None) -> None:
        """Draw a horizontal bar as row `row[0]` of `row[1]`, with its interval, and its label at the left."""
        top, height = self._row(row)
        start, end = sorted((self._at_x(max(0.0, self.x[0])), self._at_x(value)))
        box = f'x="{start:.1f}" y="{top + height * 0.18:.1f}" width="{end - start:.1f}" height="{height * 0.64:.1f}"'
        self._pieces.append(f'<rect {box} fill="{BLUE}"/>')
        self._label(top + height / 2, label, interval, INK)

    def dot(
        self,
        row: tuple[int, int],
        label: str,
        value: float,
        interval: Point | None = None,
        colour: str = BLUE,
    ) -> None:
        """Draw a point as row `row[0]` of `row[1]`: for values on an axis that does not begin at nought."""
        top, height = self._row(row)
        middle = top + height / 2
        self._label(middle, label, interval, colour)
        self._pieces.append(f'<circle cx="{self._at_x(value):.1f}" cy="{middle:.1f}" r="5" fill="{colour}"/>')

    def swarm(self, row: tuple[int, int], label: str, points: Sequence[tuple[float, str]]) -> None:
        """Draw points, each with its colour, as row `row[0]` of `row[1]`; where many are alike they stand in a pile."""
        top, height = self._row(row)
        middle, most = top + height / 2, int(height * 0.42 / _STEP)
        piles: dict[int, int] = {}
        for value, colour in points:
            x = self._at_x(value)
            place = piles[round(x / _WIDE)] = piles.get(round(x / _WIDE), -1) + 1
            # Above and below the middle in turn; what finds no room lies on the outermost.
            away = min((place + 1) // 2, most) * _STEP * (1 if place % 2 else -1)
            self._pieces.append(f'<circle cx="{x:.1f}" cy="{middle + away:.1f}" r="2.2" fill="{colour}"/>')
        self._label(middle, label, None, INK)

    def upright(self, at: float, colour: str = GREY, *, name: str = "") -> None:
        """Draw a dashed line from bottom to top at `at` in data units."""
        self.line([(at, self.y[0]), (at, self.y[1])], colour, name=name, dashed=True)

    def named(self, name: str, colour: str) -> None:
        """Add a name to the legend for what is drawn in a colour."""
        self._legend.append((name, colour, ""))

    def _row(self, row: tuple[int, int]) -> Point:
        height = (HEIGHT - TOP - BOTTOM) / row[1]
        return TOP + row[0] * height, height

    def _label(self, middle: float, label: str, interval: Point | None, colour: str) -> None:
        if interval is not None:
            low, high = (self._at_x(bound) for bound in interval)
            self._pieces.append(_stroke((low, middle), (high, middle), colour, 1.5))
        self._pieces.append(_text(self.left - 8, middle + 4, label, anchor="end"))

    def column(self, at: Point, width: float, colour: str = BLUE) -> None:
        """Draw a vertical bar of a width in data units, its middle at `at[0]` and its top at `at[1]`."""
        start, end = self._at_x(at[0] - width / 2), self._at_x(at[0] + width / 2)
        top, foot = self._at_y(at[1]), self._at_y(self.y[0])
        self._pieces.append(
            f'<rect x="{start:.1f}" y="{top:.1f}" width="{end - start:.1f}" height="{foot - top:.1f}" fill="{colour}"/>'
        )

    def svg(self, *, y_ticks: bool = True, legend: Literal["bottom", "top", "title"] = "bottom") -> str:
        """Return the finished plot; its names stand at the lower right unless something is in the way there."""
        grid = [self._x_tick(value) for value in ticks(*self.x)]
        grid += [self._y_tick(value) for value in ticks(*self.y)] if y_ticks else []
        middle = (self.left + WIDTH - RIGHT) / 2
        frame = [
            _stroke((self.left, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM), INK, 1),
            _stroke((self.left, TOP), (self.left, HEIGHT - BOTTOM), INK, 1),
            _text(middle, HEIGHT - 12, self.x_label, anchor="middle"),
            _turned(16, (TOP + HEIGHT - BOTTOM) / 2, self.y_label),
        ]
        return page(
            self.title, [*grid, *self._pieces, *frame, *(self._abreast() if legend == "title" else self._names(legend))]
        )

    def _abreast(self) -> list[str]:
        """Return the names side by side in the line of the title, up to the right end."""
        lines: list[str] = []
        x = WIDTH - RIGHT - sum(_MARK + _LETTER * len(name) for name, _, _ in self._legend)
        for name, colour, dash in self._legend:
            lines.append(_stroke((x, 20), (x + 16, 20), colour, 3, dash))
            lines.append(_text(x + 20, 24, name))
            x += _MARK + _LETTER * len(name)
        return lines

    def _names(self, legend: str) -> list[str]:
        lines: list[str] = []
        first = TOP + 18 if legend == "top" else HEIGHT - BOTTOM - 14 - 18 * (len(self._legend) - 1)
        for place, (name, colour, dash) in enumerate(self._legend):
            y = first + 18 * place
            lines.append(_stroke((WIDTH - RIGHT - 190, y - 4), (WIDTH - RIGHT - 168, y - 4), colour, 2, dash))
            lines.append(_text(WIDTH - RIGHT - 162, y, name))
        return lines

    def _x_tick(self, value: float) -> str:
        x = self._at_x(value)
        label = _text(x, HEIGHT - BOTTOM + 16, f"{value:g}", anchor="middle")
        return _stroke((x, TOP), (x, HEIGHT - BOTTOM), FAINT, 1) + label

    def _y_tick(self, value: float) -> str:
        y = self._at_y(value)
        label = _text(self.left - 8, y + 4, f"{value:g}", anchor="end")
        return _stroke((self.left, y), (WIDTH - RIGHT, y), FAINT, 1) + label

    def _at_x(self, value: float) -> float:
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return self.left + min(1.0, max(0.0, share)) * (WIDTH - RIGHT - self.left)

    def _at_y(self, value: float) -> float:
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return HEIGHT - BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - BOTTOM - TOP)


def cells(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Return a table of counts, each cell shaded by its share of all."""
    total = sum(value for _, values in rows for value in values) or 1.0
    wide, high = (WIDTH - 150 - RIGHT) / len(columns), (HEIGHT - TOP - 60) / len(rows)
    pieces = [_text(150 + (place + 0.5) * wide, TOP + 24, name, anchor="middle") for place, name in enumerate(columns)]
    for line, (name, values) in enumerate(rows):
        top = TOP + 36 + line * high
        pieces.append(_text(140, top + high / 2, name, anchor="end"))
        for place, value in enumerate(values):
            x, share = 150 + place * wide, value / total
            # Pale enough that the dark ink reads on a cell that holds everything.
            fill = f'fill="{BLUE}" fill-opacity="{0.08 + 0.6 * share:.3f}"'
            pieces.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{wide - 4:.1f}" height="{high - 4:.1f}" {fill}/>')
            pieces.append(_text(x + wide / 2, top + high / 2 - 2, f"{value:,.0f}", anchor="middle", size=20))
            pieces.append(_text(x + wide / 2, top + high / 2 + 18, f"{share:.1%}", anchor="middle"))
    return page(title, pieces)


def page(title: str, pieces: Sequence[str]) -> str:
    """Return an SVG document with a title above the pieces."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{SIGN}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label={quoteattr(title)} font-family="system-ui, sans-serif" fill="{INK}">'
    )
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    return "\n".join([head, ground, _text(14, 24, title, size=16), *pieces, "</svg>"]) + "\n"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers within the range, which must not be empty."""
    span = high - low
    step = 10.0 ** len(str(int(span)))
    steps = [
        step * part
        for power in range(12)
        for part in (10.0**-power, 5 * 10.0 ** -(power + 1), 2 * 10.0 ** -(power + 1))
    ]
    chosen = next(each for each in steps if span / each >= count - 1)
    first = int(low / chosen)
    values = [round((first + place) * chosen, 10) for place in range(count * 4)]
    return [value for value in values if low - 1e-9 <= value <= high + 1e-9]


def shortened(text: str, most: int) -> str:
    """Return a label of at most `most` characters, an ellipsis standing for what is cut off."""
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12) -> str:
    clean = escape("".join(character for character in words if character.isprintable()))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{clean}</text>'


def _turned(x: float, y: float, words: str) -> str:
    return f'<g transform="rotate(-90 {x:.1f} {y:.1f})">{_text(x, y, words, anchor="middle")}</g>'


def _stroke(start: Point, end: Point, colour: str, width: float, dash: str = "") -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{colour}" stroke-width="{width:g}"{dash}/>'
    )
