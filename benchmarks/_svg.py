"""Line charts over a logarithmic axis, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

import attrs


@attrs.frozen(kw_only=True)
class Point:
    """One point of a line, with the band around it."""

    x: float
    low: float
    y: float
    high: float


@attrs.frozen(kw_only=True)
class Series:
    """One line."""

    label: str
    points: tuple[Point, ...]


@attrs.frozen(kw_only=True)
class Chart:
    """A picture that can be read without the text around it.

    Args:
        title: what it shows.
        subtitle: how it came about.
        x_label: what the logarithmic axis is.
        y_label: what the other axis is, which begins at zero.
        series: the lines; at most as many as there are colours.
    """

    title: str
    subtitle: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]


WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 728, 152, 400
# Blue and a darker grey: told apart also in print and by those who see no colours.
COLOURS = ("#1d5fd1", "#6b7280")
INK, MUTED, GRID = "#111827", "#4b5563", "#e5e7eb"
FONTS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


@attrs.frozen(kw_only=True)
class Style:
    """How text looks, and which end of it is at its place."""

    size: int = 12
    colour: str = MUTED
    anchor: str = "start"
    weight: int = 400


TITLE = Style(size=18, colour=INK, weight=600)
NAME = Style(colour=INK)
NOTE = Style()
CENTRED = Style(anchor="middle")
BEFORE = Style(anchor="end")


@attrs.frozen(kw_only=True)
class Frame:
    """From values to places on the picture."""

    x_least: float
    x_most: float
    y_most: float

    def x(self, value: float) -> float:
        """How far to the right."""
        span = math.log10(self.x_most / self.x_least) or 1
        # A margin inside the axes, so that no dot lies on them.
        return LEFT + 20 + (RIGHT - LEFT - 40) * math.log10(value / self.x_least) / span

    def y(self, value: float) -> float:
        """How far down."""
        return BOTTOM - (BOTTOM - TOP) * value / self.y_most


def draw(chart: Chart) -> str:
    """The picture as the text of an SVG file."""
    points = [point for series in chart.series for point in series.points]
    step = nice_step(max(point.high for point in points))
    frame = Frame(
        x_least=min(point.x for point in points),
        x_most=max(point.x for point in points),
        y_most=step * math.ceil(max(point.high for point in points) / step),
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label={quoteattr(chart.title)} '
        f'font-family="{FONTS}">'
    )
    parts = [
        head,
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        text(24, 34, chart.title, TITLE),
        text(24, 56, chart.subtitle, NOTE),
        *legend(chart.series),
        *y_axis(frame, step, chart.y_label),
        *x_axis(frame, chart.x_label),
    ]
    # The baseline is drawn first, so that it never hides what the picture is about.
    for series, colour in reversed(list(zip(chart.series, COLOURS, strict=False))):
        parts += line(frame, series, colour)
    return "\n".join([*parts, "</svg>", ""])


def nice_step(most: float) -> float:
    """A round distance of grid lines, for about five of them."""
    rough = most / 5
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)


def legend(series: Sequence[Series]) -> Iterator[str]:
    """A line for each line."""
    for index, (one, colour) in enumerate(zip(series, COLOURS, strict=False)):
        y = 82 + 18 * index
        yield f'<line x1="24" y1="{y}" x2="46" y2="{y}" stroke="{colour}" stroke-width="2.5"/>'
        yield f'<circle cx="35" cy="{y}" r="3.5" fill="{colour}"/>'
        yield text(54, y + 4, one.label, NAME)


def y_axis(frame: Frame, step: float, label: str) -> Iterator[str]:
    """Grid lines with their values."""
    yield text(24, TOP - 18, label, NOTE)
    for number in range(round(frame.y_most / step) + 1):
        y = frame.y(number * step)
        stroke = MUTED if number == 0 else GRID
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" stroke="{stroke}"/>'
        yield text(LEFT - 8, y + 4, f"{number * step:g}", BEFORE)


def x_axis(frame: Frame, label: str) -> Iterator[str]:
    """Ticks at the powers of ten, and smaller ones between."""
    for value in ticks(frame.x_least, frame.x_most):
        is_power = math.log10(value).is_integer()
        x, end = frame.x(value), BOTTOM + (7 if is_power else 4)
        yield f'<line x1="{x:.1f}" y1="{BOTTOM}" x2="{x:.1f}" y2="{end}" stroke="{MUTED}"/>'
        if is_power:
            yield text(x, BOTTOM + 22, f"{value:,.0f}", CENTRED)
    yield text((LEFT + RIGHT) / 2, BOTTOM + 44, label, CENTRED)


def ticks(least: float, most: float) -> Iterator[float]:
    """One to nine of every power of ten, from the least to the most."""
    for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1):
        for factor in range(1, 10):
            if least <= factor * 10.0**power <= most:
                yield factor * 10.0**power


def line(frame: Frame, series: Series, colour: str) -> Iterator[str]:
    """One line with its band, its dots, and the value at its end."""
    upper = [f"{frame.x(p.x):.1f},{frame.y(p.high):.1f}" for p in series.points]
    lower = [f"{frame.x(p.x):.1f},{frame.y(p.low):.1f}" for p in reversed(series.points)]
    middle = [f"{frame.x(p.x):.1f},{frame.y(p.y):.1f}" for p in series.points]
    yield f'<polygon points="{" ".join(upper + lower)}" fill="{colour}" fill-opacity="0.15"/>'
    yield f'<polyline points="{" ".join(middle)}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
    value = Style(size=11, colour=colour, anchor="middle")
    for point in series.points:
        x, y = frame.x(point.x), frame.y(point.y)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
        yield text(x, y - 9, f"{point.y:.1f}", value)


def text(x: float, y: float, content: str, style: Style) -> str:
    """One line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{style.size}" font-weight="{style.weight}" '
        f'fill="{style.colour}" text-anchor="{style.anchor}">{escape(content)}</text>'
    )
