"""Published numbers beside measured ones: cells by hand, verdicts at their borders, every format, every study."""

import csv
import io
import json
import math
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind_from_stats

from disbench.bench import BadInput, load_study
from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.cli import main
from disbench.bench.legend import Legend
from disbench.bench.published import TAGS, PublishedNumber
from disbench.bench.published.comparison import columns_of, compared, history_means
from disbench.bench.published.departures import departures
from disbench.bench.published.formats import FORMATS
from disbench.bench.published.verdict import measured, tolerance, verdict
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study, shipped_studies, study_document

T_2 = 4.302652729749464
"""Student's two-sided quantile at 95 % with 2 degrees of freedom, from printed tables: 4.3027."""

PAPERS = [name for name in shipped_studies() if study_document(name)[0].get("published")]
SCALED = [name for name in shipped_studies() if "scales" in study_document(name)[0]]


def number(**changes):
    """A published MIG of beta-VAE at 4 on dSprites."""
    about = {"column": "mig", "value": 0.5, "data_set": "dsprites", "objective": "beta_vae", "strength": 4.0}
    return PublishedNumber.model_validate({**about, "source": "table 1", "tag": "V", **changes})


def study(*published, **changes):
    """A study with beta-VAE and beta-TCVAE on dSprites and these published numbers."""
    document = {
        "name": "mine", "data_set": "dsprites", "steps": 10, "seeds": 3, "paper": "Somebody 2018",
        "arms": [
            {"objective": "beta_vae", "strengths": [1, 4]},
            {"objective": "beta_tcvae", "strengths": [4], "options": {"estimator": "mws"}},
            {"objective": "beta_tcvae", "strengths": [4], "options": {"estimator": "mss"}},
        ],
        "published": [one.model_dump(exclude_none=True) for one in published],
    }  # fmt: skip
    return parse_study({**document, **changes}, "mine.toml")


def rows_of(one, values, **changes):
    """Rows of a study's runs; `values` maps (objective, strength, estimator) to the MIG of each seed."""
    rows = []
    for run in one.runs():
        told = values.get((run.objective, run.strength, run.options.get("estimator")))
        if told is None or run.seed >= len(told):
            continue
        mig = told[run.seed]
        rows.append(
            {
                "run_id": run.run_id,
                "data_set": run.data_set,
                "condition": run.condition,
                "objective": run.objective,
                "strength": run.strength,
                "seed": run.seed,
                "status": "diverged" if mig is None else "done",
                "configuration": json.dumps(run.configuration),
                "mig": mig,
                **changes,
            }
        )
    return pd.DataFrame(rows, columns=[*columns_of(one)])


BETA_4 = ("beta_vae", 4.0, None)


def test_a_mean_its_spread_and_interval_by_hand():
    """0.4, 0.5, 0.6: mean 0.5, spread 0.1, half the interval 4.3027 * 0.1 / sqrt(3) = 0.2484."""
    found = measured(np.array([0.4, 0.5, 0.6]), "mean")
    assert found.value == pytest.approx(0.5)
    assert found.spread == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.5 - 0.24841, 0.5 + 0.24841), abs=1e-5)
    two = measured(np.array([0.4, 0.6]), "mean")
    assert two.spread == pytest.approx(0.02**0.5)
    assert math.isnan(two.low)
    assert math.isnan(measured(np.array([0.4]), "mean").spread)


def test_a_median_has_a_bootstrap_interval_that_repeats():
    """Between the extremes, around the median, the same each time."""
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.9])
    found, again = measured(values, "median"), measured(values, "median")
    assert found == again
    assert found.value == 0.3
    assert 0.1 <= found.low <= 0.3 <= found.high <= 0.9
    assert found.interval == "bootstrap over seeds"


@pytest.mark.parametrize("side", [-1, 1])
def test_one_published_run_agrees_within_the_prediction_interval(side):
    """Spread 0.1 over three seeds, one model printed: up to 4.3027 * 0.1 * sqrt(1 / 3 + 1) = 0.4968 apart."""
    values, border = np.array([0.4, 0.5, 0.6]), T_2 * 0.1 * math.sqrt(4 / 3)
    assert border == pytest.approx(0.4968, abs=1e-4)
    at = verdict(values, number(value=0.5 + side * border))
    beyond = verdict(values, number(value=0.5 + side * (border + 1e-6)))
    assert (at.status, beyond.status) == ("agrees", "differs")
    assert at.difference == pytest.approx(-side * border / 0.1)
    assert at.tolerance == pytest.approx(border)


def test_a_published_mean_of_many_leaves_less_room():
    """100 models instead of one: 4.3027 * 0.1 * sqrt(1 / 3 + 1 / 100) = 0.2521."""
    assert tolerance(0.1, 3, number(models=100)) == pytest.approx(0.2521, abs=1e-4)


def test_a_published_spread_makes_it_welchs_test():
    """At the tolerance scipy's test from the same means, spreads and counts gives p = 0.05."""
    allowed = tolerance(0.1, 3, number(spread=0.2, models=5))
    assert ttest_ind_from_stats(0, 0.1, 3, allowed, 0.2, 5, equal_var=False).pvalue == pytest.approx(0.05)
    # Without the number of models behind it a spread says nothing of the mean's error.
    assert tolerance(0.1, 3, number(spread=0.2)) == tolerance(0.1, 3, number())


def test_rounding_for_print_is_allowed_for():
    """0.30 may have been 0.304; three equal models agree with it then, and not without."""
    values = np.full(3, 0.304)
    assert verdict(values, number(value=0.3)).status == "differs"
    assert verdict(values, number(value=0.3, rounding=0.005)).status == "agrees"


def test_no_spread_at_all():
    """Three seeds with ten active units each: 10 agrees, 9 differs, infinitely many spreads away."""
    ten = np.full(3, 10.0)
    assert verdict(ten, number(value=10.0)) == ("agrees", 0.0, 0.0, ())
    other = verdict(ten, number(value=9.0))
    assert (other.status, other.difference) == ("differs", math.inf)


def test_medians_are_judged_as_medians():
    """Of 0.1, 0.2, 0.9 the median is 0.2; its error is sqrt(pi / 2) = 1.2533 that of the mean."""
    found = verdict(np.array([0.1, 0.2, 0.9]), number(value=0.2, statistic="median"))
    assert (found.status, found.difference) == ("agrees", 0.0)
    ratio = tolerance(0.1, 3, number(statistic="median")) / tolerance(0.1, 3, number())
    assert ratio == pytest.approx(1.2533, abs=1e-4)


@pytest.mark.parametrize(
    ("values", "changes", "departures", "reason"),
    [
        ([0.5, 0.5], {}, (), "2 of at least 3 seeds"),
        ([0.5], {}, (), "1 of at least 3 seeds"),
        ([0.4, 0.5, 0.6], {"tag": "M"}, (), "from memory, unverified"),
        ([0.4, 0.5, 0.6], {"not_comparable": "another MIG"}, (), "another MIG"),
        ([0.4, 0.5, 0.6], {}, ("steps 10 instead of 300,000",), "steps 10 instead of 300,000"),
    ],
)
def test_what_is_not_comparable(values, changes, departures, reason):
    """Few seeds, numbers from memory, other metrics, other protocols: the difference is shown, and not judged."""
    found = verdict(np.array(values), number(**changes), departures)
    assert found.status == "not comparable"
    assert any(reason in text for text in found.reasons)
    assert math.isnan(found.tolerance)
    assert math.isnan(found.difference) == (len(values) == 1)


def test_a_cell_by_hand():
    """Rows 0.4, 0.5, 0.6 beside 0.45 +- 0.02: mean 0.5, half a spread above it, agrees; every field."""
    one = study(number(value=0.45, spread=0.02, models=10, rounding=0.005))
    [cell] = compared(one, rows_of(one, {BETA_4: [0.4, 0.5, 0.6]}))
    assert (cell.models, cell.diverged, cell.strength, cell.statistic) == (3, 0, 4.0, "mean")
    assert (cell.measured, cell.spread) == pytest.approx((0.5, 0.1))
    assert cell.difference == pytest.approx(0.5)
    assert (cell.published, cell.published_spread, cell.published_models) == (0.45, 0.02, 10)
    assert (cell.tag, cell.source, cell.verdict, cell.reason) == ("V", "table 1", "agrees", "")


def test_a_cell_that_was_not_run_is_empty():
    """Another strength, another data set, another objective, a score that nobody has: nothing is filled in."""
    absent = [
        number(strength=2.0),
        number(data_set="shapes3d"),
        number(objective="dip_vae_i"),
        number(condition="shape"),
    ]
    one = study(*absent, number())
    cells = compared(one, rows_of(one, {BETA_4: [0.4, 0.5, 0.6]}))
    assert [cell.verdict for cell in cells] == ["", "", "", "", "agrees"]
    for cell in cells[:4]:
        assert (cell.models, cell.measured, cell.spread, cell.low, cell.difference) == (
            0,
            None,
            None,
            None,
            None,
        )
    [unscored] = compared(study(number()), rows_of(one, {BETA_4: [0.4, 0.5]}).drop(columns="mig"))
    assert (unscored.models, unscored.measured, unscored.verdict) == (0, None, "")
    [nothing] = compared(study(number()), rows_of(one, {}))
    assert nothing.measured is None


def test_diverged_models_enter_no_mean_and_are_counted():
    """0.4 and 0.6, and one that diverged: two seeds are too few."""
    one = study(number())
    [cell] = compared(one, rows_of(one, {BETA_4: [0.4, None, 0.6]}))
    assert (cell.models, cell.diverged, cell.measured) == (2, 1, pytest.approx(0.5))
    assert cell.verdict == "not comparable"


def test_a_source_without_a_strength_stands_beside_each_and_is_not_judged():
    """One line for beta = 1, one for beta = 4."""
    one = study(number(strength=None))
    cells = compared(one, rows_of(one, {("beta_vae", 1.0, None): [0.1, 0.2, 0.3], BETA_4: [0.4, 0.5, 0.6]}))
    assert [(cell.strength, cell.measured) for cell in cells] == [
        (1.0, pytest.approx(0.2)),
        (4.0, pytest.approx(0.5)),
    ]
    assert {cell.verdict for cell in cells} == {"not comparable"}
    assert {cell.reason for cell in cells} == {"the source gives no strength"}


def test_options_choose_the_arm():
    """A number of minibatch stratified sampling is not averaged with weighted sampling."""
    values = {("beta_tcvae", 4.0, "mws"): [0.1, 0.2, 0.3], ("beta_tcvae", 4.0, "mss"): [0.7, 0.8, 0.9]}
    one = study(number(objective="beta_tcvae", options={"estimator": "mss"}), number(objective="beta_tcvae"))
    cells = compared(one, rows_of(one, values))
    assert [cell.measured for cell in cells] == pytest.approx([0.8, 0.2, 0.8])


def test_another_protocol_is_said_key_by_key():
    """Every key of the paper's that the run has otherwise; a number's own protocol comes over the study's."""
    protocol = {"steps": 300_000, "batch_size": 64, "learning_rate": 1e-4, "samples": 5_000}
    one = study(number(), number(protocol={"steps": 10, "samples": 10_000}), protocol=protocol)
    far, near = compared(one, rows_of(one, {BETA_4: [0.4, 0.5, 0.6]}))
    assert far.reason == "steps 10 instead of 300,000; samples 10,000 instead of 5,000"
    assert (far.verdict, far.difference) == ("not comparable", pytest.approx(0.0))
    assert (near.verdict, near.reason) == ("agrees", "")


def test_scores_by_other_options_and_correlated_training_are_not_comparable():
    """Chen's MIG leaves shape out; training images with correlated factors are other data."""
    fewer_bins = {"evaluation": {"options": {"mig": {"bins": 10}}}}
    one = study(number(), number(metric_options={"bins": 10}), **fewer_bins)
    cells = compared(one, rows_of(one, {BETA_4: [0.4, 0.5, 0.6]}))
    assert [cell.reason for cell in cells] == ["mig.bins 10 instead of 20", ""]
    named = study(number(), evaluation={"options": {"mig": {"bins": 20}}})
    [cell] = compared(named, rows_of(named, {BETA_4: [0.4, 0.5, 0.6]}))
    assert cell.verdict == "agrees"  # a default by its name is the default
    correlated = study(number(), correlation={"factors": ["posX", "posY"], "sigma": 0.2})
    [cell] = compared(correlated, rows_of(correlated, {BETA_4: [0.4, 0.5, 0.6]}))
    assert cell.reason == "correlation factors = posX, posY, sigma = 0.2 instead of none"


@pytest.mark.parametrize(
    ("made", "said", "reason"),
    [
        (
            {"architecture": "burgess_conv"},
            {"architecture": "study_conv"},
            "architecture burgess_conv instead of",
        ),
        ({"latents": 4}, {"latents": 10}, "latents 4 instead of 10"),
        ({"steps": 20}, {"steps": 10}, "steps 20 instead of 10"),
        ({"batch_size": 32}, {"batch_size": 64}, "batch_size 32 instead of 64"),
        ({"learning_rate": 1e-3}, {"learning_rate": 1e-4}, "learning_rate 0.001 instead of 0.0001"),
        ({"precision": "bf16"}, {}, "precision bf16 instead of float32"),
        (
            {"hold_out": {"random": {"share": 0.5}}},
            {},
            "hold_out random = share = 0.5, seed = 0 instead of none",
        ),
        ({"evaluation": {"samples": 500}}, {"samples": 10_000}, "samples 500 instead of 10,000"),
        ({"evaluation": {"samples": 500}}, {"samples": "all"}, "samples 500 instead of all"),
        ({"evaluation": {"test_samples": 500}}, {"test_samples": 5_000}, "test_samples 500 instead of 5,000"),
        ({"evaluation": {"options": {"mig": {"bins": 9}}}}, {}, "mig.bins 9 instead of 20"),
        ({}, {"metric_options": {"mig": {"bins": 9}}}, "mig.bins 20 instead of 9"),
        ({}, {"options": {"beta_vae": {"warmup_steps": 9}}}, "beta_vae.warmup_steps unset instead of 9"),
    ],
)
def test_each_key_that_a_run_has_otherwise_is_a_reason(made, said, reason):
    """One at a time, said of the study or of the number alike; and none where the run has it as it is said."""
    values = {BETA_4: [0.4, 0.5, 0.6]}
    whole, own = study(number(), protocol=said, **made), study(number(protocol=said), **made)
    for one in (whole, own):
        [cell] = compared(one, rows_of(one, values))
        assert cell.verdict == "not comparable"
        assert cell.reason.startswith(reason)
        assert ";" not in cell.reason
    usual = study(number(protocol={"options": {"beta_tcvae": {"warmup_steps": 9}}, "precision": "float32"}))
    [cell] = compared(usual, rows_of(usual, values))
    assert cell.verdict == "agrees"  # options of another objective say nothing of this one


def test_options_of_an_objective_that_nobody_mentions_are_its_defaults():
    """A re-run with another gamma is another objective, whether or not a study file speaks of gamma."""
    arms = [{"objective": "annealed_vae", "strengths": [4], "options": {"gamma": 5, "capacity_steps": 10}}]
    one = study(number(objective="annealed_vae"), arms=arms)
    [cell] = compared(one, rows_of(one, {("annealed_vae", 4.0, None): [0.4, 0.5, 0.6]}))
    gamma = "annealed_vae.gamma 5 instead of 1,000"
    assert cell.reason == f"{gamma}; annealed_vae.capacity_steps 10 instead of 100,000"
    said = {"annealed_vae": {"gamma": 5, "capacity_steps": 10}}
    one = study(number(objective="annealed_vae"), arms=arms, protocol={"options": said})
    [cell] = compared(one, rows_of(one, {("annealed_vae", 4.0, None): [0.4, 0.5, 0.6]}))
    assert cell.verdict == "agrees"


def reasons_of(name, overrides, column, objective, **about):
    """Why the first printed number of a shipped study's column would not be judged by its runs, changed."""
    one = load_study(name, overrides)
    [printed, *_] = [n for n in one.published if (n.column, n.objective) == (column, objective)]
    runs = [run.configuration for run in one.first_runs() if run.objective == objective]
    [configuration, *_] = [r for r in runs if all(r[key] == value for key, value in about.items())]
    return departures(one, printed, json.loads(json.dumps(configuration)))


def test_shipped_studies_see_what_was_changed_of_them():
    """AnnealedVAE with another gamma in other numbers, an ELBO of a few images by another estimator: told."""
    changed = {"arms.2.options": {"gamma": 5, "capacity_steps": 10}, "precision": "bf16"}
    assert reasons_of("dubois2019", {}, "kl_nats", "annealed_vae") == []
    assert reasons_of("dubois2019", changed, "kl_nats", "annealed_vae") == [
        "precision bf16 instead of float32",
        "annealed_vae.gamma 5 instead of 100",
        "annealed_vae.capacity_steps 10 instead of 100,000",
    ]
    third = {"batch_size": 1_000}
    assert reasons_of("chen2018", {}, "elbo_nats", "beta_tcvae", **third) == []
    few = {"evaluation.whole": False, "evaluation.metrics": ["mig"], "evaluation.samples": 500}
    changed = {**few, "arms.2.options": {"estimator": "mss"}}
    assert reasons_of("chen2018", changed, "elbo_nats", "beta_tcvae", **third) == [
        "samples 500 instead of all",
        "beta_tcvae.estimator mss instead of mws",
        "beta_tcvae.adam_eps unset instead of 0.0001",
    ]


def test_of_a_whole_data_set_exact_scores_see_all_and_others_a_draw():
    """`mig` draws as many as the study's protocol does, and no more, also where every image is encoded."""
    arm = {"batch_size": 2_048}
    assert reasons_of("chen2018", {}, "mig_chen_exact", "beta_tcvae", **arm) == [
        "the source gives no strength"
    ]
    whole = study(
        number(protocol={"samples": "all"}), number(protocol={"samples": 10_000}), evaluation={"whole": True}
    )
    cells = compared(whole, rows_of(whole, {BETA_4: [0.4, 0.5, 0.6]}))
    assert [cell.reason for cell in cells] == ["samples 10,000 instead of all", ""]


def test_likelihoods_and_tasks_are_compared_by_what_is_said_of_them():
    """As many importance samples as the paper's; how many images another estimate took is none of its matter."""
    few = {"evaluation.likelihood.importance_samples": 100, "evaluation.samples": 20}
    assert reasons_of("burda2016", {}, "iwae_nats", "beta_vae") == []
    assert reasons_of("burda2016", few, "iwae_nats", "beta_vae") == [
        "likelihood.importance_samples 100 instead of 5,000"
    ]
    fewer = {"evaluation.options.label_error.images": 100}
    assert reasons_of("kingma2014", fewer, "label_error", "m2") == [
        "label_error.images 100 instead of 10,000"
    ]


def test_numbers_of_part_of_a_training_are_weighted_by_steps():
    """Points at steps 0, 9, 19, 29 stand for 1, 9, 10, 10 steps: the first ten have (100 * 1 + 10 * 9) / 10 = 19."""
    history = pd.DataFrame(
        {"run_id": ["a"] * 4 + ["short"], "step": [0, 9, 19, 29, 9], "kl_nats": [100.0, 10.0, 8.0, 6.0, 1.0]}
    )

    def during(first, end, every=1):
        means = history_means(history, number(column="kl_nats", during=[first, end], every=every))
        return means.to_dict()

    assert during(0, 10) == {"a": pytest.approx(19.0), "short": pytest.approx(1.0)}
    assert during(10, 30) == {"a": pytest.approx(7.0)}
    assert during(10, 40) == {}  # nobody trained so long
    # Steps 5 to 9 are of the second point, 10 and 11 of the third.
    assert during(5, 12)["a"] == pytest.approx((5 * 10 + 2 * 8) / 7)
    # A source that looked at steps 0, 10, 20: the first point is one of two, and then none.
    assert during(0, 20, every=10)["a"] == pytest.approx((100 + 8) / 2)
    assert during(10, 30, every=10)["a"] == pytest.approx((8 + 6) / 2)


def test_numbers_of_part_of_a_training_need_no_more_of_it():
    """A training stopped after the second epoch can be compared in the second epoch, and is empty in the third."""
    window = {"column": "kl_nats", "value": 6.0}
    one = study(
        number(**window, during=[5, 10]),
        number(**window, during=[10, 15]),
        protocol={"steps": 100, "samples": 50, "batch_size": 64},
    )
    rows = rows_of(one, {BETA_4: [0.0, 0.0, 0.0]})
    history = pd.DataFrame(
        [{"run_id": run, "step": 9, "kl_nats": 5.0 + seed} for seed, run in enumerate(rows["run_id"])]
    )
    second, third = compared(one, rows, history)
    assert (second.measured, second.verdict, second.during) == (pytest.approx(6.0), "agrees", "5 to 10")
    assert (third.measured, third.verdict) == (None, "")


@pytest.fixture
def mixed():
    """A study and cells of each kind: agrees, differs, not comparable, empty."""
    one = study(
        number(value=0.45, spread=0.02, models=10, rounding=0.005),
        number(value=-3.0),
        number(tag="M", source="from a talk, 50 % & more_"),
        number(strength=9.0),
        findings=[{"text": "Seeds matter | a lot.", "source": "abstract", "tag": "V2"}],
        differences=["Ours is higher by 0.05: 3 seeds of 20 steps."],
    )
    return one, compared(one, rows_of(one, {BETA_4: [0.4, 0.5, 0.6]}))


def test_markdown_says_all_of_it(mixed):
    """Means with spreads, tags, differences, verdicts; reasons and sources below; nothing where nothing was run."""
    text = FORMATS["md"](*mixed, Legend.of_code())
    assert text.startswith("Study mine, beside Somebody 2018")
    lines = [line for line in text.splitlines() if line.startswith("| β-VAE")]
    found = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    assert found[0][3:] == [
        "3", "0.500 ± 0.100", "0.252 to 0.748", "0.45 ± 0.02 [V, 10 models; 1]", "+0.5", "agrees within ±0.249",
    ]  # fmt: skip
    assert found[1][-1] == "differs, over ±0.497"
    assert found[2][-1] == "not comparable (1)"
    assert found[3][3:] == ["", "", "", "0.5 [V; 1]", "", ""]
    assert "1. the printed number is from memory, unverified" in text
    assert "2. from a talk, 50 % & more_" in text
    assert f"[M] {TAGS['M']}." in text
    assert "[D]" not in text
    assert "- Seeds matter | a lot. [V2; abstract]" in text
    assert text.endswith("as the study's file says:\n\n- Ours is higher by 0.05: 3 seeds of 20 steps.\n")
    assert "Ours is higher by 0.05" in " ".join(FORMATS["latex"](*mixed, Legend.of_code()).split())


def test_a_smaller_size_says_so_even_where_every_cell_is_empty():
    """A training of 100 steps has no fifth epoch to stand beside: the heading says why."""
    one = load_study("dubois2019", scale="smoke")
    cells = compared(one, rows_of(one, {}))
    assert not any(cell.verdict for cell in cells)
    first = FORMATS["md"](one, cells, Legend.of_code()).splitlines()[0]
    assert first.startswith("Study dubois2019, scale smoke, beside Dubois")
    assert first.endswith("No model here is as the paper's: steps 100 instead of 345,600")
    whole = load_study("dubois2019")
    assert "No model" not in FORMATS["md"](whole, cells, Legend.of_code())


def test_csv_and_json_keep_full_precision_and_empty_cells(mixed):
    """An empty field and null where there is nothing, so that a mean over the column cannot take it for 0."""
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"](*mixed, Legend.of_code()))))
    assert [line["verdict"] for line in lines] == ["agrees", "differs", "not comparable", ""]
    assert float(lines[0]["spread"]) == pytest.approx(0.1)
    assert (lines[3]["measured"], lines[3]["difference"]) == ("", "")
    document = json.loads(FORMATS["json"](*mixed, Legend.of_code()))
    assert [cell["measured"] for cell in document["cells"]] == [pytest.approx(0.5)] * 3 + [None]
    assert document["findings"][0]["tag"] == "V2"
    assert document["paper"] == "Somebody 2018"
    assert document["otherwise"] == []
    assert document["differences"] == ["Ours is higher by 0.05: 3 seeds of 20 steps."]


def test_how_far_apart_agreeing_numbers_may_be_is_told_and_who_diverged():
    """Three seeds and one printed run leave 5 spreads of room: -274 beside -200 agrees, and that says little."""
    one = study(number(column="mig", value=-200.0), number(strength=1.0))
    values = {BETA_4: [-259.0, -274.0, -289.0], ("beta_vae", 1.0, None): [None, None, None]}
    text = FORMATS["md"](one, compared(one, rows_of(one, values)), Legend.of_code())
    far, lost = [line for line in text.splitlines() if line.startswith("| β-VAE")]
    assert far.endswith("agrees within ±74.5 (few seeds) |")
    assert "(3 diverged)" in lost
    assert r"within $\pm74.5$" in " ".join(
        FORMATS["latex"](one, compared(one, rows_of(one, values)), Legend.of_code()).split()
    )


def test_a_setting_whose_seeds_all_diverged_is_not_passed_over():
    """Of a source without a strength: beside beta 4 stands the mean, beside beta 1 that three diverged."""
    one = study(number(strength=None))
    values = {BETA_4: [0.4, 0.5, 0.6], ("beta_vae", 1.0, None): [None, None, None]}
    cells = compared(one, rows_of(one, values))
    assert [(cell.strength, cell.models, cell.diverged) for cell in cells] == [(1.0, 0, 3), (4.0, 3, 0)]


def test_infinite_differences_are_null_in_json():
    """JSON knows no infinity."""
    one = study(number(value=0.9))
    cells = compared(one, rows_of(one, {BETA_4: [0.5, 0.5, 0.5]}))
    assert cells[0].difference == -math.inf
    assert json.loads(FORMATS["json"](one, cells, Legend.of_code()))["cells"][0]["difference"] is None


def test_latex_is_a_booktabs_table(mixed):
    """As many cells in each line as columns, signs as mathematics, nothing that LaTeX would obey."""
    text = FORMATS["latex"](*mixed, Legend.of_code())
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    lines = [line for line in body.splitlines() if r"\\" in line]
    assert {line.replace(r"\&", "").count("&") for line in lines} == {4}
    assert (
        r"$\beta$-VAE, $\beta$ = 4 & MIG $\uparrow$ & $0.500 \pm 0.100$ & $0.45 \pm 0.02$ & $+0.5$ \\*"
        in text
    )
    assert r"3 models &  & 0.252 to 0.748 & [V, 10 models; 1] & agrees" in text
    assert r"50 \% \& more\_" in text
    assert text.isascii()


def test_latex_prints_what_markdown_says(mixed):
    """Paper, rule, reasons, sources, tags and findings are text of the page, not comments of its source."""
    text = "\n".join(
        line for line in FORMATS["latex"](*mixed, Legend.of_code()).splitlines() if line[:1] != "%"
    )
    assert "Study mine, beside Somebody 2018" in text
    assert r"Measured: mean $\pm$ standard deviation over seeds." in text
    assert r"\item {}the printed number is from memory, unverified" in text
    assert f"[V2] {TAGS['V2']}." in text
    assert r"\item {}Seeds matter \textbar{} a lot. [V2; abstract]" in text


def test_a_table_of_a_smaller_size_is_not_taken_for_the_papers_where_it_is_cut_out():
    """Its own head says so, which is repeated on every page."""
    one = load_study("dubois2019", scale="smoke")
    text = FORMATS["latex"](one, compared(one, rows_of(one, {})), Legend.of_code())
    head = text.split(r"\begin{longtable}")[1].split(r"\endhead")[0]
    assert r"\textbf{dsprites, scale smoke: steps 100 instead of 345,600}" in head


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles_and_fits_plain_article(mixed, tmp_path):
    """With the packages that docs/published.md names, 10 pt: nothing is wider than the text or higher than the page."""
    small = load_study("dubois2019", scale="smoke")
    values = {"vae": -1234.5, "beta_vae": 0.02, "factor_vae": 20.0}
    rows = rows_of(
        small, {(run.objective, run.strength, None): [values.get(run.objective)] for run in small.runs()}
    )
    bodies = [FORMATS["latex"](*of, Legend.of_code()) for of in (mixed, (small, compared(small, rows)))]
    preamble = "\\documentclass{article}\n\\usepackage{booktabs,longtable}\n\\begin{document}\n"
    source = f"{preamble}{''.join(bodies)}\\end{{document}}\n"
    (tmp_path / "table.tex").write_text(source, encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "table.pdf").stat().st_size > 1000


@pytest.mark.parametrize("name", PAPERS)
def test_every_published_number_says_what_it_is_of(name):
    """Source and tag, an arm that it stands beside at the study's own size, and printed digits that it has."""
    one = load_study(name)
    assert one.paper
    arms = [(arm.data_set, arm.objective, arm.condition) for arm in one.arms]
    for printed in one.published:
        assert printed.source
        assert printed.tag in TAGS
        assert (printed.data_set, printed.objective, printed.condition) in arms, printed
        if printed.strength is not None:
            grids = [arm.grid() for arm in one.arms if arm.objective == printed.objective]
            assert any(printed.strength in grid for grid in grids), printed
        if OBJECTIVES[printed.objective].strength is None:
            assert printed.strength is None
        steps = {arm.steps for arm in one.arms if arm.objective == printed.objective}
        assert printed.during is None or printed.during[1] <= max(steps)


def test_numbers_from_memory_are_never_judged_by():
    """Whatever they are compared with: a study whose numbers are all from memory has no verdict but one."""
    one = load_study("kumar2018")
    assert {printed.tag for printed in one.published} == {"M"}
    for printed in one.published:
        assert verdict(np.array([0.1, 0.2, 0.3]), printed).status == "not comparable"


def test_one_table_is_treated_alike_wherever_it_is_quoted():
    """Every number of the quoted tables has one column, one source and one reason in each study that shows it."""
    told = {}
    for name in PAPERS:
        for printed in load_study(name).published:
            if printed.source.startswith("quoted table"):
                key = (printed.data_set, printed.column, printed.objective, printed.strength, printed.value)
                told.setdefault(key, set()).add(
                    (printed.source, printed.spread, printed.tag, printed.not_comparable)
                )
    assert {len(found) for found in told.values()} == {1}
    assert {reason for [(*_, reason)] in told.values() if not reason} == set()


def test_the_stored_logs_are_as_they_were_read():
    """The table of trajectories of published.md: first, second, fifth, tenth and last epoch."""
    found = {}
    for printed in load_study("dubois2019").published:
        if printed.during:
            found.setdefault((printed.objective, printed.during[0] // 11_520), []).append(printed.value)
    assert found["vae", 0] == [71.01, 33.67]
    assert found["beta_vae", 4] == [55.58, 14.75]
    assert found["annealed_vae", 1] == [180.13, 4.36]
    assert found["annealed_vae", 29] == [81.06, 25.0]
    assert found["factor_vae", 29] == [36.63, 21.74]
    assert found["beta_tcvae", 9] == [68.37, 11.93]


def test_locatello2019_asks_for_the_runs_of_unsupervised():
    """Two names of one grid: what was trained under either is the same model."""
    overrides = {"seeds": 1}
    ids = [
        {run.run_id for run in load_study(name, overrides).runs()}
        for name in ("locatello2019", "unsupervised")
    ]
    assert ids[0] == ids[1]


def test_published_beside_a_smoke_run(tmp_path, capsys):
    """The folder of a small size says what it is, cell by cell; a table without published numbers is refused."""
    small = ["--set", "steps=2", "--set", "strengths=[4]", "--set", "architecture=small_patch"]
    small += [
        "--set",
        'evaluation.metrics=["beta_vae_score"]',
        "--set",
        "evaluation.samples=200",
        "--set",
        "evaluation.test_samples=100",
        "--quiet",
    ]
    folder = str(tmp_path / "smoke")
    assert main(["sweep", "higgins2017", "--scale", "smoke", "--workers", "1", "--out", folder, *small]) == 0
    capsys.readouterr()
    assert main(["table", folder, "--published"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Study higgins2017, scale smoke, beside Higgins et al. 2017")
    assert "1 of at least 3 seeds" in text
    [at_4, at_1] = [line for line in text.splitlines() if line.startswith("| β-VAE")]
    assert "99" not in at_1
    assert "not comparable (1)" in at_4
    assert at_1.count("|  ") >= 4  # not run: empty
    assert main(["table", folder, "--published", "--scores", "mig"]) == 2
    assert "--scores goes without --published" in capsys.readouterr().err


def test_cells_of_a_folder_are_those_of_its_rows(fill, tmp_path, capsys):
    """From the files to JSON: means of rows, of history, with seeds as they are in the folder."""
    one = load_study("dubois2019")
    store = fill(tmp_path / "out", one, points=61)
    assert main(["table", str(store.folder), "--published", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["study"], document["scale"]) == ("dubois2019", "full")
    assert len(document["cells"]) == len(one.published)
    rows, history = store.rows(), store.history()
    of_public_copies = rows["configuration"].str.contains("mss_public_copies")
    rows = rows[
        (rows["objective"] != "beta_tcvae") | of_public_copies
    ]  # of the two, what was printed is of these
    for cell in document["cells"]:
        ids = rows.loc[rows["objective"] == cell["objective"], "run_id"]
        if cell["during"]:
            first, end = (int(step.replace(",", "")) for step in cell["during"].split(" to "))
            logged = np.arange(0, one.arms[0].steps, 50)
            logged = logged[(logged >= first) & (logged < end)]
            points = [history[history["run_id"] == run].sort_values("step") for run in ids]
            # Each logged step is of the first point that ends with it or later.
            at = np.searchsorted(points[0]["step"], logged)
            by_hand = pd.Series([p[cell["column"]].to_numpy()[at].mean() for p in points])
        else:
            by_hand = rows.set_index("run_id").loc[ids, cell["column"]]
        assert cell["models"] == len(by_hand) == 3
        assert cell["measured"] == pytest.approx(by_hand.mean())
        assert cell["spread"] == pytest.approx(by_hand.std(ddof=1))
    assert all(cell["verdict"] in ("agrees", "differs") for cell in document["cells"] if cell["during"])


def test_a_study_without_published_numbers_is_refused(tiny, tmp_path, capsys):
    """And told which have some."""
    folder = Store.claimed(tmp_path / "out", tiny).folder
    assert main(["table", str(folder), "--published"]) == 2
    error = capsys.readouterr().err
    assert "study tiny has no published numbers" in error
    assert "chen2018" in error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"column": "migg"}, "unknown column 'migg'; did you mean 'mig'?"),
        ({"column": "mutual_information"}, "unknown column 'mutual_information'"),
        ({"column": "mig", "during": [0, 5]}, "unknown column 'mig'"),
        ({"column": "kl_nats", "during": [5, 5]}, "during should be two steps, the earlier first"),
        ({"every": 50}, "every goes with during"),
        ({"objective": "betavae"}, "unknown objective 'betavae'"),
        ({"tag": "X"}, "published.0.tag"),
        ({"source": ""}, "published.0.source should"),
        ({"metric_options": {"bin": 9}}, "metric_options.mig: unknown keyword 'bin'; did you mean 'bins'?"),
        ({"column": "elbo_nats", "metric_options": {"a": 1}}, "metric_options: no metric makes elbo_nats"),
        ({"protocol": {"options": {"beta_vea": {}}}}, "protocol: options: unknown objective 'beta_vea'"),
        ({"protocol": {"options": {"beta_vae": {"gamma": 1}}}}, "beta_vae has no option 'gamma'"),
        ({"protocol": {"precision": "f32"}}, "protocol: unknown precision 'f32'"),
        ({"protocol": {"architecture": "conv"}}, "protocol: unknown architecture 'conv'"),
        ({"protocol": {"metric_options": {"migg": {}}}}, "protocol: metric_options: unknown metric 'migg'"),
        ({"protocol": {"samples": "every"}}, "published.0.protocol.samples"),
        ({"spread": 0.1, "models": 1}, "one model has no spread"),
        ({"colum": "mig"}, "unknown key 'published.0.colum'; did you mean 'column'?"),
    ],
)
def test_bad_published_numbers_get_one_clear_line(changes, words):
    """What, where, and what would be right."""
    printed = {**number().model_dump(exclude_none=True), **changes}
    with pytest.raises(BadInput, match=r"^mine.toml: ") as caught:
        study(published=[printed])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
