"""Missing pixels: masks, chains and importance sampling against exact conditionals, baselines by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from linear_vae import LinearVAE
from PIL import Image
from sklearn.impute import KNNImputer

from disbench.bench import BadInput, sweep
from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.cli import main
from disbench.bench.evaluation import evaluated_indices
from disbench.bench.generation import Which, chosen_models
from disbench.bench.imputation import (
    MASKS,
    METHODS,
    LatentModel,
    impute,
    imputed,
    independent_nats,
    knn_imputation,
    mean_imputation,
    missing_density,
    observed_pixels,
    rmse,
)
from disbench.bench.imputation.about import asked_about
from disbench.bench.imputation.chance import Chance
from disbench.bench.imputation.gibbs import Start, chain_rows, run_chains
from disbench.bench.imputation.importance import scoring_proposal, weigh
from disbench.bench.imputation.save import Given, Wanted, named
from disbench.bench.models import VAE
from disbench.bench.run_model import Conditioning
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study
from disbench.bench.task_catalogue import TASKS
from disbench.bench.tasks import Subject
from disbench.bench.tasks.imputation import chosen
from disbench.datasets import load

SEEN = torch.tensor([True, False, True, False, False])


# Masks


@pytest.mark.parametrize("kind", MASKS)
def test_masks_are_a_function_of_seed_and_image(kind):
    """Not of the batch; two images, and two seeds, differ (or, of a fixed half, do not)."""
    seeds, images = torch.tensor([0, 5]), torch.tensor([[3, 9, 4], [3, 4, 4]])
    seen = observed_pixels(kind, seeds, images, (3, 8, 6), 0.3)
    assert seen.shape == (2, 3, 1, 8, 6)
    assert seen.dtype == torch.bool
    alone = observed_pixels(kind, torch.tensor([5]), torch.tensor([[4]]), (3, 8, 6), 0.3)
    assert torch.equal(alone[0, 0], seen[1, 1])
    assert torch.equal(seen[1, 1], seen[1, 2])
    many = observed_pixels(kind, torch.tensor([0]), torch.arange(50)[None], (1, 8, 6), 0.3)[0]
    assert len(many.flatten(1).unique(dim=0)) == {"share": 50, "block": 19, "half": 4}.get(kind, 1)


def test_how_much_is_missing():
    """The share on average; a block of that share to rounding; exactly a half."""
    images = torch.arange(2_000)[None]
    share = ~observed_pixels("share", torch.tensor([0]), images, (1, 7, 9), 0.3)[0]
    assert share.float().mean() == pytest.approx(0.3, abs=0.005)
    assert share.float().mean(dim=0) == pytest.approx(torch.full((1, 7, 9), 0.3), abs=0.05)
    # A number serves two pixels: they are missing together as often as two that are independent.
    pairs = share.flatten(1)[:, :62].unflatten(1, (31, 2)).all(dim=2)
    assert pairs.float().mean() == pytest.approx(0.09, abs=0.005)
    block = ~observed_pixels("block", torch.tensor([0]), images, (1, 8, 8), 0.25)[0, :, 0]
    assert (block.sum(dim=(1, 2)) == 16).all()
    rows = block.any(dim=2).sum(dim=1)
    assert (rows == 4).all()
    first = block.any(dim=2).int().argmax(dim=1)
    assert set(first.tolist()) == {0, 1, 2, 3, 4}  # everywhere it fits, and nowhere else
    half = ~observed_pixels("half", torch.tensor([0]), images, (1, 8, 8))[0, :, 0]
    assert (half.sum(dim=(1, 2)) == 32).all()


def test_sides_by_hand():
    """Of an odd width the middle column is seen."""
    left = observed_pixels("left", torch.tensor([0]), torch.tensor([[0]]), (1, 2, 5))[0, 0, 0]
    assert left.int().tolist() == [[0, 0, 1, 1, 1]] * 2
    lower = observed_pixels("lower", torch.tensor([0]), torch.tensor([[0]]), (1, 3, 1))[0, 0, 0]
    assert lower.int().flatten().tolist() == [1, 1, 0]


# Chains


def statistics(x):
    """Mean [P] and covariance [P, P] over rows."""
    return x.mean(dim=0), torch.cov(x.T)


class Together:
    """Random numbers of many rows from one generator: `Chance` keeps one for each row, which takes thousands longer."""

    def __init__(self, rows):
        self.rows, self.generator = rows, torch.Generator().manual_seed(0)

    def normal(self, *shape):
        return torch.randn(self.rows, *shape, generator=self.generator, dtype=torch.float64)

    def uniform(self, *shape):
        return torch.rand(self.rows, *shape, generator=self.generator, dtype=torch.float64)


def run(model, x, *, steps, pseudo_steps, start=None, chance=None):
    """Chains of all rows, with a mask that is the same for all."""
    return run_chains(
        model, x, SEEN, torch.arange(len(x)), steps=steps, pseudo_steps=pseudo_steps,
        chance=chance or Together(len(x)), start=start,
    )  # fmt: skip


@pytest.fixture(scope="module")
def linear():
    return LinearVAE.drawn()


@pytest.fixture(scope="module")
def rows():
    """One image, 5,000 times: as many independent chains. Standard errors below are 0.014 deviations."""
    return torch.tensor([[0.9, 0.0, -1.2, 0.0, 0.0]], dtype=torch.float64).expand(5_000, 5)


def test_pseudo_gibbs_with_the_true_posterior_reaches_the_exact_conditional(linear, rows):
    """From an image of the prior: then it is Gibbs sampling (Rezende et al. 2014)."""
    found = run(linear.model(), rows, steps=20, pseudo_steps=20)
    mean, covariance = linear.missing(rows, SEEN)
    ours = statistics(found.x[:, ~SEEN])
    torch.testing.assert_close(ours[0], mean[0], rtol=0, atol=0.05)
    torch.testing.assert_close(ours[1], covariance, rtol=0, atol=0.08)
    assert torch.equal(found.x[:, SEEN], rows[:, SEEN])
    assert found.acceptance.isnan().all()
    # E[x | z] averaged has the same mean, and much less variance.
    torch.testing.assert_close(found.mean[:, ~SEEN].mean(dim=0), mean[0], rtol=0, atol=0.05)


def test_metropolis_with_the_true_posterior_accepts_everything(linear, rows):
    """The proposal is the conditional itself."""
    found = run(linear.model(), rows[:50], steps=10, pseudo_steps=1)
    assert (found.acceptance > 1 - 1e-9).all()


def test_metropolis_keeps_the_exact_conditional_whatever_the_encoder(linear, rows):
    """Begun in p(z, x_mis | x_obs), it stays there under an encoder that is off and wide; pseudo-Gibbs leaves it."""
    wrong = linear.model(shift=0.35, widened=1.3)
    start = Start(*linear.conditional(rows, SEEN))
    mean, covariance = linear.missing(rows, SEEN)
    kept = run(wrong, rows, steps=12, pseudo_steps=0, start=start)
    assert 0.3 < kept.acceptance.mean() < 0.95
    ours = statistics(kept.x[:, ~SEEN])
    torch.testing.assert_close(ours[0], mean[0], rtol=0, atol=0.05)
    torch.testing.assert_close(ours[1], covariance, rtol=0, atol=0.08)
    codes, exact = statistics(kept.codes), linear.posterior(rows, SEEN)
    torch.testing.assert_close(codes[0], exact[0][0], rtol=0, atol=0.05)
    torch.testing.assert_close(codes[1], exact[1], rtol=0, atol=0.06)
    left = statistics(run(wrong, rows, steps=12, pseudo_steps=12, start=start).x[:, ~SEEN])
    assert (left[0] - mean[0]).abs().max() > 0.3
    assert (left[1] - covariance).abs().max() > 0.12


def test_metropolis_reaches_it_from_the_prior(linear, rows):
    """After a quarter of pseudo-Gibbs."""
    wrong = linear.model(shift=0.35, widened=1.3)
    mean, _ = linear.missing(rows, SEEN)
    found = run(wrong, rows, steps=40, pseudo_steps=10)
    torch.testing.assert_close(found.x[:, ~SEEN].mean(dim=0), mean[0], rtol=0, atol=0.06)


def test_the_numbers_of_an_image_do_not_depend_on_the_others(linear, rows):
    """A generator a row."""
    few, more = (
        run(
            linear.model(0.2), rows[:count], steps=5, pseudo_steps=2,
            chance=Chance(0, "chain", chain_rows(count, 1), rows),
        )
        for count in (3, 7)
    )  # fmt: skip
    torch.testing.assert_close(more.x[:3], few.x)
    assert not torch.equal(more.x[0], more.x[1])


# Importance sampling


def exact_nats(linear, x, seen):
    """Log p(x_mis | x_obs) [N] in closed form."""
    mean, covariance = linear.missing(x, seen)
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(x[:, ~seen])


def test_weighted_means_are_those_of_the_exact_conditional(linear, rows):
    """Of a proposal that is off and wide; resampled codes have the conditional's mean and covariance."""
    wrong = linear.model(shift=0.35, widened=3.0)
    found = weigh(
        wrong, rows[:1], SEEN, torch.zeros(1, dtype=torch.int64), samples=20_000, draws=4_000, seed=0
    )
    mean, _ = linear.missing(rows[:1], SEEN)
    torch.testing.assert_close(found.mean[0, ~SEEN], mean[0], rtol=0, atol=0.03)
    W, (_, exact) = linear.W[~SEEN], linear.posterior(rows[:1], SEEN)
    drawn = statistics(found.draws[:, 0, ~SEEN])
    torch.testing.assert_close(drawn[0], mean[0], rtol=0, atol=0.05)
    torch.testing.assert_close(drawn[1], W @ exact @ W.T, rtol=0, atol=0.08)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_the_density_of_missing_pixels_against_the_exact_one(linear, shift):
    """Whatever the encoder; where nothing is missing it is 0."""
    _, x = linear.conditional(torch.zeros(6, 5, dtype=torch.float64), torch.zeros(5, dtype=torch.bool))
    model, places = linear.model(shift=shift), torch.arange(6)
    found = missing_density(model, x, SEEN, places, samples=20_000, seed=0)
    torch.testing.assert_close(found.nats, exact_nats(linear, x, SEEN), rtol=0, atol=0.05)
    whole = missing_density(model, x, torch.ones(5, dtype=torch.bool), places, samples=10, seed=0)
    torch.testing.assert_close(whole.nats, torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-9)


def test_the_mixture_is_a_density(linear):
    """It integrates to 1, with components weighed by how many codes are theirs (here 3, 2 and 2 of 7)."""
    line = torch.linspace(-12, 12, 4_001, dtype=torch.float64)
    model = LatentModel(
        lambda x, rows: (x.sum(dim=1, keepdim=True), x[:, :1] * 0 - 1.0), lambda codes, rows: codes
    )
    x = torch.tensor([[0.4, 1.1]], dtype=torch.float64)
    proposal = scoring_proposal(model, x, torch.tensor([[True, False]]), torch.zeros(1, dtype=torch.int64))
    assert proposal.mean.flatten().tolist() == pytest.approx([0.4, 1.5, 0.0])
    # As if the line's points were codes drawn: their number decides the shares, 1334, 1334, 1333 of 4001.
    total = proposal.log_density(line[None, :, None]).exp().sum() * (line[1] - line[0])
    assert total == pytest.approx(1, abs=1e-6)


class Logits(torch.nn.Module):
    """A decoder of one latent with fixed weights, tanh inside, and an encoder that knows nothing."""

    def __init__(self, encodes: bool) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(3)
        self.weight = torch.nn.Parameter(2 * torch.randn(6, 1, generator=chance))
        self.encodes = encodes

    def forward(self, x, condition):
        """Codes to logits, or images to mean and logvar."""
        if self.encodes:
            return torch.cat((x.flatten(1)[:, :1] - 0.5, torch.zeros(len(x), 1)), dim=1)
        return (2 * torch.tanh(x @ self.weight.T)).unflatten(1, (1, 2, 3))


def by_quadrature(model, x, seen):
    """E[x | x_obs] [6] and log p(x_mis | x_obs) of one black-and-white image, on a grid of the one latent."""
    z = torch.linspace(-8, 8, 4_001)[:, None]
    logits = model.decode(z, z[:, :0]).flatten(1).double()
    nats = torch.distributions.Bernoulli(logits=logits).log_prob(x.flatten().double())
    prior = -0.5 * z[:, 0].double() ** 2
    given = prior + nats[:, seen.flatten()].sum(dim=1)
    whole = prior + nats.sum(dim=1)
    return given.softmax(dim=0) @ logits.sigmoid(), whole.logsumexp(0) - given.logsumexp(0)


@pytest.mark.parametrize(("method", "steps"), [("metropolis", 400), ("importance", 20_000)])
def test_black_and_white_pixels_against_quadrature(method, steps):
    """One latent, six pixels: E[x | x_obs] by the grid."""
    model = VAE(Logits(encodes=True), Logits(encodes=False)).requires_grad_(False)
    x = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])[None, None]
    seen = torch.tensor([[True, False, True], [False, False, True]])
    exact, nats = by_quadrature(model, x, seen)
    found = imputed(model, x, seen, method=method, steps=steps, draws=40 if method == "metropolis" else 4)
    torch.testing.assert_close(found.mean[0, 0][~seen].double(), exact[~seen.flatten()], rtol=0, atol=0.03)
    density = missing_density(
        LatentModel.of(model, torch.zeros(1, 0)),
        x,
        seen,
        torch.zeros(1, dtype=torch.int64),
        samples=20_000,
        seed=0,
    )
    assert density.nats.item() == pytest.approx(nats.item(), abs=0.02)


# Baselines


def test_baselines_by_hand():
    """Three images of two pixels; the second pixel of a fourth is missing, whose first is near two of them."""
    training = torch.tensor([[0.0, 1.0], [0.2, 0.0], [1.0, 1.0]]).reshape(3, 1, 1, 2)
    x = torch.tensor([0.1, 0.7]).reshape(1, 1, 1, 2)
    seen = torch.tensor([[True, False]])
    mean, knn = mean_imputation(training, x, seen), knn_imputation(training, x, seen, neighbours=2)
    assert mean.means.flatten().tolist() == pytest.approx([0.1, 2 / 3])
    assert knn.means.flatten().tolist() == pytest.approx([0.1, 0.5])
    p = (2 + 0.5) / 4
    assert mean.chances.flatten()[1].item() == pytest.approx(p)
    q = (2 * 0.5 + p) / 3
    assert knn.chances.flatten()[1].item() == pytest.approx(q)
    assert rmse(mean.means, x, seen) == pytest.approx(0.7 - 2 / 3)
    expected = 0.7 * math.log(q) + 0.3 * math.log(1 - q)
    assert independent_nats(knn.chances, x, seen).tolist() == pytest.approx([expected])


def test_knn_is_scikit_learns():
    """On digits with half of the pixels missing, and all of one."""
    data = load("digits")
    training, x = data.images(torch.arange(200)), data.images(torch.arange(200, 210))
    seen = observed_pixels("share", torch.tensor([0]), torch.arange(10)[None], data.image_shape)[0].clone()
    seen[3] = False
    holes = torch.where(seen, x, torch.nan).flatten(1).numpy()
    expected = KNNImputer().fit(training.flatten(1).numpy()).transform(holes)
    assert np.allclose(knn_imputation(training, x, seen).means.flatten(1).numpy(), expected, atol=1e-6)


def test_the_error_is_of_missing_pixels_alone():
    x, seen = torch.zeros(2, 1, 1, 2), torch.tensor([[True, False]])
    filled = torch.tensor([[9.0, 0.3], [9.0, 0.4]]).reshape(2, 1, 1, 2)
    assert rmse(filled, x, seen) == pytest.approx(math.sqrt((0.09 + 0.16) / 2))


# What users call


@pytest.fixture(scope="module")
def store(swept) -> Store:
    return Store(swept[0])


def trained(store, objective):
    """Run and model of the first of an objective."""
    return store.model(chosen_models(store, Which(objective=objective)).iloc[0])


@pytest.mark.parametrize("method", METHODS)
def test_draws_keep_what_is_seen_and_never_look_at_what_is_not(store, method):
    """NaN, 0 and the truth under a missing pixel give the same; draws differ, and are the same when asked again."""
    images = load("digits").images(torch.arange(4))
    seen = observed_pixels("half", torch.tensor([0]), torch.arange(4)[None], (1, 8, 8))[0]
    found = trained(store, "beta_vae")
    draws = impute(found, images, seen, method=method, draws=3, steps=6)
    assert draws.shape == (3, 4, 1, 8, 8)
    assert torch.equal(draws[:, seen], images[seen].expand(3, -1))
    assert ((draws >= 0) & (draws <= 1)).all()
    assert not torch.equal(draws[0], draws[1])
    hidden = torch.where(seen, images, torch.nan)
    again = impute(found[1], hidden.numpy()[:, 0], seen.numpy()[:, 0], method=method, draws=3, steps=6)
    assert torch.equal(again, draws)
    assert not torch.equal(impute(found, images, seen, method=method, draws=3, steps=6, seed=1), draws)
    few = impute(found, images[:2], seen[:2], method=method, draws=3, steps=6)
    torch.testing.assert_close(few, draws[:, :2])


@pytest.mark.parametrize("method", METHODS)
def test_drawn_pixels_are_black_or_white(store, method):
    images, seen = load("digits").images(torch.arange(2)), torch.zeros(8, 8, dtype=torch.bool)
    drawn = impute(trained(store, "beta_vae"), images, seen, method=method, draws=2, steps=3, pixels="drawn")
    assert set(drawn.unique().tolist()) == {0.0, 1.0}


def test_conditional_models_are_told(store):
    """Another class makes other pixels."""
    found, images = trained(store, "cvae"), load("digits").images(torch.arange(2))
    seen = torch.ones(8, 8, dtype=torch.bool).tril()
    zero, one = (impute(found, images, seen, told=torch.eye(10)[[n, n]], draws=1, steps=3) for n in (0, 1))
    assert not torch.allclose(zero, one)


def test_a_conditional_model_that_is_not_told_says_so(store):
    with pytest.raises(BadInput, match="is told 10 numbers an image; told has 0"):
        impute(trained(store, "cvae"), IMAGES, ALL)


def test_codes_without_a_gaussian_posterior_are_refused(store, monkeypatch):
    """By name; and their cells of the task are empty."""
    run, model = trained(store, "beta_vae")
    monkeypatch.setitem(OBJECTIVES, "beta_vae", replace(OBJECTIVES["beta_vae"], codes="points"))
    with pytest.raises(BadInput, match="beta_vae 1 digits seed 0: its codes have no Gaussian posterior"):
        impute((run, model), IMAGES, ALL)
    assert not TASKS["imputation"].defined_for(run)


IMAGES = np.zeros((2, 8, 8), dtype=np.float32)
ALL = np.ones((8, 8), dtype=bool)


@pytest.mark.parametrize(
    ("images", "observed", "asked", "words"),
    [
        (IMAGES, ALL, {"method": "gibbs"}, "unknown method 'gibbs'; known: pseudo_gibbs"),
        (IMAGES, ALL, {"pixels": "mean"}, "unknown kind of pixels 'mean'; did you mean 'means'"),
        (IMAGES, ALL, {"draws": 0}, "draws must be a whole number from 1, got 0"),
        (IMAGES, ALL, {"steps": 2.5}, "steps must be a whole number from 1, got 2.5"),
        (IMAGES, ALL, {"seed": -1}, "seed must be in 0"),
        (IMAGES[0], ALL, {}, r"images must be \[N, C, H, W\] or \[N, H, W\], got \[8, 8\]"),
        (IMAGES + 2, ALL, {}, "images must be in 0 .. 1 where they are observed"),
        (IMAGES, ALL[:4], {}, "does not fit images"),
        (IMAGES, ALL * 0.5, {}, "observed must be True where a pixel is seen"),
        (IMAGES.astype(np.int64), ALL, {}, "images must be floating-point numbers"),
        (IMAGES, ALL, {"told": torch.eye(3)}, "told must have a row for each of the 2 images, got 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_imputed_is_said(store, images, observed, asked, words):
    with pytest.raises(BadInput, match=words):
        impute(trained(store, "beta_vae"), images, observed, **asked)


def test_the_command_writes_picture_arrays_and_numbers(swept, tmp_path, capsys):
    arguments = ["--objective", "beta_vae", "--strength", "4", "--missing", "block", "--share", "0.25"]
    asked = ["--draws", "2", "--steps", "4", "--count", "3", "--out", str(tmp_path)]
    assert main(["impute", str(swept[0]), *arguments, *asked]) == 0
    path, error, nats = capsys.readouterr().out.splitlines()
    assert path == str(tmp_path / "beta_vae_4_digits_seed0_block_0.25_metropolis.png")
    assert error.startswith("  RMSE: model 0.")
    assert nats.startswith("  log p(missing | seen), nats an image: model -")
    (stem,) = tmp_path.glob("*.npz")
    arrays, numbers = np.load(stem), json.loads(stem.with_suffix(".json").read_text())
    assert arrays["draws"].shape == (2, 3, 1, 8, 8)
    assert numbers["missing_share"] == 0.25
    assert set(numbers["rmse"]) == {"model", "mean", "knn"}
    missing = ~arrays["observed"]
    again = np.sqrt(((arrays["mean"] - arrays["images"])[missing] ** 2).mean())
    assert numbers["rmse"]["model"] == pytest.approx(again, rel=1e-5)
    # Rows are images; columns the image, what is seen, two draws, their mean, nearest neighbours.
    with Image.open(stem.with_suffix(".png")) as picture:
        assert picture.size == (6 * 34 - 2, 3 * 34 - 2)


def test_images_of_ones_own(swept, tmp_path, capsys):
    """NaN is missing, and no error can be told; with `observed`, what stands under it is the truth.

    Neighbours are the same: the baselines learn from none of the images, though only half of each is known.
    """
    images = load("digits").images(torch.arange(40)).numpy()
    seen = np.ones(images.shape, dtype=bool)
    seen[..., 4:] = False
    np.savez(tmp_path / "holes.npz", images=np.where(seen, images, np.nan))
    np.savez(tmp_path / "known.npz", images=images, observed=seen)
    np.savez(tmp_path / "bytes.npz", images=(255 * images).round().astype(np.uint8), observed=seen)
    numbers, filled = {}, {}
    for name in ("holes", "known", "bytes"):
        asked = ["--objective", "beta_vae", "--strength", "1", "--steps", "2", "--out", str(tmp_path / "out")]
        assert main(["impute", str(swept[0]), "--images", str(tmp_path / f"{name}.npz"), *asked]) == 0
        (path,) = (tmp_path / "out").glob(f"*_file_{name}_own_metropolis.json")
        numbers[name] = json.loads(path.read_text())
        filled[name] = np.load(path.with_suffix(".npz"))["knn_imputation"]
    assert numbers["holes"]["rmse"] is None
    assert numbers["known"]["rmse"]["knn"] > 0
    assert "RMSE" in capsys.readouterr().out
    assert len({found["training_images"] for found in numbers.values()}) == 1
    assert np.array_equal(filled["holes"], filled["known"])
    assert numbers["bytes"]["rmse"]["knn"] == pytest.approx(numbers["known"]["rmse"]["knn"], abs=0.01)


def test_training_images_that_are_asked_about_by_hand():
    """What is known of an image tells which it is, if no more than five training images are alike in it."""
    training = torch.tensor([[0.0, 0.2], [0.5, 0.2], [0.5, 0.9], *[[1.0, n / 10] for n in range(6)]])
    training = training.reshape(9, 1, 1, 2)

    def found(image, known):
        x, told = torch.tensor(image).reshape(1, 1, 1, 2), torch.tensor(known).reshape(1, 1, 1, 2)
        return asked_about(training, x, told).nonzero()[:, 0].tolist()

    assert found([0.5, 0.2], [True, True]) == [1]
    assert found([0.5 + 1 / 510, 0.2], [True, True]) == [1]  # as bytes have it
    assert found([0.5, 0.0], [True, False]) == [1, 2]
    assert found([1.0, 0.3], [True, True]) == [6]
    assert found([1.0, 0.0], [True, False]) == []  # six are like that
    assert found([0.0, 0.0], [False, False]) == []


def test_names_say_what_was_asked():
    """So that one answer is not written over another."""
    given = Given(torch.zeros(2, 1, 8, 8), None, None, "my file")
    own = replace(given, observed=torch.ones(2, 1, 8, 8, dtype=torch.bool))
    wanted = Wanted()
    assert named(wanted, None) == "half_metropolis"
    assert named(replace(wanted, missing="share", share=0.3), None) == "share_0.3_metropolis"
    assert named(replace(wanted, missing="share"), None) == "share_metropolis"
    assert named(replace(wanted, share=0.3), None) == "half_metropolis"  # does not look at it
    assert named(replace(wanted, seed=2, condition="digit=3"), None) == "half_metropolis_digit-3_draw2"
    assert named(wanted, given) == "file_my-file_half_metropolis"
    assert named(replace(wanted, share=0.3, seed=1), own) == "file_my-file_own_metropolis_draw1"


MIXED = {
    "name": "mixed", "data_set": "digits", "architecture": "small_patch", "latents": 3, "steps": 2, "batch_size": 4,
    "learning_rate": 1e-3,
    "evaluation": {
        "samples": 20, "test_samples": 10, "metrics": ["active_units"],
        "options": {"caption_reading": {"captions": 2, "reader_steps": 1}},
    },
    "arms": [
        {"objective": "beta_vae", "data_set": "dsprites", "strengths": [1]},
        {"objective": "beta_vae", "strengths": [1]},
        {"objective": "cvae", "condition": "digit", "strengths": [1]},
        {"objective": "captioned_vae", "architecture": "captioned_patch", "strengths": [1]},
    ],
}  # fmt: skip


def test_models_that_a_file_does_not_fit_are_passed_over(tmp_path, capsys):
    """With a line each, where another fits; where none does, the command is refused and nothing is written."""
    folder, out = tmp_path / "mixed", tmp_path / "out"
    sweep(parse_study(MIXED, "mixed.toml"), out=folder, device="cpu")
    np.savez(tmp_path / "plain.npz", images=IMAGES)
    np.savez(tmp_path / "told.npz", images=IMAGES, condition=np.array([3, 4]))
    np.savez(tmp_path / "odd.npz", images=np.zeros((2, 5, 5)))
    capsys.readouterr()

    def asked(name):
        given = ["--images", str(tmp_path / f"{name}.npz"), "--steps", "1", "--draws", "1", "--out", str(out)]
        status = main(["impute", str(folder), *given])
        return status, capsys.readouterr().err.splitlines(), {path.stem for path in out.glob("*.png")}

    status, notes, written = asked("plain")
    assert status == 0
    assert notes == [
        "passed over: beta_vae 1 dsprites seed 0: takes images [1, 64, 64], the file has [1, 8, 8]",
        "passed over: cvae 1 digits given digit seed 0: is told the digit; the file needs an array 'condition' [N], "
        "or say --condition",
        "passed over: captioned_vae 1 digits seed 0: is told more than a class, which a file of images cannot say",
    ]
    assert written == {"beta_vae_1_digits_seed0_file_plain_half_metropolis"}
    status, notes, more = asked("told")
    assert (status, len(notes)) == (0, 2)
    assert more - written == {
        "beta_vae_1_digits_seed0_file_told_half_metropolis",
        "cvae_1_digits_digit_seed0_file_told_half_metropolis",
    }
    status, (line,), same = asked("odd")
    assert (status, same) == (2, more)
    assert line.endswith(
        "takes images [1, 64, 64], the file has [1, 5, 5]; nor can the other 3 models be asked"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--missing", "blocks"], "unknown way of missing 'blocks'; did you mean 'block'?"),
        (["--share", "1"], "the share of missing pixels must be above 0 and below 1, got 1"),
        (["--count", "0"], "count must be 1 to 1000, got 0"),
        (["--draw", "-1"], "--draw must be at least 0"),
        (["--images", "none.npz"], "none.npz does not exist"),
        (["--method", "knn"], "unknown method 'knn'"),
    ],
)
def test_what_the_command_cannot_do_is_said_in_a_line(swept, tmp_path, capsys, options, words):
    assert main(["impute", str(swept[0]), "--out", str(tmp_path), *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"codes": np.zeros(3)}, "has no array 'images'; it has: codes"),
        ({"images": np.zeros((2, 4, 4))}, r"takes images [1, 8, 8], the file has [1, 4, 4]"),
        ({"images": np.full((2, 8, 8), 3.0)}, "images must be in 0 .. 1"),
        ({"images": IMAGES, "condition": np.zeros(3)}, "condition: expected shape [2], got [3]"),
        ({"images": IMAGES, "condition": np.array([0, np.nan])}, "condition must be whole numbers"),
        ({"images": np.full((2, 8, 8), "a")}, "images must be an array of real numbers, got <U1"),
        ({"images": IMAGES + 1j}, "images must be an array of real numbers, got complex64"),
    ],
)
def test_files_that_hold_no_such_images(swept, tmp_path, capsys, arrays, words):
    np.savez(tmp_path / "mine.npz", **arrays)
    asked = ["--images", str(tmp_path / "mine.npz"), "--objective", "beta_vae", "--out", str(tmp_path)]
    assert main(["impute", str(swept[0]), *asked]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_the_tasks_columns_are_those_it_declares():
    task = TASKS["imputation"]
    columns = [score.column for score in task.scores]
    assert len(set(columns)) == len(columns) == 30
    assert {f"imputation_rmse_{name}_block" for name in (*METHODS, "mean", "knn")} <= set(columns)


def subject(store):
    """What the task sees of a trained model: every digit is evaluated, two thirds of them train."""
    data = load("digits")
    run, model = trained(store, "beta_vae")
    run = replace(run, evaluation=replace(run.evaluation, samples=1_500, test_samples=500))
    indices, train = evaluated_indices(run, len(data))
    told = Conditioning.of(run).evaluation(data)
    return Subject(
        run, model, data, told, indices, data.factors(indices), torch.zeros(len(indices), 3), train
    )


def test_the_task_is_what_its_parts_are(store):
    """Error and likelihood of the images that it chose, by the functions above."""
    one = subject(store)
    options = {
        **TASKS["imputation"].options, "images": 5, "training_images": 60, "draws": 2, "steps": 4,
        "importance_samples": 30, "masks": ["block"], "methods": ["metropolis"],
    }  # fmt: skip
    found = TASKS["imputation"].measure(one, **options)
    who = chosen(one.run.seed, one.indices, one.train, 5, 60)
    asked, x = one.indices[who.asked], one.data.images(one.indices[who.asked])
    seen = observed_pixels("block", torch.tensor([one.run.seed]), asked[None], (1, 8, 8), 0.5)[0]
    mean = imputed(one.model, x, seen, method="metropolis", draws=2, steps=4, seed=one.run.seed).mean
    assert found["imputation_rmse_metropolis_block"] == pytest.approx(rmse(mean, x, seen))
    training = one.data.images(one.indices[who.training])
    assert found["imputation_rmse_knn_block"] == pytest.approx(
        rmse(knn_imputation(training, x, seen).means, x, seen)
    )
    assert set(found) == {
        f"imputation_{name}_block"
        for name in (
            "rmse_metropolis", "rmse_mean", "rmse_knn", "nats_model", "nats_mean", "nats_knn", "acceptance",
        )
    }  # fmt: skip


def test_the_baselines_learn_from_other_images_than_are_asked_about(store):
    """Each image once."""
    one = subject(store)
    who = chosen(one.run.seed, one.indices, one.train, 40, 1_000)
    asked, training = one.indices[who.asked].tolist(), one.indices[who.training].tolist()
    assert (len(set(asked)), len(set(training))) == (40, 1_000)
    assert not set(asked) & set(training)
    twice = torch.cat((one.indices, one.indices))  # draws with replacement
    who = chosen(one.run.seed, twice, one.train, 40, 5_000)
    assert not set(twice[who.asked].tolist()) & set(twice[who.training].tolist())
    assert len(set(twice[who.training].tolist())) == len(who.training)


@pytest.mark.parametrize(
    "held_out", [{"extrapolation": {"digit": 0.5}}, {"random": {"share": 0.3, "seed": 0}}]
)
def test_every_model_of_a_seed_is_asked_the_same(store, held_out):
    """Whatever was held out of its training, so that baselines, which have no model in them, read the same."""
    one = subject(store)
    other = one._replace(run=replace(one.run, hold_out=held_out))
    options = {
        **TASKS["imputation"].options, "images": 5, "training_images": 60, "draws": 1, "steps": 2,
        "importance_samples": 5, "masks": ["half"], "methods": ["metropolis"],
    }  # fmt: skip
    assert TASKS["imputation"].measure(one, **options) == TASKS["imputation"].measure(other, **options)


def test_an_unknown_mask_of_the_task_is_said(store):
    one = subject(store)
    with pytest.raises(BadInput, match="unknown mask 'blocks'; known: share, block, half"):
        TASKS["imputation"].measure(one, **{**TASKS["imputation"].options, "masks": ["blocks"]})
