"""Estimators against closed forms: known limits, identities to rounding, bounds in order; and the command."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from disbench.bench.cli import main
from disbench.bench.estimators.checks import (
    aligned_posteriors,
    as_markdown,
    attainable_total_correlation,
    decomposition_identities,
    discriminator_check,
    draw_discriminators,
    linear_vae_check,
    pairs_total_correlation,
    save,
    total_correlation,
)
from disbench.bench.estimators.checks.linear_vae import posterior_divergence
from disbench.bench.figures.style import look
from disbench.bench.objectives.factor_vae import DISCRIMINATOR
from disbench.metrics.likelihood import LinearVAE


def small(correlations, steps):
    """FactorVAE's discriminator with 32 units a layer, over a single pair."""
    return discriminator_check(
        correlations, steps, 0, units=32, learning_rate=3e-3, dimensions=2, batch_size=128, codes=4096
    )


@pytest.fixture(scope="module")
def discriminators():
    return small((0.0, 0.9), 250)


@pytest.fixture(scope="module")
def identities():
    return decomposition_identities((2, 3, 3, 2, 3), 0)


@pytest.fixture(scope="module")
def linear_vae():
    return linear_vae_check(
        0, rows=12, importance_samples=(1, 10, 100), draws=500, annealing_steps=(5, 40), chains=8
    )


# -- total correlation by a discriminator -------------------------------------------------------------------


def test_closed_form_is_that_of_a_gaussian():
    """-1/2 log det of the correlation matrix; at ten dimensions .24, 1.12 and 4.15, the analytic values in print."""
    matrix = np.kron(np.eye(5), [[1, 0.6], [0.6, 1]])
    assert pairs_total_correlation(0.6) == pytest.approx(-0.5 * np.linalg.slogdet(matrix)[1], abs=1e-12)
    assert [round(pairs_total_correlation(rho), 2) for rho in (0.3, 0.6, 0.9)] == [0.24, 1.12, 4.15]


def test_what_a_batch_leaves_to_be_learned():
    """Nothing of a single code, which is its own permutation; all of it without end; and in between by simulation."""
    assert attainable_total_correlation(0.9, 1) == 0
    assert attainable_total_correlation(0.9, 10**9) == pytest.approx(pairs_total_correlation(0.9), abs=1e-6)
    assert attainable_total_correlation(0.0, 64) == pytest.approx(0, abs=1e-12)
    limits = [attainable_total_correlation(0.9, size) for size in (8, 64, 512)]
    assert limits == sorted(limits)
    # Mean of log q - log((1 - 1/B) q q + q / B) over draws of one pair.
    covariance = np.array([[1, 0.9], [0.9, 1]])
    pairs = np.random.default_rng(0).multivariate_normal([0, 0], covariance, 200_000)
    own = -0.5 * np.einsum("ni,ij,nj->n", pairs, np.linalg.inv(covariance), pairs)
    own -= 0.5 * math.log(np.linalg.det(covariance))
    apart = -0.5 * (pairs**2).sum(axis=1)
    values = own - np.logaddexp(math.log(7 / 8) + apart, math.log(1 / 8) + own)
    error = values.std() / math.sqrt(len(values))
    assert attainable_total_correlation(0.9, 8, dimensions=2) == pytest.approx(values.mean(), abs=4 * error)


def test_permuted_codes_keep_a_pair_as_often_as_the_closed_form_says():
    """Both of a pair come from one of B codes with probability 1/B: on average one pair a batch."""
    kept = 0
    for step in range(500):
        order = total_correlation._order(0, "permute", step, 8, 2)
        assert torch.equal(order.sort(dim=0).values, torch.arange(8)[:, None].expand(8, 2))
        kept += int((order[:, 0] == order[:, 1]).sum())
    assert kept / 500 == pytest.approx(1, abs=0.15)  # deviation 1 a batch: three standard errors


def test_a_discriminator_finds_nothing_where_nothing_is_and_what_a_pair_shares(discriminators):
    """Of rho = 0 TC near 0; of rho = 0.9 what batches of 128 leave of 0.83 nats."""
    none, much = (check["points"] for check in discriminators)
    assert none[-1]["nats"] == pytest.approx(0, abs=0.02)
    limit = discriminators[1]["attainable_nats"]
    assert limit < discriminators[1]["analytic_nats"] == pytest.approx(0.8304, abs=1e-4)
    assert much[-1]["nats"] == pytest.approx(limit, abs=0.1)
    assert abs(much[-1]["error_nats"]) < 0.1
    assert 0 <= much[-1]["excess_loss_nats"] < much[0]["excess_loss_nats"]


def test_difference_and_excess_are_nothing_for_the_best_discriminator():
    """Learned ratios that are the best ones; logits that are always alike read 0 and miss by the ratio itself."""
    ratios = [torch.tensor([0.5, 1.0, 3.0]).double(), torch.tensor([-1.0, 0.2, -2.0]).double()]
    best = total_correlation._measured(ratios, ratios)
    assert best["nats"] == pytest.approx(1.5)
    assert (best["error_nats"], best["excess_loss_nats"]) == (0, 0)
    blind = total_correlation._measured([torch.zeros(3).double()] * 2, ratios)
    assert (blind["nats"], blind["error_nats"]) == (0, pytest.approx(-1.5))
    codes, permuted = (ratio.sigmoid() for ratio in ratios)
    least = -0.5 * (codes.log().mean() + (1 - permuted).log().mean())
    assert blind["excess_loss_nats"] == pytest.approx(math.log(2) - float(least))


def test_factor_vae_s_own_network_is_trained():
    """Two updates: the points say after which, and the seed decides."""
    first, again, other = (
        discriminator_check((0.5,), 2, seed, batch_size=8, codes=16)[0]["points"] for seed in (0, 0, 1)
    )
    assert [point["steps"] for point in first] == [1, 2]
    assert first == again
    assert first[0]["nats"] != other[0]["nats"]
    assert DISCRIMINATOR.options["helper_learning_rate"] == total_correlation.LEARNING_RATE


# -- identities of the decomposition ------------------------------------------------------------------------


def test_terms_add_up_for_every_estimator(identities):
    """I + TC + dimension-wise KL is the KL of the same codes, and each term the sum of its dimensions."""
    assert {(record["family"], record["estimator"]) for record in identities} == {
        (family, estimator)
        for family in ("aligned", "narrow", "wide")
        for estimator in ("mixture", "mss", "mws")
    }
    for record in identities:
        assert abs(record["sum_residual_nats"]) < 1e-9
        assert abs(record["dimensions_residual_nats"]) < 1e-9


def test_information_never_exceeds_its_bound(identities):
    """It is log N = log 108 of the mixture and of stratified sampling; weighted sampling may go up to log (M N)."""
    for record in identities:
        assert record["room_nats"] > -1e-9
        if record["estimator"] != "mws":
            assert record["bound_nats"] == pytest.approx(math.log(108))
    assert any(
        record["mutual_information_nats"] > math.log(108)
        for record in identities
        if record["estimator"] == "mws"
    )


def test_batches_of_all_rows_are_exact(identities):
    """Stratified sampling as it is, weighted sampling but for its constants."""
    residuals = [record["exact_residual_nats"] for record in identities if record["batch_size"] == 108]
    assert len(residuals) == 6
    assert max(residuals) < 1e-6


def test_a_latent_a_factor_has_no_total_correlation(identities):
    """q(z) is the product of its marginals; of turned latents it is not."""
    exact = {record["family"]: record for record in identities if record["estimator"] == "mixture"}
    assert exact["aligned"]["total_correlation_nats"] == pytest.approx(0, abs=1e-6)
    assert exact["narrow"]["total_correlation_nats"] > 0.5


def test_the_kl_is_its_closed_form_within_the_error_of_the_draw(identities):
    for record in identities:
        if record["estimator"] == "mixture":
            assert abs(record["closed_form_difference_nats"]) < 4 * record["closed_form_error_nats"]


def test_error_of_the_kl_by_hand():
    """Posterior N(m, s^2) of one row: log q - log p at m + s e is (s^2 - 1)/2 e^2 + m s e + ..., by simulation."""
    family = aligned_posteriors(0.3, (2, 2, 2, 2, 2))
    record = decomposition_identities((2, 2, 2, 2, 2), 0)[0]
    noise = np.random.default_rng(0).standard_normal((20_000, 5))
    values = 0.5 * ((family.mean[0] + 0.3 * noise) ** 2 - noise**2).sum(axis=1)
    assert record["closed_form_error_nats"] == pytest.approx(values.std() / math.sqrt(32), rel=0.03)


# -- a linear VAE -------------------------------------------------------------------------------------------


def test_exact_elbo_is_below_log_p_by_the_posterior_s_divergence():
    """Nothing where the posterior is diagonal; else as the ELBO written out says."""
    diagonal = LinearVAE.random(orthogonal=True)
    _, inputs = diagonal.simulate(4, seed=1)
    assert posterior_divergence(diagonal, inputs, diagonal.encode(inputs)[1]) == pytest.approx(0, abs=1e-12)
    model = LinearVAE.random(inputs=6, latents=3)
    _, inputs = model.simulate(4, seed=1)
    mean, logvar = model.encode(inputs)
    # E log p(x | z) of a Gaussian q, and the KL of q from N(0, I).
    missed = (inputs - mean @ model.weights.T).square().sum(dim=1)
    missed = missed + (model.weights.square() * logvar[0].exp()).sum()
    likelihood = -0.5 * missed / model.deviation**2 - 3 * math.log(2 * math.pi * model.deviation**2)
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(dim=1)
    gap = (model.log_marginal(inputs) - (likelihood - kl)).mean()
    assert posterior_divergence(model, inputs, logvar) == pytest.approx(float(gap), abs=1e-9)


def test_bounds_are_in_order(linear_vae):
    """ELBO < IWAE(10) < IWAE(100) < log p(x) up to its error; annealing on both sides of it."""
    found = {(line["estimator"], line["effort"]): line for line in linear_vae["estimates"]}
    elbo, ten, hundred = (found[key] for key in (("ELBO", 1), ("IWAE", 10), ("IWAE", 100)))
    assert elbo["nats"] < ten["nats"] < hundred["nats"]
    assert hundred["error_nats"] < 4 * hundred["sampling_error_nats"]
    assert abs(elbo["nats"] - linear_vae["elbo_nats"]) < 4 * elbo["sampling_error_nats"]
    assert linear_vae["elbo_nats"] < linear_vae["log_marginal_nats"]
    for line in linear_vae["estimates"]:
        beyond = line["error_nats"] if line["side"] == "below" else -line["error_nats"]
        assert beyond < 4 * line["sampling_error_nats"]
        assert line["nats"] - line["error_nats"] == pytest.approx(linear_vae["log_marginal_nats"])
    assert found["AIS from the prior", 5]["error_nats"] < found["AIS from the prior", 40]["error_nats"] < 0


# -- tables, figure, command --------------------------------------------------------------------------------


def test_tables_and_figure_have_every_number(discriminators, identities, linear_vae, tmp_path):
    document = {"discriminator": discriminators, "identities": identities, "linear_vae": linear_vae}
    text = as_markdown(document)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == len(discriminators) + len(identities) + len(linear_vae["estimates"]) + 3 * 2
    assert f"{discriminators[1]['points'][-1]['nats']:.3f} ± " in text
    assert f"Exact log p(x) {linear_vae['log_marginal_nats']:.4f} nats" in text
    with look():
        figure = draw_discriminators(discriminators)
    drawn = [line.get_ydata()[-1] for axes in figure.axes for line in axes.lines]
    for check in discriminators:
        assert {check["analytic_nats"], check["attainable_nats"], check["points"][-1]["nats"]} <= set(drawn)
    names = [path.name for path in save(document, tmp_path / "checks")]
    assert names == ["checks.json", "checks.md", "discriminator.png", "discriminator.pdf"]
    assert (
        json.loads((tmp_path / "checks" / "checks.json").read_text(), parse_constant=pytest.fail) == document
    )


def test_the_command_makes_the_checks_that_it_is_asked_for(tmp_path, capsys):
    assert main(["estimators", "--checks", "identities", "--json", "--out", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert set(document) == {"identities", "seed", "provenance"}
    assert {path.name for path in tmp_path.iterdir()} == {"checks.json", "checks.md"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps should be at least 1, got 0"),
        (["--units", "0"], "--units should be at least 1, got 0"),
        (["--learning-rate", "nan"], "--learning-rate should be above 0 and below 1, got nan"),
        (["--seed", "-1"], "--seed should be at least 0, got -1"),
        (["--correlations", "1"], "--correlations should be above -1 and below 1, got 1"),
    ],
)
def test_what_cannot_be_checked_is_one_line(arguments, message, capsys):
    assert main(["estimators", "--checks", *arguments]) == 2
    assert capsys.readouterr().err == f"disbench: error: {message}\n"
