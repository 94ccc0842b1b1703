"""Latent quantisation: values by hand, straight-through gradients, the paper's losses, cohorts, resume."""

import math
from dataclasses import replace

import pytest
import torch

from disbench.bench import cohort as engine
from disbench.bench import load_study, sweep
from disbench.bench.family.latent_quantisation import (
    COMMIT,
    MEMBER,
    NETS,
    QUANTISE,
    VALUES,
    LatentQuantiser,
    QuantisedAutoencoder,
)
from disbench.bench.models import initial_parameters
from disbench.bench.objectives import Setting
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import one_model
from disbench.bench.study_loading import parse_study
from disbench.datasets import load
from disbench.metrics import infomec

RUN = Run(
    data_set="digits", data_content=None, architecture="qlae_small_patch", objective="qlae",
    options={"quantise": 0.01, "commit": 0.01, "weight_decay": 0.1}, condition=None, correlation=None, latents=3,
    steps=80, batch_size=8, learning_rate=1e-3, strength=1.0, seed=0,
    evaluation=EvaluationPlan(samples=100, test_samples=50, metrics=()),
)  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    """Small images."""
    return load("digits")


def normal(*shape, seed=0):
    """Made-up numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_weights(module, seed=0):
    """A module in float64 with weights as a training begins with."""
    started = initial_parameters(module, "glorot", [seed], torch.device("cpu"))
    module.double().load_state_dict({name: value[0].double() for name, value in started.items()})
    return module


def model(architecture="qlae_small_patch", latents=3):
    """A model for digits, in float64."""
    return with_weights(MEMBER.architectures[architecture].build((1, 8, 8), latents, 0))


def test_values_begin_evenly_and_each_latent_has_its_own():
    """Five values: -1/2, -1/4, 0, 1/4, 1/2; moving one of a latent's moves no other."""
    quantiser = with_weights(LatentQuantiser(2, 5))
    assert quantiser.values.tolist() == [[-0.5, -0.25, 0, 0.25, 0.5]] * 2
    quantiser.moved.data[1, 4] = 2.0
    assert quantiser.values[0, 4] == 0.5
    assert quantiser(torch.tensor([[1.6, 1.6]])).tolist() == [[0.5, 2.5]]


def test_nearest_value_by_hand():
    """0.1 is nearer to 0 than to 1/4; halfway goes to the lower; beyond the ends is the end."""
    quantiser = with_weights(LatentQuantiser(1, 5))
    points = torch.tensor([[0.1], [0.125], [0.126], [9.0], [-9.0]], dtype=torch.float64)
    assert quantiser(points).flatten().tolist() == [0, 0, 0.25, 0.5, -0.5]
    assert quantiser.indices(points).flatten().tolist() == [2, 2, 3, 4, 0]


def test_the_paper_has_ten_values_a_latent():
    """So that 12 latents have 10^12 codes."""
    assert model(latents=12).quantiser.values.shape == (12, VALUES) == (12, 10)


def pass_of(one):
    """A forward pass of six made-up images."""
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    return one(images, images.new_zeros(6, 0), normal(6, 3)), images


def test_the_decoders_gradient_goes_straight_through_to_the_encoder():
    """What reconstruction says of the decoder's input is what the encoder hears; the values hear nothing of it."""
    one = model()
    outcome, _ = pass_of(one)
    (heard,) = torch.autograd.grad(outcome.logits.sum(), outcome.codes, retain_graph=True)
    outcome.logits.sum().backward()
    bias = one.encoder.posterior.bias.grad
    torch.testing.assert_close(bias[:3], heard.sum(dim=0))
    assert not bias[3:].any()  # a VAE's log-variances, of no use here
    assert one.quantiser.moved.grad is None
    torch.testing.assert_close(outcome.codes, outcome.mean)


def test_each_of_the_two_distances_moves_one_side():
    """Quantise moves values and no code, commit codes and no value; both are the mean squared difference."""
    one = model()
    outcome, images = pass_of(one)
    apart = (one.points(images, images.new_zeros(6, 0)) - outcome.mean).square().mean(dim=1)
    torch.testing.assert_close(outcome.extra[QUANTISE], apart)
    torch.testing.assert_close(outcome.extra[COMMIT], apart)
    outcome.extra[QUANTISE].sum().backward(retain_graph=True)
    assert one.quantiser.moved.grad.any()
    assert one.encoder.posterior.bias.grad is None
    one.zero_grad()
    outcome.extra[COMMIT].sum().backward()
    assert one.encoder.posterior.bias.grad[:3].any()
    assert one.quantiser.moved.grad is None


def test_the_loss_is_the_published_codes_times_the_pixels():
    """Their means over pixels and latents: BCE + 0.01 quantise + 0.01 commit, for 64 pixels."""
    outcome, images = pass_of(model())
    setting = Setting(1000, torch.tensor(0.0), steps=10)
    loss = MEMBER.objectives["qlae"].loss(outcome, torch.tensor(1.0), setting, quantise=0.01, commit=0.01)
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(outcome.logits, images)
    theirs = theirs + 0.01 * outcome.extra[QUANTISE].mean() + 0.01 * outcome.extra[COMMIT].mean()
    assert loss.item() == pytest.approx(64 * theirs.item(), rel=1e-12)
    plain = MEMBER.objectives["autoencoder"].loss(outcome, torch.tensor(1.0), setting)
    assert loss.item() - plain.item() == pytest.approx(64 * 0.02 * outcome.extra[COMMIT].mean().item())


def test_codes_are_values_whatever_the_noise_and_decode_to_the_same():
    """Nothing is drawn; `encode` says what the pass used; decoding rounds to values, so it is the pass's."""
    one = model().eval()
    outcome, images = pass_of(one)
    nothing = images.new_zeros(6, 0)
    mean, logvar = one.encode(images, nothing)
    assert torch.equal(mean, outcome.mean)
    assert torch.equal(
        one.quantiser(mean + (0.5 * logvar).exp() * 7), mean
    )  # whoever draws from it draws itself
    assert (mean[..., None] == one.quantiser.values).any(dim=-1).all()
    torch.testing.assert_close(one.decode(mean, nothing), outcome.logits)
    assert torch.equal(one.decode(mean + 0.01, nothing), one.decode(mean, nothing))
    assert torch.equal(one(images, nothing, normal(6, 3, seed=5)).logits, outcome.logits)


def test_prior_codes_are_values_each_as_often():
    """20,000 draws: each of ten values of a latent within five standard errors of a tenth."""
    one = model().eval()
    codes = one.prior(normal(20_000, 3), torch.zeros(20_000, 0))
    share = torch.bincount(one.quantiser.indices(codes)[:, 1], minlength=10) / 20_000
    assert ((share - 0.1).abs() < 5 * math.sqrt(0.09 / 20_000)).all()
    assert torch.equal(one.quantiser(codes), codes)


def test_the_plain_autoencoder_is_its_net_without_noise():
    """Codes are the first half of the encoder's output, logits the decoder's of them."""
    one = model("ae_small_patch").eval()
    outcome, images = pass_of(one)
    nothing = images.new_zeros(6, 0)
    torch.testing.assert_close(outcome.codes, one.encoder(images, nothing)[:, :3])
    torch.testing.assert_close(outcome.logits, one.decode(outcome.codes, nothing))
    assert torch.equal(one.encode(images, nothing)[0], outcome.codes)
    assert not isinstance(one, QuantisedAutoencoder)


@pytest.mark.parametrize("objective", ["qlae", "autoencoder"])
def test_a_cohort_equals_single_runs(objective, digits):
    """In float64: three models at once and one at a time agree to 1e-9."""
    options = RUN.options if objective == "qlae" else {}
    prefix = "qlae" if objective == "qlae" else "ae"
    first = replace(RUN, objective=objective, architecture=f"{prefix}_small_patch", options=options, steps=20)
    runs = [replace(first, seed=seed) for seed in (0, 7)]
    together = engine.train(Cohort(tuple(runs)), digits, dtype=torch.float64).parameters
    for position, single in enumerate(runs[1:], start=1):
        alone = one_model(engine.train(Cohort((single,)), digits, dtype=torch.float64).parameters, 0)
        for name, value in alone.items():
            torch.testing.assert_close(together[name][position], value, rtol=0, atol=1e-9)


class Kept:
    """A checkpoint in memory: the last but one state, or where to go on."""

    def __init__(self, begin=None):
        self.states, self.begin = {}, begin

    def resume(self, state, history):
        """Go on from the state that was kept, if one is given."""
        if self.begin is None:
            return 0
        done, tensors, points = self.begin
        state.load(tensors)
        history.load(points)
        return done

    def offer(self, done, state, history):
        """Keep everything."""
        tensors = {name: value.clone() for name, value in state.tensors().items()}
        self.states[done] = (
            done,
            tensors,
            {name: value.clone() for name, value in history.tensors().items()},
        )


def test_a_resumed_training_is_the_uninterrupted_one(digits):
    """To the bit, the values of each latent included; and they have moved."""
    kept = Kept()
    whole = engine.train(Cohort((RUN,)), digits, checkpoint=kept)
    again = engine.train(Cohort((RUN,)), digits, checkpoint=Kept(kept.states[64]))
    assert all(torch.equal(value, again.parameters[name]) for name, value in whole.parameters.items())
    assert whole.parameters["quantiser.moved"].any()


def test_weights_decay(digits):
    """A decay so strong that it shrinks the weights, which a small one leaves."""
    strong = replace(RUN, steps=20, options={**RUN.options, "weight_decay": 100.0})
    weak = replace(RUN, steps=20)
    lengths = [
        engine.train(Cohort((one,)), digits).parameters["decoder.spread.weight"].norm().item()
        for one in (strong, weak)
    ]
    assert lengths[0] < 0.5 * lengths[1]


def test_the_papers_net():
    """64 x 64 x 3: 4,096 features in the middle each way, codes act by style alone, images of another code differ."""
    one = MEMBER.architectures["qlae_hsu_style"].build((3, 64, 64), 12, 0)
    started = initial_parameters(one, "torch_default", [0], torch.device("cpu"))
    one.load_state_dict({name: value[0] for name, value in started.items()})
    assert one.encoder.dense_1.in_features == 4096
    assert one.decoder.canvas.unique().tolist() == [pytest.approx(0.1)]
    images, nothing = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 0)
    with torch.no_grad():
        outcome = one.eval()(images, nothing, torch.zeros(2, 12))
        ends = one.decode(torch.tensor([[-0.5] * 12, [0.5] * 12]), nothing)
    assert outcome.logits.shape == (2, 3, 64, 64)
    assert outcome.codes.shape == (2, 12)
    assert (ends[0] - ends[1]).abs().max() > 1e-3


def test_every_net_serves_both():
    """Names say the net: three of VAEs, each with and without quantisation."""
    assert set(MEMBER.objectives["qlae"].architectures) == {f"qlae_{name}" for name in NETS}
    assert set(MEMBER.objectives["autoencoder"].architectures) == {f"ae_{name}" for name in NETS}


def test_from_study_to_table(tmp_path):
    """A sweep of both: reconstruction and InfoMEC, no bound, nothing of posteriors; counted where values are few."""
    document = {
        "name": "tiny", "data_set": "digits", "steps": 20, "batch_size": 8, "seeds": 1, "latents": 3,
        "evaluation": {
            "samples": 60, "test_samples": 30, "metrics": ["infomec_range", "infomec_discrete", "active_units"],
        },
        "arms": [
            {"objective": "qlae", "architecture": "qlae_small_patch"},
            {"objective": "autoencoder", "architecture": "ae_small_patch"},
        ],
    }  # fmt: skip
    rows = sweep(parse_study(document, "tiny.toml"), out=tmp_path / "out").set_index("objective")
    assert set(rows["status"]) == {"done"}
    assert rows[["reconstruction_nats", "infom_range", "infoe_range", "infoc_range"]].notna().all(axis=None)
    assert rows[["elbo_nats", "active_units"]].isna().all(axis=None)
    assert 0 <= rows.loc["qlae", "infoe_discrete"] <= 1
    assert math.isnan(rows.loc["autoencoder", "infoe_discrete"])


def test_counting_is_the_papers_score_of_quantised_codes():
    """The task is `infomec` of the training rows with one indicator a value and codes active by range."""
    from disbench.bench.tasks import Subject

    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(4, (90, 3), generator=generator) / 4.0
    factors = torch.stack(((codes[:, 0] * 4).long(), torch.randint(2, (90,), generator=generator)), dim=1)
    subject = Subject(RUN, None, None, None, torch.arange(90), factors, codes, 60)
    found = MEMBER.tasks["infomec_discrete"].measure(subject)
    expected = infomec(codes[:60], factors[:60], convention="range", discrete=True)
    assert found == {
        "infom_discrete": expected.modularity,
        "infoe_discrete": expected.explicitness,
        "infoc_discrete": expected.compactness,
    }
    assert found["infoe_discrete"] > 0.5


def test_the_papers_study_names_its_net_for_every_arm():
    """`hsu2023`: all of them on 3D Shapes with twelve latents, QLAE with the weights of the published code."""
    study = load_study("hsu2023")
    runs = study.runs()
    assert {run.latents for run in runs} == {12}
    assert {run.data_set for run in runs} == {"shapes3d"}
    assert next(run.options for run in runs if run.objective == "qlae") == RUN.options


def test_the_papers_codebook_of_vectors():
    """Twelve latents, each one of 512 vectors of 64; its prior sees all latents before and none after."""
    one = MEMBER.architectures["vq_hsu_style"].build((3, 64, 64), 12, 0)
    started = initial_parameters(one, "torch_default", [0], torch.device("cpu"))
    one.load_state_dict({name: value[0] for name, value in started.items()}, strict=False)
    images, nothing = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 0)
    with torch.no_grad():
        outcome = one.train()(images, nothing, normal(2, 12).float())
        before = one.pixelcnn(torch.zeros(1, 12, dtype=torch.int64))
        for changed in range(12):
            row = (torch.arange(12) == changed).long()[None]
            moved = (one.pixelcnn(row) - before).abs().amax(dim=(0, 2)) > 0
            assert moved.tolist() == [position > changed for position in range(12)]
    assert outcome.logits.shape == (2, 3, 64, 64)
    assert outcome.codes.shape == outcome.extra["kl_nats"].shape == (2, 12)
    assert one.quantiser.vectors.shape == (512, 64)
