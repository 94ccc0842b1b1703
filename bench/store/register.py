"""The register of a results folder, `register.json`: which runs its study asks for, and what its columns mean.

A study says `data_set = "mine.npz"`; the register says which pixels these were, every option that the study left to its
default, and so each run's id. It is worked out once, by the sweep that claims the folder. Whoever reads the folder
later needs neither the data set nor the code that trains, and no row counts that is of another run than it says.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import run as runs
from ..legend import Legend
from .small_files import parsed_json

if TYPE_CHECKING:
    from ..run import Run
    from ..study import Study

MOST_RUNS = 1_000_000

MOST_LATENTS = 100_000

OF_ARM = (
    "data_set",
    "architecture",
    "objective",
    "condition",
    "latents",
    "steps",
    "batch_size",
    "learning_rate",
    "precision",
)
"""What a configuration takes from its arm as it is."""

SEED, STRENGTH = "\0seed", "\0strength"


class Identified(NamedTuple):
    """The run that a row's configuration describes."""

    run_id: str
    family: Family
    strength: float
    seed: int


class Family:
    """All runs of an arm: one configuration but for strength and seed, and for further scores, in no run's id."""

    def __init__(
        self, configuration: Mapping[str, Any], strengths: Sequence[float], code_width: int | None
    ) -> None:
        self.configuration = without_place(configuration)
        self.code_width = code_width
        """D, the numbers of a code; None where only a data set that is not at hand could say."""
        self.strengths = [float(strength) for strength in strengths]
        whole = {"recipe": runs.RECIPE, **self.configuration, "strength": STRENGTH, "seed": SEED}
        canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)
        self.head, rest = canonical.split(json.dumps(SEED))
        self.middle, self.tail = rest.split(json.dumps(STRENGTH))

    def run_id(self, strength: float, seed: int) -> str:
        """The id of a run, as `Run.run_id` has it; a hundredth of the work."""
        text = f"{self.head}{seed}{self.middle}{strength!r}{self.tail}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def without_place(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's configuration is in its id, apart from strength and seed."""
    kept = runs.identity(configuration)
    return {key: value for key, value in kept.items() if key not in ("recipe", "strength", "seed")}


def asks_for_scores(evaluation: Mapping[str, Any]) -> bool:
    """Whether what is in no run's id is what it should be: a list of metrics, settings of the likelihood or none."""
    metrics, likelihood = evaluation.get("metrics"), evaluation.get("likelihood")
    texts = isinstance(metrics, list) and all(isinstance(name, str) for name in metrics)
    return texts and (likelihood is None or isinstance(likelihood, dict))


@dataclass(frozen=True, eq=False)
class Register:
    """What a folder's study asks for."""

    study: str
    """Its name."""
    families: Sequence[Family]
    """One an arm."""
    seeds: Sequence[int]
    legend: Legend
    columns: Sequence[str] = ()
    """Of its tables where nobody names others."""

    @classmethod
    def of(cls, study: Study, contents: Mapping[str, str | None] | None = None) -> Register:
        """The register of a study; `contents` says which pixels its data sets have, if not those that are here now."""
        first = study.first_runs(contents)
        families = [
            Family(run.configuration, arm.grid(), width_of(run))
            for run, arm in zip(first, study.arms, strict=True)
        ]
        return cls(study.name, families, study.seed_list(), Legend.of_code(), study.columns)

    @cached_property
    def run_ids(self) -> list[str]:
        """The id of every run, in the order of the study."""
        return [
            family.run_id(strength, seed)
            for family in self.families
            for strength in family.strengths
            for seed in self.seeds
        ]

    @cached_property
    def by_configuration(self) -> dict[str, Family]:
        """Families by what all of their runs have in common."""
        return {json.dumps(family.configuration, sort_keys=True): family for family in self.families}

    def identified(self, configuration: str | None) -> Identified | None:
        """The run of a row's configuration; None if no arm of the study asks for it at any strength and seed."""
        try:
            found = parsed_json(configuration or "")
            strength, seed = found["strength"], found["seed"]
            family = self.by_configuration.get(json.dumps(without_place(found), sort_keys=True))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        if family is None or type(seed) is not int or not isinstance(strength, (int, float)):
            return None
        if not asks_for_scores(found["evaluation"]):
            return None
        return Identified(family.run_id(float(strength), seed), family, float(strength), seed)

    def as_json(self, study_file: bytes) -> str:
        """The register as text, bound to the study file that it is of."""
        arms = [
            {"configuration": f.configuration, "strengths": f.strengths, "code_width": f.code_width}
            for f in self.families
        ]
        head = {**edition(study_file), "name": self.study, "seeds": list(self.seeds)}
        return json.dumps({**head, "arms": arms, "legend": self.legend.as_json()}, indent=1)

    @classmethod
    def of_json(cls, content: bytes, study_file: bytes) -> Register | None:
        """What `as_json` made; None if it is of another study file or version of disbench, or damaged.

        Whoever wrote it could write the study file too: what both say must be the same, and make sense to readers.
        """
        try:
            document = parsed_json(content)
            if {key: document[key] for key in edition(study_file)} != edition(study_file):
                return None
            families = [
                Family(arm["configuration"], arm["strengths"], arm["code_width"]) for arm in document["arms"]
            ]
            if not all(is_width(family.code_width) for family in families):
                return None
            seeds = [int(seed) for seed in document["seeds"]]
            legend = Legend.of_json(document["legend"])
            asked = parsed_json(study_file)
            of_arms = zip(families, asked["arms"], strict=True)
            if not all(is_of(family.configuration, arm, legend) for family, arm in of_arms):
                return None
            known = set(legend.numbers())
            columns = [name for name in asked.get("columns", []) if name in known]
            strengths = [strength for family in families for strength in family.strengths]
            if len(strengths) * len(seeds) > MOST_RUNS or not all(map(math.isfinite, strengths)):
                return None
            return cls(str(document["name"]), families, seeds, legend, columns)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            return None


def width_of(run: Run) -> int | None:
    """The width of a run's codes, where its net or a data set at hand says it."""
    from ..run_model import code_width

    try:
        return code_width(run)
    except (OSError, ValueError, KeyError):
        return None


def is_width(width: object) -> bool:
    """Whether codes can be so wide, or nothing is known of it."""
    return width is None or (type(width) is int and 0 < width <= MOST_LATENTS)


def is_of(configuration: Mapping[str, Any], arm: Mapping[str, Any], legend: Legend) -> bool:
    """Whether a configuration is what an arm of a study file asks for, as far as both say it, in texts to be shown."""
    texts = [configuration[name] for name in ("data_set", "architecture", "objective", "condition")]
    shown = all(isinstance(text, str) and text.isprintable() for text in texts if text is not None)
    latents, options = configuration["latents"], configuration["options"]
    return (
        all(configuration[name] == arm[name] for name in OF_ARM)
        and shown
        and isinstance(options, dict)
        and all(isinstance(value, (str, int, float)) for value in options.values())
        and all(isinstance(configuration[name], dict | None) for name in ("correlation", "hold_out"))
        and configuration["objective"] in legend.objectives
        and type(latents) is int
        and 0 < latents <= MOST_LATENTS
    )


def edition(study_file: bytes) -> dict[str, Any]:
    """What a register must agree with, or else is worked out anew."""
    return {
        "disbench": version("disbench"),
        "recipe": runs.RECIPE,
        "study": hashlib.sha256(study_file).hexdigest(),
    }
