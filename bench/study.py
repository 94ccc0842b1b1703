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

import json
import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError, model_validator

from disbench.datasets import Entry, entry
from disbench.metrics import METRICS, compute

from .bad_input import BadInput, unknown
from .catalogue import ARCHITECTURES, OBJECTIVES
from .data_content import content_digest
from .history import COLUMNS as HISTORY_COLUMNS
from .likelihood import LikelihoodSettings
from .objectives.setting import Choices
from .precision import PRECISIONS
from .published import Finding, PaperProtocol, PublishedNumber
from .resources import Resources
from .run import EvaluationPlan, Run
from .scales import FULL, chosen_scale
from .strict import Strict, first_objection
from .task_catalogue import TASKS
from .training_part import KINDS, rule_of

Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]


MOST_MODELS = 1_000_000
"""Of a study."""

HISTORY_NUMBERS = ("elbo_nats", *HISTORY_COLUMNS)
"""What a published number of part of a training can stand beside."""

DATA_SETS_KEY = "data_sets"
"""Of a study file: every arm on each of them."""


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
    """The arm's options with the objective's defaults filled in.

    Numbers are floats, or whole where the default is, so that 1 and 1.0 are one run.
    """

    def resolved(name: str, takes: Choices | float) -> str | float:
        if isinstance(takes, tuple):
            return str(arm.options.get(name, takes[0]))
        given = arm.options.get(name, takes)
        return int(given) if isinstance(takes, int) else float(given)

    return {name: resolved(name, takes) for name, takes in OBJECTIVES[arm.objective].options.items()}


def shipped_studies() -> dict[str, Path]:
    """Name to file of the studies that come with disbench."""
    folder = Path(str(resources.files("disbench.bench.studies")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_study(
    study: str | Path | Study, overrides: Mapping[str, Any] | None = None, scale: str | None = None
) -> Study:
    """A study from its name, its file or itself, with `overrides` (dotted keys) on top; `BadInput` if it is wrong.

    `scale` is one of the sizes that its file has; by default the file's own.
    """
    if isinstance(study, Study) and not overrides and scale is None:
        return study
    return parse_study(*study_document(study), overrides, scale)


def study_document(study: str | Path | Study) -> tuple[dict[str, Any], str]:
    """A study as its file has it, before anything is checked, and what errors call it; `BadInput` if there is none."""
    if isinstance(study, Study):
        return {**study.model_dump(), "cluster": study.cluster.given()}, f"study {study.name}"
    shipped = shipped_studies()
    path = shipped.get(str(study)) or Path(study)
    if not path.is_file():
        if path.suffix == ".toml" or len(path.parts) > 1:
            raise BadInput(f"study file {path} does not exist")
        raise unknown("study", str(study), shipped, where="a study is a shipped name or a .toml file")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    return document, f"study {study}" if str(study) in shipped else str(path)


def parse_study(
    document: Mapping[str, Any],
    where: str,
    overrides: Mapping[str, Any] | None = None,
    scale: str | None = None,
) -> Study:
    """Validate a study document; `where` names its origin in errors."""
    merged = {key: value for key, value in document.items() if key != "scales"}
    chosen, pairs = chosen_scale(document, scale, where)
    if chosen is not None:
        merged["scale"] = chosen
    for key, value in [*pairs.items(), *(overrides or {}).items()]:
        merged = override(merged, key, value, where)
    check_data_sets(merged, where)
    try:
        study = Study.model_validate(spread_defaults(merged))
    except ValidationError as error:
        known = [*Study.model_fields, *Arm.model_fields, DATA_SETS_KEY, "scales"]
        tables: dict[str, type[Strict]] = {"arms": Arm, "evaluation": Evaluation, "cluster": Resources}
        tables["evaluation.likelihood"] = LikelihoodSettings
        tables |= {"protocol": PaperProtocol, "published": PublishedNumber, "findings": Finding}
        raise BadInput(f"{where}: {first_objection(error, known, tables)}") from error
    for number, arm in enumerate(study.arms):
        check_arm(arm, f"{where}: arms.{number}")
    check_evaluation(study.evaluation, f"{where}: evaluation")
    check_seeds(study, where)
    check_columns(study.columns, f"{where}: columns")
    for number, printed in enumerate(study.published):
        check_published(printed, f"{where}: published.{number}")
    if study.cluster.address is not None:
        raise BadInput(
            f"{where}: cluster.address: a file does not choose the machine that work is sent to;"
            " give it by --cluster address=... or RAY_ADDRESS"
        )
    return study


def stored_study(document: Any, where: str) -> Study:
    """The study of an output folder, which may come from anywhere: read as data, nothing that it names is opened.

    It was checked against its data sets and metrics when it was begun; here it must only make sense to this version.
    """
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        raise BadInput(
            f"{where}: {first_objection(error, list(Study.model_fields), {'arms': Arm})}"
        ) from error
    for number, arm in enumerate(study.arms):
        check_names(arm, f"{where}: arms.{number}")
    check_size(study, where)
    return study


def override(document: dict[str, Any], key: str, value: Any, where: str) -> dict[str, Any]:
    """The document with a dotted key set; a key of arms set at the top is set for every arm."""
    first, *rest = key.split(".")
    if not rest:
        if first in Arm.model_fields and isinstance(document.get("arms"), list):
            arms = [{**arm, first: value} if isinstance(arm, Mapping) else arm for arm in document["arms"]]
            return {**document, "arms": arms}
        return {**document, first: value}
    inner = document.get(first, {})
    if isinstance(inner, list):
        if not (rest[0].isascii() and rest[0].isdecimal()) or int(rest[0]) >= len(inner):
            raise BadInput(f"{where}: --set {key}: {first} has items 0 to {len(inner) - 1}, got {rest[0]!r}")
        position = int(rest[0])
        changed = value if len(rest) == 1 else override(inner[position], ".".join(rest[1:]), value, where)
        return {**document, first: [*inner[:position], changed, *inner[position + 1 :]]}
    if not isinstance(inner, Mapping):
        raise BadInput(f"{where}: --set {key}: {first} is no table")
    return {**document, first: override(dict(inner), ".".join(rest), value, where)}


def spread_defaults(document: Mapping[str, Any]) -> dict[str, Any]:
    """Move the keys of arms that stand at the top of the document into every arm that lacks them.

    An arm without a data set of its own becomes one for each of `data_sets`.
    """
    defaults = {key: value for key, value in document.items() if key in Arm.model_fields}
    rest = {key: value for key, value in document.items() if key not in (*Arm.model_fields, DATA_SETS_KEY)}
    if not isinstance(rest.get("arms"), list):
        return rest
    names = document.get(DATA_SETS_KEY, [])
    on_each = [{**defaults, "data_set": name} for name in names] or [defaults]
    rest["arms"] = [
        {**keys, **arm}
        for keys in on_each
        for arm in rest["arms"]
        if isinstance(arm, Mapping) and not (names and "data_set" in arm)
    ] + [
        {**defaults, **arm} if isinstance(arm, Mapping) else arm
        for arm in rest["arms"]
        if not isinstance(arm, Mapping) or (names and "data_set" in arm)
    ]
    return rest


def check_data_sets(document: Mapping[str, Any], where: str) -> None:
    """A list of names, and then no single one beside it."""
    if DATA_SETS_KEY not in document:
        return
    names = document[DATA_SETS_KEY]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise BadInput(f'{where}: {DATA_SETS_KEY} should be a list of names like ["dsprites"], got {names!r}')
    if "data_set" in document:
        raise BadInput(f"{where}: give data_set or {DATA_SETS_KEY}, not both")


def check_arm(arm: Arm, where: str) -> None:
    """Refuse names that are not in the tables and pairs that do not go together."""
    check_names(arm, where)
    data_set = data_set_entry(arm.data_set, where)
    objection = ARCHITECTURES[arm.architecture].objection(data_set.image_shape)
    if objection:
        shape = " x ".join(map(str, data_set.image_shape))
        raise BadInput(f"{where}: architecture {arm.architecture} {objection}; {arm.data_set} has {shape}")
    check_pair(arm, where)
    check_condition(arm, data_set.factor_names, where)
    check_demands(arm, data_set, where)
    if arm.correlation:
        check_correlation(arm.correlation, data_set, f"{where}: correlation")
    if arm.hold_out:
        check_hold_out(arm, data_set, f"{where}: hold_out")


def check_names(arm: Arm, where: str) -> None:
    """Refuse what makes no sense whatever the data set holds: names that are not in the tables, wrong options."""
    for key, text in (("data_set", arm.data_set), ("condition", arm.condition or "")):
        if not text.isprintable():
            raise BadInput(f"{where}: {key} has characters that cannot be shown: {text!r}")
    if arm.objective not in OBJECTIVES:
        raise unknown("objective", arm.objective, OBJECTIVES, where=where)
    if arm.architecture not in ARCHITECTURES:
        raise unknown("architecture", arm.architecture, ARCHITECTURES, where=where)
    objective = OBJECTIVES[arm.objective]
    check_strengths(arm, objective.strength is not None, where)
    for name, value in arm.options.items():
        if name not in objective.options:
            takes = ", ".join(objective.options) or "none"
            raise BadInput(f"{where}: {arm.objective} has no option {name!r}; it takes: {takes}")
        check_option(name, value, objective.options[name], f"{where}: options")
    if arm.precision not in PRECISIONS:
        raise unknown("precision", arm.precision, PRECISIONS, where=where)


def check_option(name: str, value: str | float, takes: Choices | float, where: str) -> None:
    """A word must be one of the choices, a number above zero, and whole where the default is."""
    if isinstance(takes, tuple):
        if value not in takes:
            raise unknown(name, str(value), takes, where=where)
    elif isinstance(takes, int) and not (isinstance(value, int | float) and value >= 1 and value % 1 == 0):
        raise BadInput(f"{where}.{name} should be a whole number from 1 (default {takes}), got {value!r}")
    elif isinstance(value, str) or not (0 < value < math.inf):
        raise BadInput(f"{where}.{name} should be a number above 0 (default {takes:g}), got {value!r}")


def check_strengths(arm: Arm, has_strength: bool, where: str) -> None:
    """A grid must be there exactly if the objective has a strength, not empty, without repeats."""
    if not has_strength:
        if arm.strengths is not None:
            raise BadInput(f"{where}: {arm.objective} has no strength; leave strengths out")
        return
    if not arm.strengths:
        got = "is missing" if arm.strengths is None else "is empty"
        raise BadInput(f"{where}: strengths {got}; {arm.objective} needs a list of numbers like [1, 4]")
    check_distinct(arm.strengths, f"{where}: strengths")


def data_set_entry(name: str, where: str) -> Entry:
    """What is known of a data set without opening it, or `BadInput`."""
    try:
        return entry(name)
    except (ValueError, OSError) as error:
        raise BadInput(f"{where}: {error}") from error


def check_pair(arm: Arm, where: str) -> None:
    """Some objectives have nets of their own, and plain ones no others' nets."""
    own = OBJECTIVES[arm.objective].architectures
    if own and arm.architecture not in own:
        takes = ", ".join(own)
        raise BadInput(
            f"{where}: {arm.objective} has architectures of its own: {takes}; got {arm.architecture}"
        )
    if not own and ARCHITECTURES[arm.architecture].own:
        plain = ", ".join(name for name, net in ARCHITECTURES.items() if not net.own)
        raise BadInput(
            f"{where}: architecture {arm.architecture} is not for {arm.objective}; it takes: {plain}"
        )


def check_condition(arm: Arm, factors: tuple[str, ...], where: str) -> None:
    """A condition must be there exactly if the objective is conditional, and name a factor of the data set."""
    if not OBJECTIVES[arm.objective].conditional:
        if arm.condition is not None:
            raise BadInput(f"{where}: {arm.objective} takes no condition; cvae does")
        return
    if arm.condition is None:
        raise BadInput(
            f"{where}: {arm.objective} needs a condition; factors of {arm.data_set}: {', '.join(factors)}"
        )
    if arm.condition not in factors:
        raise unknown(f"factor of {arm.data_set}", arm.condition, factors, where=f"{where}: condition")


def check_demands(arm: Arm, data_set: Entry, where: str) -> None:
    """What an objective needs of a data set and of its options, as it says where its batches are made."""
    objective = OBJECTIVES[arm.objective]
    try:
        if objective.telling is not None:
            objective.telling.size(resolved_options(arm), arm.condition, data_set)
        if objective.choosing is not None:
            objective.choosing.chances(data_set)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error


def check_correlation(correlation: Correlation, data_set: Entry, where: str) -> None:
    """Two different factors of a full grid."""
    if not data_set.is_full_grid:
        raise BadInput(f"{where}: {data_set.name} is no full grid of factors")
    for name in correlation.factors:
        if name not in data_set.factor_names:
            raise unknown(f"factor of {data_set.name}", name, data_set.factor_names, where=where)
    if len(set(correlation.factors)) == 1:
        raise BadInput(f"{where}: factors are two different ones, got {correlation.factors[0]!r} twice")


def check_hold_out(arm: Arm, data_set: Entry, where: str) -> None:
    """One kind of split, of factors and classes that there are, and no correlation beside it."""
    assert arm.hold_out is not None
    given = arm.hold_out.model_dump(exclude_none=True)
    if len(given) != 1:
        raise BadInput(f"{where}: give one of {', '.join(KINDS)}, got {', '.join(given) or 'none'}")
    if arm.correlation:
        raise BadInput(f"{where}: not together with correlation, which needs every combination of factors")
    try:
        rule_of(given, data_set)
    except ValueError as error:
        raise BadInput(f"{where}.{next(iter(given))}: {error}") from error


def check_distinct(values: Sequence[float], where: str) -> None:
    """Refuse repeated values: two runs with one name."""
    repeated = [value for value, times in Counter(values).items() if times > 1]
    if repeated:
        raise BadInput(f"{where} has {repeated[0]:g} twice")


def check_evaluation(evaluation: Evaluation, where: str) -> None:
    """Refuse metrics that are not in the table and options that they do not take."""
    for name in evaluation.metrics:
        if name in TASKS:
            continue
        if name not in METRICS:
            raise unknown("metric", name, [*METRICS, *TASKS], where=f"{where}.metrics")
        if METRICS[name].whole and not evaluation.whole:
            raise BadInput(f"{where}.metrics: {name} is of a whole data set; set {where}.whole = true")
    tiny = tiny_arrays()
    for name, keywords in evaluation.options.items():
        if name in TASKS:
            if wrong := TASKS[name].wrong_option(keywords):
                raise BadInput(f"{where}.options.{name}: {wrong}")
            continue
        if name not in METRICS:
            raise unknown("metric", name, [*METRICS, *TASKS], where=f"{where}.options")
        # Tried now, on a handful of rows: a wrong option found after days of training would be a cruel one.
        try:
            json.dumps(keywords, allow_nan=False)
            compute([name], **tiny, train=40, whole=METRICS[name].whole, options={name: keywords})
        except (ValueError, TypeError) as error:
            raise BadInput(f"{where}.options.{name}: {error}") from error


def tiny_arrays() -> dict[str, Any]:
    """Sixty rows on which every metric can be tried."""
    rows = np.arange(60)
    codes = np.stack([np.sin(rows * frequency) for frequency in (1.0, 2.0, 3.0)], axis=1)
    factors = np.stack([rows % 2, rows % 3], axis=1)
    return {"codes": codes, "factors": factors, "mean": codes, "logvar": codes - 1, "condition": rows % 2}


def check_published(number: PublishedNumber, where: str) -> None:
    """Refuse columns and objectives that nothing here makes, and spans of steps that are none."""
    from .legend import Legend

    known = HISTORY_NUMBERS if number.during else Legend.of_code().numbers()
    if number.column not in known:
        raise unknown("column", number.column, known, where=where)
    if number.objective not in OBJECTIVES:
        raise unknown("objective", number.objective, OBJECTIVES, where=where)
    if number.during and not 0 <= number.during[0] < number.during[1]:
        raise BadInput(f"{where}: during should be two steps, the earlier first, got {number.during}")
    if number.spread is not None and number.models == 1:
        raise BadInput(f"{where}: one model has no spread")


def check_columns(columns: Sequence[str], where: str) -> None:
    """Refuse columns that no model can have."""
    from .legend import Legend

    for name in columns:
        if name not in (known := Legend.of_code().numbers()):
            raise unknown("column", name, known, where=where)


def check_seeds(study: Study, where: str) -> None:
    """A list of seeds must not be empty or repeat itself, and no two arms may ask for the same run."""
    check_size(study, where)
    seen: set[str] = set()
    for run in study.runs():
        if run.run_id in seen:
            raise BadInput(f"{where}: two arms ask for the same run: {run.label}")
        seen.add(run.run_id)


def check_size(study: Study, where: str) -> None:
    """Some seeds, none of them twice, and no more models than anything here is made for."""
    if not study.seed_list():
        raise BadInput(f"{where}: seeds is empty; give a number of seeds or a list like [0, 1, 2]")
    check_distinct(study.seed_list(), f"{where}: seeds")
    models = len(study.seed_list()) * sum(len(arm.grid()) for arm in study.arms)
    if models > MOST_MODELS:
        raise BadInput(f"{where}: asks for {models:,} models; at most {MOST_MODELS:,} make a study")
