"""Draws the pictures of the documentation.

``python docs/pictures.py`` writes them again.  The states and arrows of a machine come
from its table (see ``machines.py``); only their places stand here.  A table that gets
another arrow has no place for it, and drawing it fails.

All text stands on a surface of its own and lines are of a middle grey, so that the
pictures can be read on a light page and on a dark one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import attrs
from drawing import Arrow, Canvas, Loop, Spot
from machines import MACHINES, Table
from waiting import draw_waiting

DOCS = Path(__file__).resolve().parent

Place: TypeAlias = Arrow | Loop


@attrs.frozen(kw_only=True)
class Layout:
    """Where the states and arrows of a machine are.

    Args:
        title: what the picture shows.
        size: width and height.
        spots: the states; the first one is where the machine begins.
        places: the arrows, by where they come from and where they go to.
    """

    title: str
    size: tuple[float, float]
    spots: Mapping[str, Spot]
    places: Mapping[tuple[str, str], Place]


EFFECT = Layout(
    title="The life of an effect",
    size=(960, 470),
    spots={
        "running": Spot(x=120, y=250, colour="blue"),
        "cancelling": Spot(x=710, y=250, colour="amber"),
        "succeeded": Spot(x=415, y=140, colour="green"),
        "failed": Spot(x=415, y=250, colour="red"),
        "abandoned": Spot(x=415, y=360, colour="grey"),
        "cancelled": Spot(x=710, y=400, colour="purple"),
    },
    places={
        ("running", "cancelling"): Arrow(through=(415, -140)),
        ("running", "succeeded"): Arrow(),
        ("running", "failed"): Arrow(),
        ("running", "abandoned"): Arrow(),
        ("cancelling", "succeeded"): Arrow(),
        ("cancelling", "failed"): Arrow(),
        ("cancelling", "abandoned"): Arrow(),
        ("cancelling", "cancelled"): Arrow(),
        ("cancelling", "cancelling"): Loop(side="right"),
        ("succeeded", "succeeded"): Loop(side="bottom"),
        ("failed", "failed"): Loop(side="bottom"),
        ("abandoned", "abandoned"): Loop(side="bottom"),
        ("cancelled", "cancelled"): Loop(side="right"),
    },
)

SCOPE = Layout(
    title="The life of an opened scope",
    size=(960, 350),
    spots={
        "open": Spot(x=120, y=235, colour="blue"),
        "cancelled": Spot(x=335, y=95, colour="purple"),
        "closing": Spot(x=550, y=235, colour="amber"),
        "closed": Spot(x=850, y=235, colour="grey"),
    },
    places={
        ("open", "cancelled"): Arrow(),
        ("open", "closing"): Arrow(),
        ("cancelled", "closing"): Arrow(),
        ("cancelled", "cancelled"): Loop(side="top"),
        ("closing", "closing"): Loop(side="bottom"),
        ("closing", "closed"): Arrow(),
        ("closed", "closed"): Loop(side="bottom"),
    },
)

PROCESS = Layout(
    title="The status of a process",
    size=(760, 330),
    spots={
        "running": Spot(x=120, y=165, colour="blue"),
        "completed": Spot(x=510, y=50, colour="green"),
        "failed": Spot(x=510, y=165, colour="red"),
        "cancelled": Spot(x=510, y=280, colour="purple"),
    },
    places={
        ("running", "completed"): Arrow(),
        ("running", "failed"): Arrow(),
        ("running", "cancelled"): Arrow(),
        ("running", "running"): Loop(side="bottom"),
        ("completed", "completed"): Loop(side="right"),
        ("failed", "failed"): Loop(side="right"),
        ("cancelled", "cancelled"): Loop(side="right"),
    },
)

LEASE = Layout(
    title="The lease of a process",
    size=(900, 380),
    spots={
        "free": Spot(x=150, y=320, colour="grey"),
        "held": Spot(x=450, y=120, colour="green"),
        "expired": Spot(x=750, y=320, colour="amber"),
    },
    places={
        ("free", "held"): Arrow(through=(210, 130)),
        ("held", "free"): Arrow(through=(350, 260)),
        ("held", "expired"): Arrow(through=(550, 260)),
        ("expired", "held"): Arrow(through=(690, 130)),
        ("expired", "free"): Arrow(),
        ("held", "held"): Loop(side="top"),
    },
)

WAIT = Layout(
    title="The wait facet of a row",
    size=(900, 310),
    spots={
        "not waiting": Spot(x=120, y=130, colour="blue"),
        "waiting": Spot(x=460, y=130, colour="amber"),
        "ended": Spot(x=800, y=130, colour="grey"),
    },
    places={
        ("not waiting", "not waiting"): Loop(side="top"),
        ("not waiting", "waiting"): Arrow(through=(290, 60)),
        ("waiting", "not waiting"): Arrow(through=(290, 200)),
        ("waiting", "waiting"): Loop(side="top"),
        ("waiting", "ended"): Arrow(),
        ("not waiting", "ended"): Arrow(through=(460, 400)),
        ("ended", "ended"): Loop(side="top"),
    },
)

LAYOUTS: Mapping[str, Layout] = {
    "effect": EFFECT,
    "scope": SCOPE,
    "process": PROCESS,
    "lease": LEASE,
    "wait": WAIT,
}


def draw_machine(layout: Layout, table: Table) -> Canvas:
    """Draw a machine.

    Raises:
        ValueError: the table and the layout have not the same states and arrows.
    """
    signals: dict[tuple[str, str], list[str]] = {}
    for (state, signal), target in table.items():
        signals.setdefault((state, target), []).append(signal)
    drawn = {name for pair in signals for name in pair}
    if drawn != set(layout.spots) or set(signals) != set(layout.places):
        raise ValueError(
            f"{layout.title}: the table has {sorted(drawn)} and {sorted(signals)}, "
            f"the layout {sorted(layout.spots)} and {sorted(layout.places)}"
        )
    canvas = Canvas(layout.title, layout.size)
    for name, spot in layout.spots.items():
        canvas.add_state(name, spot)
    canvas.add_begin(next(iter(layout.spots)))
    for pair, place in layout.places.items():
        canvas.add_transition(*pair, signals[pair], place)
    return canvas


def draw_all() -> dict[str, Canvas]:
    """Every picture, by the name of its file."""
    pictures = {
        f"{name}.svg": draw_machine(layout, MACHINES[name]()) for name, layout in LAYOUTS.items()
    }
    return {**pictures, "waiting.svg": draw_waiting()}


def main() -> None:
    directory = DOCS / "pictures"
    directory.mkdir(exist_ok=True)
    for name, canvas in draw_all().items():
        directory.joinpath(name).write_text(canvas.svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
