"""What is said of objectives, strengths and picks, as Markdown that lines up in a terminal too."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from ..tables import cell
from .findings import Findings
from .groups import method_title, strength_title
from .markdown import BRACKETS, DOUBT, between, doubtful, heading, interval, remarks, table
from .recommendation import FEWEST_RESAMPLED
from .selection import UDR

SHOWN = (1, 2, 3, 4, 5, 10, 20, 50)
"""Numbers of tries that a page has room for."""


def variance_as_markdown(found: Findings) -> str:
    """A table a data set, a line a score."""
    blocks = []
    for subject, lines in found.table.groupby("subject", sort=False):
        text = [
            [
                heading(str(line.score)),
                share(line.objective, line.objective_p_value),
                percent(line.objective_adjusted),
                percent(line.objective_dealt),
                share(line.setting, line.setting_p_value),
                percent(line.setting_adjusted),
                percent(line.seed),
                percent(line.seed_adjusted),
                line.models,
            ]
            for line in lines.itertuples()
        ]
        headings = [
            "share of variance, %",
            "objective",
            "adjusted",
            "dealt",
            "and strength",
            "adjusted",
            "seed",
            "adjusted",
            "models",
        ]
        count = f"{between(lines['objectives'])} objectives, {between(lines['settings'])} settings"
        blocks.append(f"### {subject}, {count}\n\n{table(text, headings, text=1)}")
    remark = (
        "Shares of the variance over models (R²) that the objective, and objective and strength together, explain; "
        "the rest is the seed's. Adjusted: less what groups without meaning would explain, 0 is chance. Dealt: what "
        "objectives would explain if the settings were dealt to them at random. In brackets: settings dealt to "
        f"objectives, or models to settings, at random explain as much in more than {100 * DOUBT:g} % of cases."
    )
    return "\n\n".join([*blocks, remark, *remarks(found.left_out)])


def rankings_as_markdown(found: Findings, of: str) -> str:
    """A table for each two data sets: a line a score, or a matrix of scores with each other."""
    blocks = []
    for (subject, other), lines in found.table.groupby(["subject", "other_subject"], sort=False):
        title = f"### {subject} and {other}, {between(lines['ranked'])} {of}"
        if (lines["score"] != lines["other_score"]).any():
            cells = lines.assign(
                text=[correlation(line.correlation, line.p_value) for line in lines.itertuples()]
            )
            square = cells.pivot(index="score", columns="other_score", values="text").fillna("")
            rows, columns = lines["score"].unique(), lines["other_score"].unique()
            square = square.reindex(index=rows, columns=columns)
            text = [[heading(str(name)), *line] for name, line in zip(rows, square.to_numpy(), strict=True)]
            headings = [f"{subject}, down; {other}, across", *(heading(str(name)) for name in columns)]
        else:
            text = [
                [
                    heading(str(line.score)),
                    correlation(line.correlation, line.p_value),
                    interval(line.low, line.high),
                    "" if np.isnan(line.p_value) else f"{line.p_value:.3f}",
                    number(line.own_seeds),
                    number(line.other_own_seeds),
                ]
                for line in lines.itertuples()
            ]
            headings = ["score", "correlation", "95 % interval", "p", f"{subject} itself", f"{other} itself"]
            known = [True, True, *(any(line[column] for line in text) for column in range(2, 6))]
            text = [[value for value, kept in zip(line, known, strict=True) if kept] for line in text]
            headings = [name for name, kept in zip(headings, known, strict=True) if kept]
        blocks.append(f"{title}\n\n{table(text, headings, text=1)}")
    what = "means over seeds of every setting" if of == "settings" else "models of the same setting and seed"
    remark = f"Spearman's rank correlation over {what}, 1 where both data sets prefer the same."
    if of == "settings":
        remark += (
            " Itself: the order by half of the seeds against that by the other half, on one data set: what seeds leave"
            f" of it. {BRACKETS}"
        )
    return "\n\n".join([*blocks, remark, *remarks(found.left_out)])


def choices_as_markdown(found: Findings) -> str:
    """The four kinds of transfer, then each choice with its mean over what judges."""
    lines = found.table
    kinds = lines.assign(
        data=np.where(lines["chosen_on"] == lines["judged_on"], "same data set", "other data set"),
        by=np.where(lines["chosen_by"] == lines["judged_by"], "same score", "other score"),
    )
    text = [
        [data, by, f"{part['by_one_seed'].mean():.3f}", f"{part['by_other_seeds'].mean():.3f}", len(part)]
        for (data, by), part in kinds.groupby(["data", "by"], sort=False)
    ]
    headings = ["judged on", "judged by", "chosen by one seed", "by all seeds but one", "pairs"]
    blocks = [table(text, headings, text=2)]
    for judged_on, part in kinds.groupby("judged_on", sort=False):
        columns = list(part["judged_by"].unique())
        square = part.pivot(index=["chosen_on", "chosen_by"], columns="judged_by", values="by_one_seed")
        text = [
            [f"{chosen_on}, {heading(chosen_by)}", *(number(value) for value in square.loc[key, columns])]
            for key in square.index
            for chosen_on, chosen_by in [key]
        ]
        names = ["chosen on, by", *(heading(str(name)) for name in columns)]
        blocks.append(f"### judged on {judged_on}\n\n{table(text, names, text=1)}")
    remark = (
        "Chance that a model of the setting chosen (objective and strength) beats a random model, both of seeds that "
        "did not choose; a tie counts half, 0.5 is a choice at random. Matrices: chosen by one seed."
    )
    return "\n\n".join([*blocks, remark, *remarks(found.left_out)])


def comparison_as_markdown(found: Findings) -> str:
    """A table a data set: a line a score, a column for each number of tries."""
    blocks = []
    for subject, lines in found.table.groupby("subject", sort=False):
        for name, label in (("chance", "a random model of B"), ("chance_of_bests", "the best of n of B")):
            low, high = ("low", "high") if name == "chance" else ("bests_low", "bests_high")
            tries = [n for n in sorted(lines["n"].unique()) if n in SHOWN or n == lines["n"].max()]
            tries = [
                n for n in tries if (name == "chance" or n > 1) and lines[lines["n"] == n][name].notna().any()
            ]
            if not tries:
                continue
            text = []
            for score, part in lines.groupby("score", sort=False):
                by_n = part.set_index("n")
                first = part.iloc[0]
                chances = [
                    chance(by_n.loc[n, name], by_n.loc[n, low], by_n.loc[n, high]) if n in by_n.index else ""
                    for n in tries
                ]
                sides = [f"{first['a']} ({first['a_models']})", f"{first['b']} ({first['b_models']})"]
                text.append([heading(str(score)), *sides, *chances])
            headings = ["score", "A (models)", "B (models)", *(f"n = {n}" for n in tries)]
            blocks.append(
                f"### {subject}: chance that the best of n of A beats {label}\n\n{table(text, headings, text=3)}"
            )
    remark = (
        "Counted over all sets of n models; a tie counts half; 95 % bootstrap interval over models. With n near the "
        "number of models nearly all hangs on the best one that there is."
    )
    return "\n\n".join([*blocks, remark, *remarks(found.left_out)])


def selection_as_markdown(found: Findings) -> str:
    """For each group the correlation of scores that pick with scores that judge, then the gain by number of models."""
    blocks = []
    for subject, lines in found.table.groupby("subject", sort=False):
        judges = list(lines["score"].unique())
        largest = lines.groupby(["by", "side", "score"])["of"].transform("max") == lines["of"]
        models = between(lines["models"])
        text = [
            [title, *(cell_of(part, name, order) for name in judges)] for title, part in picks(lines[largest])
        ]
        columns = [heading(name) for name in judges]
        blocks.append(f"### {subject}, {models} models\n\n{table(text, ['correlation', *columns], text=1)}")
        for m in sorted(lines["of"].unique()):
            some = lines[lines["of"] == m]
            text = [[title, *(cell_of(part, name, gain) for name in judges)] for title, part in picks(some)]
            for words, column in (("score of a random model", "random"), ("of the best", "oracle")):
                first = some.drop_duplicates("score").set_index("score")[column]
                text.append([words, *(f"{first[name]:.3f}" if name in first else "" for name in judges)])
            blocks.append(table(text, [f"gain, best of {m}", *columns], text=1))
    remark = (
        f"Correlation: Spearman's over models, 1 where what is picked first is best. {BRACKETS} Gain: where the "
        "expected score of the model picked out of m random ones stands between that of a random model, 0, and that "
        "of the best of the m, 1; with a 95 % bootstrap interval over models. Scores without a better side pick by "
        "their highest and by their lowest value."
    )
    return "\n\n".join([*blocks, remark, *remarks(found.left_out)])


def recommendation_as_markdown(found: Findings) -> str:
    """A table for each data set and score, a line an objective."""
    blocks = []
    for (subject, score), lines in found.table.groupby(["subject", "score"], sort=False):
        text = [recommended(arm) for _, arm in lines.groupby(["objective", "variant"], sort=False)]
        headings = recommended_headings(heading(str(score)))
        aligned = table(text, headings, text=2)
        blocks.append(f"### {subject}, by {heading(str(score))}\n\n{aligned}")
    remark = (
        "Best: the strength with the best mean; in how many resamples of the seeds it is, and between which strengths "
        f"the best lies in 95 % of them (few seeds: too narrow; below {FEWEST_RESAMPLED}: neither is given). Cannot be "
        "told apart: the truly best strength is among these with 95 % confidence (Student's t of differences by seed, "
        "for all strengths together)."
    )
    return "\n\n".join([*blocks, remark, *remarks(found.left_out)])


def recommended_headings(score: str) -> list[str]:
    """What stands above `recommended`."""
    return [
        "objective",
        "best",
        score,
        "models",
        "of resamples",
        "95 % interval",
        "cannot be told apart",
        "",
    ]


def recommended(arm: pd.DataFrame) -> list[str]:
    """The best strength of one objective, of its lines of a recommendation."""
    best = arm[arm["best"]].iloc[0]
    gone = f" ({best['diverged']} diverged)" if best["diverged"] else ""
    return [
        method_title(best["objective"], best["variant"]),
        strength_title(best["objective"], best["strength"]),
        cell(best["mean"], best["std"]),
        f"{best['models']}{gone}",
        f"{100 * best['best_share']:.0f} %" if pd.notna(best["best_share"]) else "",
        "" if pd.isna(best["low"]) else f"{best['low']:g} to {best['high']:g}",
        ", ".join(f"{strength:g}" for strength in arm[arm["may_be_best"]]["strength"]),
        {"highest": "beyond the grid? try more", "lowest": "beyond the grid? try less"}.get(best["edge"], ""),
    ]


def picks(lines: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Lines by what picks, in words: `ELBO ↑`, `highest KL`."""
    for (name, side), part in lines.groupby(["by", "side"], sort=False):
        both = lines[lines["by"] == name]["side"].nunique() > 1
        yield (f"{side} {heading(name)}" if both else "UDR ↑" if name == UDR else heading(name)), part


def cell_of(part: pd.DataFrame, score: str, text: Callable[[pd.Series], str]) -> str:
    """The text of the line of a score that judges; empty if there is none."""
    lines = part[part["score"] == score]
    return text(lines.iloc[0]) if len(lines) else ""


def order(line: pd.Series) -> str:
    """A correlation, in brackets where in doubt."""
    return correlation(line["correlation"], line["p_value"])


def gain(line: pd.Series) -> str:
    """`0.42 (0.10 to 0.63)`."""
    if pd.isna(line["gain"]):
        return ""
    within = interval(line["gain_low"], line["gain_high"])
    return number(line["gain"]) + (f" ({within})" if within else "")


def chance(value: float, low: float, high: float) -> str:
    """`0.62 (0.40 to 0.80)`; nothing if unknown."""
    if np.isnan(value):
        return ""
    within = interval(low, high)
    return f"{value:.2f}" + (f" ({within})" if within else "")


def share(value: float, p_value: float) -> str:
    """A share of 1 in percent, in brackets if its p-value leaves it in doubt."""
    text = percent(value)
    return f"({text})" if text and p_value > DOUBT else text


def percent(value: float) -> str:
    """A share of 1 in percent, without the sign; nothing if unknown."""
    return "" if np.isnan(value) else f"{round(100 * value) + 0}"


def correlation(value: float, p_value: float) -> str:
    """A correlation, in brackets where in doubt."""
    return "" if np.isnan(value) else doubtful(value, p_value)


def number(value: float) -> str:
    """Two digits; nothing if unknown."""
    return "" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}"
