"""What is recorded over training, against the definitions and against an uninterrupted training."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

from disbench.bench import checkpoint as checkpoint_module
from disbench.bench.batches import Batches
from disbench.bench.checkpoint import CohortCheckpoint
from disbench.bench.cohort import train
from disbench.bench.cuda_graph import Recorded, graphed
from disbench.bench.history import COLUMNS, History, cadence, points_of
from disbench.bench.losses import losses_of
from disbench.bench.objectives import PLAIN_OBJECTIVES, kl, reconstruction
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.training_state import TrainingState
from disbench.datasets import load

pytestmark = pytest.mark.usefixtures("small_discriminator")

PLAN = EvaluationPlan(samples=100, test_samples=50, metrics=())


def run(**changes):
    """A tiny run on digits."""
    plain = Run(
        data_set="digits", data_content=None, architecture="small_patch", objective="beta_vae", options={},
        condition=None, correlation=None, latents=3, steps=150, batch_size=8, learning_rate=1e-3, strength=4.0,
        seed=0, evaluation=PLAN,
    )  # fmt: skip
    return replace(plain, **changes)


def factor_run(**changes):
    """One with a helper, which a checkpoint must keep too, and a warm-up, which goes by the step."""
    options = {"permute": "second_batch", "helper_learning_rate": 1e-3, "warmup_steps": 100.0}
    return run(objective="factor_vae", options=options, **changes)


@pytest.fixture(scope="module")
def digits():
    """The digits, opened once."""
    return load("digits")


def test_cadence():
    """Short trainings have a point every 20 steps; long ones 200 points, in whole chunks of 64 steps."""
    assert [cadence(steps) for steps in (50, 900, 10_000, 300_000)] == [20, 20, 50, 1472]


def test_points_come_at_the_stated_cadence(digits):
    """The first step, every twentieth, the last; the same steps for each model."""
    history = train(Cohort((run(), run(seed=1))), digits).history
    steps = [row["step"] for row in history.rows() if row["run_id"] == run().run_id]
    assert steps == [0, 19, 39, 59, 79, 99, 119, 139, 149]
    assert len(history.rows()) == 2 * len(steps)


def test_a_point_is_what_the_objective_saw(digits):
    """The first point, from the initial weights and the first batch; its parts add up to the KL, as sampled."""
    one = run(batch_size=64)
    row = train(Cohort((one,)), digits).history.rows()[0]
    cohort = Cohort((one,))
    state = TrainingState.initial(cohort, digits.device, torch.float32)
    batch = next(Batches(cohort, digits, torch.float32).of(range(1)))
    images = digits.images(batch.indices[0])[None]
    told = torch.zeros(1, 64, 0)
    _, outcome = losses_of(cohort, len(digits), "native")(
        state.model, {}, {}, images, told, batch.noise, batch.order, torch.tensor([4.0]), batch.step
    )
    outcome = tree_map(lambda part: part[0], outcome)
    assert row["reconstruction_nats"] == pytest.approx(reconstruction(outcome).item(), rel=1e-6)
    assert row["kl_per_dimension_nats"] == pytest.approx(kl(outcome).tolist(), rel=1e-5)
    assert row["kl_nats"] == pytest.approx(sum(row["kl_per_dimension_nats"]), rel=1e-6)
    assert row["elbo_nats"] == pytest.approx(-row["reconstruction_nats"] - row["kl_nats"], rel=1e-6)
    assert row["images"] == 64
    terms = sum(row[name] for name in COLUMNS[2:])
    # The closed form averages over noise, the parts are of one sample: equal up to its error.
    assert terms == pytest.approx(row["kl_nats"], abs=1.0)


def test_long_trainings_pool_batches(digits):
    """A point of a long training averages up to 16 steps, and never looks back beyond its chunk of draws."""
    long = run(steps=64 * 205, batch_size=2)
    stopped = []

    class Enough(Exception):
        """Ends the training early."""

    def look(count):
        stopped.append(count)
        if len(stopped) == 3:
            raise Enough

    histories = []

    class Watch:
        """A checkpoint that only looks."""

        def resume(self, state, history):
            histories.append(history)
            return 0

        def offer(self, done, state, history):
            pass

    with pytest.raises(Enough):
        train(Cohort((long,)), digits, on_images=look, checkpoint=Watch())
    begin = [(1, 16, 1), (18, 32, 2), (36, 64, 4), (72, 128, 8), (144, 192, 16)]
    assert [(int(p["step"]), int(p["images"])) for p in histories[0].points] == [
        (done - 1, 2 * gap) for first, last, gap in begin for done in range(first, last + 1, gap)
    ]


def test_no_point_of_a_long_training_stands_for_more_than_an_eighth_of_what_was_before():
    """Up to the cadence; short trainings have the cadence alone. Whatever the length, there are 300 points or 450."""
    for steps, most in ((12_800, 250), (25_599, 450), (345_600, 300)):
        ends = sorted(points_of(steps))
        assert (ends[0], ends[-1]) == (0, steps - 1)
        assert len(ends) <= most
        gaps = [(last + 1, last - before) for before, last in pairwise(ends)]
        assert all(gap <= max(1, min(cadence(steps), (done - gap) // 8)) for done, gap in gaps)
    assert sorted(points_of(100)) == [0, 19, 39, 59, 79, 99]


def test_points_of_the_start_pool_all_that_they_stand_for():
    """All of the first 256 steps; then 16 before each point. None looks beyond its chunk, where resumption begins."""
    history = History(Cohort((run(steps=345_600),)), 10)
    assert all(history.is_pooled(step) for step in range(256))
    ends = sorted(history.ends)
    for before, last in pairwise(ends[:120]):
        pooled = [step for step in range(before + 1, last + 1) if history.is_pooled(step)]
        assert pooled == list(range(last + 1 - min(16, last - before), last + 1))
        assert pooled[0] // 64 == last // 64


@pytest.mark.parametrize("make", [run, factor_run])
def test_resuming_is_bit_identical(make, digits, tmp_path, monkeypatch):
    """A training killed after 64 or 128 steps and begun again ends with the bits and the history of one left alone."""
    cohort = Cohort((make(), make(seed=1)))
    whole = train(cohort, digits)
    monkeypatch.setattr(checkpoint_module, "SHARE", 1e9)  # keep every one, however long it took

    class Killed(Exception):
        """As a preempted job is."""

    for kept in (64, 128):
        path = tmp_path / f"{kept}.safetensors"
        images = []

        def kill(count, images=images, kept=kept):
            images.append(count)
            if sum(images) > 2 * 8 * kept:
                raise Killed

        with pytest.raises(Killed):
            train(cohort, digits, on_images=kill, checkpoint=CohortCheckpoint(path, cohort, seconds=0))
        again = CohortCheckpoint(path, cohort)
        seen = []
        resumed = train(cohort, digits, on_images=seen.append, checkpoint=again)
        assert sum(seen) == 2 * 8 * (150 - kept)
        assert all(torch.equal(resumed.parameters[name], value) for name, value in whole.parameters.items())
        assert resumed.history.rows() == whole.history.rows()


def test_checkpoints_of_others_are_no_use(digits, tmp_path):
    """Damaged files, the last one and the one before it, and those of other runs mean a fresh start."""
    cohort = Cohort((run(),))
    path = tmp_path / "kept.safetensors"
    train(cohort, digits, checkpoint=CohortCheckpoint(path, cohort, seconds=0))
    other = Cohort((run(seed=1),))
    for place, content in ((other, None), (cohort, b"garbage")):
        if content:
            for kept in (path, checkpoint_module.previous(path)):
                kept.write_bytes(content)
        seen = []
        train(place, digits, on_images=seen.append, checkpoint=CohortCheckpoint(path, place))
        assert sum(seen) == 150 * 8


def test_checkpoints_cost_a_fiftieth_at_most(digits, tmp_path, monkeypatch):
    """Writing that takes ten seconds is not done again within five hundred."""
    cohort = Cohort((run(),))
    history = train(cohort, digits).history
    times = iter([0.0, 100.0, 100.0, 110.0, 110.0])
    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: next(times))
    ours = CohortCheckpoint(tmp_path / "kept.safetensors", cohort, seconds=50)
    state = TrainingState.initial(cohort, digits.device, torch.float32)
    ours.offer(64, state, history)
    assert ours.seconds == pytest.approx(500)


@pytest.mark.parametrize("make", [run, factor_run])
def test_a_recorded_step_is_the_step(make, digits):
    """What a CUDA graph does, without CUDA: warm-up leaves no trace, and a replay sees its own batch."""
    cohort = Cohort((make(), make(seed=1)))
    batches = Batches(cohort, digits, torch.float64)
    steps = list(batches.of(range(5)))

    def engine():
        state = TrainingState.initial(cohort, digits.device, torch.float64)
        losses = losses_of(cohort, len(digits), "native")
        strengths = torch.tensor([4.0, 4.0], dtype=torch.float64)

        def advance(batch):
            images = digits.images(batch.indices.flatten()).double().unflatten(0, batch.indices.shape)
            told = images.new_zeros(*batch.indices.shape, 0)
            state.optimiser.zero_grad(set_to_none=True)
            loss, outcome = losses(
                state.model, {}, state.helper, images, told, batch.noise, batch.order, strengths, batch.step
            )
            loss.sum().backward()
            state.optimiser.step()
            return tree_map(lambda part: part.detach(), outcome)

        return state, advance

    def record(step):
        """Three steps to warm up; then results that every replay overwrites."""
        for _ in range(3):
            outcome = step()

        def replay():
            for kept, fresh in zip(tree_leaves(outcome), tree_leaves(step()), strict=True):
                kept.copy_(fresh)

        return Recorded(replay, outcome)

    state, advance = engine()
    expected = [advance(batch).mean.clone() for batch in steps]
    recorded_state, plain = engine()
    replayed = graphed(plain, recorded_state, steps[0], record)
    for batch, mean in zip(steps, expected, strict=True):
        assert torch.equal(replayed(batch).mean, mean)
    for name, value in state.weights().items():
        assert torch.equal(recorded_state.weights()[name], value)


def test_runs_of_one_seed_share_their_batches(digits):
    """Whatever the strength; a second batch leaves the first as it is."""
    both = Batches(Cohort((run(), run(strength=1.0))), digits, torch.float32)
    batch = next(both.of(range(1)))
    assert batch.indices.shape == (1, 8)
    assert both.to_each(batch.noise).shape[0] == 2
    second = next(Batches(Cohort((factor_run(),)), digits, torch.float32).of(range(1)))
    assert second.indices.shape == (1, 16)
    assert torch.equal(second.indices[:, :8], batch.indices)
    assert torch.equal(second.noise[:, :8], batch.noise)
    assert torch.equal(second.order[0].sort(dim=0).values, torch.arange(8)[:, None].expand(8, 3))


def test_every_objective_has_a_history(digits):
    """The table of objectives, each with numbers that are numbers."""
    for name, objective in PLAIN_OBJECTIVES.items():
        on = {k: v for k, v in objective.options.items() if v is not None}
        options = {k: v[0] if isinstance(v, tuple) else v for k, v in on.items()}
        condition = "digit" if objective.conditional else None
        one = run(objective=name, options=options, condition=condition, steps=21)
        rows = train(Cohort((one,)), digits).history.rows()
        assert [row["step"] for row in rows] == [0, 19, 20]
        assert all(abs(row[column]) < 1e6 for row in rows for column in COLUMNS)
