"""The VQ-VAE: codebook by hand and against k-means, its prior against enumeration, two stages, cohorts, resume."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from disbench.bench import cohort as engine
from disbench.bench import load_study, sweep
from disbench.bench.family.vq_vae import MEMBER
from disbench.bench.family.vq_vae.codebook import use
from disbench.bench.family.vq_vae.model import COMMITMENT, VQVAE, places
from disbench.bench.family.vq_vae.objective import stage_two
from disbench.bench.family.vq_vae.pixelcnn import GatedPixelCNN
from disbench.bench.family.vq_vae.quantiser import (
    VectorQuantiser,
    along_main_axis,
    nearest,
    replacements,
    squared_distances,
    straight_through,
)
from disbench.bench.models import KL_NATS, initial_parameters
from disbench.bench.objectives import Setting
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import one_model
from disbench.bench.study_loading import parse_study
from disbench.bench.training_state import TrainingState
from disbench.datasets import load

RUN = Run(
    data_set="digits", data_content=None, architecture="vq_small", objective="vq_vae",
    options={"commitment": 0.25, "prior_share": 1 / 3}, condition=None, correlation=None, latents=3, steps=192,
    batch_size=4, learning_rate=1e-3, strength=1.0, seed=0,
    evaluation=EvaluationPlan(samples=100, test_samples=50, metrics=()),
)  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    """Small images."""
    return load("digits")


def normal(*shape, seed=0):
    """Made-up numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_weights(module, seed=0, scheme="glorot"):
    """A module in float64 with weights as a training begins with."""
    started = initial_parameters(module, scheme, [seed], torch.device("cpu"))
    module.double().load_state_dict(
        {name: value[0].double() for name, value in started.items()}, strict=False
    )
    return module


def small(seed=0):
    """The small net for digits, in float64."""
    return with_weights(MEMBER.architectures["vq_small"].build((1, 8, 8), 3, 0), seed)


# The codebook.


def test_nearest_by_hand():
    """1 is nearer to 0 than to 3; of codes at one place the first; halfway the first."""
    vectors = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 0.0], [0.0, -4.0]])
    points = torch.tensor([[1.0, 0.0], [2.9, 0.1], [1.5, 0.0], [0.0, -9.0]])
    assert nearest(points, vectors).tolist() == [0, 1, 0, 3]
    assert squared_distances(points, vectors)[0].tolist() == pytest.approx([1, 4, 4, 17])


def test_nearest_of_many_is_the_least_distance():
    """Against `torch.cdist` of made-up points."""
    points, vectors = normal(200, 5), normal(17, 5, seed=1)
    assert torch.equal(nearest(points, vectors), torch.cdist(points, vectors).argmin(dim=1))


def test_the_gradient_goes_straight_through():
    """The value is the code's, the Jacobian with respect to the encoder is the identity, to the code nothing."""
    points, vectors = normal(3, 2).requires_grad_(), normal(3, 2, seed=1).requires_grad_()
    torch.testing.assert_close(straight_through(points, vectors), vectors)
    by_points, by_vectors = torch.autograd.functional.jacobian(straight_through, (points, vectors))
    assert torch.equal(by_points.reshape(6, 6), torch.eye(6, dtype=torch.float64))
    assert not by_vectors.any()


def alive(vectors, decay, counts=None):
    """A quantiser in training whose codes are these, each with as much use as it takes to live and more."""
    quantiser = VectorQuantiser(*vectors.shape, decay=decay).double()
    quantiser.vectors.copy_(vectors)
    quantiser.counts.copy_(torch.full((len(vectors),), 10.0) if counts is None else counts)
    quantiser.sums.copy_(vectors * quantiser.counts[:, None])
    return quantiser.train()


def test_moving_averages_by_hand_over_two_steps():
    """Decay 1/2, codes 0 and 10 of weight 2: the batch 1, 1, 7 makes N = (2, 1.5), M = (1, 13.5), e = (1/2, 9);
    then 4, 8, 10 makes N = (1.5, 1.75), M = (2.5, 15.75), e = (5/3, 9).
    """
    quantiser = alive(torch.tensor([[0.0], [10.0]]), 0.5, torch.tensor([2.0, 2.0]))
    chances = torch.zeros(3, dtype=torch.float64)
    found = quantiser(torch.tensor([[1.0], [1.0], [7.0]]), chances)
    assert found.indices.tolist() == [0, 0, 1]
    assert found.vectors.flatten().tolist() == [0, 0, 10]  # those before the batch was learned from
    assert quantiser.counts.tolist() == [2, 1.5]
    assert quantiser.vectors.flatten().tolist() == pytest.approx([1 / 2, 9])
    assert quantiser(torch.tensor([[4.0], [8.0], [10.0]]), chances).indices.tolist() == [0, 1, 1]
    assert quantiser.counts.tolist() == [1.5, 1.75]
    assert quantiser.sums.flatten().tolist() == pytest.approx([2.5, 15.75])
    assert quantiser.vectors.flatten().tolist() == pytest.approx([5 / 3, 9])


def test_without_memory_a_step_is_one_of_k_means():
    """Decay 0: every used code becomes the mean of its points, so that steps on a batch end where scikit-learn does."""
    from sklearn.cluster import KMeans

    points = torch.cat((normal(40, 2), normal(40, 2, seed=1) + 6, normal(40, 2, seed=2) - 6))
    start = points[[0, 40, 80]]
    quantiser = alive(start, 0.0)
    indices = quantiser(points, torch.zeros(120)).indices
    means = torch.stack([points[indices == code].mean(dim=0) for code in range(3)])
    torch.testing.assert_close(quantiser.vectors, means)
    for _ in range(20):
        quantiser(points, torch.zeros(120))
    found = KMeans(3, init=start.numpy(), n_init=1, tol=0).fit(points.numpy())
    torch.testing.assert_close(quantiser.vectors, torch.from_numpy(found.cluster_centers_))


def test_the_first_batch_makes_the_codebook():
    """All codes begin dead: each becomes another point of the batch, and every point then lies at a code."""
    points = normal(12, 3)
    quantiser = VectorQuantiser(12, 3).double().train()
    found = quantiser(points, normal(12, seed=1))
    assert sorted(found.indices.tolist()) == list(range(12))
    torch.testing.assert_close(found.vectors, points)


def test_a_dead_code_is_replaced_and_others_are_not():
    """Code 1 is below a tenth of an even use (4 points, 2 codes: 0.2) and takes the one point away from code 0."""
    quantiser = alive(torch.tensor([[0.0], [99.0]]), 0.99, torch.tensor([5.0, 0.19]))
    points = torch.tensor([[0.0], [0.0], [7.0], [0.0]])
    found = quantiser(points, normal(4))
    assert found.indices.tolist() == [0, 0, 1, 0]
    assert found.vectors.flatten().tolist() == [0, 0, 7, 0]
    assert quantiser.counts.tolist() == pytest.approx([0.99 * 5 + 0.03, 0.99 * 0.4 + 0.01])
    assert quantiser.vectors.flatten().tolist() == pytest.approx([0, 7])


def test_replacements_are_in_proportion_to_squared_distance():
    """The first of many draws from distances 1, 2, 5, 0: shares 1/8, 2/8, 5/8, and no last."""
    distances, noise = torch.tensor([1.0, 2.0, 5.0, 0.0], dtype=torch.float64), normal(20_000, 4)
    taken = torch.stack([replacements(distances, row, 3) for row in noise])
    share = torch.bincount(taken[:, 0], minlength=4) / len(noise)
    assert share.tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8, 0], abs=0.012)  # 3.5 standard errors of 5/8
    assert not (taken == 3).any()
    assert (taken.sort(dim=1).values.diff(dim=1) > 0).all()


@pytest.mark.parametrize("how", ["frozen", "evaluation"])
def test_a_codebook_that_does_not_learn(how):
    """Frozen, or outside training: no buffer changes, dead codes included."""
    quantiser = VectorQuantiser(4, 2).double()
    if how == "frozen":
        quantiser.train().frozen.fill_(1)
    else:
        quantiser.eval()
    before = {name: value.clone() for name, value in quantiser.named_buffers()}
    quantiser(normal(9, 2), normal(9))
    assert all(torch.equal(value, before[name]) for name, value in quantiser.named_buffers())


def test_codes_are_numbered_along_their_main_axis():
    """On a line in the plane, shuffled: numbers follow the line, whatever its direction's sign."""
    place = torch.tensor([3.0, -1.0, 7.0, 0.5, 2.0], dtype=torch.float64)
    for direction in (torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, -1.0]])):
        order = along_main_axis(place[:, None] * direction + normal(1, 2) + 1e-3 * normal(5, 2, seed=3))
        assert place[order].tolist() in ([-1, 0.5, 2, 3, 7], [7, 3, 2, 0.5, -1])


# The prior.


def pixelcnn(codes=3, side=2, layers=2, kernel=3, seed=0):
    """A gated PixelCNN whose probabilities are far from even."""
    network = with_weights(GatedPixelCNN(codes, (side, side), 8, layers, kernel), seed, "torch_default")
    for parameter in network.parameters():
        parameter.data.mul_(3)
    return network.requires_grad_(False)


def test_probabilities_of_all_maps_sum_to_one():
    """81 maps of 2 x 2 with 3 codes: it is a distribution, and no even one."""
    maps = torch.tensor(list(itertools.product(range(3), repeat=4)))
    logs = pixelcnn().log_probabilities(maps).sum(dim=1)
    assert logs.logsumexp(dim=0).item() == pytest.approx(0, abs=1e-12)
    assert logs.max() - logs.min() > 1


def sees(network, side):
    """[P, P]: whether the logits of position i depend on the embedding at position j, by the Jacobian."""
    positions = side * side
    indices = torch.arange(positions)[None] % network.logits.out_features
    embedded = network.embedding(indices)

    def logits(values):
        vertical = horizontal = values.unflatten(1, (side, side))
        for layer in network.layers:
            vertical, horizontal = layer(vertical, horizontal)
        hidden = torch.relu(network.hidden(torch.relu(horizontal)))
        return network.logits(hidden).flatten(1, 2)[0].sum(dim=-1)

    return torch.autograd.functional.jacobian(logits, embedded)[:, 0].abs().sum(dim=-1) > 0


def test_a_position_depends_on_all_earlier_ones_and_no_later_one():
    """The small net's layers and kernel on its map of 4 x 4: causal, and without a blind spot."""
    network = MEMBER.architectures["vq_small"].build((1, 64, 64), 10, 0).pixelcnn
    with_weights(network)
    earlier = torch.ones(16, 16, dtype=torch.bool).tril(diagonal=-1)
    assert torch.equal(sees(network, 4), earlier)


def test_causality_in_probabilities():
    """Changing the index of a position changes the distributions of later positions and of no other."""
    network = pixelcnn(side=3, layers=3)
    maps = torch.zeros(1, 9, dtype=torch.int64)
    before = network(maps)
    for position in range(9):
        changed = maps.clone()
        changed[0, position] = 2
        moved = (network(changed) - before).abs().amax(dim=(0, 2)) > 1e-9
        assert not moved[: position + 1].any()
        assert moved[position + 1 :].all()


def test_samples_are_as_frequent_as_they_are_probable():
    """20,000 maps of 2 x 2: every one within five standard errors of its probability."""
    network = pixelcnn()
    count = 20_000
    drawn = network.sample(torch.special.ndtr(normal(count, 4)))
    number = (drawn * torch.tensor([27, 9, 3, 1])).sum(dim=1)
    share = torch.bincount(number, minlength=81) / count
    maps = torch.tensor(list(itertools.product(range(3), repeat=4)))
    probability = network.log_probabilities(maps).sum(dim=1).exp()
    assert ((share - probability).abs() <= 5 * (probability * (1 - probability) / count).sqrt() + 1e-4).all()


# The model.


def trained_a_little(model):
    """One batch in training, so that the codebook is there; then for inference."""
    images, noise = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double(), normal(6, 16)
    model.train()
    model(images, images.new_zeros(6, 0), noise)
    return model.eval(), images, images.new_zeros(6, 0), noise


def test_codes_are_parts_of_a_normal_distribution_that_decode_to_what_was_encoded():
    """Encoded, decoded: the forward pass's logits; a little beside, or beyond the ends, the same code or the last."""
    model, images, nothing, noise = trained_a_little(small())
    outcome = model(images, nothing, noise)
    codes, _ = model.encode(images, nothing)
    assert torch.equal(codes, outcome.mean)
    middles = torch.special.ndtri((torch.arange(64, dtype=torch.float64) + 0.5) / 64)
    assert torch.equal(places(middles, 64), torch.arange(64))
    assert torch.equal(middles[places(codes, 64)], codes)
    torch.testing.assert_close(model.decode(codes, nothing), outcome.logits)
    assert torch.equal(model.decode(codes + 0.01, nothing), model.decode(codes, nothing))
    ends = model.decode(torch.full_like(codes, 1e9), nothing)
    assert torch.equal(ends, model.decode(torch.full_like(codes, middles[-1]), nothing))
    order = along_main_axis(model.quantiser.vectors)
    assert torch.equal(order[places(codes, 64)], model.indices(images))


def test_the_bound_counts_the_indices_and_nothing_is_random():
    """KL of the parts is -log p of each index given those before; other noise, the same pass."""
    model, images, nothing, noise = trained_a_little(small())
    outcome, again = model(images, nothing, noise), model(images, nothing, -noise)
    assert torch.equal(outcome.logits, again.logits)
    expected = -model.pixelcnn.log_probabilities(model.indices(images))
    torch.testing.assert_close(outcome.extra[KL_NATS], expected)
    assert outcome.extra[KL_NATS].shape == (6, 16)


def test_the_prior_is_the_pixelcnns():
    """Codes drawn from it are those of the indices that the PixelCNN draws from the same chances."""
    model, _, nothing, noise = trained_a_little(small())
    codes = model.prior(noise, nothing)
    indices = along_main_axis(model.quantiser.vectors)[places(codes, 64)]
    assert torch.equal(indices, model.pixelcnn.sample(torch.special.ndtr(noise)))
    assert model.decode(codes, nothing).shape == (6, 1, 8, 8)


def stage_loss(model, images, nothing, noise, step, **options):
    """The loss at a step of 10, of which the last 4 are the prior's."""
    objective = MEMBER.objectives["vq_vae"]
    setting = Setting(1000, torch.tensor(float(step)), steps=10)
    keywords = {"commitment": 0.25, "prior_share": 0.4, **options}
    outcome = model(images, nothing, noise)
    return objective.loss(outcome, torch.tensor(1.0), setting, **keywords), outcome


def test_each_stage_has_its_own_loss_and_gradient():
    """Reconstruction and commitment to the encoder and decoder; -log p to the PixelCNN; nothing to the other."""
    model, images, nothing, noise = trained_a_little(small())
    model.requires_grad_(True)
    for step, own in ((4, "autoencoder"), (6, "prior")):
        model.zero_grad()
        loss, outcome = stage_loss(model, images, nothing, noise, step)
        loss.backward()
        pixels = torch.nn.functional.binary_cross_entropy_with_logits(
            outcome.logits, images, reduction="none"
        )
        expected = pixels.sum() / 6 + 0.25 * 64 * outcome.extra[COMMITMENT].mean()
        if own == "prior":
            expected = outcome.extra[KL_NATS].sum() / 6
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
        for name, parameter in model.named_parameters():
            assert bool(parameter.grad.any()) == (name.startswith("pixelcnn") == (own == "prior")), name


def test_the_autoencoders_loss_fades_out_before_the_priors_begins():
    """Over the last fifth of 600 steps linearly: whole at 480, half at 540, a 120th at the last."""
    model, images, nothing, noise = trained_a_little(small())
    outcome = model(images, nothing, noise)
    losses = [
        MEMBER.objectives["vq_vae"].loss(
            outcome, None, Setting(9, torch.tensor(float(step)), steps=1000), commitment=0.25, prior_share=0.4
        ).item()
        for step in (0, 480, 540, 599)
    ]  # fmt: skip
    assert [loss / losses[0] for loss in losses] == pytest.approx([1, 1, 1 / 2, 1 / 120])


def test_the_commitment_by_hand():
    """Points at 1 and 4 numbers from their codes: (1 + 16) / 2, of both the encoder alone has a gradient."""
    points = torch.tensor([[1.0], [9.0]], requires_grad=True)
    quantiser = alive(torch.tensor([[0.0], [5.0]]), 0.99).eval()

    class Ready(torch.nn.Module):
        def forward(self, images):
            return points[None].double()

    model = VQVAE(Ready(), torch.nn.Identity(), quantiser, pixelcnn(codes=2, side=1))
    model.pixelcnn.map_shape = (1, 2)
    one = torch.zeros(1, 1, 1, 1).double()
    commitment = model(one, one.new_zeros(1, 0), torch.zeros(1, 2).double()).extra[COMMITMENT]
    assert commitment.item() == pytest.approx(17 / 2)
    commitment.sum().backward()
    assert points.grad.flatten().tolist() == [1, 4]


def test_the_codebook_is_frozen_from_the_first_step_of_the_second_stage():
    """The switch of a step is written by the step before it."""
    model, images, nothing, noise = trained_a_little(small())
    for step, frozen in ((0, 0), (4, 0), (5, 1), (9, 1)):
        stage_loss(model, images, nothing, noise, step)
        assert model.quantiser.frozen.item() == frozen
    assert [stage_two(1500, share) for share in (0.5, 0.001, 1.0)] == [750, 1498, 1]


def test_perplexity_by_hand():
    """Two positions of 4 codes: the first is even over two, the second always 3. Pooled 1/4, 1/4, 1/2."""
    found = use(torch.tensor([[0, 3], [1, 3], [0, 3], [1, 3]]), 4)
    assert found["codebook_position_entropy_nats"] == pytest.approx([math.log(2), 0])
    assert found["codebook_perplexity"] == pytest.approx(2**1.5)
    assert found["codebook_used_share"] == 3 / 4
    assert use(torch.arange(4)[:, None], 4)["codebook_perplexity"] == pytest.approx(4)


# Training.


class Kept:
    """A checkpoint in memory: the state after every chunk of steps, or where to go on."""

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


@pytest.fixture(scope="module")
def whole(digits):
    """One training of 192 steps, 128 of the autoencoder, with its states."""
    kept = Kept()
    return engine.train(Cohort((RUN,)), digits, dtype=torch.float64, checkpoint=kept), kept.states


def test_the_second_stage_leaves_autoencoder_and_codebook_alone(whole):
    """The codebook to the bit from the first step on. Adam's momentum carries the autoencoder on by less than
    one step's length in the mean; the prior begins when its stage does.
    """
    _, states = whole
    at = {done: tensors for done, (_, tensors, _) in states.items()}
    begun = TrainingState.initial(Cohort((RUN,)), torch.device("cpu"), torch.float64).tensors()
    learned = [name for name in at[64] if name.startswith("buffer/") and "frozen" not in name]
    assert all(torch.equal(at[128][name], at[192][name]) for name in learned)
    assert not any(torch.equal(at[64][name], at[128][name]) for name in learned)
    moved = []
    for name in (name for name in at[64] if name.startswith("weight/")):
        if "pixelcnn" in name:
            assert torch.equal(begun[name], at[128][name])
            assert not torch.equal(at[128][name], at[192][name])
        else:
            assert not torch.equal(at[64][name], at[128][name])
            moved.append((at[128][name] - at[192][name]).flatten())
    assert torch.cat(moved).square().mean().sqrt() < RUN.learning_rate


def test_both_stages_learn(whole):
    """Reconstruction falls in the first; -log p of the codes falls in the second."""
    history = whole[0].history.rows()
    rows = {row["step"]: row for row in (history[0] if isinstance(history[0], list) else history)}
    first, middle, last = rows[0], rows[min(step for step in rows if step >= 128)], rows[191]
    assert middle["reconstruction_nats"] < 0.8 * first["reconstruction_nats"]
    assert last["kl_nats"] < 0.95 * middle["kl_nats"]


def test_a_resumed_training_is_the_uninterrupted_one(whole, digits):
    """From the beginning of the second stage, to the bit, codebook included."""
    trained, states = whole
    again = engine.train(Cohort((RUN,)), digits, dtype=torch.float64, checkpoint=Kept(states[128]))
    assert all(torch.equal(value, again.parameters[name]) for name, value in trained.parameters.items())
    assert "quantiser.vectors" in trained.parameters


def test_a_cohort_equals_single_runs(digits):
    """In float64, both stages: three models at once and one at a time agree to 1e-9, their codebooks too."""
    runs = [replace(RUN, seed=seed, steps=30) for seed in (0, 7)]
    together = engine.train(Cohort(tuple(runs)), digits, dtype=torch.float64).parameters
    for position, single in enumerate(runs[1:], start=1):
        alone = one_model(engine.train(Cohort((single,)), digits, dtype=torch.float64).parameters, 0)
        for name, value in alone.items():
            torch.testing.assert_close(together[name][position], value, rtol=0, atol=1e-9)


def test_from_study_to_table(tmp_path):
    """A sweep: a bound, the codebook's columns, nothing of posteriors."""
    document = {
        "name": "tiny", "data_set": "digits", "architecture": "vq_small", "steps": 20, "batch_size": 4, "seeds": 1,
        "latents": 3, "evaluation": {"samples": 60, "test_samples": 30, "metrics": ["mig", "active_units"]},
        "arms": [{"objective": "vq_vae"}],
    }  # fmt: skip
    rows = sweep(parse_study(document, "tiny.toml"), out=tmp_path / "out")
    row = rows.iloc[0]
    assert row["status"] == "done", row["error"]
    assert row["elbo_nats"] < -row["reconstruction_nats"]
    assert 1 <= row["codebook_perplexity"] <= 64
    assert 0 < row["codebook_used_share"] <= 1
    assert len(row["codebook_position_entropy_nats"]) == 16
    assert math.isfinite(row["mig"])
    assert not math.isfinite(row["active_units"])


def test_only_its_own_nets(tmp_path):
    """Another net has no codebook, another objective no use for one."""
    for objective, architecture in (("vq_vae", "small_patch"), ("vae", "vq_small")):
        arm = {"objective": objective, "architecture": architecture}
        with pytest.raises(ValueError, match=architecture):
            load_study(parse_study({"name": "x", "data_set": "digits", "arms": [arm]}, "x.toml"))


def test_the_papers_net_trains_two_steps():
    """On 8 x 8 digits its map is 2 x 2, with 512 codes."""
    run = replace(RUN, architecture="vq_conv", steps=2, batch_size=2, latents=8)
    trained = engine.train(Cohort((run,)), load("digits"))
    assert all(torch.isfinite(value).all() for value in trained.parameters.values())
    assert trained.parameters["quantiser.vectors"].shape == (1, 512, 8)
