"""A cohort is given up for deaths that leave it where it was, not for those of machines that come and go."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from disbench.bench.executors.deaths import Deaths
from disbench.bench.run import Cohort
from disbench.bench.store import Store


@pytest.fixture
def cohort(tiny) -> Cohort:
    """One model."""
    return Cohort(tuple(tiny.runs()[:1]))


class Told:
    """Stands in for a store: says how far a cohort is, one death after the other."""

    def __init__(self, *reached):
        self.left = list(reached)

    def reached(self, cohort):
        return self.left.pop(0)


@pytest.mark.parametrize(
    ("reached", "counted"),
    [
        ([(0, 0, 0), (0, 0, 0), (0, 0, 0)], [1, 2, 3]),
        ([(0, 0, 10), (0, 0, 20), (0, 0, 30)], [1, 1, 1]),
        ([(0, 0, 10), (0, 0, 20), (0, 0, 20)], [1, 1, 2]),
        ([(0, 0, 90), (0, 1, 0), (1, 1, 0)], [1, 1, 1]),  # its checkpoint goes when it is trained
        (
            [(0, 0, 20), (0, 0, 10), (0, 0, 15)],
            [1, 2, 1],
        ),  # a checkpoint was damaged, and the one before taken
    ],
)
def test_deaths_count_from_the_last_time_that_it_got_further(reached, counted, cohort):
    """Models scored come before models trained, and these before steps."""
    deaths = Deaths(Told(*reached))
    assert [deaths.count(cohort) for _ in reached] == counted


def test_cohorts_are_counted_apart(tiny):
    """One that dies takes nothing from another."""
    one, other = (Cohort((run,)) for run in tiny.runs()[:2])
    deaths = Deaths(Told(*[(0, 0, 0)] * 3))
    assert [deaths.count(one), deaths.count(other), deaths.count(one)] == [1, 1, 2]


def test_how_far_a_cohort_is(tiny, fill, cohort, tmp_path):
    """Nothing, a checkpoint, a later one, weights, scores: each is further than all before."""
    whole, store = fill(tmp_path / "whole", tiny, points=1), Store.claimed(tmp_path / "out", tiny)
    path = store.checkpoint(cohort).path
    found = [store.reached(cohort)]
    for done in (64, 128):
        about = {"run_ids": f'["{cohort.runs[0].run_id}"]', "done": str(done), "checksum": "0"}
        save_file({"state": np.zeros(1, np.float32)}, path, about)
        found.append(store.reached(cohort))
    path.unlink()
    for folder in ("weights", "cohorts"):
        for file in (whole.folder / folder).glob(f"{cohort.cohort_id}*"):
            shutil.copy(file, store.folder / folder)
        found.append(store.reached(cohort))
    assert found == [(0, 0, 0), (0, 0, 64), (0, 0, 128), (0, 1, 0), (1, 1, 0)]
    assert found == sorted(found)
