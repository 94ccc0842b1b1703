"""Every metric by name: its function, the arrays it takes, the columns it makes, declared once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from .beta_vae_score import beta_vae_score
from .condition_leakage import condition_leakage
from .dci import dci
from .dci_es import dci_es
from .dcimig import dcimig
from .downstream import downstream
from .explicitness import explicitness
from .factor_vae_score import factor_vae_score
from .gaussian_correlation import gaussian_total_correlation, gaussian_wasserstein_correlation
from .infomec import infomec
from .information import ksg_information_matrix, mutual_information_matrix
from .irs import irs
from .jemmig import jemmig
from .kl_decomposition import kl_decomposition
from .med import med
from .mig import mig
from .mig_chen import mig_chen
from .mig_sup import mig_sup
from .modularity import modularity
from .mutual_info_score import mutual_info_score
from .posterior_collapse import active_units
from .rmig import rmig
from .sap import sap, sap_continuous
from .score import Metric, Score
from .z_min_variance import z_min_variance

FROM_0, UP_TO_1 = (0.0, math.inf), (-math.inf, 1.0)
"""What some scores can be."""


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
            name="mig_exact",
            function=mig,
            inputs=("codes", "factors"),
            rows="all",
            whole=True,
            scores=(Score("mig_exact", "higher", "", "the same over every image instead of a draw"),),
            summary="the mutual information gap of the whole data set: no sampling error",
        ),
        Metric(
            name="mig_chen",
            function=mig_chen,
            inputs=("mean", "logvar", "factors"),
            rows="all",
            seeded=True,
            scores=(Score("mig_chen", "higher", "", "gap of posterior samples over log |V|, densities for bins"),),
            summary="the mutual information gap as its authors compute it (Chen et al. 2018)",
        ),
        Metric(
            name="mig_chen_exact",
            function=mig_chen,
            inputs=("mean", "logvar", "factors"),
            rows="all",
            seeded=True,
            whole=True,
            scores=(Score("mig_chen_exact", "higher", "", "the same with the aggregate of every image"),),
            summary="their gap with the aggregate of the whole data set, as they have it; samples alone are drawn",
        ),
        Metric(
            name="rmig",
            function=rmig,
            inputs=("mean", "logvar", "factors"),
            rows="all",
            scores=(
                Score("rmig", "higher", "", "gap of posteriors in fixed bins, over H(v)", field="normalised"),
                Score("rmig_nats", "higher", "nats", "the same in nats", field="nats"),
            ),
            summary="the gap of posteriors in bins that the prior fixes (Do and Tran 2020)",
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
            name="mutual_information_ksg",
            function=ksg_information_matrix,
            inputs=("codes", "factors"),
            rows="train",
            scores=(
                Score("mutual_information_ksg", None, "nats", "I(z_j; v_k) by nearest neighbours", "matrix"),
            ),
            summary="what each code knows of each factor, without bins (Ross 2014)",
        ),
        Metric(
            name="med",
            function=med,
            inputs=("codes", "factors"),
            rows="train",
            scores=(Score("med", "higher", "", "1 - entropy of what each code knows of the factors"),),
            summary="DCI's disentanglement of the mutual information matrix (Cao et al. 2022)",
        ),
        Metric(
            name="infomec",
            function=infomec,
            inputs=("codes", "factors"),
            rows="train",
            scores=(
                Score("infom", "higher", "", "each active code knows of one factor", field="modularity"),
                Score(
                    "infoe", "higher", "", "share of H(v) that a linear classifier uses",
                    field="explicitness", values=UP_TO_1,
                ),
                Score("infoc", "higher", "", "each factor is known by one active code", field="compactness"),
            ),
            summary="modularity, explicitness, compactness in information (Hsu et al. 2023, codes by quartiles)",
        ),
        Metric(
            name="infomec_range",
            function=partial(infomec, convention="range"),
            inputs=("codes", "factors"),
            rows="train",
            scores=(
                Score("infom_range", "higher", "", "infom, codes active by their range", field="modularity"),
                Score(
                    "infoe_range", "higher", "", "infoe, codes active by their range",
                    field="explicitness", values=UP_TO_1,
                ),
                Score("infoc_range", "higher", "", "infoc, codes active by their range", field="compactness"),
            ),
            summary="the same with the first published rule of which codes are active (Hsu et al. 2023)",
        ),
        Metric(
            name="dci",
            function=dci,
            inputs=("codes", "factors"),
            rows="split",
            seeded=True,
            trees=True,
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
            name="dci_es",
            function=dci_es,
            inputs=("codes", "factors"),
            rows="split",
            seeded=True,
            trees=True,
            scores=(
                Score(
                    "dci_explicitness", "higher", "", "how simple a forest may be, -1 .. 1",
                    field="explicitness", values=(-1.0, 1.0),
                ),
                Score("dci_size", None, "", "factors over codes", field="size"),
            ),
            summary="the two that DCI-ES adds to DCI (Eastwood et al. 2023)",
        ),
        Metric(
            name="downstream",
            function=downstream,
            inputs=("codes", "factors"),
            rows="split",
            seeded=True,
            trees=True,
            scores=(
                *(
                    Score(
                        f"downstream_{model}_{size}", "higher", "", f"test accuracy of {name} from {size} labels",
                        field=f"{model}_{size}",
                    )
                    for model, name in (("logistic", "logistic regression"), ("trees", "boosted trees"))
                    for size in (10, 100, 1000, 10000)
                ),
                Score(
                    "downstream_logistic_efficiency", "higher", "", "accuracy from 100 labels over that from 10,000",
                    field="logistic_efficiency", values=FROM_0,
                ),
                Score(
                    "downstream_trees_efficiency", "higher", "", "the same of boosted trees",
                    field="trees_efficiency", values=FROM_0,
                ),
                Score(
                    "unfairness", "lower", "", "how far predictions of a factor move with another", field="unfairness"
                ),
            ),
            summary="what labels buy: accuracy from few and many, and fairness (Locatello et al. 2019)",
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
            name="z_min_variance",
            function=z_min_variance,
            inputs=("codes", "factors"),
            rows="all",
            seeded=True,
            scores=(Score("z_min_variance", "higher", "", "the FactorVAE vote, guessing moved to 0"),),
            summary="the FactorVAE score as a review of metrics has it (Carbonneau et al. 2022)",
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
            scores=(
                Score(
                    "gaussian_total_correlation", None, "nats", "total correlation of N(0, cov of codes)",
                    may_be_infinite=True, values=FROM_0,
                ),
            ),
            summary="dependence among codes, were they Gaussian (Locatello et al. 2019)",
        ),
        Metric(
            name="gaussian_wasserstein_correlation",
            function=gaussian_wasserstein_correlation,
            inputs=("codes",),
            rows="train",
            scores=(
                Score(
                    "gaussian_wasserstein_correlation", None, "", "squared W2 of N(0, C) and N(0, diag C)",
                    values=FROM_0,
                ),
            ),
            summary="distance from independent codes, were they Gaussian (Locatello et al. 2019)",
        ),
        Metric(
            name="gaussian_wasserstein_correlation_norm",
            function=partial(gaussian_wasserstein_correlation, normalised=True),
            inputs=("codes",),
            rows="train",
            scores=(
                Score(
                    "gaussian_wasserstein_correlation_norm", None, "", "the same over the total variance",
                    values=FROM_0,
                ),
            ),
            summary="the same with the codes' scale cancelled (Locatello et al. 2019)",
        ),
        Metric(
            name="mutual_info_score",
            function=mutual_info_score,
            inputs=("codes",),
            rows="train",
            scores=(
                Score(
                    "mutual_info_score", None, "nats", "I(z_i; z_j), 20 bins, mean over pairs of codes", values=FROM_0
                ),
            ),
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
            name="kl_decomposition_exact",
            function=kl_decomposition,
            inputs=("mean", "logvar"),
            rows="all",
            seeded=True,
            whole=True,
            scores=_decomposition("_exact", "q(z) as the mixture over the whole data set"),
            summary="KL = I(x; z) + total correlation + dimension-wise KL with the exact aggregate posterior",
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
