"""Analyses as Markdown that lines up in a terminal too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from tabulate import tabulate

from ..catalogue import OBJECTIVES
from ..evaluation import SCORES
from ..score_names import short_name
from ..tables import ARROWS, cell
from .agreement import Agreement
from .collapse import StudyCollapse
from .groups import parted
from .udr import StudyUDR

DOUBT = 0.05
"""A correlation whose p-value is above it stands in brackets."""

BRACKETS = (
    f"In brackets: scores that have nothing to do with each other would agree or disagree as much in more than "
    f"{100 * DOUBT:g} % of cases (permutation test, each pair by itself)."
)


def agreement_as_markdown(found: Sequence[Agreement]) -> str:
    """A matrix a group, its columns numbered as its rows."""
    blocks = []
    for group in found:
        if not group.scores:
            continue
        lines = [
            [
                f"{row + 1} {heading(name)}",
                *(correlation_cell(group, row, column) for column, _ in enumerate(group.scores)),
            ]
            for row, name in enumerate(group.scores)
        ]
        numbers = [str(column + 1) for column, _ in enumerate(group.scores)]
        counts = group.models[np.triu_indices(len(group.scores), 1)]
        blocks.append(
            f"### {group.subject}, {between(counts)} models\n\n{table(lines, ['', *numbers], text=1)}"
        )
    oriented = all(group.oriented for group in found)
    turned = (
        "; scores marked ↓ are turned round, so that 1 means that two prefer the same models"
        if oriented
        else ""
    )
    remark = f"Spearman's rank correlation over models{turned}. {BRACKETS}"
    return "\n\n".join([*blocks, remark, *remarks(not_compared(found))])


def not_compared(found: Sequence[Agreement]) -> dict[str, str]:
    """What was left out of each group, by group and scores, and why; scores with one reason stand together."""
    left_out = {}
    for group in found:
        reasons: dict[str, list[str]] = {}
        for name, why in group.left_out.items():
            reasons.setdefault(why, []).append(name)
        for why, names in reasons.items():
            everything = not group.scores and len(reasons) == 1
            left_out[f"{group.subject}: {'all scores' if everything else ', '.join(names)}"] = why
    return left_out


def correlation_cell(group: Agreement, row: int, column: int) -> str:
    """`0.83`, `(0.21)` where in doubt, nothing on the diagonal or where unknown."""
    if row == column or np.isnan(group.correlation[row, column]):
        return ""
    return doubtful(float(group.correlation[row, column]), float(group.p_value[row, column]))


def doubtful(correlation: float, p_value: float) -> str:
    """A correlation, in brackets if its p-value leaves it in doubt."""
    text = f"{round(correlation, 2) + 0.0:.2f}"
    return f"({text})" if p_value > DOUBT else text


def udr_as_markdown(found: StudyUDR) -> str:
    """UDR by family, and how it orders models beside scores that know the factors."""
    blocks = []
    for subject, members in parted(found.models, "data_set").items():
        lines = []
        for family in parted(members, "family").values():
            best = family.loc[family["udr"].idxmax()]
            lines.append(
                [
                    *about(family),
                    cell(family["udr"].mean(), family["udr"].std(ddof=1)),
                    f"{best['udr']:.3f} (seed {best['seed']})",
                    between(family["informative"].to_numpy()),
                ]
            )
        headings = ["objective", "strength", "models", "UDR ↑", "best", "informative latents"]
        blocks.append(f"### {subject}\n\n{table(lines, headings, text=2)}")
        related = found.correlations[found.correlations["subject"] == subject]
        if len(related):
            lines = [
                [
                    heading(str(r.score)),
                    doubtful(r.correlation, r.p_value),
                    interval(r.low, r.high),
                    f"{r.p_value:.3f}",
                    r.models,
                ]
                for r in related.dropna(subset=["correlation"]).itertuples()
            ]
            headings = [
                "score that knows the factors",
                "correlation with UDR",
                "95 % interval",
                "p",
                "models",
            ]
            blocks.append(table(lines, headings, text=1))
    how = "weights of a lasso" if found.correlation == "lasso" else "rank correlations"
    remark = (
        f"UDR of mean codes of the same {found.images:,} images (all of a smaller data set), latents related by {how}; "
        "mean ± standard deviation over seeds. Both models of a family of two have the one pair. Correlations are "
        f"Spearman's over models, 1 where both prefer the same. {BRACKETS}"
    )
    return "\n\n".join([*blocks, remark, *remarks(found.left_out)])


def collapse_as_markdown(found: StudyCollapse) -> str:
    """What is collapsed, mean and spread over seeds."""
    blocks = []
    for subject, members in parted(found.models, "data_set").items():
        counts = {
            "active_units": "active units",
            "active_units_given_condition": "within classes",
            "active_latents": "active",
            "mixed_latents": "mixed",
            "passive_latents": "passive",
            **{name: f"ε = {name.rsplit('_', 1)[1]}" for name in members if name.startswith("collapsed_at_")},
        }
        nats = {
            "kl_nats": "KL",
            "total_correlation_of_means_nats": "TC of means",
            "total_correlation_of_samples_nats": "of samples",
        }
        shown = {name: text for name, text in (counts | nats).items() if members[name].notna().any()}
        lines = [
            [
                *about(family),
                *(
                    cell(family[name].mean(), family[name].std(ddof=1), count=name in counts)
                    for name in shown
                ),
            ]
            for family in parted(members, "family").values()
        ]
        blocks.append(
            f"### {subject}\n\n{table(lines, ['objective', 'strength', 'models', *shown.values()], text=2)}"
        )
    epsilon, delta = next((d.epsilon, d.delta) for d in found.diagnoses.values())
    remark = (
        f"Numbers of latents, and nats; mean ± standard deviation over seeds, from {found.images:,} images (all of a "
        f"smaller data set). A latent is passive if the KL of its posterior is below {epsilon:g} nats for at least "
        f"{100 * (1 - delta):g} % of images, active if for at most {100 * delta:g} %, else mixed; under ε = stand "
        "those that would be passive at a larger bound. Active units have means with a variance above 0.01, within "
        "classes: also where the condition is known. TC is that of Gaussians with the codes' covariance."
    )
    return "\n\n".join([*blocks, remark, *remarks(found.left_out)])


def about(family: pd.DataFrame) -> list[str]:
    """Objective, strength and number of a family's models."""
    first = family.iloc[0]
    objective = OBJECTIVES[str(first["objective"])]
    return [
        f"{objective.title} ({first['variant']})" if first["variant"] else objective.title,
        f"{objective.strength} = {first['strength']:g}" if objective.strength else "",
        str(len(family)),
    ]


def heading(name: str) -> str:
    """A score as tables call it, with its arrow."""
    return short_name(name) + ARROWS[SCORES[name].direction]


def interval(low: float, high: float) -> str:
    """`0.12 to 0.83`; nothing if unknown."""
    return "" if np.isnan(low) else f"{round(low, 2) + 0.0:.2f} to {round(high, 2) + 0.0:.2f}"


def between(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    """`16`, or `12 to 16`."""
    least, most = int(counts.min()), int(counts.max())
    return str(most) if least == most else f"{least} to {most}"


def remarks(left_out: Mapping[str, str]) -> list[str]:
    """What was left out, a line each."""
    return ["\n".join(f"left out: {what}: {why}" for what, why in left_out.items())] if left_out else []


def table(lines: Iterable[Sequence[object]], headings: Sequence[str], *, text: int) -> str:
    """A Markdown table, its first `text` columns to the left."""
    aligned = ("left",) * text + ("right",) * (len(headings) - text)
    return tabulate(lines, headers=headings, tablefmt="pipe", disable_numparse=True, colalign=aligned)
