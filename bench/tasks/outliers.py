"""Which images a trained model finds foreign: every outlier score against every kind of outlier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from disbench.datasets import AbsentFileError, load
from disbench.metrics import Score

from ..bad_input import unknown
from ..outliers import KINDS, SCORES, outlier_aupr, outlier_auroc, outlier_scores
from ..outliers.kinds import MEANINGS
from ..outliers.scores import Values
from ..run import Run
from ..training_part import is_held_out
from .task import Subject, Task

COUNTERPARTS = {"mnist": "fashion_mnist", "fashion_mnist": "mnist"}
"""Data sets whose images are outliers to each other's models."""

HELD_OUT = "held_out"

OUTSIDE = {
    **MEANINGS,
    HELD_OUT: "images of combinations that were kept from training",
    **{name: f"images of {name}" for name in COUNTERPARTS.values()},
}
"""Every group of outliers and what it is."""


def scores() -> Iterator[Score]:
    """Every column."""
    for name, meaning in OUTSIDE.items():
        for score, what in SCORES.items():
            yield Score(f"auroc_{score}_{name}", "higher", "", f"chance that {meaning} score higher; {what}")
        for score, what in SCORES.items():
            yield Score(
                f"aupr_{score}_{name}", "higher", "", f"precision in finding {meaning}, chance 0.5; {what}"
            )


class Group(NamedTuple):
    """Images [N, C, H, W] and what the model is told of each, [N, Y]."""

    images: Tensor
    told: Tensor

    def first(self, count: int) -> Group:
        """So many of them."""
        return Group(self.images[:count], self.told[:count])


def measure_outliers(
    subject: Subject,
    *,
    images: int,
    kinds: Sequence[str],
    importance_samples: int,
    regret_steps: int,
    regret_draws: int,
) -> Mapping[str, float]:
    """AUROC and AUPR of every score for every kind of outlier that there is.

    Args:
        subject: the model and its evaluated images.
        images: members, and outliers of each kind, at most.
        kinds: of `KINDS`; combinations held out and the other MNIST come by themselves where they are there.
        importance_samples: an image.
        regret_steps: of the optimiser, 0 leaves likelihood regret out.
        regret_draws: codes an image that each of them is fitted to, an even number: at least; two a latent where that
            is more.

    Returns:
        Columns to values. A kind that is the same as the members, as black and white is of dSprites, has none, nor has
        one to which the model says numbers that are none.

    Raises:
        BadInput: an unknown kind.
    """
    from ..catalogue import OBJECTIVES  # here: its members may bring tasks

    run = subject.run
    objective = OBJECTIVES[run.objective]

    def scored(group: Group) -> dict[str, Values]:
        return outlier_scores(
            subject.model,
            group.images,
            group.told,
            posterior=objective.codes == "posterior",
            bound=objective.bound,
            importance_samples=importance_samples,
            regret_steps=regret_steps,
            regret_draws=regret_draws,
            seed=run.seed,
        )

    members, held_out = sides(subject, images)
    inside = scored(members)
    found: dict[str, float] = {}
    for name, outside in outsiders(members, held_out, kinds, run).items():
        try:
            of_outliers = scored(outside)
        except (
            ValueError
        ):  # of members there was none: an encoder's answer to the strangest is beyond all numbers
            continue
        for score, values in of_outliers.items():
            if not np.isfinite(values).all():
                continue
            of_members = inside[score][: len(outside.images)]  # as many on each side: chance is 1/2
            found[f"auroc_{score}_{name}"] = outlier_auroc(of_members, values)
            found[f"aupr_{score}_{name}"] = outlier_aupr(of_members, values)
    return found


def sides(subject: Subject, images: int) -> tuple[Group, Group | None]:
    """Members, and the images of combinations that were kept from training, if any.

    A random share that was kept from training is no outlier: its images are the members then, none of which was seen.
    Other models have seen their members.
    """
    away = is_held_out(subject.run, subject.indices, subject.factors, subject.data)
    if away is None or not away.any() or away.all():
        return group_of(subject, torch.ones(len(subject.indices), dtype=torch.bool), images), None
    if subject.run.hold_out is not None and subject.run.hold_out.get("random"):
        return group_of(subject, away, images), None
    return group_of(subject, ~away, images), group_of(subject, away, images)


def group_of(subject: Subject, chosen: Tensor, count: int) -> Group:
    """The first evaluated images among those chosen [N], each once."""
    places = torch.tensor(
        list(dict.fromkeys(subject.indices[chosen].tolist()))[:count], device=subject.data.device
    )
    return Group(subject.data.images(places), subject.told(places, subject.data.factors(places)))


def outsiders(members: Group, held_out: Group | None, kinds: Sequence[str], run: Run) -> dict[str, Group]:
    """Outliers by the name in the columns, at most as many as members."""
    found: dict[str, Group] = {}
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("kind of outlier", kind, KINDS, where="outliers")
        made = KINDS[kind](members.images, run.seed)
        if not torch.equal(made, members.images):
            found[kind] = Group(made, members.told)
    if held_out is not None:
        found[HELD_OUT] = held_out.first(len(members.images))
    if run.data_set in COUNTERPARTS:
        try:
            other = load(COUNTERPARTS[run.data_set])
        except AbsentFileError:
            return found
        places = torch.arange(len(members.images)) * (len(other) // len(members.images))  # from first to last
        found[COUNTERPARTS[run.data_set]] = Group(other.images(places).to(members.images), members.told)
    return found


TASKS = {
    "outliers": Task(
        scores=tuple(scores()),
        measure=measure_outliers,
        options={
            "images": 100,
            "kinds": tuple(KINDS),
            "importance_samples": 50,
            "regret_steps": 30,
            "regret_draws": 16,
        },
    )
}
