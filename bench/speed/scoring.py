"""How long each metric takes, beside the reference library."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from disbench.metrics import METRICS, Metric, compute, dci

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..provenance import commit, device_name, now, versions

FACTOR_SIZES = (3, 6, 40, 32, 32)
"""Of dSprites."""

REFERENCE_SECONDS = {"dci": 461.3}
"""Of disentanglement_lib's own functions on codes [15000, 10] of dSprites' factors, as recorded once with the parity
values on another machine: a scale, not a race. Its other study scores took 4.0 s together."""


def codes_like_a_vae(rows: int, latents: int) -> dict[str, np.ndarray]:
    """Codes, factors, posteriors, a condition; the same each time. Half of the codes follow one factor, with noise."""
    random = np.random.Generator(np.random.Philox(0))
    factors = random.integers(0, FACTOR_SIZES, size=(rows, len(FACTOR_SIZES)))
    scaled = factors / np.array(FACTOR_SIZES) * 3.0 - 1.5
    noise = random.standard_normal((rows, latents))
    follows = np.arange(latents) % (2 * len(FACTOR_SIZES))
    codes = np.where(
        follows < len(FACTOR_SIZES), scaled[:, follows % len(FACTOR_SIZES)] + 0.2 * noise, 0.1 * noise
    )
    logvar = np.broadcast_to(np.where(follows < len(FACTOR_SIZES), -3.0, -0.05), codes.shape)
    return {
        "codes": codes.astype(np.float32),
        "mean": codes.astype(np.float32),
        "logvar": logvar.astype(np.float32),
        "factors": factors,
        "condition": factors[:, 0],
    }


def measure_scoring(
    names: Sequence[str],
    rows: int,
    latents: int,
    *,
    reference: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Seconds of each metric, one after the other, and where they were measured.

    Args:
        names: keys of `METRICS`.
        rows: of codes; two thirds train. Metrics of a whole data set take them all.
        latents: codes a row.
        reference: time the study's own trees here too.
        say: called with a line after each measurement.
    """
    arrays, train = codes_like_a_vae(rows, latents), 2 * rows // 3
    compute(["mig"], codes=arrays["codes"], factors=arrays["factors"])  # what the first call alone pays for
    seconds: dict[str, float] = {}
    for name in names:
        seconds[name] = _seconds(METRICS[name], arrays, train)
        say(f"{name}: {seconds[name]:.2f} s")
    document: dict[str, Any] = {
        "rows": rows,
        "latents": latents,
        "train": train,
        "seconds": seconds,
        "trees": [name for name in names if METRICS[name].trees],
        "reference_seconds": {name: value for name, value in REFERENCE_SECONDS.items() if name in names},
        "reference_seconds_here": {},
        "provenance": {
            "device": device_name(torch.device("cpu")),
            "commit": commit(),
            "versions": versions(),
            "measured_at": now(),
            "command": ["disbench", *sys.argv[1:]],
        },
    }
    if reference:
        say('dci(estimator="sklearn"), minutes')
        began = time.perf_counter()
        dci(arrays["codes"], arrays["factors"], train=train, estimator="sklearn", threads=1)
        document["reference_seconds_here"] = {"dci": time.perf_counter() - began}
    return document


def _seconds(metric: Metric, arrays: dict[str, np.ndarray], train: int) -> float:
    taken: dict[str, Any] = {name: arrays[name] for name in (*metric.inputs, *metric.optional)}
    began = time.perf_counter()
    compute([metric.name], **taken, train=train, whole=metric.whole)
    return time.perf_counter() - began


def as_markdown(document: dict[str, Any]) -> str:
    """The table, slowest first, and sums with and without trees."""
    seconds, trees = document["seconds"], set(document["trees"])
    recorded, here = document["reference_seconds"], document["reference_seconds_here"]

    def against(name: str, found: dict[str, float]) -> str:
        return f"{found[name]:,.0f} s ({found[name] / seconds[name]:,.0f} x)" if name in found else ""

    lines = [
        [f"`{name}`", f"{value:.2f}", against(name, recorded), against(name, here)]
        for name, value in sorted(seconds.items(), key=lambda item: -item[1])
    ]
    without = sum(value for name, value in seconds.items() if name not in trees)
    lines.append(["all", f"{sum(seconds.values()):.2f}", "", ""])
    lines.append(["all but trees", f"{without:.2f}", "", ""])
    headings = ["metric", "seconds", "reference, as recorded elsewhere", "its trees, here"]
    keep = [0, 1, *([2] if recorded else []), *([3] if here else [])]
    table = tabulate(
        [[line[column] for column in keep] for line in lines],
        [headings[column] for column in keep],
        tablefmt="github",
        colalign=["left", *["right"] * (len(keep) - 1)],
        disable_numparse=True,
    )
    where = f"codes [{document['rows']}, {document['latents']}], {document['train']} rows train"
    return f"{where}; {document['provenance']['device']}\n\n{table}"


def save_scoring(document: dict[str, Any], folder: Path) -> list[Path]:
    """Write `scoring.json` and `scoring.md`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"output folder {folder} cannot be written: {error.strerror or error}") from error
    texts = {"json": json.dumps(document, indent=1), "md": as_markdown(document)}
    paths = []
    for ending, text in texts.items():
        paths.append(folder / f"scoring.{ending}")
        write_atomically(paths[-1], lambda path, text=text: path.write_text(text + "\n"))  # type: ignore[misc]
    return paths
