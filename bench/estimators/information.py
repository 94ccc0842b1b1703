"""Every estimator of mutual information, on every distribution where it is known, over several numbers of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from disbench.metrics.information import KNOWN, SETTINGS, measured_bias


def information_bias(
    rows: Sequence[int], draws: int, seed: int, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """One mapping a distribution, estimator and number of rows: what they are, and truth, bias, deviation in nats.

    Args:
        rows: numbers of rows.
        draws: samples behind each bias, at least 2.
        seed: of all samples.
        say: called with a line after each number of rows.
    """
    found = []
    for count in rows:
        for bias in measured_bias(rows=count, draws=draws, seed=seed, estimators=SETTINGS):
            known = KNOWN[bias.distribution]
            found.append({**asdict(bias), "meaning": known.meaning, "of": known.right})
        say(f"mutual information: every estimator over {count:,} rows")
    return found
