"""M1, M2 and M1+M2: bounds against enumeration by hand, labels, what leaks where, stages, and the label error."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from readable import assert_readable, drawn
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from disbench.bench import BadInput, checkpoint, sweep
from disbench.bench import cohort as engine
from disbench.bench.batches import Batches
from disbench.bench.catalogue import ARCHITECTURES, OBJECTIVES
from disbench.bench.checkpoint import CohortCheckpoint
from disbench.bench.family.semi_supervised import classes as as_class
from disbench.bench.family.semi_supervised.label_error import sides_of
from disbench.bench.family.semi_supervised.labels import balanced, labelled_images
from disbench.bench.family.semi_supervised.m1_m2 import FIRST_BOUND, Stacked, stacked
from disbench.bench.family.semi_supervised.m2 import (
    BOUNDS,
    LOG_Q,
    M2,
    TOLD,
    labelled_bound,
    semi_supervised_bound,
    unlabelled_bound,
)
from disbench.bench.family.semi_supervised.networks import (
    Classifier,
    Flat,
    FlatDecoder,
    SoftplusDecoder,
    SoftplusEncoder,
    StylePosterior,
)
from disbench.bench.figures.label_error import draw_label_error, lines_of
from disbench.bench.models import KL_NATS, VAE
from disbench.bench.objectives import Setting, kl, reconstruction
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import Conditioning, one_model, with_parameters
from disbench.bench.store import Store
from disbench.bench.study_loading import load_study, parse_study
from disbench.bench.task_catalogue import TASKS
from disbench.bench.tasks import Subject
from disbench.bench.training_part import training_part
from disbench.datasets import load

CLASSES, LATENTS, SHAPE, WIDTH = 3, 2, (1, 2, 2), 5
MEMBERS = ("m1", "m2", "m1_m2")
NOTHING = torch.tensor(1.0, dtype=torch.float64)
softplus = torch.nn.functional.softplus


def run(name, **changes):
    """A tiny run of one of the three on digits, 20 of them labelled."""
    options = {k: t[0] if isinstance(t, tuple) else t for k, t in OBJECTIVES[name].options.items()}
    options |= {"labels": 20} | changes.pop("options", {})
    plain = Run(
        data_set="digits", data_content=None, architecture=f"{name}_mlp", objective=name, options=options,
        condition="digit", correlation=None, latents=2, steps=4, batch_size=8, learning_rate=1e-3, strength=1.0,
        seed=0, evaluation=EvaluationPlan(samples=100, test_samples=50, metrics=("label_error",)),
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def digits():
    """The digits, opened once."""
    return load("digits")


def seeded(module):
    """A module in float64 whose weights are always the same."""
    chance = torch.Generator().manual_seed(3)
    module = module.double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.7 * torch.randn(weight.shape, generator=chance, dtype=torch.float64))
    return module


@pytest.fixture
def m2():
    """M2 of three classes, two latents, four pixels."""
    return seeded(
        M2(
            Classifier(Flat(4, WIDTH), WIDTH, CLASSES, softplus),
            StylePosterior(Flat(4, WIDTH), WIDTH, CLASSES, LATENTS, softplus),
            FlatDecoder(SHAPE, LATENTS, CLASSES, WIDTH),
            CLASSES,
        )
    )


@pytest.fixture
def both() -> Stacked:
    """M1 + M2 of three classes, two latents in each layer, four pixels."""
    first = VAE(SoftplusEncoder(4, LATENTS, WIDTH), SoftplusDecoder(SHAPE, LATENTS, WIDTH))
    return seeded(stacked(first, LATENTS, CLASSES, WIDTH))


def batch(width, images=4):
    """Images, what is told of them (the first two a class, the others nothing), and noise."""
    chance = torch.Generator().manual_seed(1)
    pixels = torch.rand(images, *SHAPE, generator=chance, dtype=torch.float64).round()
    told = torch.zeros(images, CLASSES, dtype=torch.float64)
    told[0, 2] = told[1, 0] = 1
    return pixels, told, torch.randn(images, width, generator=chance, dtype=torch.float64)


def one_class(number, images=1):
    """The class of each image, one-hot."""
    return torch.eye(CLASSES, dtype=torch.float64)[number].expand(images, -1)


def by_hand(model, image, noise, number):
    """L(x, y) of one image and class: networks called one by one, densities by torch's distributions."""
    means, logvar = model.encoder(image[None])
    posterior = Normal(means[number, 0], (logvar[0] / 2).exp())
    style = posterior.loc + posterior.scale * noise[:LATENTS]
    logits = model.decoder(style[None], one_class(number))
    likelihood = Bernoulli(logits=logits[0]).log_prob(image).sum()
    return -(likelihood - math.log(CLASSES) - kl_divergence(posterior, Normal(0.0, 1.0)).sum())


def test_m2s_bounds_against_enumeration_by_hand(m2):
    """Class by class in a loop: labelled is one class's bound, unlabelled their mean under q less its entropy."""
    images, told, noise = batch(LATENTS + 1)
    outcome = m2.enumerated(images, told, noise)
    bounds = outcome.extra[BOUNDS]
    expected = torch.stack(
        [
            torch.stack([by_hand(m2, x, e, k) for k in range(CLASSES)])
            for x, e in zip(images, noise, strict=True)
        ]
    )
    torch.testing.assert_close(bounds, expected)
    labelled = labelled_bound(bounds, told)
    assert labelled[:2].tolist() == pytest.approx([expected[0, 2].item(), expected[1, 0].item()])
    found = unlabelled_bound(bounds, outcome.extra[LOG_Q])
    for n, image in enumerate(images):
        q = Categorical(logits=m2.class_logits(image[None])[0])
        by_loop = sum(q.probs[k] * expected[n, k] for k in range(CLASSES)) - q.entropy()
        assert found[n].item() == pytest.approx(by_loop.item(), rel=1e-12)


def test_the_unlabelled_bound_at_its_ends():
    """A class that is certain costs its own bound; at q(y | x) proportional to exp(-L) it is -log sum exp(-L)."""
    bounds = torch.tensor([[3.0, 1.0, 2.0]], dtype=torch.float64)
    certain = torch.tensor([[0.0, -800.0, -800.0]], dtype=torch.float64)
    assert unlabelled_bound(bounds, certain).item() == pytest.approx(3.0)
    best = (-bounds).log_softmax(dim=1)
    assert unlabelled_bound(bounds, best).item() == pytest.approx(-(-bounds).logsumexp(dim=1).item())
    other = torch.zeros_like(bounds).log_softmax(dim=1)
    assert unlabelled_bound(bounds, other) > unlabelled_bound(bounds, best)


def test_the_bounds_hold_where_log_p_is_known(m2):
    """A decoder that looks at no style: p(x) is a mean over classes, and bounds lie above -log p by the KL of z."""
    with torch.no_grad():
        m2.decoder.hidden.weight[:, :LATENTS] = 0
    images, told, noise = batch(LATENTS + 1)
    outcome = m2.enumerated(images, told, noise)
    nothing = torch.zeros(1, LATENTS, dtype=torch.float64)
    of_class = torch.stack(
        [
            Bernoulli(logits=m2.decoder(nothing, one_class(k))[0]).log_prob(images).flatten(1).sum(1)
            for k in range(CLASSES)
        ]
    )  # [K, B], log p(x | y)
    unlabelled = unlabelled_bound(outcome.extra[BOUNDS], outcome.extra[LOG_Q])
    assert (unlabelled > -(of_class.logsumexp(0) - math.log(CLASSES))).all()
    for weights in (m2.encoder.mean, m2.encoder.logvar):
        torch.nn.init.zeros_(weights.weight)
        torch.nn.init.zeros_(weights.bias)
    outcome = m2.enumerated(images, told, noise)
    torch.testing.assert_close(outcome.extra[BOUNDS].T, math.log(CLASSES) - of_class)


def test_the_pass_that_scores_a_model_has_the_same_bound(m2):
    """Reconstruction of a drawn class and KL: their mean is the unlabelled bound, or, told, the labelled one."""
    images, told, _ = batch(LATENTS + 1, images=2)
    chance = torch.Generator().manual_seed(5)
    noise = torch.randn(4000, LATENTS + 1, generator=chance, dtype=torch.float64)
    many = images[:1].expand(4000, -1, -1, -1)
    for condition in (torch.zeros(4000, CLASSES, dtype=torch.float64), told[:1].expand(4000, -1)):
        outcome = m2(many, condition, noise)
        error = -Bernoulli(logits=outcome.logits).log_prob(many).flatten(1).sum(1)
        drawn = error + outcome.extra[KL_NATS].sum(1)
        extra = m2.enumerated(many, condition, noise).extra
        exact = (
            labelled_bound(extra[BOUNDS], condition)
            if condition.any()
            else unlabelled_bound(extra[BOUNDS], extra[LOG_Q])
        )
        apart = drawn - exact
        assert apart.mean().abs() <= 4 * apart.std() / 4000**0.5 + 1e-12
        assert torch.equal(outcome.logits, m2.enumerated(many, condition, noise).logits)


def test_the_objective_weighs_parts_of_a_batch_by_their_share_of_the_data():
    """3 of 10 images labelled, 2 of 4 of the batch: 0.3 times their mean, 0.7 times the others', 0.1 cross entropy."""
    bounds = torch.tensor([[1.0, 9.0], [9.0, 3.0], [4.0, 4.0], [6.0, 6.0]], dtype=torch.float64)
    log_q = torch.tensor([[0.25, 0.75], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], dtype=torch.float64).log()
    told = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    found = semi_supervised_bound(bounds, log_q, told, labels=3, dataset_size=10, alpha=0.1)
    expected = 0.3 * 2 + 0.7 * (5 - math.log(2)) + 0.1 * (math.log(4) + math.log(2)) / 2
    assert found.item() == pytest.approx(expected)


def test_with_all_labels_m2_is_its_supervised_bound(m2):
    """Nothing of the unlabelled bound is left: the mean of L(x, y), and alpha cross entropy."""
    images, _, noise = batch(LATENTS + 1)
    told = one_class(torch.tensor([0, 1, 2, 1]), images=4)
    outcome = m2.enumerated(images, told, noise)
    loss = OBJECTIVES["m2"].loss(
        outcome,
        NOTHING,
        Setting(4, NOTHING * 0, steps=1),
        labels=4,
        alpha=0.1,
        label_draw=1,
        labelled_share=0.5,
    )
    supervised = torch.stack([by_hand(m2, images[n], noise[n], k) for n, k in enumerate((0, 1, 2, 1))]).mean()
    entropy = torch.nn.functional.cross_entropy(m2.class_logits(images), torch.tensor([0, 1, 2, 1]))
    torch.testing.assert_close(loss, supervised + 0.1 * entropy)


def test_gradients_of_the_classification_term(m2):
    """It is linear in alpha, and its slope has the gradient (q - y) / labelled images with respect to the logits."""
    images, told, noise = batch(LATENTS + 1)
    log_q = m2.class_logits(images).log_softmax(dim=1).detach()
    logits = log_q.clone().requires_grad_()

    def loss(alpha):
        free = logits.log_softmax(dim=1)
        return semi_supervised_bound(
            torch.zeros(4, CLASSES, dtype=torch.float64), free, told, labels=2, dataset_size=4, alpha=alpha
        )

    (gradient,) = torch.autograd.grad(loss(1.3) - loss(0.3), logits)
    expected = torch.zeros_like(gradient)
    expected[:2] = (log_q.exp()[:2] - told[:2]) / 2
    torch.testing.assert_close(gradient, expected)
    weights = list(m2.parameters())
    extra = m2.enumerated(images, told, noise).extra
    whole = semi_supervised_bound(extra[BOUNDS], extra[LOG_Q], told, labels=2, dataset_size=4, alpha=0.1)
    slopes = torch.autograd.grad(whole, weights)
    with torch.no_grad():
        for weight, slope in zip(weights, slopes, strict=True):
            moved = []
            for step in (1e-6, -1e-6):
                weight.view(-1)[0] += step
                extra = m2.enumerated(images, told, noise).extra
                moved.append(
                    semi_supervised_bound(
                        extra[BOUNDS], extra[LOG_Q], told, labels=2, dataset_size=4, alpha=0.1
                    )
                )
                weight.view(-1)[0] -= step
            assert slope.flatten()[0].item() == pytest.approx(
                float(moved[0] - moved[1]) / 2e-6, rel=1e-5, abs=1e-8
            )


def test_a_class_is_a_standard_normal_number():
    """Each class has its equal part of N(0, 1); its middle comes back; draws are as frequent as they should be."""
    every = torch.eye(4, dtype=torch.float64)
    numbers = as_class.as_code(every)
    assert numbers.tolist() == pytest.approx([-1.1503494, -0.3186394, 0.3186394, 1.1503494])
    assert torch.equal(as_class.of_code(numbers, 4), every)
    far = as_class.of_code(torch.tensor([-40.0, 40.0]), 4)
    assert far.argmax(1).tolist() == [0, 3]
    chance = torch.Generator().manual_seed(2)
    noise = torch.randn(20_000, generator=chance, dtype=torch.float64)
    shares = as_class.of_code(noise, 4).mean(0)
    torch.testing.assert_close(shares, torch.full((4,), 0.25, dtype=torch.float64), rtol=0, atol=0.01)
    wanted = torch.tensor([[0.7, 0.0, 0.3]], dtype=torch.float64)
    drawn = as_class.drawn(wanted.expand(20_000, -1), noise)
    torch.testing.assert_close(drawn.mean(0), wanted[0], rtol=0, atol=0.01)
    assert drawn[:, 1].sum() == 0


@pytest.mark.parametrize("which", ["m2", "both"])
def test_decoding_a_code_is_what_the_pass_made(which, request):
    """From codes alone; told another class the same style changes, told its own it does not."""
    model = request.getfixturevalue(which)
    width = LATENTS + 1 if which == "m2" else 2 * LATENTS + 1
    images, _, noise = batch(width)
    nothing = torch.zeros(4, CLASSES, dtype=torch.float64)
    outcome = model(images, nothing, noise)
    torch.testing.assert_close(model.decode(outcome.codes, nothing), outcome.logits)
    own = as_class.of_code(outcome.codes[:, LATENTS], CLASSES)
    torch.testing.assert_close(model.decode(outcome.codes, own), outcome.logits)
    assert not torch.allclose(model.decode(outcome.codes, own.roll(1, dims=1)), outcome.logits)
    mean, logvar = model.encode(images, nothing)
    torch.testing.assert_close(outcome.mean, mean)
    torch.testing.assert_close(outcome.logvar, logvar)
    best = as_class.of_code(mean[:, LATENTS], CLASSES)
    assert torch.equal(best.argmax(1), model.class_logits(images).argmax(1))


def test_the_stacked_bound_by_hand(both):
    """Reconstruction and KL of all parts are log q(z1 | x) and M2's bound of z1 by torch's distributions."""
    images, told, noise = batch(2 * LATENTS + 1)
    outcome = both(images, told, noise)
    mean, logvar = both.first_mean(images)
    first = Normal(mean, (logvar / 2).exp())
    z1 = first.loc + first.scale * noise[:, LATENTS + 1 :]
    means, style_logvar = both.encoder(z1)
    log_q = both.classifier(z1).log_softmax(1)
    bounds = []
    for number in range(CLASSES):
        posterior = Normal(means[number], (style_logvar / 2).exp())
        style = posterior.loc + posterior.scale * noise[:, :LATENTS]
        made_mean, made_logvar = both.decoder(style, one_class(number, 4))
        density = Normal(made_mean, (made_logvar / 2).exp()).log_prob(z1).sum(1)
        bounds.append(math.log(CLASSES) + kl_divergence(posterior, Normal(0.0, 1.0)).sum(1) - density)
    expected = torch.stack(bounds, dim=1)
    torch.testing.assert_close(outcome.extra[BOUNDS], expected)
    of_z1 = torch.where(
        told.sum(1) > 0, labelled_bound(expected, told), unlabelled_bound(expected, log_q)
    ) + first.log_prob(z1).sum(1)
    torch.testing.assert_close(outcome.extra[KL_NATS].sum(1), of_z1)
    error = (
        -Bernoulli(logits=both.first.decode(z1, images.new_zeros(4, 0))).log_prob(images).flatten(1).sum(1)
    )
    torch.testing.assert_close(
        outcome.extra[FIRST_BOUND], error + kl_divergence(first, Normal(0.0, 1.0)).sum(1)
    )


def test_each_stage_moves_its_own_weights(both):
    """The first stage's gradient is M1's alone, and the plain evidence bound's; the second's is M2's alone."""
    images, told, noise = batch(2 * LATENTS + 1)

    def gradients(step):
        setting = Setting(8, torch.tensor(step, dtype=torch.float64), steps=10)
        loss = OBJECTIVES["m1_m2"].loss(
            both.enumerated(images, told, noise), NOTHING, setting,
            labels=4, alpha=0.1, first_stage=0.5, label_draw=1, labelled_share=0.5,
        )  # fmt: skip
        named = dict(both.named_parameters())
        return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))

    early, late = gradients(4.0), gradients(5.0)
    assert any(name.startswith("first.") for name in early)
    for name in early:
        moved, still = (early, late) if name.startswith("first.") else (late, early)
        assert moved[name].abs().sum() > 0
        assert not still[name].any()
    outcome = both.first(images, images.new_zeros(4, 0), noise[:, LATENTS + 1 :])
    bound = reconstruction(outcome) + kl(outcome).sum()  # half of 8 labelled, half of the batch: a plain mean
    plain = torch.autograd.grad(bound, list(both.first.parameters()))
    for (name, _), value in zip(both.first.named_parameters(), plain, strict=True):
        torch.testing.assert_close(early[f"first.{name}"], value)


def test_labels_are_balanced_and_a_function_of_seed_and_draw(digits):
    """Two of each digit; other seeds and draws have others, the same ones have the same, more labels contain fewer."""
    twenty = labelled_images(run("m2"), digits, [0, 1])
    classes = digits.factors(twenty[0])[:, 0]
    assert torch.bincount(classes).tolist() == [2] * 10
    assert len(set(twenty[0].tolist())) == 20
    assert torch.equal(twenty[1], labelled_images(run("m1"), digits, [1])[0])
    assert not torch.equal(twenty[0], twenty[1])
    again = labelled_images(run("m2", options={"label_draw": 2}), digits, [0])[0]
    assert set(again.tolist()) != set(twenty[0].tolist())
    more = labelled_images(run("m2", options={"labels": 33}), digits, [0])[0]
    assert torch.equal(more[:20], twenty[0])
    assert torch.bincount(digits.factors(more)[:, 0]).tolist() == [4] * 3 + [3] * 7
    all_of_them = labelled_images(run("m2", options={"labels": 1797}), digits, [0])[0]
    assert torch.equal(all_of_them.sort().values, torch.arange(1797))


def test_a_small_class_leaves_its_places_to_others():
    """One image of class 0 and nine of class 1: of four labels three are of class 1."""
    chosen = balanced(torch.tensor([1] * 5 + [0] + [1] * 4), 2, 4, seed=0, draw=1)
    assert 5 in chosen.tolist()
    assert len(set(chosen.tolist())) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"labels": 9},
            "options.labels should be 10, one for each digit, to 1797, as many as there are images",
        ),
        (
            {"labels": 1798},
            "options.labels should be 10, one for each digit, to 1797, as many as there are images",
        ),
        ({"labelled_share": 1}, "options.labelled_share should be below 1, got 1"),
    ],
)
def test_labels_that_cannot_be_are_said_when_the_study_is_read(options, words):
    """Ten digits, 1,797 images; a batch of labelled images alone."""
    arm = {"objective": "m2", "data_set": "digits", "architecture": "m2_mlp", "condition": "digit"}
    with pytest.raises(BadInput, match=re.escape(f"mine.toml: arms.0: {words}")):
        parse_study({"name": "mine", "arms": [{**arm, "options": options}]}, "mine.toml")


def test_labels_are_of_images_that_training_sees(digits):
    """With two digits held out 1,743 labels are too many, which only the images themselves can say."""
    split = run("m2", hold_out={"extrapolation": {"digit": 0.8}}, options={"labels": 1743})
    part = training_part(split, digits)
    with pytest.raises(BadInput, match=f"options.labels should be 10, one for each digit, to {len(part)}"):
        labelled_images(split, part, [0])


def test_half_a_batch_is_labelled_and_told_so(digits):
    """The first half are labelled images with their class, the others have no label and are told nothing."""
    first = run("m2", batch_size=64)
    cohort = Cohort((first, replace(first, seed=1)))
    told = Conditioning.of(first).training(digits, [0, 1])
    known = labelled_images(first, digits, [0, 1])
    seen = []
    for one in Batches(cohort, digits, torch.float32).of(range(30)):
        factors = digits.factors(one.indices.flatten()).unflatten(0, (2, 64))
        condition = told(one.indices, factors)
        assert condition[:, 32:].sum() == 0
        assert torch.equal(condition[:, :32].argmax(2), factors[:, :32, 0])
        assert torch.equal(condition[:, :32].sum(2), torch.ones(2, 32))
        for seed in range(2):
            assert set(one.indices[seed, :32].tolist()) <= set(known[seed].tolist())
            assert not set(one.indices[seed, 32:].tolist()) & set(known[seed].tolist())
        seen.append(one.indices[0, :32])
    counts = torch.bincount(torch.cat(seen), minlength=1797)[known[0]]
    assert counts.min() > 20  # 960 draws of 20 images: 48 each


class WithOtherLabels:
    """Digits whose hidden labels were shuffled: those of images that come after all labelled ones in the order."""

    def __init__(self, data, shuffled):
        self.data, self.shuffled = data, shuffled

    def __getattr__(self, name):
        return getattr(self.data, name)

    def __len__(self):
        return len(self.data)

    def factors(self, indices):
        """The classes as they are now."""
        return self.shuffled[torch.as_tensor(indices)]


@pytest.mark.parametrize("name", MEMBERS)
def test_hidden_labels_never_leak(name, digits):
    """Other labels of the images that have none: every weight is the same to the bit."""
    from disbench.bench.randomness import uniform

    one = run(name)
    labelled = labelled_images(one, digits, [0])[0]
    order = uniform([0], "labels", [1], len(digits))[0, 0]
    hidden = (order > order[labelled].max()).nonzero()[:, 0]
    assert len(hidden) > 1000
    factors = digits.factors(torch.arange(len(digits))).clone()
    factors[hidden] = (factors[hidden] + 1) % 10
    other = WithOtherLabels(digits, factors)
    assert torch.equal(labelled_images(one, other, [0])[0], labelled)
    plain = engine.train(Cohort((one,)), digits).parameters
    changed = engine.train(Cohort((one,)), other).parameters
    assert all(torch.equal(value, changed[key]) for key, value in plain.items())


def test_m1s_weights_do_not_depend_on_what_m2_learns(digits):
    """Another alpha changes M2 and no bit of M1, in the stage of M2 too; the first stage leaves M2 as it was."""
    trained = {
        (alpha, stage): engine.train(
            Cohort((run("m1_m2", options={"alpha": alpha, "first_stage": stage}),)), digits
        ).parameters
        for alpha, stage in ((0.1, 0.5), (5.0, 0.5), (0.1, 2.0))
    }
    ours, other, first_only = trained.values()
    begun = engine.TrainingState.initial(Cohort((run("m1_m2"),)), digits.device, torch.float32).model
    differ = []
    for name, value in ours.items():
        if name.startswith("first."):
            assert torch.equal(value, other[name])
        else:
            differ.append(not torch.equal(value, other[name]))
            assert torch.equal(first_only[name], begun[name])
    assert any(differ)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_cohort_equals_single_runs(name, digits):
    """Three seeds at once and one at a time agree to 1e-9 in float64."""
    runs = [run(name, seed=seed) for seed in (0, 1, 7)]
    together = engine.train(Cohort(tuple(runs)), digits, dtype=torch.float64).parameters
    alone = engine.train(Cohort((runs[2],)), digits, dtype=torch.float64).parameters
    for key, value in one_model(alone, 0).items():
        torch.testing.assert_close(together[key][2], value, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["m2", "m1_m2"])
def test_a_resumed_training_is_an_uninterrupted_one(name, digits, tmp_path, monkeypatch):
    """From the checkpoint after 64 of 66 steps, bit for bit; M1+M2's second stage began at 33."""
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    cohort = Cohort((run(name, steps=66, batch_size=4),))
    kept = CohortCheckpoint(tmp_path / "kept.safetensors", cohort, seconds=0)
    whole = engine.train(cohort, digits, checkpoint=kept)
    images = []
    again = engine.train(cohort, digits, on_images=images.append, checkpoint=kept)
    assert sum(images) == 2 * 4
    assert all(torch.equal(value, whole.parameters[key]) for key, value in again.parameters.items())


def subject(one, digits):
    """A trained model as tasks see it."""
    trained = engine.train(Cohort((one,)), digits).parameters
    model = with_parameters(one, one_model(trained, 0))
    told = Conditioning.of(one).evaluation(digits)
    nothing = torch.zeros(0, dtype=torch.int64)
    return Subject(one, model, digits, told, nothing, nothing[:, None], torch.zeros(0, 1), 0)


def test_no_label_is_told_when_a_model_is_scored(digits):
    """Zeros for labelled images too."""
    for name in MEMBERS:
        one = run(name)
        indices = labelled_images(one, digits, [0])[0]
        told = Conditioning.of(one).evaluation(digits)(indices, digits.factors(indices))
        assert told.shape == (20, 10)
        assert not told.any()


@pytest.mark.parametrize("name", MEMBERS)
def test_label_error_is_the_share_of_wrong_classes(name, digits):
    """Of images without a label, the same each time; the supervised classifier learns what it is shown."""
    measured = subject(run(name, options={"labels": 40}), digits)
    options = {**TASKS["label_error"].options, "images": 300, "steps": 60}
    found = TASKS["label_error"].measure(measured, **options)
    assert found == TASKS["label_error"].measure(measured, **options)
    assert list(found) == ["label_error", "label_error_supervised"]
    assert found["label_error_supervised"] < 0.7  # a guess is wrong in 0.9
    sides = sides_of(measured.run, digits, 300)
    assert len(sides.wanted) == 300
    assert len(sides.labelled) == 40
    if name != "m1":
        with torch.no_grad():
            wrong = measured.model.class_logits(sides.test).argmax(1).numpy() != sides.wanted
        assert found["label_error"] == pytest.approx(np.mean(wrong))


def test_test_images_have_no_label_and_are_held_out_where_any_are(digits):
    """Transductive without a split: the other 1,777; with one, its images and no other."""
    plain = sides_of(run("m2"), digits, 5000)
    labelled = labelled_images(run("m2"), digits, [0])[0]
    others = np.setdiff1d(np.arange(1797), labelled.numpy())
    assert sorted(plain.wanted) == sorted(digits.factors(torch.tensor(others))[:, 0].tolist())
    split = run("m2", hold_out={"extrapolation": {"digit": 0.8}}, options={"labels": 16})
    sides = sides_of(split, digits, 5000)
    assert set(sides.wanted) == {8, 9}
    assert set(sides.classes.tolist()) == set(range(8))
    assert len(sides_of(run("m2", options={"labels": 1797}), digits, 5).wanted) == 0
    assert TASKS["label_error"].objection(run("m2")) is None
    assert "some labels" in TASKS["label_error"].objection(replace(run("m2"), objective="vae"))


@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if n.startswith(("m1_", "m2_"))])
def test_nets_of_both_sizes_have_codes_as_wide_as_they_say(name):
    """On images of 8 x 8 and ten classes."""
    net = ARCHITECTURES[name]
    model = net.build((1, 8, 8), 3, 10)
    width = net.code_width((1, 8, 8), 3) if net.code_width else 3
    outcome = model(torch.rand(2, 1, 8, 8), torch.zeros(2, 10), torch.randn(2, width))
    assert outcome.codes.shape == outcome.mean.shape == outcome.logvar.shape == (2, width)
    assert outcome.logits.shape == (2, 1, 8, 8)
    if KL_NATS in outcome.extra:
        assert outcome.extra[KL_NATS].shape == (2, width)


def test_lower_precision_has_sums_in_full(m2):
    """Networks in bfloat16 with noise in float32: the bound is float32 and near the exact one."""
    images, told, noise = batch(LATENTS + 1)
    exact = m2.enumerated(images, told, noise).extra[BOUNDS]
    low = m2.to(torch.bfloat16).enumerated(images.bfloat16(), told.bfloat16(), noise.float())
    assert low.extra[BOUNDS].dtype == torch.float32
    assert low.extra[TOLD].dtype == torch.bfloat16
    torch.testing.assert_close(low.extra[BOUNDS].double(), exact, rtol=0.05, atol=0.1)


def rows_of_labels(labels=(20, 100), seeds=3):
    """Rows of M2 and M1 at some numbers of labels: errors 2 / labels and 0.01 a seed more, 3 / labels alone."""
    rows = []
    for name in ("m2", "m1"):
        for count in labels:
            for seed in range(seeds):
                one = run(name, seed=seed, options={"labels": count})
                rows.append(
                    {
                        "status": "done", "data_set": "digits", "condition": "digit", "objective": name,
                        "strength": 1.0, "seed": seed, "run_id": one.run_id,
                        "configuration": json.dumps(one.configuration),
                        "label_error": 2 / count + 0.01 * seed, "label_error_supervised": 3 / count,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_the_figure_has_both_errors_over_the_number_of_labels(tmp_path):
    """A line of means at each number of labels and a dotted one above it; draws of labels are seeds more."""
    rows = rows_of_labels()
    lines = lines_of(rows)["digits: digit"]
    assert [line.label for line in lines] == ["M2", "M1"]
    assert {n: v.tolist() for n, v in lines[0].with_images.items()} == {
        20: pytest.approx([0.1, 0.11, 0.12]),
        100: pytest.approx([0.02, 0.03, 0.04]),
    }
    again = rows.assign(
        configuration=[text.replace('"label_draw": 1', '"label_draw": 2') for text in rows["configuration"]]
    )
    [m2_line, _] = lines_of(pd.concat([rows, again], ignore_index=True))["digits: digit"]
    assert len(m2_line.with_images[20]) == 6
    figure = drawn("label_error", rows, Store(tmp_path))
    assert_readable(figure)
    shown = [line for line in figure.axes[0].lines if line.get_linestyle() != "None"]
    assert [line.get_linestyle() for line in shown] == ["-", ":", "-", ":"]
    assert shown[0].get_ydata().tolist() == pytest.approx([0.11, 0.03])
    assert shown[1].get_ydata().tolist() == pytest.approx([0.15, 0.03])
    assert draw_label_error(rows[:0], Store(tmp_path)) is None
    assert draw_label_error(rows.drop(columns="label_error"), Store(tmp_path)) is None
    many = rows_of_labels(labels=(20, 50, 100, 110, 300, 1000), seeds=2)
    assert_readable(drawn("label_error", many, Store(tmp_path)))


def test_classes_that_are_not_told_when_scored_are_scored(digits):
    """The digit is a factor like any other of M1's and M2's codes; of a CVAE that knows it, it is none."""
    from disbench.bench.evaluation import encode, scores

    for name in ("m1", "m2"):
        one = run(name, evaluation=EvaluationPlan(60, 30, ("mig", "active_units", "condition_leakage")))
        measured = subject(one, digits)
        found = scores(one, encode(one, measured.model, digits), len(digits))
        assert "mig" in found
        assert ("active_units" in found) == (name == "m1")
        assert "condition_leakage_nats" not in found
        assert np.isfinite(found["elbo_nats"])


def test_studies_name_them():
    """A number of labels, which draw, a condition; not without a condition, nor with a plain net."""
    arm = {"objective": "m2", "data_set": "dsprites", "architecture": "m2_patch", "condition": "shape"}
    study = {"name": "mine", "seeds": 5, "arms": [{**arm, "options": {"labels": 100, "label_draw": 2}}]}
    runs = parse_study(study, "mine.toml").runs()
    assert len({one.run_id for one in runs}) == 5
    assert "label_error" in runs[0].evaluation.metrics
    with pytest.raises(BadInput, match="m2 needs a condition"):
        parse_study({**study, "arms": [{**arm, "condition": None}]}, "mine.toml")
    with pytest.raises(BadInput, match="m2_mlp, m2_patch"):
        parse_study({**study, "arms": [{**arm, "architecture": "small_patch"}]}, "mine.toml")


def test_a_study_from_end_to_end(tmp_path):
    """Three steps of each: every row has both errors, a bound, and a score of its codes."""
    study = parse_study(
        {
            "name": "mine", "data_set": "digits", "condition": "digit", "steps": 3, "batch_size": 8, "latents": 2,
            "evaluation": {
                "samples": 60, "test_samples": 30, "metrics": ["mig"],
                "options": {"label_error": {"images": 50, "steps": 2}},
            },
            "arms": [
                {"objective": name, "architecture": f"{name}_patch", "options": {"labels": 20}} for name in MEMBERS
            ],
        },
        "mine.toml",
    )  # fmt: skip
    rows = sweep(study, out=tmp_path / "out", device="cpu")
    assert list(rows["status"]) == ["done"] * 3
    for column in ("label_error", "label_error_supervised", "elbo_nats", "mig"):
        assert rows[column].notna().all()
    assert rows["label_error"].between(0, 1).all()


def test_the_study_has_the_papers_numbers_of_labels():
    """100, 600, 1,000 and 3,000 labels for each of the three, five seeds, the paper's nets and 50 latents on MNIST."""
    one = load_study("kingma2014")
    found = {(arm.objective, arm.options["labels"]) for arm in one.arms}
    assert found == {(name, labels) for name in MEMBERS for labels in (100, 600, 1000, 3000)}
    assert len(one.seed_list()) == 5
    assert {(arm.data_set, arm.latents) for arm in one.arms} == {("mnist", 50)}
    assert {arm.architecture for arm in one.arms} == {"m1_mlp", "m2_mlp", "m1_m2_mlp"}
