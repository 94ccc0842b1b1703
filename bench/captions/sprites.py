"""The grammar of dSprites: shape, size, turn and place of one sprite on an empty ground."""

from __future__ import annotations

import itertools

from .grammar import NOT_NAMED, Aspect, Classes, Grammar, Slot, slot, thirds

SIZES = (("small", "little", "tiny"), ("medium", "midsize"), ("large", "big", "huge"))

SIZES_AFTER = tuple(
    tuple(itertools.chain(*((f"that is {word}", f"of {word} size") for word in words))) for words in SIZES
)

FRACTIONS = {
    1: "an eighth", 2: "a quarter", 3: "three eighths", 4: "a half",
    5: "five eighths", 6: "three quarters", 7: "seven eighths",
}  # fmt: skip
"""Of a whole turn, by eighths."""


def turned(eighths: int) -> tuple[str, ...]:
    """Ways to say a turn of so many eighths, anticlockwise where they do not say which way."""
    if eighths == 0:
        return ("upright", "unturned", "not turned")
    there, back = FRACTIONS[eighths], FRACTIONS[8 - eighths]
    ways = (
        f"turned {there}", f"turned by {there}", f"rotated {there}", f"rotated by {there}",
        f"turned {there} anticlockwise", f"rotated {there} counterclockwise",
        f"turned {back} clockwise", f"rotated {back} clockwise",
    )  # fmt: skip
    return (*ways, "upside down") if eighths == 4 else ways


ACROSS, DOWN = {0: "left", 2: "right"}, {0: ("upper", "top"), 2: ("lower", "bottom")}


def placed(across: int, down: int) -> tuple[str, ...]:
    """Ways to say a place, by thirds of the image across and down."""
    middle, left_out = 1, NOT_NAMED
    side, (high, end) = ACROSS.get(across, ""), DOWN.get(down, ("", ""))
    match (across, down):
        case (-1, -1):
            return ("",)
        case (1, -1):
            return ("halfway across", "midway across")
        case (-1, 1):
            return ("halfway down", "midway down")
        case (1, 1):
            return ("in the centre", "at the centre", "in the center", "in the middle")
    if down == left_out:
        return (f"on the {side}", f"at the {side}", f"to the {side}")
    if across == left_out:
        return (f"at the {end}", f"near the {end}", f"in the {high} part")
    if down == middle:
        return (f"at the centre {side}", f"at the middle {side}", f"in the middle {side}")
    if across == middle:
        return (f"at the {end} centre", f"at the {high} centre", f"at the {end} in the middle")
    return (
        f"at the {high} {side}",
        f"at the {end} {side}",
        f"in the {high} {side} corner",
        f"in the {end} {side}",
    )


def places() -> dict[Classes, tuple[str, ...]]:
    """Ways to say every place."""
    thirds_or_not = (NOT_NAMED, 0, 1, 2)
    return {(x, y): placed(x, y) for x, y in itertools.product(thirds_or_not, repeat=2)}


SPRITES = Grammar(
    aspects=(
        Aspect("shape", ("square", "ellipse", "heart"), (0, 1, 2)),
        Aspect("scale", ("small", "medium", "large"), thirds(6)),
        # 39 steps make a turn: class 39 is class 0. A square looks the same after two eighths, an ellipse after four.
        Aspect(
            "orientation",
            ("upright", *(f"turned {FRACTIONS[n]}" for n in range(1, 8))),
            tuple(round(8 * c / 39) % 8 for c in range(40)),
            periods=(2, 4, 8),
        ),
        Aspect("posX", ("left", "centre", "right"), thirds(32)),
        Aspect("posY", ("upper", "middle", "lower"), thirds(32)),
    ),
    slots={
        "size": slot("scale", *SIZES),
        "size_after": slot("scale", *SIZES_AFTER),
        "shape": slot(
            "shape", ("square",), ("ellipse", "oval"), ("heart", "heart shape"), unnamed=("sprite", "figure")
        ),
        "turn": slot("orientation", *(turned(eighths) for eighths in range(8))),
        "place": Slot(("posX", "posY"), places()),
    },
    templates=(
        "a {size} {shape} {place} {turn}",
        "a {size} {shape} {turn} {place}",
        "{place} a {size} {shape} {turn}",
        "{turn} a {size} {shape} {place}",
        "there is a {size} {shape} {turn} {place}",
        "a {shape} {size_after} {place} {turn}",
        "a {shape} {turn} {size_after} {place}",
        "{place} there is a {shape} {size_after} {turn}",
    ),
)
