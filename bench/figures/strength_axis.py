"""The horizontal axis of regularisation strength: octaves, with a place for zero."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes

from .arms import Arm


@dataclass(frozen=True)
class StrengthAxis:
    """Where each strength of a set of arms stands: at its base-2 logarithm, zero one step left of the smallest."""

    places: dict[float, float]
    label: str

    @classmethod
    def of(cls, arms: Iterable[Arm]) -> StrengthAxis:
        """The axis that holds all strengths of these arms; those without a strength need no place."""
        with_strength = [arm for arm in arms if arm.symbol]
        strengths = sorted({s for arm in with_strength for s in arm.strengths})
        octaves = {s: math.log2(s) for s in strengths if s > 0}
        steps = [b - a for a, b in zip(octaves.values(), list(octaves.values())[1:], strict=False)]
        if 0.0 in strengths:
            octaves[0.0] = min(octaves.values(), default=0.0) - max(steps, default=1.0)
        symbols = list(dict.fromkeys(arm.symbol for arm in with_strength if arm.symbol))
        return cls(dict(sorted(octaves.items())), f"strength {', '.join(symbols)}" if symbols else "")

    @property
    def span(self) -> float:
        """From the first to the last place."""
        return max(self.places.values()) - min(self.places.values()) if self.places else 0.0

    def margin(self) -> float:
        """Room at both ends."""
        return 0.07 * self.span or 0.5

    def apply(self, axes: Axes, *, width: float, labelled: bool = True) -> None:
        """Set limits, ticks at the strengths themselves, and the label; `width` of the axes in inches.

        A tick label that would touch the one before it is left out.
        """
        if not self.places:
            axes.set_xticks([])
            axes.set_xlim(-1, 1)
            return
        low, high = min(self.places.values()) - self.margin(), max(self.places.values()) + self.margin()
        axes.set_xlim(low, high)
        ticks, labels, free_from = [], [], -math.inf
        for strength, place in self.places.items():
            inches = (place - low) / (high - low) * width
            half = 0.035 * len(f"{strength:g}") + 0.02
            ticks.append(place)
            labels.append(f"{strength:g}" if inches - half >= free_from else "")
            free_from = inches + half if labels[-1] else free_from
        axes.set_xticks(ticks, labels)
        if labelled:
            axes.set_xlabel(self.label)
