"""Biases as tables, as JSON and as pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tabulate import tabulate

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..figures.style import DOTS_PER_INCH, look
from .figures import TERMS, draw_information, draw_kl_terms, in_order

COLUMNS = (
    "measured",
    "of",
    "estimator",
    "rows",
    "batch_size",
    "term",
    "truth_nats",
    "bias_nats",
    "deviation_nats",
    "standard_error_nats",
)
"""Of the table: `deviation` is that of one estimate, `standard_error` that of the bias."""


def as_table(document: Mapping[str, Any]) -> str:
    """A line a bias, as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for bias in document["information"]:
        writer.writerow(
            {
                "measured": "mutual information",
                "of": bias["distribution"],
                "estimator": bias["estimator"],
                "rows": bias["rows"],
                "truth_nats": f"{bias['nats']:.6f}",
                "bias_nats": f"{bias['bias_nats']:.6f}",
                "deviation_nats": f"{bias['deviation_nats']:.6f}",
                "standard_error_nats": f"{bias['deviation_nats'] / document['draws'] ** 0.5:.6f}",
            }
        )
    for family in document["kl"]:
        for bias in family["biases"]:
            writer.writerow(
                {
                    "measured": "KL decomposition",
                    "of": family["name"],
                    "estimator": bias["estimator"],
                    "rows": family["rows"],
                    "batch_size": bias["batch_size"],
                    "term": bias["term"],
                    "truth_nats": f"{family['exact'][bias['term']]:.6f}",
                    "bias_nats": f"{bias['bias_nats']:.6f}",
                    "standard_error_nats": f"{bias['standard_error_nats']:.6f}",
                }
            )
    return stream.getvalue()


def as_markdown(document: Mapping[str, Any]) -> str:
    """A table a number of rows and kind of distribution, and one a family of posteriors and term."""
    parts = [
        information_table(document, rows, kind)
        for rows in sorted({bias["rows"] for bias in document["information"]})
        for kind in ("continuous", "classes")
    ]
    for family in document["kl"]:
        lead = (
            f"{family['name']}: {family['meaning']}. Exact over all {family['rows']:,} rows at {family['samples']:,} "
            + "codes: "
            + ", ".join(f"{title} {family['exact'][term]:.3f}" for term, title in TERMS.items())
            + " nats."
        )
        parts += [lead, *(kl_table(family, term) for term in TERMS)]
    return "\n\n".join(parts)


def information_table(document: Mapping[str, Any], rows: int, kind: str) -> str:
    """Bias, and behind it the deviation of one estimate, of each distribution and estimator."""
    found = {
        (bias["distribution"], bias["estimator"]): bias
        for bias in document["information"]
        if bias["rows"] == rows and bias["of"] == kind
    }
    estimators = in_order(estimator for _, estimator in found)
    lines = []
    for distribution in in_order(distribution for distribution, _ in found):
        cells = [found[distribution, estimator] for estimator in estimators]
        shown = [f"{cell['bias_nats']:+.3f} ± {cell['deviation_nats']:.3f}" for cell in cells]
        lines.append([cells[0]["meaning"], f"{cells[0]['nats']:.3f}", *shown])
    return markdown(lines, [f"{rows:,} rows: bias ± deviation", "I, nats", *estimators])


def kl_table(family: Mapping[str, Any], term: str) -> str:
    """Bias of one term, in nats, of each estimator and batch size, with its standard error."""
    mine = [bias for bias in family["biases"] if bias["term"] == term]
    sizes = sorted({bias["batch_size"] for bias in mine})
    lines = []
    for estimator in in_order(bias["estimator"] for bias in mine):
        found = {bias["batch_size"]: bias for bias in mine if bias["estimator"] == estimator}
        cells = [f"{found[n]['bias_nats']:+.3f} ± {found[n]['standard_error_nats']:.3f}" for n in sizes]
        lines.append([estimator, *cells])
    return markdown(lines, [f"bias of {TERMS[term]}, nats; batches of", *(f"{size:,}" for size in sizes)])


def markdown(lines: list[list[str]], headings: list[str]) -> str:
    """A table whose first column is words and the others numbers."""
    aligned = ["left", *["right"] * (len(headings) - 1)]
    return tabulate(lines, headings, tablefmt="github", colalign=aligned, disable_numparse=True)


def save(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `estimators.json`, `estimators.md`, `table.csv` and the figures as PNG and PDF."""
    texts = {
        "estimators.json": json.dumps(document, indent=1) + "\n",
        "estimators.md": as_markdown(document) + "\n",
        "table.csv": as_table(document),
    }
    figures = {
        "information_bias": lambda: draw_information(document["information"], "bias"),
        "information_error": lambda: draw_information(document["information"], "error"),
        "kl_terms_bias": lambda: draw_kl_terms(document["kl"]),
    }
    return write_folder(folder, texts, figures)


def write_folder(
    folder: Path, texts: Mapping[str, str], figures: Mapping[str, Callable[[], Figure]]
) -> list[Path]:
    """Write texts by file name and figures by name, as PNG and PDF; the paths, in that order."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"output folder {folder} cannot be written: {error.strerror or error}") from error
    written = [folder / name for name in texts]
    for path, text in zip(written, texts.values(), strict=True):
        write_atomically(path, partial(Path.write_text, data=text, encoding="utf-8"))
    with look():
        for name, draw in figures.items():
            figure = draw()
            for ending, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
                path = folder / f"{name}.{ending}"
                save_as = partial(figure.savefig, format=ending, dpi=DOTS_PER_INCH, metadata=metadata)
                write_atomically(path, save_as)
                written.append(path)
    return written
