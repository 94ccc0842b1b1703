"""Results as a page for people."""

from __future__ import annotations

from collections.abc import Mapping

from .result import Result, shown
from .table import METRICS

ARROWS = {"higher": "↑", "lower": "↓", None: " "}

SECTIONS = {
    "Factors in codes": lambda inputs: "factors" in inputs,
    "Condition in codes": lambda inputs: "condition" in inputs,
    "Posteriors": lambda inputs: "mean" in inputs,
    "Codes alone": lambda inputs: True,
}
"""A metric is in the first section that takes its inputs."""


def page(results: Mapping[str, Result]) -> str:
    """One line a score: value, interval, which way is better, unit and meaning, by what it takes.

    Args:
        results: of `measure`.

    Returns:
        The page; matrices and lists say only their shape.
    """
    sections: dict[str, list[str]] = {name: [] for name in SECTIONS}
    for result in results.values():
        inputs = METRICS[result.metric].inputs
        section = next(name for name, takes in SECTIONS.items() if takes(inputs))
        sections[section].append(line(result))
    some = next(iter(results.values()), None)
    parts = [f"{name}\n" + "\n".join(lines) for name, lines in sections.items() if lines]
    if some is not None:
        seed = f"{some.rows} rows, the first {some.train} train; seed {some.seed}"
        drawn = max(result.draws for result in results.values())
        how = f"; brackets: {some.level:.0%} intervals from up to {drawn} random halves" if drawn else ""
        parts.append(f"{seed}{how}. ↑ higher is better, ↓ lower is better, neither where there is no arrow.")
    return "\n\n".join(parts)


def line(result: Result) -> str:
    """One score; a matrix says only its shape."""
    score = result.score
    interval = "" if result.interval is None else "[{:.4f}, {:.4f}]".format(*result.interval)
    return (
        f"{score.column:<40} {shown(result.value):>10} {ARROWS[score.direction]} {interval:<20} "
        f"{score.unit:<5} {score.meaning}"
    )
