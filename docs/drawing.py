"""A small way of drawing boxes, arrows and labels as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Literal, TypeAlias
from xml.sax.saxutils import escape, quoteattr

import attrs

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = Literal["blue", "amber", "green", "red", "purple", "grey", "pale"]

#: Fill and text; every pair has a contrast of at least 4.5 to 1.
COLOURS: dict[Colour, tuple[str, str]] = {
    "blue": ("#2563a8", "#ffffff"),
    "amber": ("#a34d06", "#ffffff"),
    "green": ("#2a7248", "#ffffff"),
    "red": ("#ab3730", "#ffffff"),
    "purple": ("#66489c", "#ffffff"),
    "grey": ("#56616f", "#ffffff"),
    "pale": ("#eef1f5", "#1f2937"),
}
LINE = "#7f8b9a"
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

HEAD = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="7" '
    'markerHeight="7" orient="auto-start-reverse">'
    f'<path d="M 0 0.6 L 10 5 L 0 9.4 z" fill="{LINE}"/></marker></defs>'
)

STATE_SIZE = (136.0, 44.0)
TEXT_PX = 15
LABEL_PX = 13.5
LINE_HEIGHT = 18.0
# Letters of a monospaced font are this wide; textLength makes them so.
ADVANCE = 0.6
LOOP_REACH = 44.0


@attrs.frozen(kw_only=True)
class Spot:
    """Where a state is: its middle."""

    x: float
    y: float
    colour: Colour


@attrs.frozen(kw_only=True)
class Arrow:
    """An arrow between two boxes.

    Args:
        through: bends it towards a point.
        corners: or leads it along straight lines over these points.
        label_at: where its label is; in its middle where None.
    """

    through: Point | None = None
    corners: tuple[Point, ...] = ()
    label_at: Point | None = None


@attrs.frozen(kw_only=True)
class Loop:
    """An arrow from a state to itself."""

    side: Literal["top", "bottom", "left", "right"]


@attrs.frozen(kw_only=True)
class Rect:
    """An area, for keeping things apart."""

    x: float
    y: float
    width: float
    height: float

    @staticmethod
    def around(middle: Point, size: tuple[float, float]) -> Rect:
        """The area of a size around a point."""
        (x, y), (width, height) = middle, size
        return Rect(x=x - width / 2, y=y - height / 2, width=width, height=height)

    def overlaps(self, other: Rect, margin: float = 0) -> bool:
        """Whether two areas come closer than a margin."""
        return (
            self.x < other.x + other.width + margin
            and other.x < self.x + self.width + margin
            and self.y < other.y + other.height + margin
            and other.y < self.y + self.height + margin
        )


class Canvas:
    """A picture in the making.

    Args:
        title: what it shows; read out to those who do not see it.
        size: width and height.

    Attributes:
        boxes: the areas that must stay apart, by name: states and labels.
    """

    def __init__(self, title: str, size: tuple[float, float]) -> None:
        self.title = title
        self.size = size
        self.boxes: dict[str, Rect] = {}
        self._told: list[str] = []
        self._lines: list[str] = []
        self._surfaces: list[str] = []

    def add_state(self, name: str, spot: Spot) -> None:
        """Add a state."""
        self.add_box(name, [name], (spot.x, spot.y), spot.colour, size=STATE_SIZE, pixels=TEXT_PX)

    def add_box(
        self,
        name: str,
        text: Sequence[str],
        middle: Point,
        colour: Colour,
        *,
        size: tuple[float, float] | None = None,
        pixels: float = LABEL_PX,
    ) -> None:
        """Add a box with lines of text; as large as they need where no size is given."""
        large = size is not None
        if size is None:
            size = label_size(text)
        area = Rect.around(middle, size)
        self.boxes[name] = area
        fill, ink = COLOURS[colour]
        border = f' stroke="{LINE}" stroke-width="0.75"' if colour == "pale" else ""
        self._surfaces.append(
            f'<rect x="{_n(area.x)}" y="{_n(area.y)}" width="{_n(area.width)}" '
            f'height="{_n(area.height)}" rx="{8 if large else 5}" fill="{fill}"{border}/>'
        )
        top = middle[1] - (len(text) - 1) * LINE_HEIGHT / 2
        weight = ' font-weight="600"' if pixels == TEXT_PX else ""
        for number, line in enumerate(text):
            width = len(line) * pixels * ADVANCE
            self._surfaces.append(
                f'<text x="{_n(middle[0])}" y="{_n(top + number * LINE_HEIGHT + pixels * 0.35)}" '
                f'text-anchor="middle" font-size="{pixels}" fill="{ink}" '
                f'textLength="{_n(width)}" lengthAdjust="spacingAndGlyphs"{weight}>'
                f"{escape(line)}</text>"
            )

    def add_begin(self, state: str) -> None:
        """Mark the state in which a machine begins."""
        area = self.boxes[state]
        y = area.y + area.height / 2
        x = area.x - 24
        self._lines.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="6" fill="{LINE}"/>')
        self._add_path(f"M {_n(x)} {_n(y)} L {_n(area.x - 2)} {_n(y)}", "")

    def add_transition(
        self, state: str, target: str, signals: Sequence[str], place: Arrow | Loop
    ) -> None:
        """Add the arrow from a state to another, with a label of its signals."""
        told = [f"{state} -> {signal} -> {target}" for signal in signals]
        self._told += told
        if isinstance(place, Loop):
            middle = self._add_loop(state, place, signals, told)
        else:
            middle = self._add_arrow(state, target, place, told)
        self.add_box("; ".join(told), signals, middle, "pale")

    def add_line(self, source: str, target: str, told: str, place: Arrow) -> Point:
        """Add an arrow without a label; returns where one could be."""
        self._told.append(told)
        return self._add_arrow(source, target, place, [told])

    def _add_arrow(self, source: str, target: str, place: Arrow, told: Sequence[str]) -> Point:
        start, end = self.boxes[source], self.boxes[target]
        if place.corners:
            first, *_, last = place.corners
            ways = [_side(start, first, 2), *place.corners, _side(end, last, 4)]
            path = "M " + " L ".join(f"{_n(x)} {_n(y)}" for x, y in ways)
            middle = place.corners[0]
        elif place.through is None:
            (x1, y1), (x2, y2) = _border(start, _middle(end), 2), _border(end, _middle(start), 4)
            path = f"M {_n(x1)} {_n(y1)} L {_n(x2)} {_n(y2)}"
            middle = ((x1 + x2) / 2, (y1 + y2) / 2)
        else:
            bx, by = place.through
            (x1, y1), (x2, y2) = _border(start, (bx, by), 2), _border(end, (bx, by), 4)
            path = f"M {_n(x1)} {_n(y1)} Q {_n(bx)} {_n(by)} {_n(x2)} {_n(y2)}"
            middle = ((x1 + 2 * bx + x2) / 4, (y1 + 2 * by + y2) / 4)
        self._add_path(path, "; ".join(told))
        return middle if place.label_at is None else place.label_at

    def _add_loop(
        self, state: str, place: Loop, signals: Sequence[str], told: Sequence[str]
    ) -> Point:
        area = self.boxes[state]
        x, y = _middle(area)
        label_width, label_height = label_size(signals)
        if place.side in ("top", "bottom"):
            sign = -1 if place.side == "top" else 1
            edge = y + sign * area.height / 2
            far = edge + sign * LOOP_REACH
            path = (
                f"M {_n(x - 18)} {_n(edge + sign)} C {_n(x - 30)} {_n(far)} "
                f"{_n(x + 30)} {_n(far)} {_n(x + 18)} {_n(edge + sign * 4)}"
            )
            middle = (x, edge + sign * (LOOP_REACH * 0.62 + label_height / 2))
        else:
            sign = -1 if place.side == "left" else 1
            edge = x + sign * area.width / 2
            far = edge + sign * LOOP_REACH
            path = (
                f"M {_n(edge + sign)} {_n(y - 11)} C {_n(far)} {_n(y - 24)} "
                f"{_n(far)} {_n(y + 24)} {_n(edge + sign * 4)} {_n(y + 11)}"
            )
            middle = (edge + sign * (LOOP_REACH * 0.68 + label_width / 2), y)
        self._add_path(path, "; ".join(told))
        return middle

    def _add_path(self, path: str, told: str) -> None:
        data = f" data-transitions={quoteattr(told)}" if told else ""
        self._lines.append(
            f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.75" '
            f'stroke-linejoin="round" '
            f'marker-end="url(#head)"{data}/>'
        )

    def svg(self) -> str:
        """The picture as text."""
        width, height = (_n(length) for length in self.size)
        begin = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="{FONT}">'
        )
        told = escape("; ".join(self._told))
        return "\n".join(
            [
                begin,
                f"<title>{escape(self.title)}</title>",
                f"<desc>{told}</desc>",
                HEAD,
                *self._lines,
                *self._surfaces,
                "</svg>",
                "",
            ]
        )


def _middle(area: Rect) -> Point:
    return (area.x + area.width / 2, area.y + area.height / 2)


def _border(area: Rect, towards: Point, gap: float) -> Point:
    """Where the line from the middle of an area to a point leaves it, plus a gap."""
    x, y = _middle(area)
    dx, dy = towards[0] - x, towards[1] - y
    reach = min(
        (area.width / 2) / abs(dx) if dx else float("inf"),
        (area.height / 2) / abs(dy) if dy else float("inf"),
    )
    reach += gap / hypot(dx, dy)
    return (x + dx * reach, y + dy * reach)


def _side(area: Rect, towards: Point, gap: float) -> Point:
    """Where a level or upright line from an area to a point begins, after a gap."""
    x, y = _middle(area)
    if abs(towards[1] - y) < 1:
        return (x + (area.width / 2 + gap) * (1 if towards[0] > x else -1), y)
    return (x, y + (area.height / 2 + gap) * (1 if towards[1] > y else -1))


def label_size(text: Sequence[str]) -> tuple[float, float]:
    """How large the surface of a label is."""
    longest = max(len(line) for line in text)
    return (longest * LABEL_PX * ADVANCE + 16, len(text) * LINE_HEIGHT + 8)


def _n(value: float) -> str:
    return f"{round(value, 1):g}"
