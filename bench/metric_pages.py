"""A page for each metric: what it says, its columns, options, equation and paper, and what it says of known codes."""

from __future__ import annotations

import inspect
import re
from functools import partial
from pathlib import Path

from tabulate import tabulate

from disbench.metrics import METRICS, Metric, function_of

from .atomic_file import write_atomically
from .score_names import full_name

MADE_BY = "disbench metrics pages docs/metrics/each"

SECTIONS = ("Args", "Returns", "Raises", "Reference", "Attributes")
"""Of the documentation of a function."""

MOST = 4
"""Columns of a metric that the index names."""

READ_ON = {
    "dci.md": ("dci", "dci_es", "med"),
    "kl_decomposition.md": (
        "kl_decomposition",
        "kl_decomposition_exact",
        "kl_decomposition_mws",
        "kl_decomposition_mss",
    ),
    "posterior_collapse.md": ("active_units",),
    "mutual_information.md": ("mutual_information", "mutual_information_ksg"),
    "classifier_scores.md": ("downstream", "beta_vae_score", "factor_vae_score", "z_min_variance"),
    "information_scores.md": (
        "mig_exact",
        "mig_chen",
        "mig_chen_exact",
        "rmig",
        "mig_sup",
        "dcimig",
        "jemmig",
        "infomec",
        "infomec_range",
    ),
    "study_scores.md": (
        "mig",
        "sap",
        "sap_continuous",
        "modularity",
        "explicitness",
        "irs",
        "gaussian_total_correlation",
        "gaussian_wasserstein_correlation",
        "gaussian_wasserstein_correlation_norm",
        "mutual_info_score",
    ),
}
"""The page that says more, with what was measured, and the metrics that it is about."""


def save_pages(folder: Path) -> list[Path]:
    """Write the index and the page of each metric into a folder, which is made; the files, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"README": index(), **{name: page(metric) for name, metric in METRICS.items()}}
    written = []
    for name, text in texts.items():
        path = folder / f"{name}.md"
        write_atomically(path, partial(put, text))
        written.append(path)
    return written


def put(text: str, path: Path) -> None:
    """Write one page."""
    path.write_text(text, encoding="utf-8")


def index() -> str:
    """Every metric on a line, with what it takes."""
    lines = [
        [f"[`{name}`]({name}.md)", ", ".join(metric.inputs), columns(metric), metric.summary]
        for name, metric in METRICS.items()
    ]
    table = tabulate(lines, headers=["metric", "takes", "columns", "says"], tablefmt="pipe")
    return f"# Metrics\n\n{table}\n\nMade by `{MADE_BY}`.\n"


def columns(metric: Metric) -> str:
    """The columns of the results that it fills, the first of many."""
    named = [f"`{score.column}`" for score in metric.scores]
    return ", ".join(named if len(named) <= MOST else [*named[:MOST], f"{len(named) - MOST} more"])


def page(metric: Metric) -> str:
    """The page of a metric as Markdown, made from the table of metrics and the function's documentation."""
    function = function_of(metric)
    signature = str(inspect.signature(function)).replace("'", "")
    documentation = inspect.getdoc(function) or ""
    parts = [
        f"# {metric.name}",
        f"{metric.summary[0].upper()}{metric.summary[1:]}.",
        column_table(metric),
        f"```python\nfrom disbench.metrics import {function.__name__}\n\n{function.__name__}{signature}\n```",
        f'In a study: `metrics = ["{metric.name}"]` under `[evaluation]`'
        + whole(metric)
        + ". Of a model of your own: "
        f"`disbench evaluate codes.npz --metrics {metric.name}`.",
        as_markdown(documentation),
    ]
    further = [name for name, metrics in READ_ON.items() if metric.name in metrics]
    links = [f"[{name.removesuffix('.md').replace('_', ' ')}](../{name})" for name in further]
    links.append("[what it says of codes whose quality is known](../limits.md)")
    parts.append(f"Read on: {', '.join(links)}.")
    parts.append(f"Made by `{MADE_BY}`.")
    return "\n\n".join(parts) + "\n"


def whole(metric: Metric) -> str:
    """What a metric of whole data sets asks of a study."""
    return ", with `whole = true`" if metric.whole else ""


def column_table(metric: Metric) -> str:
    """Its columns: name, unit, direction and meaning."""
    lines = [
        [
            f"`{score.column}`",
            full_name(score.column),
            score.unit or "",
            f"{score.direction} is better" if score.direction else "neither way is better",
            score.meaning,
        ]
        for score in metric.scores
    ]
    return tabulate(lines, headers=["column", "in tables", "unit", "", "what it is"], tablefmt="pipe")


def as_markdown(documentation: str) -> str:
    """A docstring's sections as headings, its named items as a list, everything else as it is."""
    written: list[str] = []
    section = ""
    for line in documentation.splitlines():
        heading = line.rstrip().removesuffix(":")
        if line.endswith(":") and heading in SECTIONS:
            section = heading
            written += [f"## {heading}", ""]
            continue
        item = (
            re.match(r"    (\w[\w, ]*): (.*)", line) if section in ("Args", "Raises", "Attributes") else None
        )
        if item:
            written.append(f"- `{item[1]}`: {item[2]}")
        else:
            written.append(("  " if section in ("Args", "Raises", "Attributes") else "") + line.strip())
    return "\n".join(line.rstrip() for line in written)
