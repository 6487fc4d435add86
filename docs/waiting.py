"""The picture of how a wait goes: register, look, park, and take every call as a hint."""

from __future__ import annotations

from drawing import Arrow, Canvas, Colour, Point

SIZE = (900, 480)
STEP = (240.0, 36.0)
WAITER_X, APPENDER_X = 280.0, 660.0

#: Name, text, middle, colour.
STEPS: tuple[tuple[str, tuple[str, ...], Point, Colour], ...] = (
    ("register", ("1. register at the slot",), (WAITER_X, 90), "blue"),
    ("look", ("2. look into the store",), (WAITER_X, 180), "blue"),
    ("park", ("3. park on the slot's event",), (WAITER_X, 270), "amber"),
    ("again", ("4. look again",), (WAITER_X, 360), "blue"),
    ("found", ("5. return what was found",), (WAITER_X, 450), "green"),
    ("write", ("write the event",), (APPENDER_X, 180), "blue"),
    ("notify", ("open the one slot it fills",), (APPENDER_X, 270), "blue"),
)
NOTES: tuple[tuple[str, tuple[str, ...], Point], ...] = (
    ("waiter", ("a task that waits for the Nth event of a type",), (WAITER_X, 30)),
    ("appender", ("a task that appends",), (APPENDER_X, 130)),
    ("others", ("no other slot is touched",), (APPENDER_X, 310)),
)

#: From, to, what it says, the way.
LINES: tuple[tuple[str, str, tuple[str, ...], Arrow], ...] = (
    ("register", "look", (), Arrow()),
    ("look", "park", ("not there",), Arrow()),
    ("park", "again", ("woken",), Arrow()),
    ("again", "found", ("there",), Arrow()),
    (
        "look",
        "found",
        ("there already",),
        Arrow(corners=((85, 180), (85, 450)), label_at=(85, 315)),
    ),
    (
        "again",
        "register",
        ("not there: the call was a hint and no more",),
        Arrow(corners=((830, 360), (830, 90)), label_at=(610, 360)),
    ),
    ("write", "notify", ("then",), Arrow()),
    ("notify", "park", ("wakes",), Arrow()),
)


def draw_waiting() -> Canvas:
    """Draw it."""
    canvas = Canvas("How a task waits for an event: register, look, park, look again", SIZE)
    for name, text, middle, colour in STEPS:
        canvas.add_box(name, text, middle, colour, size=STEP)
    for name, text, middle in NOTES:
        canvas.add_box(name, text, middle, "pale")
    for source, target, text, way in LINES:
        told = f"{source} -> {' '.join(text) or 'next'} -> {target}"
        middle = canvas.add_line(source, target, told, way)
        if text:
            canvas.add_box(told, text, middle, "pale")
    return canvas
