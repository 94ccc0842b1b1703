"""What the discriminator reads while it trains, a panel a correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ...figures.style import INK, PALETTE, quiet_grid


def draw_discriminators(checks: Sequence[Mapping[str, Any]]) -> Figure:
    """Estimated total correlation against updates, beside the closed form and what the batch size leaves of it."""
    figure = Figure(figsize=(7.4, 2.5), layout="constrained")
    panels = figure.subplots(1, len(checks), squeeze=False)[0]
    for number, (axes, check) in enumerate(zip(panels, checks, strict=True)):
        points = check["points"]
        axes.axhline(check["analytic_nats"], color=INK, linewidth=1.0, label="closed form")
        axes.axhline(
            check["attainable_nats"], color=PALETTE[1], linestyle="--", linewidth=1.0,
            label=f"best discriminator, dimensions permuted over {check['batch_size']} codes",
        )  # fmt: skip
        axes.errorbar(
            [point["steps"] for point in points],
            [point["nats"] for point in points],
            [point["standard_error_nats"] for point in points],
            color=PALETTE[0], marker="o", elinewidth=0.9, capsize=1.5,
            label=f"discriminator of {check['units']:,} units",
        )  # fmt: skip
        axes.set_title(f"ρ = {check['correlation']:g}: TC {check['analytic_nats']:.3f} nats", loc="left")
        low, high = axes.get_ylim()
        axes.set_ylim(min(0.0, low), high + 0.05 * abs(high))  # from 0, with room for the topmost marker
        axes.set_xlabel("updates")
        axes.set_ylabel("total correlation, nats" if number == 0 else "")
        quiet_grid(axes)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    return figure
