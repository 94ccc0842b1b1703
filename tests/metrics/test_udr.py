"""UDR on codes whose relation is known by construction, and against loops of scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso

from disbench.metrics import udr

ROWS = 600


def uncorrelated(latents: int, seed: int = 0) -> np.ndarray:
    """Codes of mean 0, variance 1 and no correlation at all, to the last digits."""
    normal = np.random.default_rng(seed).normal(size=(ROWS, latents))
    return np.linalg.qr(normal - normal.mean(axis=0))[0] * np.sqrt(ROWS)


def family(models: int = 4, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Codes of related models of 3, 4, 5, ... latents, of which some are passive, and their KL."""
    random = np.random.default_rng(seed)
    source = random.normal(size=(ROWS, 4))
    codes, kl = [], []
    for model in range(models):
        mixing = np.eye(4, 3 + model) + 0.5 * random.normal(size=(4, 3 + model))
        codes.append(
            source @ mixing * random.uniform(0.2, 3, 3 + model) + random.normal(size=(ROWS, 3 + model))
        )
        kl.append(np.where(random.random(3 + model) < 0.3, 0.001, 1.0))
        kl[-1][:2] = 1.0
    return codes, kl


def one_by_one(codes: list[np.ndarray], kl: list[np.ndarray], correlation: str, average: str) -> list[float]:
    """The definition, a pair and a latent at a time."""
    kept = [table[:, divergence > 0.01] for table, divergence in zip(codes, kl, strict=True)]
    standard = [(table - table.mean(axis=0)) / table.std(axis=0) for table in kept]
    scores = []
    for mine in range(len(kept)):
        pairs = []
        for other in range(len(kept)):
            if other == mine:
                continue
            relation = np.empty((kept[other].shape[1], kept[mine].shape[1]))
            for column in range(relation.shape[1]):
                target = standard[mine][:, column]
                if correlation == "lasso":
                    model = Lasso(alpha=0.1, tol=1e-12, max_iter=100_000).fit(standard[other], target)
                    relation[:, column] = np.abs(model.coef_)
                else:
                    relation[:, column] = [abs(spearmanr(row, target).statistic) for row in standard[other].T]
            parts = [
                [row.max() ** 2 / row.sum() if row.any() else 0.0 for row in side]
                for side in (relation, relation.T)
            ]
            pooled, halves = np.mean(parts[0] + parts[1]), np.mean([np.mean(part) for part in parts])
            pairs.append(pooled if average == "latents" else halves)
        scores.append(float(np.median(pairs)))
    return scores


@pytest.mark.parametrize("correlation", ["lasso", "spearman"])
@pytest.mark.parametrize("average", ["latents", "models"])
def test_is_the_definition(correlation, average):
    codes, kl = family()
    found = udr(codes, kl, correlation=correlation, average=average)
    assert_allclose(found, one_by_one(codes, kl, correlation, average), atol=1e-8)
    assert len(set(np.round(found, 3))) > 1


def test_the_same_latents_score_one_less_what_the_lasso_takes():
    """Permuted, flipped, scaled, shifted: standardising sees none of it. 1 - alpha, for r^2 / r is r."""
    codes = uncorrelated(4)
    models = [codes, codes[:, [2, 0, 3, 1]] * [1, -1, 1, -5] + 7, -0.01 * codes]
    kl = [np.ones(4)] * 3
    assert_allclose(udr(models, kl), 0.9)
    assert_allclose(udr(models, kl, penalty=0.3), 0.7)
    assert_allclose(udr(models, kl, penalty=0), 1)


def test_ranks_see_no_monotone_map():
    codes = uncorrelated(3)
    kl = [np.ones(3)] * 2
    bent = [codes, np.exp(codes[:, ::-1])]
    assert_allclose(udr(bent, kl, correlation="spearman"), udr([codes, codes], kl, correlation="spearman"))
    assert (udr(bent, kl) < 0.8).all()


def test_latents_turned_by_45_degrees_by_hand():
    """Each weight is cos 45 - 0.1 = w, each latent scores w^2 / (2 w)."""
    codes = uncorrelated(2)
    turned = codes @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    assert_allclose(udr([codes, turned], [np.ones(2)] * 2), (np.sqrt(0.5) - 0.1) / 2)


def test_two_of_three_latents_shared_by_hand():
    """Four latents of six have a partner, at 0.9; the lasso leaves nothing else."""
    basis = uncorrelated(4)
    assert_allclose(udr([basis[:, :3], basis[:, 1:]], [np.ones(3)] * 2), 4 * 0.9 / 6)


def test_unequal_numbers_of_latents_by_hand():
    """Of one latent and two, one is shared: (0.9 + 0.9 + 0) / 3, or the mean of 0.9 and (0.9 + 0) / 2."""
    codes = uncorrelated(2)
    pair, kl = [codes, codes[:, :1]], [np.ones(2), np.ones(1)]
    assert_allclose(udr(pair, kl), 0.6)
    assert_allclose(udr(pair, kl, average="models"), 0.675)


def test_unrelated_models_score_what_chance_gives():
    models = [np.random.default_rng(seed).normal(size=(ROWS, 4)) for seed in range(3)]
    kl = [np.ones(4)] * 3
    assert (udr(models, kl) < 0.01).all()
    assert (udr(models, kl, correlation="spearman") < 0.1).all()


def test_the_median_of_the_pairs_ranks():
    """Of three alike and a stranger the pairs are 0.9, 0.9, 0, and the stranger's 0; of two alike, 0.9 and 0."""
    basis = uncorrelated(6)
    codes, stranger = basis[:, :3], basis[:, 3:]
    kl = [np.ones(3)] * 4
    assert_allclose(udr([codes, codes, codes, stranger], kl), [0.9, 0.9, 0.9, 0], atol=1e-9)
    assert_allclose(udr([codes, codes, stranger], kl[:3]), [0.45, 0.45, 0], atol=1e-9)


@pytest.mark.parametrize("correlation", ["lasso", "spearman"])
def test_passive_latents_take_no_part(correlation):
    """Though standardising blows their faint copies of other latents up; just above the threshold they count."""
    codes = uncorrelated(3)
    faint = np.hstack([codes, 1e-4 * codes[:, :1], np.zeros((ROWS, 1))])
    alone = udr([codes, codes], [np.ones(3)] * 2, correlation=correlation)
    padded = udr([codes, faint], [np.ones(3), [1, 1, 1, 0.01, 0]], correlation=correlation)
    counted = udr([codes, faint], [np.ones(3), [1, 1, 1, 0.011, 0]], correlation=correlation)
    assert_allclose(padded, alone)
    assert (counted < alone).all()


def test_models_without_informative_latents_score_0():
    """And are no partner to the others."""
    codes = uncorrelated(2)
    assert udr([codes, codes], [np.ones(2), np.zeros(2)]).tolist() == [0, 0]
    assert_allclose(udr([codes, codes, codes], [np.ones(2), np.zeros(2), np.ones(2)]), [0.45, 0, 0.45])


def test_one_latent_that_all_share_is_enough_for_1():
    """Which is why the number of informative latents belongs beside the score."""
    codes = uncorrelated(1)
    assert_allclose(udr([codes, -codes], [[1.0], [1.0]], correlation="spearman"), 1)


def test_an_informative_latent_of_no_variance_is_told_by_nothing():
    codes = uncorrelated(2)
    still = np.hstack([codes, np.full((ROWS, 1), 3.0)])
    assert_allclose(udr([still, still], [np.ones(3)] * 2), 2 * 0.9 / 3)


def test_order_of_rows_models_and_latents():
    codes, kl = family()
    plain = udr(codes, kl)
    order = np.random.default_rng(1).permutation(ROWS)
    assert_allclose(udr([table[order] for table in codes], kl), plain)
    assert_allclose(udr(codes[::-1], kl[::-1]), plain[::-1], atol=1e-8)
    flipped = [table[:, ::-1] * -1 for table in codes]
    assert_allclose(udr(flipped, [divergence[::-1] for divergence in kl]), plain, atol=1e-8)


def test_tensors_are_taken():
    codes, kl = family(3)
    tensors = [torch.tensor(table) for table in codes], [torch.tensor(divergence) for divergence in kl]
    assert udr(*tensors).tolist() == udr(codes, kl).tolist()


TWO = [uncorrelated(2)] * 2, [np.ones(2)] * 2


@pytest.mark.parametrize(("codes", "kl", "keywords", "message"), [
    (TWO[0][:1], TWO[1][:1], {}, "expected one of each for two models or more, got 1 and 1"),
    (TWO[0], TWO[1][:1], {}, "got 2 and 1"),
    ([TWO[0][0], TWO[0][0][:9]], TWO[1], {}, r"codes\[1\]: expected the 600 rows of the first, got 9"),
    ([TWO[0][0], TWO[0][0] * np.nan], TWO[1], {}, r"codes\[1\]: every value must be finite"),
    (TWO[0], [np.ones(2), np.ones(3)], {}, r"kl\[1\]: expected one a latent, 2, got 3"),
    (TWO[0], [np.ones(2), [1, np.inf]], {}, r"kl\[1\]: every value must be finite"),
    (*TWO, {"correlation": "pearson"}, 'correlation: expected "lasso" or "spearman", got \'pearson\''),
    (*TWO, {"average": "mean"}, 'average: expected "latents" or "models", got \'mean\''),
    (*TWO, {"penalty": -0.1}, "penalty: expected a number >= 0, got -0.1"),
])  # fmt: skip
def test_what_is_wrong_is_named_in_one_line(codes, kl, keywords, message):
    with pytest.raises(ValueError, match=message) as raised:
        udr(codes, kl, **keywords)
    assert "\n" not in str(raised.value)
