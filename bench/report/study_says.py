"""What a study says as a whole: the analyses of `disbench variance`, `recommend` and others, cut to a table each.

Each keeps to few scores and says which command prints all of it. The numbers are those of that command, but for
intervals of large studies, which take minutes and are left to it.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..analysis import comparison, ranking_transfer, recommendation, selection, variance_shares
from ..analysis.findings import Findings
from ..analysis.groups import METHOD, groups
from ..analysis.markdown import BRACKETS, heading, interval
from ..analysis.score_values import judging, known_of
from ..analysis.selection import usual_picks
from ..analysis.settings_markdown import (
    chance,
    correlation,
    gain,
    number,
    order,
    percent,
    picks,
    recommended,
    recommended_headings,
    share,
)
from ..bad_input import BadInput
from ..one_line import one_line
from ..tables import columns_read
from .text_tables import TextTable, text_table

TRIES = (3, 10)
"""Seeds of which the best is taken, beside a single one."""

MOST_PAIRS = 200
"""Of methods, over all data sets; of more the command prints those that are asked for."""

PAIRS_WITH_INTERVALS = 10
"""A thousand resamples of each pair take a tenth of a second to half a second."""

MANY_MODELS = 1_000
"""Above it picks have no intervals, whose time is that of models times resamples, and rankings one score."""

TOLD = 4
"""Reasons why something was left out that stand on the page."""

FOREMOST = ("mig", "elbo_nats")
"""The first of these that models have is what strengths, methods and picks are judged by."""


@dataclass(frozen=True)
class Answer:
    """One question about a study and what it says to it."""

    title: str
    table: TextTable
    remark: str
    command: str
    left_out: list[str]


@dataclass(frozen=True)
class StudySays:
    """All answers, and the questions to which nothing can be said, with what they would need."""

    answers: list[Answer]
    unsaid: list[tuple[str, str]]


class Asked(NamedTuple):
    """What every question is about."""

    rows: pd.DataFrame
    judges: list[str]
    """Scores that models are judged by."""
    foremost: str
    """The one of them where there is room for one."""
    folder: str
    """As a shell takes it."""


class Said(NamedTuple):
    """What a question gave: no table where nothing can be said."""

    lines: list[list[str]]
    headings: Sequence[str]
    words: int
    """The first so many columns are words."""
    remark: str
    command: str
    left_out: Mapping[str, str]


def study_says(rows: pd.DataFrame, folder: str) -> StudySays:
    """Every question of `QUESTIONS`, asked of the finished models of a folder."""
    done = rows[rows["status"] == "done"]
    judges = judging(None, done) or known_of(["elbo_nats"], done)
    answers: list[Answer] = []
    unsaid: list[tuple[str, str]] = []
    if not judges:
        return StudySays(answers, unsaid)
    foremost = next((name for name in FOREMOST if name in judges), judges[0])
    # Questions cut rows up many times, and rows are wide.
    read = dict.fromkeys([*columns_read([]), "run_id", *judges, *usual_picks(done)])
    asked = Asked(rows[list(read)], judges, foremost, shlex.quote(folder))
    for title, question in QUESTIONS.items():
        said = question(asked)
        left_out = [one_line(f"{what}: {why}") for what, why in said.left_out.items()]
        more = [f"and {len(left_out) - TOLD} more"] if len(left_out) > TOLD else []
        left_out = [*left_out[:TOLD], *more]
        if said.lines:
            lines = [[one_line(text) for text in line] for line in said.lines]
            table = text_table(title, said.headings, lines, words=said.words)
            answers.append(Answer(title, table, said.remark, said.command, left_out))
        else:
            unsaid.append((title, "; ".join(left_out) or "there is no finished model"))
    return StudySays(answers, unsaid)


def variance_said(asked: Asked) -> Said:
    """Shares of the variance of every score that judges."""
    found = variance_shares(asked.rows, asked.judges)
    lines = [
        [
            line.subject,
            heading(str(line.score)),
            share(line.objective, line.objective_p_value),
            percent(line.objective_adjusted),
            share(line.setting, line.setting_p_value),
            percent(line.setting_adjusted),
            percent(line.seed),
            percent(line.seed_adjusted),
            str(line.models),
        ]
        for line in found.table.itertuples()
    ]
    headings = (
        "data set", "score", "objective, %", "adjusted", "and strength, %", "adjusted", "seed, %", "adjusted", "models",
    )  # fmt: skip
    remark = (
        "Shares of the variance over models that the objective, and objective and strength together, explain; the "
        "rest is the seed's. Adjusted: less what groups without meaning would explain, 0 is chance. In brackets: "
        "groups dealt at random explain as much in more than 5 % of cases."
    )
    return Said(lines, headings, 2, remark, f"disbench variance {asked.folder}", found.left_out)


def strengths_said(asked: Asked) -> Said:
    """The strength with the best mean of every objective, by the foremost score."""
    found = recommendation(asked.rows, [asked.foremost])
    arms = found.table.groupby(["subject", "objective", "variant"], sort=False)
    lines = [[str(subject), *recommended(arm)] for (subject, _, _), arm in arms]
    headings = ("data set", *recommended_headings(heading(asked.foremost))[:-1], "at an end of the grid")
    remark = (
        "The strength with the best mean, in how many resamples of the seeds it is, and between which strengths the "
        "best lies in 95 % of them (from five seeds). Cannot be told apart: the truly best strength is among these "
        "with 95 % confidence."
    )
    return Said(lines, headings, 3, remark, f"disbench recommend {asked.folder}", found.left_out)


def methods_said(asked: Asked) -> Said:
    """Every two methods of a data set, each at its best strength, by the foremost score."""
    parts = groups(asked.rows, "data_set")
    pairs = [
        (subject, *pair)
        for subject, members in parts.items()
        for pair in itertools.combinations(map(spelled, members.groupby(METHOD, sort=False).groups), 2)
    ]
    command = f"disbench compare {asked.folder} --a METHOD --b METHOD"
    if pairs:
        a, b = (shlex.quote(method) for method in pairs[0][1:])
        command = f"disbench compare {asked.folder} --a {a} --b {b}"
    left_out: dict[str, str] = {} if pairs else {"every data set": "needs two methods"}
    if len(pairs) > MOST_PAIRS:
        left_out, pairs = {"every data set": f"{len(pairs)} pairs of methods are too many for a page"}, []
    resamples = 1000 if len(pairs) <= PAIRS_WITH_INTERVALS else 0
    lines = []
    for subject, a, b in pairs:
        try:
            members = parts[subject]
            both = members[members["objective"].isin([a.split("(")[0], b.split("(")[0]])]
            found = comparison(both, a, b, [asked.foremost], most=max(TRIES), resamples=resamples)
        except BadInput as error:
            found = Findings(pd.DataFrame(), {f"{subject}, {a} and {b}": str(error)})
        left_out |= {f"{what}, {a} and {b}": why for what, why in found.left_out.items()}
        if len(found.table):
            lines.append(method_line(found.table))
    tries = [words for n in TRIES for words in (f"best of {n} of A, one of B", f"best of {n} of each")]
    remark = (
        f"Chance that A beats B by {heading(asked.foremost)}, each at the strength with its best mean: one seed of "
        "each, and the best of several; counted over all sets of seeds, a tie counts half"
        + ("; with a 95 % bootstrap interval over models." if resamples else "; the command gives intervals.")
        + " With as many tries as there are seeds nearly all hangs on the best one that there is."
    )
    return Said(lines, ("data set", "A", "B", "one of each", *tries), 3, remark, command, left_out)


def method_line(found: pd.DataFrame) -> list[str]:
    """One pair of methods, of its lines for n = 1, 2, ..."""
    first, by_n = found.iloc[0], found.set_index("n")
    texts = [chance(first["chance"], first["low"], first["high"])]
    for n in TRIES:
        at = by_n.loc[n] if n in by_n.index else None
        for name, low, high in (("chance", "low", "high"), ("chance_of_bests", "bests_low", "bests_high")):
            texts.append("" if at is None else chance(at[name], at[low], at[high]))
    sides = [f"{first['a']} ({first['a_models']})", f"{first['b']} ({first['b_models']})"]
    return [str(first["subject"]), *sides, *texts]


def spelled(method: tuple[str, str]) -> str:
    """An objective and its variant as `disbench compare` takes them."""
    objective, variant = method
    return f"{objective}({variant})" if variant else objective


def picks_said(asked: Asked) -> Said:
    """How good a model scores pick that know no factors, by the foremost score."""
    by = [name for name in usual_picks(asked.rows) if name != asked.foremost]
    resamples = 500 if len(asked.rows) <= MANY_MODELS else 0
    found = selection(asked.rows, [asked.foremost], by=by, resamples=resamples) if by else None
    lines = []
    for subject, part in found.table.groupby("subject", sort=False) if found is not None else ():
        few = part[part["of"] == part["of"].min()]
        for title, line in picks(few):
            one = line.iloc[0]
            lines.append([str(subject), title, order(one), gain(one), str(one["of"]), str(one["models"])])
    headings = ("data set", "picked by", "rank correlation", "gain", "best of", "models")
    remark = (
        f"Rank correlation with {heading(asked.foremost)} over models, 1 where what is picked first is best. Gain: "
        "where the model picked out of several random ones stands on average between a random one, 0, and the best of "
        "them, 1"
        + (
            ", with a 95 % bootstrap interval over models. "
            if resamples
            else "; the command gives intervals. "
        )
        + BRACKETS
    )
    left_out = {"every data set": "no score that knows no factors"} if found is None else found.left_out
    return Said(lines, headings, 2, remark, f"disbench selection {asked.folder}", left_out)


def transfer_said(asked: Asked) -> Said:
    """Whether one data set orders settings as another does; of many models by the foremost score alone."""
    many = len(asked.rows) > MANY_MODELS
    found = ranking_transfer(asked.rows, [asked.foremost] if many else asked.judges)
    lines = [
        [
            f"{line.subject} and {line.other_subject}",
            heading(str(line.score)),
            correlation(line.correlation, line.p_value),
            interval(line.low, line.high),
            number(line.own_seeds),
            number(line.other_own_seeds),
            str(line.ranked),
        ]
        for line in found.table.itertuples()
        if not np.isnan(line.correlation)
    ]
    headings = (
        "data sets",
        "score",
        "rank correlation",
        "95 % interval",
        "first itself",
        "second itself",
        "settings",
    )
    remark = (
        "Rank correlation of the settings' means on two data sets, 1 where both prefer the same. Itself: the order by "
        f"half of the seeds against that by the other half. {BRACKETS}"
    )
    left_out = found.left_out or {"every model": "needs two data sets"}
    return Said(
        lines,
        headings,
        2,
        remark,
        f"disbench transfer {asked.folder}",
        left_out if not lines else found.left_out,
    )


QUESTIONS: dict[str, Callable[[Asked], Said]] = {
    "What explains the scores": variance_said,
    "Which strength to take": strengths_said,
    "Which method to take": methods_said,
    "Which model to take without knowing the factors": picks_said,
    "Does another data set order the settings alike": transfer_said,
}
"""By title, in the page's order."""
