"""What a study may not ask for: names that are in no table, pairs that do not go together, runs asked for twice."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from disbench.datasets import Entry, entry
from disbench.metrics import METRICS, compute

from .bad_input import BadInput, unknown
from .catalogue import ARCHITECTURES, OBJECTIVES
from .history import COLUMNS as HISTORY_COLUMNS
from .likelihood import LikelihoodSettings
from .objectives.setting import Takes
from .precision import PRECISIONS
from .published import PaperProtocol, PublishedNumber
from .published.departures import MAKERS, default_keywords
from .run import LIKELIHOOD
from .study import Arm, Correlation, Evaluation, Study, resolved_options
from .task_catalogue import TASKS
from .training_part import KINDS, rule_of

MOST_MODELS = 1_000_000
"""Of a study."""

HISTORY_NUMBERS = ("elbo_nats", *HISTORY_COLUMNS)
"""What a published number of part of a training can stand beside."""

DATA_SETS_KEY = "data_sets"
"""Of a study file: every arm on each of them."""


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
    check_options(arm.objective, arm.options, where)
    if arm.precision not in PRECISIONS:
        raise unknown("precision", arm.precision, PRECISIONS, where=where)


def check_options(objective: str, options: Mapping[str, str | float], where: str) -> None:
    """Refuse options that an objective does not take, and values that they cannot have."""
    known = OBJECTIVES[objective].options
    for name, value in options.items():
        if name not in known:
            takes = ", ".join(known) or "none"
            raise BadInput(f"{where}: {objective} has no option {name!r}; it takes: {takes}")
        check_option(name, value, known[name], f"{where}: options")


def check_option(name: str, value: str | float, takes: Takes, where: str) -> None:
    """A word must be one of the choices, a number above zero, and whole where the default is."""
    if isinstance(takes, tuple):
        if value not in takes:
            raise unknown(name, str(value), takes, where=where)
    elif isinstance(takes, int) and not (isinstance(value, int | float) and value >= 1 and value % 1 == 0):
        raise BadInput(f"{where}.{name} should be a whole number from 1 (default {takes}), got {value!r}")
    elif isinstance(value, str) or not (0 < value < math.inf):
        default = "off" if takes is None else f"{takes:g}"
        raise BadInput(f"{where}.{name} should be a number above 0 (default {default}), got {value!r}")


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
    if number.every != 1 and not number.during:
        raise BadInput(f"{where}: every goes with during, the steps that it thins")
    if number.spread is not None and number.models == 1:
        raise BadInput(f"{where}: one model has no spread")
    check_protocol(number.protocol, f"{where}: protocol")
    if number.metric_options:
        if (maker := MAKERS.get(number.column)) is None:
            raise BadInput(f"{where}: metric_options: no metric makes {number.column}")
        check_keywords(maker, number.metric_options, where)


def check_protocol(protocol: PaperProtocol, where: str) -> None:
    """Refuse what no run could have: objectives, options, architectures and precisions that are in no table."""
    for objective, options in protocol.options.items():
        if objective not in OBJECTIVES:
            raise unknown("objective", objective, OBJECTIVES, where=f"{where}: options")
        check_options(objective, options, where)
    for maker, keywords in protocol.metric_options.items():
        if maker not in (known := {LIKELIHOOD, *MAKERS.values()}):
            raise unknown("metric", maker, sorted(known), where=f"{where}: metric_options")
        check_keywords(maker, keywords, where)
    if protocol.architecture is not None and protocol.architecture not in ARCHITECTURES:
        raise unknown("architecture", protocol.architecture, ARCHITECTURES, where=where)
    if protocol.precision is not None and protocol.precision not in PRECISIONS:
        raise unknown("precision", protocol.precision, PRECISIONS, where=where)


def check_keywords(maker: str, given: Mapping[str, Any], where: str) -> None:
    """Refuse keywords that what makes a column does not take."""
    takes = LikelihoodSettings.model_fields if maker == LIKELIHOOD else default_keywords(maker)
    for name in given:
        if name not in takes:
            raise unknown("keyword", name, takes, where=f"{where}: metric_options.{maker}")


def check_columns(columns: Sequence[str], where: str) -> None:
    """Refuse columns that no model can have."""
    from .legend import Legend

    for name in columns:
        if name not in (known := Legend.of_code().numbers()):
            raise unknown("column", name, known, where=where)


def check_planes(planes: Sequence[Sequence[str]], where: str) -> None:
    """Refuse pairs of columns that no model can have, of a column with itself, and pairs given twice."""
    for number, plane in enumerate(planes):
        check_columns(plane, f"{where}.{number}")
        if plane[0] == plane[1]:
            raise BadInput(f"{where}.{number}: two different columns make a plane, got {plane[0]!r} twice")
        if plane in planes[:number]:
            raise BadInput(f"{where}.{number}: {plane[0]} and {plane[1]} are a plane already")


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
