"""A run is one model to be trained; a cohort is a set of runs that train together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from typing import Any

RECIPE = 1
"""Raised when code changes what a configuration computes, so that old rows are not taken for new ones."""

IMPORTANCE_SAMPLES = "importance_samples"
"""The option of objectives that look at more than one code an image."""

LIKELIHOOD = "likelihood"
"""What a row's list of metrics calls estimates of log p(x)."""


def digest(value: object) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of a JSON-able value in canonical form."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def identity(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's configuration its id is the hash of: all but what further scores it gets, and the recipe."""
    evaluation = dict(configuration["evaluation"])
    evaluation.pop("metrics", None)
    evaluation.pop("likelihood", None)
    if not evaluation.get("whole"):  # as before there was the choice
        evaluation.pop("whole", None)
    return {"recipe": RECIPE, **configuration, "evaluation": evaluation}


def likelihood_in(configuration: str) -> Mapping[str, Any] | None:
    """The settings of the likelihood in a row's configuration, as JSON."""
    settings: Mapping[str, Any] | None = json.loads(configuration)["evaluation"].get("likelihood")
    return settings


@dataclass(frozen=True)
class EvaluationPlan:
    """How a finished model is scored."""

    samples: int
    """Rows that train and feed the metrics; the study protocol's 10,000."""
    test_samples: int
    """Further rows that test classifiers; the study protocol's 5,000."""
    metrics: tuple[str, ...]
    """Names in `disbench.metrics.METRICS`. Not part of a run's identity: a further score changes no other."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Keywords for the metrics, by name."""
    whole: bool = False
    """Whether every image is encoded, for exact scores."""
    likelihood: Mapping[str, Any] | None = None
    """Fields of `LikelihoodSettings`, or None for no estimate of log p(x). No part of a run's identity either."""

    @property
    def scored_by(self) -> tuple[str, ...]:
        """What a row's list of metrics says."""
        return (*self.metrics, *([LIKELIHOOD] if self.likelihood is not None else []))


@dataclass(frozen=True)
class Run:
    """One (data set, architecture, objective, strength, seed) with everything that changes its numbers."""

    data_set: str
    """A name, or the path of a user's own."""
    data_content: str | None
    """What its name does not say of the pixels: official where we would render, a user's own bytes; mostly None."""
    architecture: str
    objective: str
    options: Mapping[str, str | float]
    """Of the objective, all of them."""
    condition: str | None
    correlation: Mapping[str, Any] | None
    """`factors`, a pair, and `sigma`: how training images are drawn if not uniformly; scores are always uniform."""
    latents: int
    steps: int
    batch_size: int
    learning_rate: float
    strength: float
    seed: int
    evaluation: EvaluationPlan
    precision: str = "float32"
    """Key of `PRECISIONS`."""
    hold_out: Mapping[str, Any] | None = None
    """The split that keeps combinations of factors from training; scores are over all images."""

    @property
    def configuration(self) -> dict[str, Any]:
        """The run as what JSON knows: `from_configuration` turns it back."""
        # By hand: `dataclasses.asdict` copies all the way down, which for 12,600 runs takes longer than the rest.
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**found, "evaluation": dict(vars(self.evaluation))}

    @cached_property
    def run_id(self) -> str:
        """Hash of everything that changes this run's numbers, and of nothing else."""
        return digest(identity(self.configuration))

    @property
    def family(self) -> str:
        """Hash of what runs share that can train as one cohort: all but strength and seed."""
        return digest({**self.configuration, "strength": None, "seed": None})

    @property
    def codes_an_image(self) -> int:
        """Samples of the posterior that training draws for each image of a batch."""
        return int(self.options.get(IMPORTANCE_SAMPLES, 1))

    @property
    def label(self) -> str:
        """For people: `beta_vae 4 dsprites seed 0`."""
        given = f" given {self.condition}" if self.condition else ""
        return f"{self.objective} {self.strength:g} {self.data_set}{given} seed {self.seed}"

    @classmethod
    def from_configuration(cls, configuration: Mapping[str, Any]) -> Run:
        """A run from the mapping that `dataclasses.asdict` made of it."""
        plan = dict(configuration["evaluation"])
        plan["metrics"] = tuple(plan["metrics"])
        return replace(cls(**configuration), evaluation=EvaluationPlan(**plan))


@dataclass(frozen=True)
class Plan:
    """How a family is trained; it changes no number beyond rounding."""

    size: int
    """Models in a cohort, at most."""
    lowering: str = "native"
    """Key of `LOWERINGS`."""


@dataclass(frozen=True)
class Cohort:
    """Runs of one family, in an order that does not matter to their numbers; the unit of work."""

    runs: tuple[Run, ...]
    lowering: str = "native"
    """Key of `LOWERINGS`: how its convolutions are carried out."""

    @cached_property
    def cohort_id(self) -> str:
        """Hash of the runs in it."""
        return digest([run.run_id for run in self.runs])

    @property
    def shared(self) -> Run:
        """Any of the runs, to read what all of them share."""
        return self.runs[0]


def families(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs that can train together, by family, in the order in which they come."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.family, []).append(run)
    return found


def cohorts(runs: Iterable[Run], plan: Callable[[list[Run]], Plan]) -> list[Cohort]:
    """Group runs into cohorts, family by family, in the order in which they come; `plan` is asked for each family."""
    grouped = []
    for members in families(runs).values():
        size, lowering = astuple(plan(members))
        starts = range(0, len(members), size)
        grouped += [Cohort(tuple(members[start : start + size]), lowering) for start in starts]
    return grouped


def without(cohorts_of_study: Sequence[Cohort], finished: set[str]) -> list[Cohort]:
    """The cohorts that still have work, each reduced to its unfinished runs."""
    rest = (
        replace(cohort, runs=tuple(r for r in cohort.runs if r.run_id not in finished))
        for cohort in cohorts_of_study
    )
    return [cohort for cohort in rest if cohort.runs]
