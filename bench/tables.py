"""Result tables: mean and spread over seeds of every score, per data set, objective and strength."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from tabulate import tabulate

from .bad_input import unknown
from .latex_tables import Column, document
from .latex_tables import table as latex_table
from .latex_text import prose
from .legend import Legend
from .one_line import one_line
from .score_names import short_name
from .variants import variants

GROUP = ["data_set", "condition", "objective", "variant", "strength"]
"""What a line of a table is about; the runs in it differ in their seed."""

READABLE = (
    "elbo_nats",
    "elbo_same_images_nats",
    "iwae_nats",
    "ais_nats",
    "reconstruction_nats",
    "kl_nats",
    "mutual_information_nats",
    "total_correlation_nats",
    "dimensionwise_kl_nats",
    "active_units",
    "mig",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "condition_leakage_nats",
)
"""The columns that fit on a page, in reading order."""

UNDEFINED = "–"
"""A finished model's cell without a value: a score that is not defined for its codes, or was not asked for."""

ABOUT = {"objective": 60.0, "strength": 40.0, "models": 45.0}
"""The columns that are no scores, and the points to which LaTeX may wrap them."""

ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}


def scores_named(names: Sequence[str], legend: Legend | None = None) -> list[str]:
    """Check that names are scalar scores, and return them."""
    scalar = (legend or Legend.of_code()).numbers()
    for name in names:
        if name.strip() not in scalar:
            raise unknown("score", name.strip(), scalar)
    return [name.strip() for name in names]


def columns_read(scores: Sequence[str] | None = None, legend: Legend | None = None) -> list[str]:
    """The columns of rows that a summary looks at."""
    wanted = list(scores) if scores is not None else (legend or Legend.of_code()).numbers()
    return ["data_set", "condition", "objective", "strength", "seed", "status", "configuration", *wanted]


def summary(
    rows: pd.DataFrame, scores: Sequence[str] | None = None, legend: Legend | None = None
) -> pd.DataFrame:
    """One line per data set, condition, objective, variant and strength: models, and mean and spread of scores.

    Columns: `GROUP`, `models` (finished), `diverged`, and for each score its mean under its own name and its standard
    deviation over seeds (ddof 1; NaN for one seed) as `<score>_std`. A score that no model has stays empty, never
    filled. Diverged and failed models enter no mean.
    """
    wanted = list(scores) if scores is not None else (legend or Legend.of_code()).numbers()
    lines = rows.assign(variant=variants_by_objective(rows)).groupby(GROUP, sort=False, dropna=False)
    about = lines.size().index.to_frame(index=False)
    line, status = lines.ngroup().to_numpy(), rows["status"].to_numpy()
    for name, counted in (("models", "done"), ("diverged", "diverged")):
        about[name] = np.bincount(line[status == counted], minlength=len(about))
    done = status == "done"
    values = rows.loc[done, wanted].astype(float).groupby(line[done])
    spread = pd.concat([values.mean(), values.std(ddof=1).add_suffix("_std")], axis=1)
    columns = [column for name in wanted for column in (name, f"{name}_std")]
    return about.join(spread[columns])


def history_table(rows: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Every point of every training, a row each, with what says which model it is of; latents are columns.

    Columns: `GROUP`, seed, run_id, step (counted from 0), images (that the point averages over), the numbers of
    `history.COLUMNS` and the ELBO, and `kl_<j>_nats` of each latent j from 0.
    """
    about = rows.assign(variant=variants_by_objective(rows))[[*GROUP, "seed", "run_id"]]
    found = about.merge(history, on="run_id")
    vectors = found.pop("kl_per_dimension_nats").to_list()
    latents = pd.DataFrame(vectors, index=found.index, dtype=float)
    return found.join(latents.rename(columns=lambda j: f"kl_{j}_nats"))


def variants_by_objective(rows: pd.DataFrame) -> pd.Series[str]:
    """For each row what sets its arm apart from others of its objective on its data; mostly nothing."""
    found = [variants(part) for _, part in rows.groupby(["data_set", "condition", "objective"], dropna=False)]
    return pd.concat(found) if found else pd.Series(dtype=str)


def shown_scores(part: pd.DataFrame, legend: Legend | None = None) -> list[str]:
    """The readable scores that a part of a summary has, or all of its scores if it was made of chosen ones."""
    scalar = (legend or Legend.of_code()).numbers()
    names = [name for name in scalar if name in part.columns]
    chosen = [name for name in READABLE if name in names] if names == scalar else names
    return [name for name in chosen if part[name].notna().any()]


def parts(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """A summary cut into one titled part per data set and condition, each with columns of its own."""
    cut = []
    for (data_set, condition), part in table.groupby(["data_set", "condition"], sort=False, dropna=False):
        title = f"{data_set} given {condition}" if isinstance(condition, str) else str(data_set)
        cut.append((one_line(title), part))
    return cut


def cells(part: pd.DataFrame, legend: Legend | None = None, *, plus_minus: str = " ± ") -> pd.DataFrame:
    """A part of a summary as text: title, strength, seeds, `mean ± spread` of each score that it has."""
    legend = legend or Legend.of_code()
    names = shown_scores(part, legend)
    text = pd.DataFrame(
        {
            "objective": [
                one_line(
                    f"{legend.objectives[name].title} ({variant})"
                    if variant
                    else legend.objectives[name].title
                )
                for name, variant in zip(part["objective"], part["variant"], strict=True)
            ],
            "strength": [
                f"{legend.objectives[name].strength} = {strength:g}"
                if legend.objectives[name].strength
                else ""
                for name, strength in zip(part["objective"], part["strength"], strict=True)
            ],
            "models": [
                f"{done} ({gone} diverged)" if gone else str(done)
                for done, gone in zip(part["models"], part["diverged"], strict=True)
            ],
        }
    )
    for name in names:
        heading = short_name(name) + ARROWS[legend.columns[name].direction]
        text[heading] = [
            UNDEFINED
            if done and pd.isna(mean)
            else cell(mean, spread, plus_minus, count=legend.columns[name].unit == "units")
            for mean, spread, done in zip(part[name], part[f"{name}_std"], part["models"], strict=True)
        ]
    return text


def cell(mean: float, spread: float, plus_minus: str = " ± ", *, count: bool = False) -> str:
    """A mean with its spread, to a precision that fits its size, or that of a count; empty if there is no value.

    Zero has no sign, whatever it was rounded from.
    """
    if pd.isna(mean):
        return ""
    digits = 1 if count or abs(mean) >= 20 else 2 if abs(mean) >= 2 else 3
    return f"{mean:z.{digits}f}" + ("" if pd.isna(spread) else f"{plus_minus}{spread:.{digits}f}")


def as_markdown(table: pd.DataFrame, legend: Legend | None = None) -> str:
    """Markdown tables that line up in a terminal too, one per data set and condition."""
    blocks = []
    for title, part in parts(table):
        text = cells(part, legend).map(lambda cell: cell.replace("|", r"\|"))
        aligned = ("left", "left", *("right",) * (len(text.columns) - 2))
        body = tabulate(
            text, headers="keys", tablefmt="pipe", showindex=False, disable_numparse=True, colalign=aligned
        )
        blocks.append(f"### {title}\n\n{body}")
    if not blocks:
        return "no models yet\n"
    undefined = any(f" {UNDEFINED} |" in block for block in blocks)
    return "\n\n".join([*blocks, what_numbers_are(undefined)]) + "\n"


def as_latex(table: pd.DataFrame, legend: Legend | None = None) -> str:
    """LaTeX tables with booktabs rules, one per data set and condition, in blocks of columns that fit a line."""
    blocks, undefined = [], False
    for title, part in parts(table):
        text = cells(part, legend).astype(str)
        columns = [
            Column(heading, text[heading].tolist(), heading not in ABOUT, ABOUT.get(heading))
            for heading in text.columns
        ]
        blocks.append(latex_table(title, columns, keys=2))
        undefined = undefined or bool((text == UNDEFINED).any(axis=None))
    if not blocks:
        return "no models yet\n"
    return document([*blocks, prose(what_numbers_are(undefined))])


def what_numbers_are(undefined: bool) -> str:
    """The line below tables; whether some cell is `UNDEFINED`."""
    dash = f" {UNDEFINED}: not defined for these codes, or not asked for." if undefined else ""
    return f"Mean ± standard deviation over seeds; nats per image.{dash}"


def as_csv(table: pd.DataFrame, legend: Legend | None = None) -> str:
    """Comma-separated values at full precision, every score; an empty field where there is no value."""
    return without_formulas(table).to_csv(index=False)


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts no spreadsheet takes for formulas: an apostrophe stands before those that begin like one."""
    texts = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{name: table[name].map(without_formula, na_action="ignore") for name in texts})


def without_formula(value: object) -> object:
    """A text that a spreadsheet shows as it is."""
    begins = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if begins else value


def as_json(table: pd.DataFrame, legend: Legend | None = None) -> str:
    """A JSON list of lines at full precision; null where there is no value."""
    return str(table.to_json(orient="records", double_precision=15))


FORMATS: dict[str, Callable[[pd.DataFrame, Legend | None], str]] = {
    "md": as_markdown,
    "csv": as_csv,
    "latex": as_latex,
    "json": as_json,
}
