"""Cohorts: the numbers of a model depend on its run, not on its company."""

from dataclasses import replace

import pytest
import torch

from disbench.bench import cohort as engine
from disbench.bench.objectives import PLAIN_OBJECTIVES
from disbench.bench.run import Cohort, EvaluationPlan, Plan, Run, cohorts, without
from disbench.bench.run_model import is_finite, one_model
from disbench.bench.training_state import TrainingState
from disbench.datasets import load

pytestmark = pytest.mark.usefixtures("small_discriminator")

PLAN = EvaluationPlan(samples=100, test_samples=50, metrics=())


def run(**changes):
    """A tiny run on digits."""
    plain = Run(
        data_set="digits", data_content=None, architecture="small_patch", objective="beta_vae", options={},
        condition=None, correlation=None, latents=3, steps=50, batch_size=8, learning_rate=1e-3, strength=4.0,
        seed=0, evaluation=PLAN,
    )  # fmt: skip
    return replace(plain, **changes)


def train(cohort, data, **keywords):
    """The trained weights."""
    return engine.train(cohort, data, **keywords).parameters


def defaults(name):
    """The options of an objective where a study names none."""
    options = PLAIN_OBJECTIVES[name].options
    on = {key: takes for key, takes in options.items() if takes is not None}
    return {key: takes[0] if isinstance(takes, tuple) else takes for key, takes in on.items()}


def variants():
    """Every objective with every choice of its options, and a warm-up over 30 steps where it has one."""
    for name, objective in PLAIN_OBJECTIVES.items():
        condition = "digit" if objective.conditional else None
        words = {key: takes for key, takes in objective.options.items() if isinstance(takes, tuple)}
        choices = [{key: choice} for key, takes in words.items() for choice in takes]
        choices = [changed for changed in choices if changed != {"estimator": "mss"}]  # mws but for constants
        for changed in choices or [{}]:
            warm = {"warmup_steps": 30.0} if "warmup_steps" in objective.options else {}
            options = defaults(name) | warm | changed
            yield pytest.param(
                run(objective=name, options=options, condition=condition),
                id="-".join([name, *changed.values()]),
            )


@pytest.fixture(scope="module")
def digits():
    """The digits, opened once."""
    return load("digits")


@pytest.mark.parametrize("first", list(variants()))
def test_a_cohort_equals_single_runs(first, digits):
    """In float64, 50 steps: three models at once and one at a time agree to 1e-9, whatever the order."""
    runs = [first, replace(first, strength=2.0), replace(first, seed=7)]
    together = train(Cohort(tuple(runs)), digits, dtype=torch.float64)
    reversed_order = train(Cohort(tuple(reversed(runs))), digits, dtype=torch.float64)
    for position, single in enumerate(runs):
        alone = one_model(train(Cohort((single,)), digits, dtype=torch.float64), 0)
        for name, value in alone.items():
            torch.testing.assert_close(together[name][position], value, rtol=0, atol=1e-9)
            torch.testing.assert_close(reversed_order[name][2 - position], value, rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["study_conv", "burgess_conv", "chen_mlp"])
def test_other_architectures_train_in_cohorts_too(architecture):
    """Two steps on dSprites: a cohort equals single runs for convolutions as well."""
    data = load("dsprites")
    runs = [run(data_set="dsprites", architecture=architecture, steps=2, seed=seed) for seed in (0, 1)]
    together = train(Cohort(tuple(runs)), data, dtype=torch.float64)
    alone = one_model(train(Cohort((runs[1],)), data, dtype=torch.float64), 0)
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value, rtol=0, atol=1e-9)


def test_training_repeats_bit_for_bit(digits):
    """The same cohort on the same machine gives the same bits: nothing draws from a hidden state."""
    cohort = Cohort((run(), run(seed=1)))
    torch.manual_seed(1)
    first = train(cohort, digits)
    torch.manual_seed(2)
    second = train(cohort, digits)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("first", list(variants()))
def test_a_diverged_model_is_alone(first, digits):
    """A gradient that overflows makes one model NaN; its neighbours' numbers are those of a cohort without it."""
    if PLAIN_OBJECTIVES[first.objective].strength is None:
        pytest.skip("no strength to overflow with")
    healthy = [first, replace(first, seed=1)]
    # A capacity of infinity is only ever far away; what overflows there is the loss.
    ill = replace(first, strength=1e38)
    together = train(Cohort((healthy[0], ill, healthy[1])), digits)
    without_it = train(Cohort((healthy[0], replace(ill, strength=1.0), healthy[1])), digits)
    assert not is_finite(one_model(together, 1))
    for position in (0, 2):
        assert is_finite(one_model(together, position))
        for name in together:
            assert torch.equal(together[name][position], without_it[name][position])


@pytest.mark.parametrize("name", PLAIN_OBJECTIVES)
def test_at_strength_zero_or_one_an_objective_is_the_vae(name, digits):
    """After 50 steps too: beta 1, and no penalty, leave the evidence bound and nothing of the helper."""
    objective = PLAIN_OBJECTIVES[name]
    if objective.conditional or objective.strength is None or name == "annealed_vae":
        pytest.skip("told a digit, or another bound")
    neutral = 1.0 if objective.strength == "β" else 0.0
    ours = run(objective=name, options=defaults(name), strength=neutral)
    trained = train(Cohort((ours,)), digits, dtype=torch.float64)
    plain = train(Cohort((run(objective="vae", strength=1.0),)), digits, dtype=torch.float64)
    for parameter, value in plain.items():
        torch.testing.assert_close(trained[parameter], value, rtol=0, atol=1e-9)


def test_a_helper_that_learns_changes_the_model_only_through_gamma(digits):
    """The discriminator learns at any rate; with gamma 0 the model does not notice, with gamma 10 it does."""

    def trained(gamma, rate):
        options = {"permute": "same_batch", "helper_learning_rate": rate}
        factor = run(objective="factor_vae", options=options, strength=gamma)
        return train(Cohort((factor,)), digits, dtype=torch.float64)

    for name, value in trained(0.0, 1e-4).items():
        assert torch.equal(value, trained(0.0, 1e-2)[name])
    assert any(not torch.equal(v, trained(10.0, 1e-2)[n]) for n, v in trained(10.0, 1e-4).items())


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_lower_precision_trains_nearly_the_same(precision, digits):
    """Rounded products move the weights by little against how far they go; on a CPU tf32 is float32 to the bit."""
    exact = train(Cohort((run(),)), digits)
    rounded = train(Cohort((run(precision=precision),)), digits)
    begun = TrainingState.initial(Cohort((run(),)), digits.device, torch.float32).model
    if precision == "tf32":
        assert all(torch.equal(rounded[name], value) for name, value in exact.items())
    apart = sum((rounded[name] - value).square().sum() for name, value in exact.items())
    moved = sum((value - begun[name]).square().sum() for name, value in exact.items())
    assert apart < 0.3**2 * moved  # Adam moves a weight by its full rate for a gradient that is all rounding
    assert all(value.dtype == torch.float32 for value in rounded.values())


def test_training_lowers_the_loss(digits):
    """It is an optimiser after all: reconstruction of digits improves far beyond the first step's."""
    from disbench.bench.evaluation import encode
    from disbench.bench.run_model import with_parameters

    errors = []
    for steps in (1, 400):
        trained = run(steps=steps, strength=1.0, batch_size=64)
        model = with_parameters(trained, one_model(train(Cohort((trained,)), digits), 0))
        errors.append(encode(trained, model, digits).reconstruction.mean().item())
    assert errors[1] < 0.8 * errors[0]


def test_images_are_counted(digits):
    """Progress counts every image of every model once."""
    counted = []
    train(Cohort((run(), run(seed=1))), digits, on_images=counted.append)
    assert sum(counted) == 2 * 50 * 8


def test_cohorts_share_everything_but_strength_and_seed():
    """Grouping keeps families apart, cuts at the size asked for, and keeps the order."""
    runs = [run(seed=s, strength=b) for b in (1.0, 2.0) for s in (0, 1)] + [
        run(objective="vae", strength=1.0)
    ]
    groups = cohorts(runs, lambda family: Plan(3))
    assert [len(cohort.runs) for cohort in groups] == [3, 1, 1]
    assert [r for cohort in groups for r in cohort.runs] == runs
    assert [cohort.cohort_id for cohort in groups] == [
        cohort.cohort_id for cohort in cohorts(runs, lambda family: Plan(3))
    ]


def test_finished_runs_leave_their_cohort():
    """What is left is trained; a cohort without work disappears."""
    groups = cohorts([run(seed=s) for s in range(4)], lambda family: Plan(2))
    finished = {run(seed=0).run_id, run(seed=1).run_id, run(seed=2).run_id}
    assert [cohort.runs for cohort in without(groups, finished)] == [(run(seed=3),)]


def test_run_id_changes_with_what_changes_the_number():
    """Every field does, but the list of metrics does not: a further score changes no other."""
    changes = {
        "data_set": "dsprites", "data_content": "0f", "architecture": "chen_mlp", "objective": "vae",
        "options": {"estimator": "mss"}, "condition": "digit", "correlation": {"factors": ["a", "b"], "sigma": 0.1},
        "latents": 4, "steps": 51, "batch_size": 9, "learning_rate": 2e-3, "strength": 5.0,
        "seed": 1, "evaluation": replace(PLAN, samples=101), "precision": "bf16",
        "hold_out": {"extrapolation": {"digit": 0.5}},
    }  # fmt: skip
    assert set(changes) == set(Run.__dataclass_fields__)
    ids = {run(**{name: value}).run_id for name, value in changes.items()}
    assert len(ids | {run().run_id}) == len(changes) + 1
    assert run(evaluation=replace(PLAN, metrics=("mig",))).run_id == run().run_id


def test_correlated_factors_are_what_training_sees(monkeypatch):
    """With a small sigma, the two factors of nearly every training image go together; the others stay free."""
    data, seen = load("dsprites"), []
    real = data.images

    class Watched:
        """The data set, with an ear at its images."""

        def __getattr__(self, name):
            return getattr(data, name)

        def __len__(self):
            return len(data)

        def images(self, indices):
            seen.append(data.factors(indices))
            return real(indices)

    tied = run(
        data_set="dsprites", steps=40, batch_size=16, correlation={"factors": ["posX", "posY"], "sigma": 0.05}
    )
    train(Cohort((tied,)), Watched())
    factors = torch.cat(seen).double()
    correlation = torch.corrcoef(factors.T)
    assert correlation[3, 4] > 0.95
    assert correlation[1, 3].abs() < 0.15
    assert torch.unique(factors[:, 3]).numel() == 32
