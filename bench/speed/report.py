"""Speed as a table, as JSON and as a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.ticker
from matplotlib.figure import Figure
from tabulate import tabulate

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..figures.style import DOTS_PER_INCH, FAINT, INK, PALETTE, look, quiet_grid
from ..run import Run
from .cost import Cost
from .machine import Machine
from .measure import Measured, Way

STUDY_MODELS, STUDY_STEPS, STUDY_BATCH = 12_600, 300_000, 64
"""The unsupervised study (Locatello et al. 2019)."""

DAY = 86_400


def limit(cost: Cost, machine: Machine) -> float:
    """Images a second if the faster of the two kinds of product, or memory, were all that held training up."""
    arithmetic = cost.flops / max(machine.matmul_flops, machine.convolution_flops)
    return 1 / max(arithmetic, cost.bytes / machine.copied_bytes)


def records(measured: Sequence[Measured], run: Run, cost: Cost, machine: Machine) -> list[dict[str, Any]]:
    """One mapping a way: what was measured, and what follows from it."""
    yardstick = next((m.images_per_second for m in measured if m.way.is_ordinary), math.nan)
    return [
        asdict(m.way)
        | {
            "images_per_second": m.images_per_second,
            "rounds": m.rounds,
            "note": m.note,
            "step_milliseconds": 1000 * m.way.models * m.way.processes * run.batch_size / m.images_per_second,
            "flops": m.images_per_second * cost.flops,
            "of_matmul": m.images_per_second * cost.flops / machine.matmul_flops,
            "of_limit": m.images_per_second / limit(cost, machine),
            "times_ordinary": m.images_per_second / yardstick,
            "models_per_day": DAY * m.images_per_second / (run.steps * run.batch_size),
            "study_days": STUDY_MODELS * STUDY_STEPS * STUDY_BATCH / m.images_per_second / DAY,
        }
        for m in measured
    ]


def as_mapping(
    measured: Sequence[Measured], run: Run, cost: Cost, machine: Machine, provenance: dict[str, Any]
) -> dict[str, Any]:
    """Everything, for JSON; numbers that were not measured are null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    configuration = asdict(run)
    del configuration["evaluation"], configuration["seed"], configuration["data_content"]
    document = {
        "run": configuration,
        "cost_per_image": cost._asdict(),
        "machine": machine._asdict(),
        "limit_images_per_second": limit(cost, machine),
        "ways": records(measured, run, cost, machine),
        "provenance": provenance,
    }
    return {key: plain(value) for key, value in document.items()}


def as_markdown(document: dict[str, Any]) -> str:
    """The table, with a line about the machine above it."""
    run, machine, cost = document["run"], document["machine"], document["cost_per_image"]
    head = (
        f"{run['architecture']}, {run['objective']}, {run['data_set']}, batch {run['batch_size']}, "
        f"{run['precision']}: {cost['flops'] / 1e6:.1f} MFLOP and {cost['bytes'] / 1e6:.2f} MB an image.\n"
        f"{document['provenance']['device']}: {machine['matmul_flops'] / 1e9:,.0f} GFLOP/s in a large matrix "
        f"product, {machine['convolution_flops'] / 1e9:,.0f} in a large convolution, "
        f"{machine['copied_bytes'] / 1e9:,.1f} GB/s copied; "
        f"limit {document['limit_images_per_second']:,.0f} images/s."
    )
    if run["objective"] != "beta_vae":
        head += " The ordinary loop trains a beta-VAE."
    columns: dict[str, Callable[[dict[str, Any]], Any]] = {
        "way": lambda w: w["name"] + (f" ({w['lowering']})" if w["lowering"] != "native" else ""),
        "models a cohort": lambda w: w["models"],
        "processes x threads": lambda w: f"{w['processes']} x {w['threads']}",
        "images/s": lambda w: f"{w['images_per_second']:,.0f}" if w["images_per_second"] else w["note"],
        "ms/step": lambda w: rounded(w["step_milliseconds"], ".1f"),
        "of matrix product": lambda w: rounded(w["of_matmul"], ".0%"),
        "of limit": lambda w: rounded(w["of_limit"], ".0%"),
        "x ordinary": lambda w: rounded(w["times_ordinary"], ".2f"),
        "models/day": lambda w: rounded(w["models_per_day"], ",.1f"),
        "days for the study": lambda w: rounded(w["study_days"], ",.1f"),
    }
    rows = [[cell(way) for cell in columns.values()] for way in document["ways"]]
    right = ["left"] + ["right"] * (len(columns) - 1)
    return f"{head}\n\n" + tabulate(
        rows, list(columns), tablefmt="github", colalign=right, disable_numparse=True
    )


def rounded(value: float | None, form: str) -> str:
    """A number, or nothing."""
    return "" if value is None else format(value, form)


def draw(document: dict[str, Any]) -> Figure:
    """Images a second against the number of models a cohort, with the ordinary loop and the limit."""
    figure = Figure(figsize=(5.8, 4.2), layout="constrained")
    axes = figure.add_subplot()
    ours = [way for way in document["ways"] if way["name"] != "ordinary loop" and way["images_per_second"]]
    series: dict[str, list[tuple[int, float]]] = {}
    for way in ours:
        label = f"disbench, {way['processes']} x {way['threads']} threads"
        label += f", {way['lowering']}" if way["lowering"] != "native" else ""
        series.setdefault(label, []).append((way["models"], way["images_per_second"]))
    for number, (label, points) in enumerate(series.items()):
        axes.plot(
            *zip(*sorted(points), strict=True), color=PALETTE[number], marker="os^Dv"[number % 5], label=label
        )
    lines = [
        (f"ordinary loop, {way['processes']} x {way['threads']} threads", way["images_per_second"], "--")
        for way in document["ways"]
        if way["name"] == "ordinary loop" and way["images_per_second"]
    ]
    lines.append(("limit", document["limit_images_per_second"], ":"))
    for number, (label, height, dashes) in enumerate(lines):
        colour = INK if label == "limit" else FAINT
        axes.axhline(
            height,
            color=colour,
            linestyle=(0, (1 + 2 * number, 2)) if dashes == "--" else dashes,
            label=label,
        )
    heights = [way["images_per_second"] for way in document["ways"] if way["images_per_second"]]
    heights.append(document["limit_images_per_second"])
    if max(heights) > 20 * min(heights):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.1 * max(heights))
    sizes = sorted({way["models"] for way in ours})
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("models a cohort, K")
    axes.set_ylabel("images/s, all processes")
    run = document["run"]
    axes.set_title(
        f"{run['architecture']}, batch {run['batch_size']}: {document['provenance']['device']}", loc="left"
    )
    quiet_grid(axes)
    figure.legend(loc="outside lower left", ncols=2)
    return figure


def save(document: dict[str, Any], folder: Path) -> list[Path]:
    """Write `speed.json`, `speed.md`, `speed.png` and `speed.pdf`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"output folder {folder} cannot be written: {error.strerror or error}") from error
    paths = [folder / f"speed.{ending}" for ending in ("json", "md", "png", "pdf")]
    write_atomically(paths[0], lambda path: path.write_text(json.dumps(document, indent=1) + "\n"))
    write_atomically(paths[1], lambda path: path.write_text(as_markdown(document) + "\n"))
    with look():
        figure = draw(document)
        for path in paths[2:]:
            write_atomically(path, partial(figure.savefig, format=path.suffix[1:], dpi=DOTS_PER_INCH))
    return paths


__all__ = ["Way", "as_mapping", "as_markdown", "draw", "limit", "records", "save"]
