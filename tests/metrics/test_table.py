"""What every row of the table must hold to, and what `compute` makes of the table."""

from __future__ import annotations

import ast
import inspect
import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import disbench.metrics
from disbench.metrics import METRICS, Metric, compute, mig

ROWS, TRAIN = 300, 200
WHOLE = [name for name, metric in METRICS.items() if metric.whole]


def rows_of(metric: Metric) -> dict[str, object]:
    """How to say which rows: a whole data set where the metric is of one."""
    return {"whole": True} if metric.whole else {"train": TRAIN}


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    factors = random.integers(0, [3, 4], size=(ROWS, 2))
    mean = np.hstack([factors, np.zeros_like(factors)]) + 0.1 * random.normal(size=(ROWS, 4))
    return {
        "codes": mean,
        "mean": mean,
        "factors": factors,
        "logvar": random.normal(size=mean.shape) - 2,
        "condition": random.integers(0, 3, size=ROWS),
    }


@pytest.fixture(scope="module")
def everything(arrays: dict[str, np.ndarray]) -> dict[str, object]:
    return compute(**arrays, train=TRAIN) | compute(WHOLE, **arrays, whole=True)


# -- every row ----------------------------------------------------------------------------------------------


def test_columns_are_declared_once() -> None:
    columns = [score.column for metric in METRICS.values() for score in metric.scores]
    assert len(columns) == len(set(columns))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_row_describes_its_function(metric: Metric) -> None:
    parameters = inspect.signature(metric.function).parameters
    assert METRICS[metric.name] is metric
    assert {*metric.inputs, *metric.optional} <= set(parameters)
    assert ("seed" in parameters) is metric.seeded
    assert ("train" in parameters) is (metric.rows == "split")
    function = metric.function.func if isinstance(metric.function, partial) else metric.function
    assert getattr(disbench.metrics, function.__name__) is function
    assert "Reference:" in inspect.getdoc(function)
    for score in metric.scores:
        assert score.unit == "nats" or not score.column.endswith("_nats")
        assert "\n" not in score.meaning


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_row_fills_its_columns_with_plain_values(
    metric: Metric, arrays: dict[str, np.ndarray], everything: dict[str, object]
) -> None:
    alone = compute([metric.name], **arrays, **rows_of(metric))
    assert list(alone) == [score.column for score in metric.scores]
    for score in metric.scores:
        value = np.asarray(everything[score.column])
        shape = {"number": (), "list": (4,), "matrix": (4, 2)}[score.kind]
        assert value.shape == shape
        assert np.isfinite(value).all()
        assert alone[score.column] == everything[score.column]
        if score.direction == "higher":
            assert (value >= 0).all()
            assert (value <= 1).all()


def test_columns_survive_json(everything: dict[str, object]) -> None:
    assert json.loads(json.dumps(everything)) == everything


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_seed_and_tensors(metric: Metric, arrays: dict[str, np.ndarray]) -> None:
    """Same seed, same numbers; tensors and arrays, same numbers; global generators are left alone."""
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = compute([metric.name], **arrays, **rows_of(metric), seed=5)
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    assert compute([metric.name], **tensors, **rows_of(metric), seed=5) == first
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


# -- compute ------------------------------------------------------------------------------------------------


def test_runs_what_the_arrays_allow(arrays: dict[str, np.ndarray]) -> None:
    given = {"codes", "factors"}
    columns = compute(codes=arrays["codes"], factors=arrays["factors"])
    allowed = [m for m in METRICS.values() if set(m.inputs) <= given]
    assert list(columns) == [score.column for m in allowed if not m.whole for score in m.scores]
    whole = compute(codes=arrays["codes"], factors=arrays["factors"], whole=True)
    assert list(whole) == [score.column for m in allowed for score in m.scores]
    assert list(compute(mean=arrays["mean"])) == ["active_units"]


def test_study_metrics_see_the_training_rows(arrays: dict[str, np.ndarray]) -> None:
    codes, factors = arrays["codes"], arrays["factors"]
    assert compute(["mig"], codes=codes, factors=factors, train=TRAIN)["mig"] == mig(
        codes[:TRAIN], factors[:TRAIN]
    )
    assert compute(["mig"], codes=codes, factors=factors)["mig"] == mig(codes[:200], factors[:200])


def test_options_reach_their_metric(arrays: dict[str, np.ndarray]) -> None:
    columns = compute(["mig"], **arrays, train=TRAIN, options={"mig": {"bins": 5}, "dci": {"rounds": 3}})
    assert columns["mig"] == mig(arrays["codes"][:TRAIN], arrays["factors"][:TRAIN], bins=5)


def test_what_cannot_be_done_is_said_in_one_line(arrays: dict[str, np.ndarray]) -> None:
    codes, factors = arrays["codes"], arrays["factors"]
    for call, message in [
        (partial(compute, ["mgi"], **arrays), r"unknown metric 'mgi', did you mean 'mig'\?; known: mig, "),
        (partial(compute, ["mig"], codes=codes), "metric 'mig' needs arrays that are not there: factors"),
        (
            partial(compute, options={"mig": {"bin": 5}}, **arrays),
            "takes no option 'bin', did you mean 'bins'",
        ),
        (partial(compute, options={"mgi": {}}, **arrays), "unknown metric 'mgi'"),
        (partial(compute, options={"dci": {"train": 5}}, **arrays), "metric 'dci' takes no option 'train'"),
        (partial(compute), "no arrays to score; takes codes, factors"),
        (partial(compute, codes=codes, factors=factors[1:]), "the same number of rows"),
        (
            partial(compute, codes=codes, factors=factors, train=ROWS),
            "train: expected a whole number of rows in 1",
        ),
        (partial(compute, codes=codes[:1], factors=factors[:1]), "at least 2 rows"),
        (partial(compute, ["mig_exact"], **arrays), "metric 'mig_exact' is of a whole data set"),
    ]:
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)


# -- the package --------------------------------------------------------------------------------------------


def test_metrics_know_nothing_of_the_other_folders() -> None:
    for file in Path(inspect.getfile(disbench.metrics)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("disbench") for alias in node.names), file
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert not (node.module or "").startswith("disbench"), file


def test_plain_values_are_plain(everything: dict[str, object]) -> None:
    assert {type(value) for value in everything.values()} == {float, list}
    assert all(math.isfinite(value) for value in everything.values() if isinstance(value, float))
