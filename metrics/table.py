"""Every metric: the arrays that it takes, the columns that it makes, and which direction is better, declared once."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from .arrays import Array, as_classes, as_factors, as_matrix, require_equal_rows, require_train_rows
from .beta_vae_score import beta_vae_score
from .condition_leakage import condition_leakage
from .dci import dci
from .dcimig import dcimig
from .explicitness import explicitness
from .factor_vae_score import factor_vae_score
from .gaussian_correlation import gaussian_total_correlation, gaussian_wasserstein_correlation
from .irs import irs
from .jemmig import jemmig
from .kl_decomposition import kl_decomposition
from .mig import mig
from .mig_sup import mig_sup
from .modularity import modularity
from .mutual_info_score import mutual_info_score
from .mutual_information import mutual_information_matrix
from .posterior_collapse import active_units
from .sap import sap, sap_continuous

Input: TypeAlias = Literal["codes", "factors", "mean", "logvar", "condition"]
Rows: TypeAlias = Literal["train", "split", "all"]


@dataclass(frozen=True)
class Score:
    """One result column."""

    column: str
    """Name, with the unit at its end where there is one."""
    direction: Literal["higher", "lower"] | None
    """Which is better, None if neither is in itself."""
    unit: str
    """`nats`, `units` of a count, or empty for shares."""
    meaning: str
    """One line."""
    kind: Literal["number", "list", "matrix"] = "number"
    """A list is [D], a matrix [D, K]."""
    field: str | None = None
    """The field of the function's result, None for the result itself."""


@dataclass(frozen=True)
class Metric:
    """One function and the columns that it fills."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Input, ...]
    """Arrays it takes, by the names of its arguments."""
    rows: Rows
    """Which rows it sees: those that train, all with `train` as an argument, or all."""
    scores: tuple[Score, ...]
    summary: str
    seeded: bool = False
    """Whether it takes a `seed`."""
    optional: tuple[Input, ...] = ()
    """Arrays it also takes where they are there."""


def _decomposition(suffix: str, how: str) -> tuple[Score, ...]:
    """The three terms of the KL divergence under one estimator."""
    return tuple(
        Score(f"{term}{suffix}_nats", None, "nats", f"{meaning}, {how}", field=f"{term}_nats")
        for term, meaning in (
            ("mutual_information", "I(x; z) under the posterior"),
            ("total_correlation", "dependence among the latents, KL(q(z) || prod q(z_j))"),
            ("dimensionwise_kl", "sum over latents of KL(q(z_j) || p(z_j))"),
        )
    )


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="mig",
            function=mig,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("mig", "higher", "", "mutual information gap, mean over factors"),),
            summary="how far each factor's best code is ahead of its second (Chen et al. 2018)",
        ),
        Metric(
            name="mig_sup",
            function=mig_sup,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("mig_sup", "higher", "", "gap between a code's two best factors, mean over codes"),),
            summary="how far each code's best factor is ahead of its second (Li et al. 2020)",
        ),
        Metric(
            name="dcimig",
            function=dcimig,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("dcimig", "higher", "", "gap of each factor's purest code, over the factors' entropy"),),
            summary="what the purest code of each factor knows of it alone (Sepliarskaia et al. 2019)",
        ),
        Metric(
            name="jemmig",
            function=jemmig,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("jemmig", "higher", "", "MIG less what the best code knows beside, normalised"),),
            summary="MIG that also asks a code to know nothing else (Do and Tran 2020)",
        ),
        Metric(
            name="mutual_information",
            function=mutual_information_matrix,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("mutual_information", None, "nats", "I(z_j; v_k), 20 bins a code", "matrix"),),
            summary="what each code knows of each factor",
        ),
        Metric(
            name="dci",
            function=dci,
            inputs=("codes", "factors"),
            rows="split",
            seeded=True,
            scores=(
                Score("dci_disentanglement", "higher", "", "each code serves one factor", field="disentanglement"),
                Score("dci_completeness", "higher", "", "each factor is served by one code", field="completeness"),
                Score(
                    "dci_informativeness", "higher", "", "test accuracy of boosted trees", field="informativeness"
                ),
                Score(
                    "dci_informativeness_train", "higher", "", "training accuracy", field="informativeness_train"
                ),
                Score("dci_importance", None, "", "importance of code j for factor k", "matrix", "importance"),
            ),
            summary="disentanglement, completeness, informativeness (Eastwood and Williams 2018)",
        ),
        Metric(
            name="sap",
            function=sap,
            inputs=("codes", "factors"),
            rows="split",
            scores=(Score("sap", "higher", "", "gap in test accuracy of one code's linear machine"),),
            summary="how far each factor's best code classifies ahead of its second (Kumar et al. 2018)",
        ),
        Metric(
            name="sap_continuous",
            function=sap_continuous,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("sap_continuous", "higher", "", "gap in squared correlation"),),
            summary="the same with factors as quantities (Kumar et al. 2018)",
        ),
        Metric(
            name="modularity",
            function=modularity,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("modularity", "higher", "", "each code knows of one factor, dead codes count 0"),),
            summary="what a code knows of other factors than its own (Ridgeway and Mozer 2018)",
        ),
        Metric(
            name="explicitness",
            function=explicitness,
            inputs=("codes", "factors"),
            rows="split",
            scores=(
                Score("explicitness", "higher", "", "ROC area of logistic regression, test rows", field="test"),
                Score("explicitness_train", "higher", "", "the same, training rows", field="train"),
            ),
            summary="how well all codes together tell a factor linearly (Ridgeway and Mozer 2018)",
        ),
        Metric(
            name="beta_vae_score",
            function=beta_vae_score,
            inputs=("codes", "factors"),
            rows="all",
            seeded=True,
            scores=(Score("beta_vae_score", "higher", "", "accuracy in telling the factor that pairs share"),),
            summary="a linear classifier of mean differences of codes (Higgins et al. 2017)",
        ),
        Metric(
            name="factor_vae_score",
            function=factor_vae_score,
            inputs=("codes", "factors"),
            rows="all",
            seeded=True,
            scores=(Score("factor_vae_score", "higher", "", "accuracy in telling a held factor by the stillest code"),),
            summary="a majority vote of the code that moves least (Kim and Mnih 2018)",
        ),
        Metric(
            name="irs",
            function=irs,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("irs", "higher", "", "1 - movement of a code while its factor is fixed"),),
            summary="how little other factors move a code (Suter et al. 2019)",
        ),
        Metric(
            name="gaussian_total_correlation",
            function=gaussian_total_correlation,
            inputs=("codes",),
            rows="train",
            scores=(Score("gaussian_total_correlation", None, "nats", "total correlation of N(0, cov of codes)"),),
            summary="dependence among codes, were they Gaussian (Locatello et al. 2019)",
        ),
        Metric(
            name="gaussian_wasserstein_correlation",
            function=gaussian_wasserstein_correlation,
            inputs=("codes",),
            rows="train",
            scores=(
                Score("gaussian_wasserstein_correlation", None, "", "squared W2 of N(0, C) and N(0, diag C)"),
            ),
            summary="distance from independent codes, were they Gaussian (Locatello et al. 2019)",
        ),
        Metric(
            name="gaussian_wasserstein_correlation_norm",
            function=partial(gaussian_wasserstein_correlation, normalised=True),
            inputs=("codes",),
            rows="train",
            scores=(
                Score("gaussian_wasserstein_correlation_norm", None, "", "the same over the total variance"),
            ),
            summary="the same with the codes' scale cancelled (Locatello et al. 2019)",
        ),
        Metric(
            name="mutual_info_score",
            function=mutual_info_score,
            inputs=("codes",),
            rows="train",
            scores=(Score("mutual_info_score", None, "nats", "I(z_i; z_j), 20 bins, mean over pairs of codes"),),
            summary="mutual information among codes (Locatello et al. 2019)",
        ),
        Metric(
            name="kl_decomposition",
            function=kl_decomposition,
            inputs=("mean", "logvar"),
            rows="all",
            seeded=True,
            scores=(
                Score("kl_nats", None, "nats", "E_x KL(q(z|x) || p(z)), by samples", field="kl_nats"),
                *_decomposition("", "q(z) as the mixture over all rows"),
                Score(
                    "kl_per_dimension_nats", None, "nats", "E_x KL(q(z_j|x) || p(z_j)), analytic", "list",
                    "kl_per_dimension_nats",
                ),
            ),
            summary="KL = I(x; z) + total correlation + dimension-wise KL (Chen et al. 2018)",
        ),
        Metric(
            name="kl_decomposition_mws",
            function=partial(kl_decomposition, estimator="mws"),
            inputs=("mean", "logvar"),
            rows="all",
            seeded=True,
            scores=_decomposition("_mws", "minibatch weighted sampling"),
            summary="the same as training estimates it, by minibatch weighted sampling",
        ),
        Metric(
            name="kl_decomposition_mss",
            function=partial(kl_decomposition, estimator="mss"),
            inputs=("mean", "logvar"),
            rows="all",
            seeded=True,
            scores=_decomposition("_mss", "minibatch stratified sampling"),
            summary="the same as training estimates it, by minibatch stratified sampling",
        ),
        Metric(
            name="active_units",
            function=active_units,
            inputs=("mean",),
            rows="all",
            scores=(Score("active_units", None, "units", "latents whose mean varies: Var_x(E[z_j|x]) > 0.01"),),
            summary="how many latents the model uses (Burda et al. 2016)",
        ),
        Metric(
            name="condition_leakage",
            function=condition_leakage,
            inputs=("codes", "condition"),
            optional=("mean", "logvar"),
            rows="split",
            seeded=True,
            scores=(
                Score("condition_leakage_nats", "lower", "nats", "I(z; y), held-out lower bound", field="joint_nats"),
                Score("condition_leakage_fraction", "lower", "", "the same over H(y)", field="joint_fraction"),
                Score(
                    "condition_leakage_max_code_nats", "lower", "nats", "largest I(z_j; y), less that of shuffles",
                    field="max_code_nats",
                ),
                Score(
                    "condition_leakage_per_code_nats", "lower", "nats", "I(z_j; y), less that of shuffles", "list",
                    "corrected_nats",
                ),
            ),
            summary="what codes of a conditional model know of the condition",
        ),
    )
}  # fmt: skip
"""Every metric by name. To add one: a file, a row here, a test."""


def compute(
    names: Iterable[str] | None = None,
    *,
    codes: Array | None = None,
    factors: Array | None = None,
    train: int | None = None,
    mean: Array | None = None,
    logvar: Array | None = None,
    condition: Array | None = None,
    seed: int = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Run metrics and return their columns: floats, and nested lists for lists and matrices.

    Args:
        names: keys of `METRICS`; all whose arrays are there when left out.
        codes: [N, D], usually posterior means.
        factors: [N, K], whole-number classes.
        train: the first `train` rows train classifiers and feed the study's sampled scores, the rest test;
            two thirds when left out.
        mean: [N, D], posterior means.
        logvar: [N, D], logarithms of posterior variances.
        condition: [N], the class that a conditional model was told.
        seed: of every metric that draws.
        options: further keywords of metrics, by name: `{"dci": {"rounds": 20}}`.

    Raises:
        ValueError: no arrays, an unknown metric or option, a named metric whose arrays are missing, or arrays that
            cannot be used.
    """
    arrays = _checked(codes=codes, factors=factors, mean=mean, logvar=logvar, condition=condition)
    rows = require_equal_rows(**arrays)
    train = require_train_rows(2 * rows // 3 if train is None else train, rows)
    options = options or {}
    for name, keywords in options.items():
        _require_options(name, keywords)
    columns: dict[str, Any] = {}
    for metric in _chosen(names, arrays):
        keywords = {"seed": seed} if metric.seeded else {}
        if metric.rows == "split":
            keywords["train"] = train
        seen = slice(train) if metric.rows == "train" else slice(None)
        taken = metric.inputs + tuple(name for name in metric.optional if name in arrays)
        inputs = {name: arrays[name][seen] for name in taken}
        result = metric.function(**inputs, **{**keywords, **options.get(metric.name, {})})
        for score in metric.scores:
            value = result if score.field is None else getattr(result, score.field)
            columns[score.column] = float(value) if score.kind == "number" else np.asarray(value).tolist()
    return columns


def _checked(**arrays: Array | None) -> dict[str, Any]:
    """The arrays that are there, each of the kind that its name promises; tensors stay on their device."""
    kinds: dict[str, Callable[..., Any]] = {"factors": as_factors, "condition": as_classes}
    given = {name: value for name, value in arrays.items() if value is not None}
    if not given:
        raise ValueError(f"no arrays to score; takes {', '.join(arrays)}")
    checked = {name: kinds.get(name, as_matrix)(value, name) for name, value in given.items()}
    on_device = {name: value for name, value in given.items() if getattr(value, "is_cuda", False)}
    return {**checked, **{name: value for name, value in on_device.items() if name in ("mean", "logvar")}}


def _chosen(names: Iterable[str] | None, arrays: Mapping[str, Any]) -> list[Metric]:
    """The metrics asked for, or all that the arrays allow."""
    if names is None:
        return [metric for metric in METRICS.values() if set(metric.inputs) <= set(arrays)]
    chosen = [_known(name) for name in names]
    for metric in chosen:
        missing = [array for array in metric.inputs if array not in arrays]
        if missing:
            raise ValueError(f"metric {metric.name!r} needs arrays that are not there: {', '.join(missing)}")
    return chosen


def _known(name: str) -> Metric:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}{_guess(name, METRICS)}; known: {', '.join(METRICS)}")
    return METRICS[name]


def _require_options(name: str, keywords: Mapping[str, Any]) -> None:
    """Refuse an option that the metric does not take, or that `compute` itself hands over."""
    metric = _known(name)
    ours = {*metric.inputs, *metric.optional, "train"}
    known = [keyword for keyword in inspect.signature(metric.function).parameters if keyword not in ours]
    for keyword in keywords:
        if keyword not in known:
            raise ValueError(
                f"metric {name!r} takes no option {keyword!r}{_guess(keyword, known)}; known: {', '.join(known)}"
            )


def _guess(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
