"""All of it in one call: the parts are those of the single functions, and the page says what was asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from disbench.metrics.likelihood import (
    Annealing,
    LinearVAE,
    MeasuredLikelihood,
    annealing_curve,
    draw_importance_samples,
    importance_weighted_bound,
    measure_likelihood,
)
from disbench.metrics.likelihood.density import Density
from disbench.metrics.likelihood.measured import ladder_of

MODEL = LinearVAE.random()
ANNEALING = Annealing(steps=40, chains=4, pilot_steps=20)


def inputs(rows: int = 10) -> Tensor:
    """What the model made."""
    return MODEL.simulate(rows, seed=1)[1]


def simulate(codes: Tensor) -> tuple[Density, Tensor, Tensor]:
    """Inputs that codes make without noise's randomness mattering to the test: those of a fixed seed."""
    noise = torch.from_numpy(np.random.default_rng(7).normal(size=(len(codes), 8)))
    made = MODEL.decode(codes, torch.arange(len(codes))) + MODEL.deviation * noise
    return (MODEL.likelihood(made), *MODEL.encode(made))


def measured(rows: int = 10, **keywords: object) -> MeasuredLikelihood:
    """All of it."""
    given = {"importance_samples": 50, "annealing": ANNEALING, "seed": 3} | keywords
    return measure_likelihood(MODEL.likelihood(inputs(rows)), *MODEL.encode(inputs(rows)), **given)  # type: ignore[arg-type]


def test_the_parts_are_those_of_the_functions() -> None:
    """Same draws, same numbers; annealing's own seed is replaced by the one seed of all."""
    found = measured()
    drawn = draw_importance_samples(MODEL.likelihood(inputs()), *MODEL.encode(inputs()), samples=50, seed=3)
    assert found.importance.last.nats == importance_weighted_bound(drawn.log_weights).nats
    zeros = torch.zeros_like(MODEL.encode(inputs())[0])
    plan = Annealing(steps=40, chains=4, pilot_steps=20, seed=3)
    curve = annealing_curve(MODEL.likelihood(inputs()), zeros, zeros, steps=(5, 10, 20, 40), annealing=plan)
    assert found.annealing is not None
    assert found.annealing.efforts == (5, 10, 20, 40)
    assert_allclose(found.annealing.nats, curve.nats, rtol=0)
    assert found.inference_gap_nats == pytest.approx(found.importance.last.nats - found.elbo.elbo_nats)
    assert found.acceptance == pytest.approx(curve.last.acceptance.mean())


def test_what_is_not_asked_for_is_left_out() -> None:
    found = measured(annealing=None, importance_samples=20)
    assert found.annealing is found.sandwich is found.acceptance is None
    assert found.pareto_k is found.heavy_tailed_share is None
    assert "annealed" not in str(found)
    assert "tail" not in str(found)


def test_a_better_start_is_closer_after_as_few_steps() -> None:
    truth = MODEL.log_marginal(inputs()).mean().item()
    missed = [truth - measured(start=start).annealing.nats[0] for start in ("prior", "posterior")]  # type: ignore[union-attr]
    assert missed[0] > 1 > abs(missed[1])


@pytest.mark.parametrize("start", ["prior", "posterior"])
def test_simulated_rows_are_sandwiched(start) -> None:
    found = measured(simulate=simulate, simulated_rows=6, start=start)
    assert found.sandwich is not None
    assert len(found.sandwich.upper.last.rows_nats) == 6
    assert found.sandwich.gap_nats[-1] < max(0.2, found.sandwich.gap_nats[0])
    assert "between the bounds of simulated rows" in str(found)


def test_the_page_has_every_number() -> None:
    """A line for each point of both curves, and what the parts say of themselves."""
    page = str(measured(rows=2))
    for words in ("ELBO", "importance samples", "annealing steps", "samples effective", "proposals accepted"):
        assert words in page
    assert len(page.splitlines()) == 2 + 1 + 1 + 6 + 2 + 1 + 1 + 4 + 1


def test_ladders_double() -> None:
    assert ladder_of(1000) == (125, 250, 500, 1000)
    assert ladder_of(5) == (1, 2, 5)
    assert ladder_of(1) == (1,)


def test_bad_starts_are_refused() -> None:
    with pytest.raises(ValueError, match='start: expected "prior" or "posterior", got \'middle\''):
        measured(start="middle")
    with pytest.raises(ValueError, match="simulated_rows: expected a whole number >= 1, got 0"):
        measured(simulate=simulate, simulated_rows=0)
