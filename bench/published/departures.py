"""In what models were made or scored otherwise than those behind a printed number: any of it is a reason."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from disbench.metrics import METRICS
from disbench.metrics.compute import PROTOCOL

from ..catalogue import OBJECTIVES
from ..likelihood import MARGINAL_LIKELIHOOD_SCORES
from ..run import LIKELIHOOD
from ..scales import shown
from ..task_catalogue import TASKS
from .numbers import ALL, OPTIONS, PaperProtocol, PublishedNumber

if TYPE_CHECKING:
    from ..study import Study

MAKERS: dict[str, str] = {
    **{score.column: LIKELIHOOD for score in MARGINAL_LIKELIHOOD_SCORES},
    **{score.column: name for name, task in TASKS.items() for score in task.scores},
    **{score.column: metric.name for metric in METRICS.values() for score in metric.scores},
}
"""Which metric, task or estimate makes a column; those that are not here come with every model."""

USUAL = {"precision": "float32", "correlation": None, "hold_out": None}
"""What a paper is taken to have done where nothing is said: nobody prints that nothing was held out."""

UNSET = "unset"
"""Of an option that is off where it is not named."""

IMAGES = ("samples", "test_samples")

LATER = ("steps", *IMAGES)
"""What does not matter to batches as they pass: neither later steps nor the images that are scored."""


def departures(study: Study, number: PublishedNumber, configuration: Mapping[str, Any]) -> list[str]:
    """Each key that a run has otherwise than the models behind a printed number, with both values."""
    wanted, ran = wanted_settings(study.protocol, number), settings_behind(number, configuration)
    found = [
        f"{key} {said(ran[key])} instead of {said(value)}"
        for key, value in wanted.items()
        if key in ran and ran[key] != value
    ]
    if number.strength is None and OBJECTIVES[number.objective].strength and not number.not_comparable:
        found.append("the source gives no strength")
    return found


def wanted_settings(protocol: PaperProtocol, number: PublishedNumber) -> dict[str, Any]:
    """How the models behind a number were made, by key: its own protocol over the study's, usual values below both."""
    known, objective, maker = number.protocol.over(protocol), number.objective, MAKERS.get(number.column)
    options = {**default_options(objective), **known.options.get(objective, {}), **number.options}
    found = {**USUAL, **known.settings(), **prefixed(objective, options)}
    if maker is not None:
        keywords = {**known.metric_options.get(maker, {}), **number.metric_options}
        # Of an estimate of log p(x) only what is said: the settings of one estimate change no other.
        defaults = {} if maker == LIKELIHOOD else default_keywords(maker)
        found |= prefixed(maker, {**defaults, **listed(keywords)})
    return found


def settings_behind(number: PublishedNumber, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys as a run has them, as far as they can change this number."""
    objective, evaluation = number.objective, configuration["evaluation"]
    maker = MAKERS.get(number.column)
    found = {**settings_of(configuration), **images_behind(number.column, evaluation)}
    found |= prefixed(objective, {**default_options(objective), **configuration["options"]})
    if number.during:
        return {key: value for key, value in found.items() if key not in LATER}
    if maker == LIKELIHOOD:  # its estimate draws images of its own
        found = {key: value for key, value in found.items() if key not in IMAGES}
    return {**found, **(prefixed(maker, keywords_of(maker, evaluation)) if maker is not None else {})}


def settings_of(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A run's own values of the keys of a protocol."""
    evaluation = configuration["evaluation"]
    told = set(PaperProtocol.model_fields) - {*IMAGES, *OPTIONS, "notes"}
    found = {key: configuration.get(key, USUAL.get(key)) for key in told}
    drawn = {key: evaluation[key] for key in IMAGES}
    return {**found, **drawn, **({"samples": ALL} if evaluation.get("whole") else {})}


def images_behind(column: str, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """How many images a column is computed from and tested on; of a whole data set that depends on what makes it."""
    drawn = {key: evaluation[key] for key in IMAGES}
    maker = MAKERS.get(column)
    if not evaluation.get("whole") or maker in TASKS:
        return drawn
    if maker is None or (maker in METRICS and METRICS[maker].whole):
        return dict.fromkeys(IMAGES, ALL)
    return dict(zip(drawn, PROTOCOL, strict=True))


def default_options(objective: str) -> dict[str, Any]:
    """Of an objective, as it is where a study says nothing."""
    options = OBJECTIVES[objective].options
    defaults = {name: takes[0] if isinstance(takes, tuple) else takes for name, takes in options.items()}
    return {name: UNSET if value is None else value for name, value in defaults.items()}


def default_keywords(maker: str) -> dict[str, Any]:
    """Of a metric or a task: those that change its number, with their defaults."""
    if maker in TASKS:
        return listed(TASKS[maker].options)
    parameters = inspect.signature(METRICS[maker].function).parameters.values()
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("train", "seed")]
    return listed({p.name: p.default for p in keywords if p.default is not p.empty})


def keywords_of(maker: str, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's evaluation gave to what makes a column."""
    if maker == LIKELIHOOD:
        return dict(evaluation.get(LIKELIHOOD) or {})
    return {**default_keywords(maker), **listed(evaluation["options"].get(maker, {}))}


def listed(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as JSON and TOML have them, where no tuple is."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in keywords.items()}


def prefixed(name: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords under the name of whose they are: `annealed_vae.gamma`."""
    return {f"{name}.{keyword}": value for keyword, value in keywords.items()}


def said(value: Any) -> str:
    """A value for people, numbers that are whole as such; `none` for nothing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "none" if value is None or value == [] else shown(value)


def stated(protocol: PaperProtocol) -> list[str]:
    """What a protocol says, a phrase a key."""
    found = protocol.settings()
    for tables in (protocol.options, protocol.metric_options):
        for name, options in tables.items():
            found |= prefixed(name, options)
    return [f"{key} {said(value)}" for key, value in found.items()]


def nowhere(study: Study, protocol: PaperProtocol) -> list[tuple[str, list[str], str]]:
    """What no arm of a study has as a protocol says: the key, the values that arms have, the one that is said."""
    arms = [run.configuration for run in study.first_runs({})]
    found = []
    for key, value in protocol.settings().items():
        found.append((key, [settings_of(arm)[key] for arm in arms], value))
    for objective, options in protocol.options.items():
        of_objective = [arm["options"] for arm in arms if arm["objective"] == objective]
        for name, value in options.items():
            found.append((f"{objective}.{name}", [arm.get(name, UNSET) for arm in of_objective], value))
    for maker, keywords in protocol.metric_options.items():
        given = [keywords_of(maker, arm["evaluation"]) for arm in arms]
        for name, value in listed(keywords).items():
            found.append((f"{maker}.{name}", [one.get(name) for one in given], value))
    return [
        (key, list(dict.fromkeys(map(said, has))), said(value))
        for key, has, value in found
        if has and value not in has
    ]


def otherwise(study: Study) -> list[str]:
    """The keys of the paper's protocol that no arm of the study has so, as of a smaller size."""
    return [
        f"{key} {' and '.join(has)} instead of {value}" for key, has, value in nowhere(study, study.protocol)
    ]
