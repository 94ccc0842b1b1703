"""Results as a page for people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from .result import Result, interval_text, shown
from .table import METRICS

ARROWS = {"higher": "↑", "lower": "↓", None: " "}

SECTIONS: dict[str, Callable[[Collection[str]], bool]] = {
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
    parts = [f"{name}\n" + "\n".join(lines) for name, lines in sections.items() if lines]
    left_out = getattr(results, "left_out", {})
    if left_out:
        parts.append("Not scored\n" + "\n".join(f"{name:<40} {why}" for name, why in left_out.items()))
    if results:
        parts.append(footnote(list(results.values())))
    return "\n\n".join(parts)


def footnote(results: Sequence[Result]) -> str:
    """From how many rows, and what brackets and arrows mean."""
    whole = [result for result in results if METRICS[result.metric].whole]
    others = [result for result in results if not METRICS[result.metric].whole]
    train = next((result.train for result in others if result.train), None)
    split = f", the first {train} of them train" if train else ""
    rows = f"{max(result.rows for result in others)} rows{split}" if others else ""
    exact = f"{whole[0].rows} rows of the whole data set for the exact scores" if whole else ""
    draws = [result.draws for result in results if result.draws]
    counted = (
        f"{min(draws)} to {max(draws)}" if draws and min(draws) < max(draws) else str(max(draws, default=0))
    )
    how = f"brackets: {results[0].level:.0%} intervals from {counted} random halves" if draws else ""
    parts = "; ".join(part for part in (rows, exact, f"seed {results[0].seed}", how) if part)
    return f"{parts}. ↑ higher is better, ↓ lower is better, neither where there is no arrow."


def line(result: Result) -> str:
    """One score; a matrix says only its shape."""
    score = result.score
    return (
        f"{score.column:<40} {shown(result.value):>10} {ARROWS[score.direction]} {interval_text(result.interval):<20} "
        f"{score.unit:<5} {score.meaning}"
    )
