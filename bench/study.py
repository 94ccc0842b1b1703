"""A study: which models to train on which data, how strongly regularised, how often, and how to score them.

A study file is TOML. Every key of an arm may also stand at the top of the file, where it holds for all arms:

    name = "mine"
    data_set = "dsprites"
    steps = 5000
    seeds = 3

    [[arms]]
    objective = "beta_vae"
    strengths = [1, 4, 16]

    [[arms]]
    objective = "beta_tcvae"
    strengths = [1, 4, 16]
    options = { estimator = "mss" }
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from disbench.metrics import METRICS

from .catalogue import OBJECTIVES
from .data_content import content_digest
from .likelihood import LikelihoodSettings
from .objectives.setting import Takes
from .published import Finding, PaperProtocol, PublishedNumber
from .resources import Resources
from .run import EvaluationPlan, Run
from .scales import FULL
from .strict import Strict

Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Plane = Annotated[list[str], Field(min_length=2, max_length=2)]
MOST_PLANES = 12
Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Correlation(Strict):
    """Training images in which two factors are correlated (Traeuble et al. 2021); the smaller sigma, the stronger."""

    factors: Annotated[list[str], Field(min_length=2, max_length=2)]
    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RandomShare(Strict):
    """A share of all combinations of factors, drawn by a seed of its own."""

    share: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed = 0


class HoldOut(Strict):
    """Combinations of factors that are kept from training: one of three kinds of split."""

    compositional: dict[str, list[int]] | None = None
    extrapolation: dict[str, float] | None = None
    random: RandomShare | None = None


class Arm(Strict):
    """One objective on one data set over a grid of strengths."""

    objective: str
    data_set: str
    strengths: list[Strength] | None = None
    condition: str | None = None
    correlation: Correlation | None = None
    hold_out: HoldOut | None = None
    options: dict[str, str | int | float] = Field(default_factory=dict)
    architecture: str = "study_conv"
    latents: Positive = 10
    steps: Positive = 300_000
    batch_size: Annotated[int, Field(ge=2)] = 64
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-4
    precision: str = "float32"

    def grid(self) -> list[float]:
        """Strengths in the order given; an objective without a strength has one run a seed, written as 1."""
        return [1.0] if self.strengths is None else [float(s) for s in self.strengths]


class Evaluation(Strict):
    """How finished models are scored; the defaults are the unsupervised study's."""

    samples: Annotated[int, Field(ge=10)] = 10_000
    test_samples: Annotated[int, Field(ge=10)] = 5_000
    metrics: list[str] = Field(default_factory=list)
    """All that the models' codes allow when left out."""
    whole: bool = False
    """Every image is encoded, and the metrics that are exact over a whole data set are there."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    likelihood: LikelihoodSettings | None = None
    """Estimates of log p(x) of finished models; none when left out."""

    @model_validator(mode="before")
    @classmethod
    def with_metrics(cls, given: Any) -> Any:
        """All metrics, where none is named."""
        if not isinstance(given, Mapping) or "metrics" in given:
            return given
        whole = given.get("whole") is True
        return {**given, "metrics": [name for name, metric in METRICS.items() if whole or not metric.whole]}


class Study(Strict):
    """A validated study; `runs()` is the list of everything that it asks for."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: str = ""
    description: str = ""
    seeds: Annotated[int, Field(ge=1, le=100_000)] | list[Seed] = 1
    evaluation: Evaluation = Evaluation()
    arms: Annotated[list[Arm], Field(min_length=1)]
    columns: list[str] = Field(default_factory=list)
    """Of its tables where nobody names others; none: what fits a page."""
    planes: Annotated[list[Plane], Field(max_length=MOST_PLANES)] = Field(default_factory=list)
    """Pairs of columns, across and up, that one figure sets against each other; none: ELBO against MIG."""
    scale: str | None = None
    """Which of its sizes this is; None for a study that has one size."""
    paper: str = ""
    """The paper whose tables it remakes."""
    protocol: PaperProtocol = PaperProtocol()
    """How the paper's models were trained."""
    published: list[PublishedNumber] = Field(default_factory=list)
    """What was printed, to stand beside."""
    findings: list[Finding] = Field(default_factory=list)
    """Printed results that no cell can stand beside."""
    differences: list[str] = Field(default_factory=list)
    """Where models of ours come out otherwise than was printed, by how much, and what the evidence says of why."""
    cluster: Annotated[Resources, Field(exclude=True)] = Resources()
    """What tasks get where they run. Not kept in the output folder: a folder is of a study, not of a place."""

    def seed_list(self) -> list[int]:
        """The seeds themselves: `seeds = 3` is short for [0, 1, 2]."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    def default_folder(self) -> Path:
        """Where a sweep without `--out` writes: sizes that are not the full one have folders of their own."""
        small = self.scale not in (None, FULL)
        return Path("runs") / (f"{self.name}-{self.scale}" if small else self.name)

    def runs(self) -> list[Run]:
        """Every run, arm by arm, strength by strength, seed by seed."""
        return [
            replace(run, strength=strength, seed=seed)
            for run, arm in zip(self.first_runs(), self.arms, strict=True)
            for strength in arm.grid()
            for seed in self.seed_list()
        ]

    def first_runs(self, contents: Mapping[str, str | None] | None = None) -> list[Run]:
        """The first run of each arm; the others differ from it in strength and seed.

        `contents` says which pixels data sets have, if it is not to be looked up: of results from elsewhere.
        """
        told = (
            {arm.data_set: content_digest(arm.data_set) for arm in self.arms}
            if contents is None
            else contents
        )

        def scored_by(objective: str) -> tuple[str, ...]:
            return tuple(dict.fromkeys([*self.evaluation.metrics, *OBJECTIVES[objective].tasks]))

        plan = EvaluationPlan(
            samples=self.evaluation.samples,
            test_samples=self.evaluation.test_samples,
            metrics=tuple(self.evaluation.metrics),
            options=self.evaluation.options,
            whole=self.evaluation.whole,
            likelihood=self.evaluation.likelihood.model_dump() if self.evaluation.likelihood else None,
        )
        return [
            Run(
                data_set=arm.data_set,
                data_content=told.get(arm.data_set),
                architecture=arm.architecture,
                objective=arm.objective,
                options=resolved_options(arm),
                condition=arm.condition,
                correlation=arm.correlation.model_dump() if arm.correlation else None,
                latents=arm.latents,
                steps=arm.steps,
                batch_size=arm.batch_size,
                learning_rate=arm.learning_rate,
                strength=arm.grid()[0],
                seed=self.seed_list()[0],
                evaluation=replace(plan, metrics=scored_by(arm.objective)),
                precision=arm.precision,
                hold_out=arm.hold_out.model_dump(exclude_none=True) if arm.hold_out else None,
            )
            for arm in self.arms
        ]

    def settings(self) -> dict[str, Any]:
        """What must be equal for two studies to share an output folder: all but grid, further scores and prose."""
        arms = [arm.model_dump(exclude={"strengths"}) for arm in self.arms]
        return {
            "name": self.name,
            "evaluation": self.evaluation.model_dump(exclude={"metrics", "likelihood"}),
            "arms": arms,
        }


def resolved_options(arm: Arm) -> dict[str, str | float]:
    """The arm's options with the objective's defaults filled in; one that is off by default is there if it is named.

    Numbers are floats, or whole where the default is, so that 1 and 1.0 are one run.
    """

    def resolved(name: str, takes: Takes) -> str | float:
        if isinstance(takes, tuple):
            return str(arm.options.get(name, takes[0]))
        given = arm.options.get(name, takes)
        assert given is not None
        return int(given) if isinstance(takes, int) else float(given)

    options = OBJECTIVES[arm.objective].options.items()
    return {
        name: resolved(name, takes) for name, takes in options if takes is not None or name in arm.options
    }
