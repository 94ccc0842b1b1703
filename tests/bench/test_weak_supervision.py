"""Weak supervision: averages and thresholds by hand, pairs that differ as they should, training, peers' mistakes."""

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from disbench.bench import BadInput, checkpoint, sweep
from disbench.bench import cohort as engine
from disbench.bench.batches import Batches
from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.family.weak_supervision import in_pairs, shared_latents
from disbench.bench.family.weak_supervision.pairs import PAIRS, changed_factors, partner, what_changed
from disbench.bench.family.weak_supervision.sharing import (
    Posteriors,
    arithmetic_mean,
    averaged,
    below_halfway,
    distances,
    most_alike,
    of_unchanged,
    product,
)
from disbench.bench.models import small_patch
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import build_model, one_model
from disbench.bench.study_loading import parse_study
from disbench.bench.training_part import training_part
from disbench.datasets import entry, load

NAMES = ("ada_gvae", "ada_ml_vae", "group_vae", "ml_vae")
PLAN = EvaluationPlan(samples=100, test_samples=50, metrics=())


def run(objective="ada_gvae", **changes):
    """A tiny run on dSprites."""
    options = {"pairs": "random", "changed": 1}
    if objective in ("group_vae", "ml_vae"):
        options["known"] = "how_many"
    plain = Run(
        data_set="dsprites", data_content=None, architecture="small_patch", objective=objective,
        options=options | changes.pop("options", {}), condition=None, correlation=None, latents=6, steps=4,
        batch_size=8, learning_rate=1e-3, strength=2.0, seed=0, evaluation=PLAN,
    )  # fmt: skip
    return replace(plain, **changes)


def gaussians(*pairs):
    """One image's posterior from (mean, variance) of each latent."""
    rows = torch.tensor([pairs], dtype=torch.float64)
    return Posteriors(rows[..., 0], rows[..., 1].log())


def some(images=5, latents=6, seed=0):
    """Made-up posteriors."""
    chance = torch.Generator().manual_seed(seed)
    return Posteriors(*torch.randn(2, images, latents, generator=chance, dtype=torch.float64))


@pytest.fixture(scope="module")
def dsprites():
    """Opened once."""
    return load("dsprites")


def test_distances_are_torchs_own():
    """KL of the first to the second, latent by latent; by hand N(1, 1) is half a nat from N(0, 1)."""
    first, second = some(seed=1), some(seed=2)
    normal = [torch.distributions.Normal(one.mean, (one.logvar / 2).exp()) for one in (first, second)]
    expected = torch.distributions.kl_divergence(*normal)
    torch.testing.assert_close(distances(first, second), expected)
    assert distances(gaussians((1, 1)), gaussians((0, 1))).item() == pytest.approx(0.5)
    one_way, back = gaussians((0, 1)), gaussians((0, 4))
    assert distances(one_way, back).item() == pytest.approx(0.5 * (1 / 4 - 1 + math.log(4)))
    assert distances(back, one_way).item() == pytest.approx(0.5 * (4 - 1 - math.log(4)))


def test_the_threshold_is_halfway_for_each_pair():
    """Halfway between 0 and 4 is 2, between 0 and 40 it is 20: 3 nats are far in one pair and near in the other."""
    apart = torch.tensor([[0.0, 1.9, 2.1, 3.0, 4.0], [0.0, 3.0, 19.0, 21.0, 40.0]])
    assert below_halfway(apart).tolist() == [
        [True, True, False, False, False],
        [True, True, True, False, False],
    ]


def test_an_image_with_itself_shares_everything():
    """Equal posteriors have no distance: nothing is told apart, and GroupVAE's average changes nothing."""
    one = some()
    assert below_halfway(distances(one, one)).all()
    first, second = averaged(one, one, below_halfway(distances(one, one)), arithmetic_mean)
    for got in (first, second):
        torch.testing.assert_close(got, one)


def test_so_many_latents_are_shared_as_factors_are():
    """The D - k nearest, k its own for each pair; of equals the first; never fewer than none."""
    apart = torch.tensor([[3.0, 1.0, 2.0, 0.0]] * 4)
    changed = torch.tensor([[0.0], [1.0], [3.0], [9.0]])
    shared = most_alike(apart, changed)
    assert shared.sum(dim=1).tolist() == [4, 3, 1, 0]
    assert shared[1].tolist() == [False, True, True, True]
    assert shared[2].tolist() == [False, False, False, True]
    assert most_alike(torch.zeros(1, 3), torch.tensor([[1.0]])).tolist() == [[True, True, False]]


def test_named_factors_are_latents():
    """Latent j is shared if factor j is; latents that stand for no factor always are; factors may have no latent."""
    changed = torch.tensor([[1.0, 0.0, 1.0]])
    assert of_unchanged(changed, 5).tolist() == [[False, True, False, True, True]]
    assert of_unchanged(changed, 2).tolist() == [[False, True]]


def test_what_is_told_decides_how():
    """Nothing: by distance. One number: so many. One a factor: these."""
    first, second = gaussians((0, 1), (0, 1), (1, 1), (3, 1)), gaussians(*[(0, 1)] * 4)

    def shared(*told):
        return shared_latents(first, second, torch.tensor([told], dtype=torch.float64)).tolist()[0]

    assert shared() == [True, True, True, False]  # distances 0, 0, 1/2 and 9/2, halfway 9/4
    assert shared(2) == [True, True, False, False]
    assert shared(0, 1, 0) == [True, False, True, True]


def test_averages_by_hand():
    """N(1, 1) and N(4, 4). Arithmetic: N(2.5, 2.5). Product: precision 1 + 1/4, mean (1 + 1) / 1.25, N(1.6, 0.8)."""
    first, second = gaussians((1, 1)), gaussians((4, 4))
    mean, logvar = arithmetic_mean(first, second)
    assert (mean.item(), logvar.exp().item()) == pytest.approx((2.5, 2.5))
    mean, logvar = product(first, second)
    assert (mean.item(), logvar.exp().item()) == pytest.approx((1.6, 0.8))


def test_the_product_is_the_product_of_densities():
    """Up to a constant, anywhere on the line."""
    first, second = some(images=1, latents=3, seed=3), some(images=1, latents=3, seed=4)
    points = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None]

    def log_density(one):
        return torch.distributions.Normal(one.mean, (one.logvar / 2).exp()).log_prob(points)

    constant = log_density(first) + log_density(second) - log_density(product(first, second))
    torch.testing.assert_close(constant, constant[:1].expand_as(constant))


@pytest.mark.parametrize("average", [arithmetic_mean, product])
def test_both_images_count(average):
    """Averages do not know which image is first.

    A peer's averaged the second mean with itself for years: shared latents of both images were then the second's, and a
    test against a value of one's own code saw nothing wrong (disent, issue 32).
    """
    first, second = some(seed=1), some(seed=2)
    torch.testing.assert_close(average(first, second), average(second, first))
    twice_the_second = 0.5 * (second.mean + second.mean)
    assert not torch.allclose(average(first, second).mean, twice_the_second)


def test_variances_are_averaged_and_not_their_logarithms():
    """Of variances 1 and 4: 2.5, not the 2 of logarithms nor the 2.25 of deviations."""
    got = arithmetic_mean(gaussians((0, 1)), gaussians((0, 4))).logvar.exp().item()
    assert got == pytest.approx(2.5)
    assert product(gaussians((0, 1)), gaussians((0, 1))).logvar.exp().item() == pytest.approx(0.5)


def test_averages_of_narrow_posteriors_are_finite():
    """Log-variances of -200 and +200, whose exponentials no float32 holds."""
    narrow, wide = (Posteriors(torch.zeros(1, 1), torch.full((1, 1), value)) for value in (-200.0, 200.0))
    assert arithmetic_mean(narrow, wide).logvar.item() == pytest.approx(200 - math.log(2))
    assert product(narrow, wide).logvar.item() == pytest.approx(-200)


def test_only_shared_latents_change_and_both_become_the_same():
    first, second = some(seed=1), some(seed=2)
    shared = torch.rand(5, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    one, other = averaged(first, second, shared, product)
    mean = product(first, second).mean
    assert torch.equal(one.mean[shared], mean[shared])
    assert torch.equal(other.mean[shared], mean[shared])
    for got, before in ((one, first), (other, second)):
        assert torch.equal(got.mean[~shared], before.mean[~shared])
        assert torch.equal(got.logvar[~shared], before.logvar[~shared])


@pytest.mark.parametrize("count", [1, 2, 4])
def test_partners_differ_in_exactly_so_many_factors(count):
    """Uniform over which factors differ and over the classes that these do not have."""
    sizes = torch.tensor([2, 1, 3, 5, 4, 6])  # the second factor has one class and never differs
    chance = torch.Generator().manual_seed(0)
    factors = (torch.rand(8_000, 6, generator=chance) * sizes).long()
    other = partner(factors, torch.rand(8_000, 13, generator=chance), sizes, count)
    differ = factors != other
    assert (differ.sum(dim=1) == count).all()
    assert (other >= 0).all()
    assert (other < sizes).all()
    share = differ.double().mean(dim=0)
    assert share[1] == 0
    expected = torch.full((5,), count / 5, dtype=torch.float64)
    torch.testing.assert_close(share[[0, 2, 3, 4, 5]], expected, rtol=0, atol=0.025)
    steps = ((other - factors) % 5)[differ[:, 3], 3]
    torch.testing.assert_close(
        torch.bincount(steps, minlength=5)[1:] / len(steps), torch.full((4,), 0.25), rtol=0, atol=0.05
    )


def test_random_numbers_of_factors_are_as_frequent():
    """1 .. K - 1, each in a quarter of pairs of five factors."""
    sizes = torch.tensor([3, 6, 40, 32, 32])
    chance = torch.Generator().manual_seed(0)
    factors = (torch.rand(8_000, 5, generator=chance) * sizes).long()
    other = partner(factors, torch.rand(8_000, 11, generator=chance), sizes, None)
    counts = Counter((factors != other).sum(dim=1).tolist())
    assert set(counts) == {1, 2, 3, 4}
    assert all(abs(number / 8_000 - 0.25) < 0.025 for number in counts.values())


def test_the_last_uniform_number_below_one_is_in_range():
    """All chances at 1 - 2^-24, the largest that is drawn: still a class of the factor, still below K factors."""
    sizes = torch.tensor([3, 6, 40, 32, 183])
    other = partner(torch.zeros(1, 5, dtype=torch.int64), torch.full((1, 11), 1 - 2.0**-24), sizes, None)
    assert (other < sizes).all()
    assert (other != 0).sum() == 4


@pytest.mark.parametrize("batch", [8, 7])
def test_the_second_half_of_a_batch_are_partners(batch, dsprites):
    """Firsts are the images that every method sees at this seed; the last of an odd batch is left alone."""
    ours = run(options={"pairs": "fixed", "changed": 2}, batch_size=batch)
    plain = replace(run(objective="ada_gvae"), objective="beta_vae", options={}, batch_size=batch)
    [paired] = Batches(Cohort((ours,)), dsprites, torch.float32).of(range(1))
    [drawn] = Batches(Cohort((plain,)), dsprites, torch.float32).of(range(1))
    pairs = batch // 2
    assert torch.equal(paired.indices[:, :pairs], drawn.indices[:, :pairs])
    assert torch.equal(paired.indices[:, 2 * pairs :], drawn.indices[:, 2 * pairs :])
    assert torch.equal(paired.noise, drawn.noise)
    factors = dsprites.factors(paired.indices[0])
    assert changed_factors(factors).sum(dim=1).tolist() == [2] * pairs


def test_pairs_are_the_seeds(dsprites):
    """The same at the same seed, whatever the objective and the company; others at another."""

    def indices(*runs):
        [one] = Batches(Cohort(runs), dsprites, torch.float32).of(range(1))
        return one.indices

    assert torch.equal(indices(run()), indices(run("ada_ml_vae")))
    both = indices(run(), run(seed=1))
    assert torch.equal(both[:1], indices(run()))
    assert not torch.equal(both[0], both[1])


def test_what_is_told_is_what_differs(dsprites):
    """Which factors, or how many; the same to both images of a pair; 0 to an image without one."""
    factors = torch.tensor(
        [[0, 1, 2, 3, 4], [0, 0, 0, 0, 0], [1, 1, 2, 3, 4], [0, 1, 1, 0, 1], [2, 2, 2, 2, 2]]
    )
    which = what_changed(run("group_vae", options={"known": "which"}), dsprites)(torch.arange(5), factors)
    many = what_changed(run("group_vae"), dsprites)(torch.arange(5), factors)
    expected = [[1, 0, 0, 0, 0], [0, 1, 1, 0, 1], [1, 0, 0, 0, 0], [0, 1, 1, 0, 1], [0, 0, 0, 0, 0]]
    assert which.tolist() == expected
    assert many.tolist() == [[1], [3], [1], [3], [0]]


def paired_pass(average=arithmetic_mean, batch=7, told=0, dtype=torch.float64):
    """A small net's pass over made-up pairs."""
    torch.manual_seed(0)
    model = small_patch((1, 8, 8), 4, 0).to(dtype)
    images, noise = torch.rand(batch, 1, 8, 8, dtype=dtype), torch.randn(batch, 4, dtype=dtype)
    return (
        model,
        images,
        noise,
        in_pairs(average, model, images, torch.zeros(batch, told, dtype=dtype), noise),
    )


@pytest.mark.parametrize("average", [arithmetic_mean, product])
def test_a_pass_over_pairs(average):
    """Posteriors, codes and logits are of averages, with each image's own noise; an image alone is a VAE's."""
    model, images, noise, outcome = paired_pass(average)
    nothing = images.new_zeros(7, 0)
    mean, logvar = model.encode(images, nothing)
    first, second = Posteriors(mean[:3], logvar[:3]), Posteriors(mean[3:6], logvar[3:6])
    shared = below_halfway(distances(first, second))
    assert 0 < shared.sum() < shared.numel()
    one, other = averaged(first, second, shared, average)
    torch.testing.assert_close(outcome.mean, torch.cat((one.mean, other.mean, mean[6:])))
    torch.testing.assert_close(outcome.codes, outcome.mean + (outcome.logvar / 2).exp() * noise)
    torch.testing.assert_close(outcome.logits, model.decode(outcome.codes, nothing))
    alone = model(images[6:], nothing[6:], noise[6:])
    torch.testing.assert_close(outcome.logits[6:], alone.logits)


def test_the_bound_is_of_both_images_with_averaged_posteriors():
    """By torch's distributions: mean over images of -log p(x | z) + 2 KL."""
    _, images, _, outcome = paired_pass(batch=6)
    prior = torch.distributions.Normal(0, torch.ones((), dtype=torch.float64))
    posterior = torch.distributions.Normal(outcome.mean, (outcome.logvar / 2).exp())
    kl = torch.distributions.kl_divergence(posterior, prior).sum(dim=1)
    error = -torch.distributions.Bernoulli(logits=outcome.logits, validate_args=False).log_prob(images)
    two = torch.tensor(2.0, dtype=torch.float64)
    loss = OBJECTIVES["ada_gvae"].loss(outcome, two, None, pairs="random", changed=1)
    torch.testing.assert_close(loss, (error.flatten(1).sum(dim=1) + 2 * kl).mean())


def test_gradients_of_an_average_reach_both_images():
    """With everything shared, what the first image's code costs moves the encoding of the second."""
    first = Posteriors(*(part.requires_grad_() for part in some(seed=1)))
    second = Posteriors(*(part.requires_grad_() for part in some(seed=2)))
    for average in (arithmetic_mean, product):
        one, _ = averaged(first, second, torch.ones(5, 6, dtype=torch.bool), average)
        for part in torch.autograd.grad(one.mean.sum() + one.logvar.sum(), [*first, *second]):
            assert (part != 0).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ada_gvae", {}),
        ("ada_ml_vae", {"pairs": "fixed", "changed": 3}),
        ("group_vae", {"known": "how_many"}),
        ("ml_vae", {"known": "which"}),
    ],
)
def test_a_cohort_equals_single_runs(name, options, dsprites):
    """In float64 to 1e-9, with all that an objective can be told."""
    runs = (run(name, options=options), run(name, options=options, seed=5, strength=1.0))
    together = engine.train(Cohort(runs), dsprites, dtype=torch.float64).parameters
    for place, single in enumerate(runs):
        alone = one_model(engine.train(Cohort((single,)), dsprites, dtype=torch.float64).parameters, 0)
        for parameter, value in alone.items():
            torch.testing.assert_close(together[parameter][place], value, rtol=0, atol=1e-9)


def test_what_is_told_never_reaches_the_nets(dsprites):
    """The group's VAE has the parameters of the plain one, and begins with the same values."""
    plain = replace(run(), objective="beta_vae", options={})
    for name in NAMES:
        shapes = [{n: p.shape for n, p in build_model(one).named_parameters()} for one in (run(name), plain)]
        assert shapes[0] == shapes[1]


def test_a_single_batch_of_equal_images_is_the_betas():
    """A pair of one image twice, with one noise, is Ada-GVAE's beta-VAE."""
    torch.manual_seed(0)
    model = small_patch((1, 8, 8), 4, 0).double()
    images = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    noise = torch.randn(3, 4, dtype=torch.float64)
    twice = [torch.cat((part, part)) for part in (images, noise)]
    ours = in_pairs(arithmetic_mean, model, twice[0], images.new_zeros(6, 0), twice[1])
    plain = model(twice[0], images.new_zeros(6, 0), twice[1])
    for got, expected in zip(ours[:5], plain[:5], strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("name", ["digits", "small_norb", "mnist"])
def test_pairs_need_a_grid(name):
    """A data set in which most partners are missing, or have one factor, is refused in one line."""
    with pytest.raises(
        BadInput, match=f"need a full grid of two factors or more, like dsprites; {name} is none"
    ):
        PAIRS.chances(entry(name))


def test_as_many_changes_as_factors_are_refused(dsprites):
    everything = run(options={"pairs": "fixed", "changed": 5})
    with pytest.raises(BadInput, match=r"options.changed should be below the 5 factors of dsprites, got 5"):
        PAIRS.prepare(everything, dsprites, [0])


def test_what_goes_on_is_what_was_never_stopped(dsprites, tmp_path, monkeypatch):
    """From a checkpoint after 64 of 66 steps, bit for bit: pairs are drawn by step, not one after the other."""
    cohort = Cohort((run("group_vae", steps=66),))
    whole = engine.train(cohort, dsprites).parameters
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)  # keep every one, however long it took
    path = tmp_path / "kept.safetensors"
    engine.train(cohort, dsprites, checkpoint=checkpoint.CohortCheckpoint(path, cohort, seconds=0))
    images = []
    again = engine.train(
        cohort, dsprites, on_images=images.append, checkpoint=checkpoint.CohortCheckpoint(path, cohort)
    ).parameters
    assert sum(images) == 2 * 8
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_a_sweep_of_all_four(tmp_path):
    """Through the store, scored as any VAE: the bound is of single images."""
    study = parse_study(
        {
            "name": "pairs", "data_set": "dsprites", "architecture": "small_patch", "latents": 6, "steps": 3,
            "batch_size": 8, "strengths": [1], "evaluation": {
                "samples": 100, "test_samples": 50, "metrics": ["mig", "active_units"],
            },
            "arms": [{"objective": name} for name in NAMES]
            + [{"objective": "ml_vae", "options": {"pairs": "fixed", "changed": 1, "known": "which"}}],
        },
        "pairs.toml",
    )  # fmt: skip
    rows = sweep(study, out=tmp_path / "out", device="cpu")
    assert list(rows["status"]) == ["done"] * 5
    assert rows["elbo_nats"].notna().all()


def test_images_kept_from_training_are_refused(dsprites):
    """They would be partners of others."""
    part = training_part(run(hold_out={"extrapolation": {"scale": 0.8}}), dsprites)
    with pytest.raises(BadInput, match="leave others without a partner; leave hold_out out"):
        PAIRS.prepare(run(), part, [0])


def test_a_study_without_partners_is_refused_when_it_is_read():
    """One line with the arm, before anything is trained."""
    arm = {"objective": "ada_gvae", "strengths": [1]}
    document = {"name": "mine", "data_set": "digits", "architecture": "small_patch", "arms": [arm]}
    with pytest.raises(BadInput, match=r"^mine.toml: arms.0: pairs of images .* digits is none$"):
        parse_study(document, "mine.toml")
