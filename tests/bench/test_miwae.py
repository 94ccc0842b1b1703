"""MIWAE: its bound by hand, its limit IWAE, what it never sees, and data sets that are incomplete for good."""

import math
from dataclasses import replace

import pytest
import torch

from disbench.bench import BadInput, checkpoint, sweep
from disbench.bench import cohort as engine
from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.checkpoint import CohortCheckpoint
from disbench.bench.family.miwae import OBSERVED, complete, incomplete, see_what_is_there
from disbench.bench.imputation import observed_pixels
from disbench.bench.models import PLAIN_ARCHITECTURES, ForwardPass
from disbench.bench.objectives import Setting
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import Conditioning, one_model
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study
from disbench.datasets import load

SETTING = Setting(1797, torch.tensor(0.0, dtype=torch.float64))
NOTHING = torch.tensor(1.0, dtype=torch.float64)
OPTIONS = {"missing": 0.5, "missing_kind": "share", "importance_samples": 3}


def run(**changes):
    """A tiny run on digits with three codes an image and half of the pixels missing."""
    plain = Run(
        data_set="digits", data_content=None, architecture="burda_mlp", objective="miwae", options=OPTIONS,
        condition=None, correlation=None, latents=3, steps=30, batch_size=8, learning_rate=1e-3, strength=1.0,
        seed=0, evaluation=EvaluationPlan(samples=100, test_samples=50, metrics=()),
    )  # fmt: skip
    return replace(plain, **changes)


def loss(outcome):
    """The objective's."""
    return OBJECTIVES["miwae"].loss(outcome, NOTHING, SETTING, missing=0.5, missing_kind="share")


def pass_of(samples, observed, images=4, latents=2):
    """A forward pass with several codes an image, made up."""
    chance = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=chance, dtype=torch.float64)

    mean, logvar = normal(images, latents), normal(images, latents) - 1
    codes = (mean + (logvar / 2).exp() * normal(samples, images, latents)).flatten(0, 1)
    pixels = torch.rand(images, 2, 2, 2, generator=chance, dtype=torch.float64)
    seen = {OBSERVED: observed.double().expand(images, 1, 2, 2)}
    return ForwardPass(pixels, normal(samples * images, 2, 2, 2), mean, logvar, codes, seen)


def test_the_bound_by_hand():
    """Two codes of two pixels, the second missing: weights 1/2 and 1/4 have the mean 3/8, whatever it is."""
    zeros = torch.zeros(1, 1, dtype=torch.float64)
    for other in (0.0, 1.0):
        logits = torch.tensor([[0.0, 7.0], [math.log(1 / 3), -2.0]], dtype=torch.float64).reshape(2, 1, 1, 2)
        pixels = torch.tensor([1.0, other], dtype=torch.float64).reshape(1, 1, 1, 2)
        seen = {OBSERVED: torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 1, 1, 2)}
        codes = torch.tensor([[0.3], [-1.2]], dtype=torch.float64)
        assert loss(ForwardPass(pixels, logits, zeros, zeros, codes, seen)).item() == pytest.approx(
            -math.log(3 / 8)
        )


@pytest.mark.parametrize("samples", [1, 5])
def test_with_nothing_missing_it_is_iwae(samples):
    """To the last bit."""
    outcome = pass_of(samples, torch.ones(1, 1, 2, 2))
    assert torch.equal(loss(outcome), OBJECTIVES["iwae"].loss(outcome, NOTHING, SETTING))


def test_the_bound_against_torchs_distributions():
    """Of what is seen, in both channels."""
    seen = torch.tensor([[True, False], [False, True]])
    outcome = pass_of(3, seen)
    x = outcome.images.repeat(3, 1, 1, 1)
    pixels = torch.distributions.Bernoulli(logits=outcome.logits, validate_args=False).log_prob(x)
    likelihood = pixels[:, :, seen].flatten(1).sum(1)
    prior = torch.distributions.Normal(0, 1).log_prob(outcome.codes).sum(1)
    q = torch.distributions.Normal(outcome.mean.repeat(3, 1), (outcome.logvar.repeat(3, 1) / 2).exp())
    weights = (likelihood + prior - q.log_prob(outcome.codes).sum(1)).unflatten(0, (3, 4))
    torch.testing.assert_close(loss(outcome), -(weights.logsumexp(0) - math.log(3)).mean())


def test_it_never_sees_what_is_missing():
    """Another value there changes neither the loss nor any gradient."""
    model = PLAIN_ARCHITECTURES["burda_mlp"].build((1, 4, 4), 2, 0).double()
    chance = torch.Generator().manual_seed(0)
    images = torch.rand(3, 1, 4, 4, generator=chance, dtype=torch.float64)
    seen = (torch.rand(3, 16, generator=chance) < 0.5).double()
    noise = torch.randn(6, 2, generator=chance, dtype=torch.float64)
    others = torch.where(seen.unflatten(1, (1, 4, 4)).bool(), images, 1 - images)
    found = []
    for x in (images, others):
        value = loss(see_what_is_there(model, x, seen, noise))
        found.append((value, *torch.autograd.grad(value, list(model.parameters()))))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(loss(see_what_is_there(model, images, torch.ones_like(seen), noise)), found[0][0])


def test_a_data_set_is_incomplete_for_good():
    """The mask is the seed's and the image's; it is the one that imputation of that seed asks about."""
    data = load("digits")
    told = incomplete(run(), data, [0, 7])
    indices = torch.tensor([[5, 9, 5], [9, 1, 2]])
    masks = told(indices, data.factors(indices.flatten()).unflatten(0, (2, 3)))
    assert masks.shape == (2, 3, 64)
    assert torch.equal(masks[0, 0], masks[0, 2])
    assert not torch.equal(masks[0, 1], masks[1, 0])
    asked = observed_pixels("share", torch.tensor([7]), torch.tensor([[9]]), (1, 8, 8), 0.5)
    assert torch.equal(masks[1, 0], asked.flatten().float())
    assert masks.mean() == pytest.approx(0.5, abs=0.1)
    assert (complete(run(), data)(indices[0], None) == 1).all()


def test_nets_are_told_nothing():
    """The architecture is the one of any plain model, so that its encoder takes complete images too."""
    told = Conditioning.of(run())
    assert (told.size, told.told_size) == (0, 64)


def test_cohorts_equal_single_runs():
    """Two seeds at once and one at a time, to 1e-9."""
    data = load("digits")
    runs = (run(), run(seed=5))
    together = engine.train(Cohort(runs), data, dtype=torch.float64)
    alone = engine.train(Cohort(runs[1:]), data, dtype=torch.float64)
    for name, value in one_model(alone.parameters, 0).items():
        torch.testing.assert_close(together.parameters[name][1], value, rtol=0, atol=1e-9)


def test_a_resumed_training_is_an_uninterrupted_one(tmp_path, monkeypatch):
    """From the checkpoint after 64 of 66 steps, bit for bit: the masks are those of the same images."""
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    cohort, data = Cohort((run(steps=66, batch_size=4),)), load("digits")
    kept = CohortCheckpoint(tmp_path / "kept.safetensors", cohort, seconds=0)
    whole = engine.train(cohort, data, checkpoint=kept)
    images = []
    again = engine.train(cohort, data, on_images=images.append, checkpoint=kept)
    assert sum(images) == 2 * 4
    assert all(torch.equal(value, whole.parameters[name]) for name, value in again.parameters.items())


def study(**options):
    """A tiny study of it."""
    return parse_study(
        {
            "name": "mine", "data_set": "digits", "architecture": "small_patch", "latents": 2, "steps": 10,
            "batch_size": 8,
            "evaluation": {
                "samples": 60, "test_samples": 30, "metrics": ["active_units", "imputation"],
                "options": {
                    "imputation": {
                        "images": 3, "training_images": 50, "draws": 2, "steps": 4, "importance_samples": 20,
                    }
                },
            },
            "arms": [{"objective": "miwae", "options": options}],
        },
        "mine.toml",
    )  # fmt: skip


def test_a_study_from_end_to_end(tmp_path):
    """Trained, scored on complete images, imputed by every method and mask; both figures are drawn."""
    from readable import assert_readable, drawn

    rows = sweep(study(missing_kind="block"), out=tmp_path / "out", device="cpu")
    assert set(rows["status"]) == {"done"}
    scored = rows.filter(like="imputation_").astype(float)
    assert scored.shape == (1, 30)
    assert scored.notna().all(axis=None)
    assert (scored.filter(like="rmse") > 0).all(axis=None)
    assert (scored.filter(like="nats") < 0).all(axis=None)
    store = Store.existing(tmp_path / "out")
    for name in ("imputation", "imputed_images"):
        assert_readable(drawn(name, store.rows(), store))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"missing_kind": "pixels"}, "missing_kind"),
        ({"missing": "half"}, "missing"),
        ({"missing": 1.0}, "the share of missing pixels must be above 0 and below 1, got 1"),
        ({"masks": 2}, "masks"),
    ],
)
def test_wrong_options_are_said(options, words):
    with pytest.raises(BadInput, match=words):
        study(**options)
