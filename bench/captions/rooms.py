"""The grammar of 3D Shapes: one object in a room of two hues, seen from a side."""

from __future__ import annotations

from .grammar import Aspect, Grammar, slot, thirds
from .sprites import SIZES, SIZES_AFTER

HUES = (
    ("red", "scarlet"), ("orange", "amber"), ("yellow", "lime"), ("green", "emerald"), ("mint", "jade"),
    ("cyan", "turquoise"), ("blue", "azure"), ("indigo", "ultramarine"), ("purple", "violet"), ("pink", "magenta"),
)  # fmt: skip
"""Names of the ten hues in order, of 36 degrees each; the first is the label."""


def surfaces(*ways: str) -> tuple[tuple[str, ...], ...]:
    """For each hue, each way to say where it is, with each of its names."""
    return tuple(tuple(way.format(name) for way in ways for name in names) for names in HUES)


def hue(factor: str) -> Aspect:
    """A surface's hue, every class by its name."""
    return Aspect(factor, tuple(names[0] for names in HUES), tuple(range(10)))


ROOMS = Grammar(
    aspects=(
        hue("floor_hue"),
        hue("wall_hue"),
        hue("object_hue"),
        Aspect("scale", ("small", "medium", "large"), thirds(8)),
        Aspect("shape", ("cube", "cylinder", "sphere", "capsule"), (0, 1, 2, 3)),
        # At -30 degrees the left faces of the cube show, at 30 the right ones.
        Aspect("orientation", ("left", "front", "right"), thirds(15)),
    ),
    slots={
        "size": slot("scale", *SIZES),
        "size_after": slot("scale", *SIZES_AFTER),
        "hue": slot("object_hue", *HUES),
        "shape": slot(
            "shape",
            ("cube", "box", "block"),
            ("cylinder", "drum"),
            ("sphere", "ball", "globe"),
            ("capsule", "pill"),
            unnamed=("object", "thing"),
        ),
        "floor": slot("floor_hue", *surfaces("on a {} floor", "standing on a {} floor", "on {} ground")),
        "wall": slot(
            "wall_hue", *surfaces("in front of a {} wall", "before a {} wall", "with a {} wall behind")
        ),
        "view": slot(
            "orientation",
            *((f"seen from the {side}", f"viewed from the {side}") for side in ("left", "front", "right")),
        ),
    },
    templates=(
        "a {size} {hue} {shape} {floor} {wall} {view}",
        "a {size} {hue} {shape} {wall} {floor} {view}",
        "{view} a {size} {hue} {shape} {floor} {wall}",
        "{floor} {wall} a {size} {hue} {shape} {view}",
        "{wall} a {hue} {shape} {size_after} {view} {floor}",
        "there is a {size} {hue} {shape} {view} {wall} {floor}",
        "there is a {hue} {shape} {size_after} {floor} {wall} {view}",
    ),
)
