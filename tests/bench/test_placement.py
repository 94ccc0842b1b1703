"""Longest first, and the last cohorts cut, on clocks that tests make up."""

import random

import pytest
import torch

from disbench.bench.checkpoint import CohortCheckpoint, interrupted
from disbench.bench.placement import (
    FIXED,
    cost_of,
    ends,
    even_sizes,
    in_sizes,
    longest_first,
    makespan,
    shrunk,
    taken_up,
    with_stragglers_split,
)
from disbench.bench.queue import counted_cost, queued
from disbench.bench.run import Cohort, Plan, cohorts
from disbench.bench.study_loading import load_study, parse_study
from disbench.bench.training_state import TrainingState


def run_of(steps, seeds):
    """Runs of one family that take `steps` each."""
    arm = {"objective": "vae", "data_set": "digits", "architecture": "small_patch", "steps": steps}
    return parse_study({"name": "made-up", "seeds": seeds, "arms": [arm]}, "made up").runs()


def cohort(models, steps=100):
    """A cohort of so many models that takes `models` x `steps`."""
    return Cohort(tuple(run_of(steps, models)))


def steps_of(run):
    """A cost without counting anything."""
    return float(run.steps)


def time_of(cohorts, devices, whole):
    """The makespan, if a part of a cohort of `whole` models takes `shrunk` of its time."""
    return makespan((whole * c.shared.steps * shrunk(len(c.runs), whole) for c in cohorts), devices)


def test_a_hand_worked_schedule():
    """3, 3, 2, 2, 2 on two devices: 7, one more than the best there is, by which Graham's bound is met."""
    assert ends([3, 3, 2, 2, 2], 2) == [3, 3, 5, 5, 7]
    assert makespan([2, 3, 2, 3, 2], 2) == 7
    assert makespan([], 4) == 0
    assert makespan([5], 8) == 5


def test_longest_first_is_stable():
    """Equal costs stay in the study's order."""
    short, long, twin = cohort(1, 10), cohort(1, 30), Cohort(tuple(run_of(10, 2)[1:]))
    assert longest_first([short, long, twin], steps_of) == [long, short, twin]


def test_the_ninth_cohort_on_eight_devices():
    """Alone it would double the sweep; in eight parts it adds a tenth and an eighth of the rest."""
    runs = run_of(100, 9 * 16)
    nine = [Cohort(tuple(runs[n : n + 16])) for n in range(0, len(runs), 16)]
    cut = with_stragglers_split(nine, steps_of, 8)
    assert sorted(len(c.runs) for c in cut) == [2] * 8 + [16] * 8
    assert time_of(nine, 8, 16) == 2 * 1600
    assert time_of(cut, 8, 16) == pytest.approx((1 + FIXED + (1 - FIXED) / 8) * 1600)


def test_fewer_cohorts_than_devices():
    """Three on eight: halves would end after 0.55 of a cohort's time, an even share after 0.375."""
    runs = run_of(100, 3 * 16)
    three = [Cohort(tuple(runs[n : n + 16])) for n in range(0, len(runs), 16)]
    cut = with_stragglers_split(three, steps_of, 8)
    assert 3 / 8 * 1600 < time_of(cut, 8, 16) <= (FIXED + (1 - FIXED) / 2) * 1600


def test_what_is_even_is_not_cut():
    """Eight equal ones on eight devices, any number on one, and single models."""
    runs = run_of(100, 8 * 4)
    eight = [Cohort(tuple(runs[n : n + 4])) for n in range(0, len(runs), 4)]
    assert with_stragglers_split(eight, steps_of, 8) == eight
    assert with_stragglers_split(eight[:3], steps_of, 1) == eight[:3]
    single = [Cohort((run,)) for run in runs[:9]]
    assert with_stragglers_split(single, steps_of, 8) == single
    assert with_stragglers_split([], steps_of, 8) == []


@pytest.mark.parametrize("seed", range(20))
def test_cutting_keeps_every_run_and_never_lengthens(seed):
    """Made-up studies: the same runs, in cohorts of one family each, in no more time; twice the same."""
    chance = random.Random(seed)
    whole, devices = chance.choice([8, 16]), chance.choice([2, 3, 8, 64])
    groups = [cohort(whole, chance.randint(10, 200)) for _ in range(chance.randint(1, 12))]
    groups = list({c.cohort_id: c for c in groups}.values())
    cut = with_stragglers_split(groups, steps_of, devices)
    assert [r.run_id for c in cut for r in c.runs] == [r.run_id for c in groups for r in c.runs]
    assert time_of(cut, devices, whole) <= time_of(groups, devices, whole)
    assert with_stragglers_split(groups, steps_of, devices) == cut


def test_parts_are_even():
    """Sizes differ by one, order is kept."""
    runs = tuple(run_of(1, 7))
    parts = in_sizes(runs, even_sizes(7, 3))
    assert [len(part) for part in parts] == [3, 2, 2]
    assert sum(parts, ()) == runs


def test_the_unsupervised_study_nearly_meets_its_bound():
    """An even share of its uncut work; left uncut, its 210 cohorts of 64 models take 1.03, 1.10 and 1.17 of it."""
    runs = load_study("unsupervised").runs()
    cost = counted_cost(runs)
    whole = cohorts(runs, lambda members: Plan(64))
    sizes = {run.run_id: len(each.runs) for each in whole for run in each.runs}
    for devices, most in ((24, 1.03), (64, 1.06), (128, 1.13)):
        times = [
            cost(part.shared) * sizes[part.shared.run_id] * shrunk(len(part.runs), sizes[part.shared.run_id])
            for part in with_stragglers_split(whole, cost, devices)
        ]
        assert makespan(times, devices) <= most * sum(cost_of(c, cost) for c in whole) / devices


def test_a_sweep_that_goes_on_has_the_queue_of_the_first():
    """What is finished changes what is left, and not how it is grouped."""
    runs = run_of(100, 16 * 9)
    queue = queued(runs, lambda members: Plan(16), 8)
    whole = {c.cohort_id for c in queue.left(set(), [])}
    finished = {run.run_id for c in queue.cohorts[::2] for run in c.runs}
    left = queue.left(finished, [])
    assert {c.cohort_id for c in left} == {c.cohort_id for c in queue.cohorts[1::2]} <= whole
    assert queue.at_a_time == 8
    assert queued(runs[:3], lambda members: Plan(16), 8, cut=False).at_a_time == 1


def test_an_interrupted_training_goes_on_as_it_was():
    """On fewer devices than before, or with more seeds: its models stay together, and leave the other cohorts."""
    runs = run_of(100, 8)
    ids = [run.run_id for run in runs]
    todo = [Cohort(tuple(runs[:4]), "matmul"), Cohort(tuple(runs[4:]), "matmul")]
    found = taken_up(todo, [ids[2:6]])
    assert [[run.seed for run in c.runs] for c in found] == [[2, 3, 4, 5], [0, 1], [6, 7]]
    assert {c.lowering for c in found} == {"matmul"}
    assert taken_up(todo, [ids[:4]]) == todo  # as it is grouped today


def test_checkpoints_that_nothing_can_go_on_from():
    """One with a run that is done, one that another holds runs of, runs of two families, none at all."""
    runs, others = run_of(100, 4), run_of(50, 2)
    todo = [Cohort(tuple(runs[:3])), Cohort(tuple(others))]
    ids, other = [run.run_id for run in runs], [run.run_id for run in others]
    assert taken_up(todo, [[ids[2], ids[3]], [ids[0], other[0]], []]) == todo
    assert taken_up(todo, [ids[:2], ids[1:3]])[0].runs == tuple(runs[:2])


def test_checkpoints_are_found_with_the_furthest_first(tmp_path):
    """By what they say; a damaged one is passed over."""
    runs = run_of(1000, 3)
    for done, members in ((64, runs[:1]), (512, runs[1:])):
        place = Cohort(tuple(members))
        state = TrainingState.initial(place, torch.device("cpu"), torch.float32)
        kept = CohortCheckpoint(tmp_path / f"{place.cohort_id}.safetensors", place, seconds=0)
        kept.offer(done, state, type("Nothing", (), {"tensors": lambda self: {}})())
    (tmp_path / "damaged.safetensors").write_bytes(b"half")
    assert interrupted(tmp_path) == [[run.run_id for run in runs[1:]], [runs[0].run_id]]


def test_costs_are_counted_and_rank_as_they_should():
    """FactorVAE trains a second network; twice the steps cost twice; one program needs no counting."""
    runs = load_study("six_methods").runs()
    factor = next(run for run in runs if run.objective == "factor_vae")
    beta = next(run for run in runs if run.objective == "beta_vae")
    cost = counted_cost([factor, beta])
    assert cost(factor) > cost(beta) > 1e6 * beta.steps * beta.batch_size
    alike = counted_cost([beta])
    assert alike(beta) == beta.steps * beta.batch_size
