"""Sweeps on made-up clocks: hand-worked schedules, failures of which every second is accounted for, what must hold."""

import json
import math
from dataclasses import replace

import pytest

from disbench.bench import BadInput
from disbench.bench.checkpoint import SHARE
from disbench.bench.cli import main
from disbench.bench.placement import cost_of, makespan
from disbench.bench.queue import queued
from disbench.bench.run import Cohort, Plan
from disbench.bench.simulation import POLICIES, Conditions, Policy, simulate
from disbench.bench.simulation.conditions import DAY, Times, failures
from disbench.bench.simulation.place import Attempt, SimulatedPlace
from disbench.bench.simulation.simulate import worked_through
from disbench.bench.study_loading import load_study, parse_study

CALM = Conditions(
    flops_per_second=1e9,
    size=4,
    fixed=0,
    program_spread=0,
    model_spread=0,
    score_seconds=0,
    start_seconds=0,
    trial_seconds=0,
    write_bytes_per_second=math.inf,
    losses_per_day=0,
    crashes_per_day=0,
)
"""Where nothing happens and nothing but training takes time."""


def runs_of(*steps, seeds=4):
    """So many runs of each length."""
    arms = [
        {"objective": "vae", "data_set": "digits", "architecture": "small_patch", "steps": number}
        for number in steps
    ]
    return parse_study({"name": "made-up", "seeds": seeds, "arms": arms}, "made up").runs()


class Clock:
    """Times that a test says: a cohort's training is the sum of its runs' steps."""

    programs = 0

    def __init__(self, conditions, scoring=0.0, writing=0.0):
        self.conditions, self.score, self.write = conditions, scoring, writing

    def training(self, cohort):
        return float(sum(run.steps for run in cohort.runs))

    def scoring(self, cohort):
        return self.score

    def between_rows(self):
        return Times.between_rows(self)

    def writing(self, cohort):
        return self.write

    def between(self, cohort):
        return self.conditions.checkpoint_seconds


class Script(SimulatedPlace):
    """A place of which each GPU fails when and how a test says: (seconds since it is up, kind) one after the other."""

    def __init__(self, devices, clock, *failures_of):
        super().__init__(devices, clock, clock.conditions, 0)
        told = [iter(each) for each in failures_of] + [iter(())] * (devices - len(failures_of))
        self.draws = [lambda each=each: next(each, (math.inf, "none")) for each in told]


def worked(place, cohorts):
    """The place after all of it."""
    place.try_sizes(0)
    given_up = place.finish(cohorts, place.count)
    place.close()
    return given_up


def cohorts_of(*steps):
    """Cohorts of one run each."""
    return [Cohort((run,)) for run in runs_of(*steps, seeds=1)]


def test_three_cohorts_on_two_gpus_by_hand():
    """300, 200, 100 longest first: both end at 300, nobody idles. In the order 100, 200, 300: 400, 200 s are idle."""
    place = Script(2, Clock(CALM))
    worked(place, cohorts_of(300, 200, 100))
    assert (place.now, place.tally.useful, place.tally.idle) == (300, 600, 0)
    place = Script(2, Clock(CALM))
    worked(place, cohorts_of(100, 200, 300))
    assert (place.now, place.tally.useful, place.tally.idle) == (400, 600, 200)


def test_a_lost_node_by_hand():
    """One GPU, 300 s of work, a checkpoint each 100 s that takes 2; the node dies at 250 s and is away for 50 s.

    Kept: two checkpoints, 200 s, written by 204 s; lost are 46 s. The last 100 s begin at 300 s and end at 400 s.
    """
    clock = Clock(replace(CALM, checkpoint_seconds=100, loss_seconds=50), writing=2)
    place = Script(1, clock, [(250, "loss")])
    assert worked(place, cohorts_of(300)) == set()
    tally = place.tally
    assert place.now == 400
    assert (tally.useful, tally.overhead, tally.lost, tally.down, tally.idle) == (300, 4, 46, 50, 0)
    assert (tally.attempts, tally.failures) == (2, {"loss": 1})


def test_another_gpu_goes_on():
    """Two GPUs, the second with nothing to do: it takes the interrupted cohort up at once, 50 s are lost."""
    clock = Clock(replace(CALM, checkpoint_seconds=100))
    place = Script(2, clock, [(150, "preemption")])
    worked(place, cohorts_of(300))
    assert (place.now, place.tally.lost, place.tally.useful) == (350, 50, 300)


def test_scoring_goes_on_after_the_last_rows():
    """Training is kept whole once it is done, by its weights; of 25 s a model, rows are kept each third, at 75 s.

    100 s of training, 250 of scoring; the node dies at 300 s: 150 s of scoring are kept and 50 lost.
    """
    clock = Clock(replace(CALM, checkpoint_seconds=1000, loss_seconds=0, score_seconds=25), scoring=250)
    assert clock.between_rows() == 75
    place = Script(1, clock, [(300, "loss")])
    worked(place, cohorts_of(100))
    assert (place.now, place.tally.lost, place.tally.useful) == (300 + 100, 50, 350)
    assert place.kept == place.scored == {}


def test_models_that_take_longer_than_a_minute_each_have_their_rows():
    assert Times.between_rows(Clock(replace(CALM, score_seconds=90))) == 90
    assert Times.between_rows(Clock(CALM)) == math.inf


def test_a_cohort_that_fails_twice_is_given_up_with_its_checkpoint():
    """As `RETRIES` says; a lost node is no fault of it. The next sweep goes on where it was."""
    clock = Clock(replace(CALM, checkpoint_seconds=100, loss_seconds=0))
    long, short = cohorts_of(1000, 10)
    place = Script(1, clock, [(250, "crash"), (150, "loss"), (220, "crash")])
    assert worked(place, [long, short]) == {long.cohort_id}
    assert place.kept == {long.cohort_id: 200 + 100 + 200}
    assert place.now == 250 + 150 + 220 + 10
    assert place.finish([long], 1) == set()
    assert (place.now, place.tally.lost) == (630 + 500, 50 + 50 + 20)


def test_starting_again_is_overhead_even_if_nothing_comes_of_it():
    """A process that dies while it begins, between two checkpoints, while it writes one."""
    attempt = Attempt(cohorts_of(1)[0], 1000, training=300, between=100, writing=10, scoring=5, start=20)
    assert attempt.checkpoints == 2
    assert attempt.end == 1000 + 20 + 300 + 20 + 5
    assert attempt.interrupted(1015) == (0, 0, 15, 0)
    assert attempt.interrupted(1020 + 99) == (0, 0, 20, 99)
    assert attempt.interrupted(1020 + 105) == (0, 0, 20, 105)
    assert attempt.interrupted(1020 + 110 + 7) == (100, 0, 30, 7)
    assert attempt.interrupted(1020 + 319) == (200, 0, 40, 99)
    assert attempt.interrupted(1340 + 4) == (300, 0, 40, 4)


@pytest.mark.parametrize("gpus", [1, 2, 5])
def test_without_failures_it_is_the_makespan_of_placement(gpus):
    """Nothing but training: the time that the forecast says, from the same costs."""
    runs = runs_of(500, 400, 350, 100)
    times = Times(runs, CALM, 0)
    found = worked_through(runs, gpus, "", Policy(cut=False), times, 0)
    whole = queued(runs, lambda members: Plan(CALM.size), gpus, cut=False).cohorts
    each = [cost_of(cohort, lambda run: times.seconds[run.run_id]) for cohort in whole]
    assert found.seconds == pytest.approx(makespan(each, gpus))
    assert found.tally.useful == pytest.approx(sum(each))
    assert found.tally.lost == found.tally.down == found.tally.overhead == 0


STORMY = Conditions(
    flops_per_second=1e9, size=4, losses_per_day=40, preemptions_per_day=60, crashes_per_day=8,
    loss_seconds=200, preemption_seconds=30, score_seconds=5, start_seconds=10, trial_seconds=20,
    checkpoint_seconds=40, write_bytes_per_second=1e9,
)  # fmt: skip
"""A failure each thirteen minutes of a GPU."""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gpus", [1, 3, 16])
def test_every_second_is_accounted_for(gpus, seed):
    """Useful, overhead, lost, down and idle are the GPUs times the clock; useful is the work, whatever failed."""
    runs = runs_of(2000, 900, 500, seeds=12)
    for found in simulate(runs, [gpus], STORMY, seed=seed):
        assert found.tally.total == pytest.approx(gpus * found.seconds)
        times = Times(runs, STORMY, seed)
        whole = POLICIES[found.policy].queue(runs, STORMY.size, gpus).cohorts
        work = sum(times.training(cohort) + times.scoring(cohort) for cohort in whole)
        assert found.tally.useful == pytest.approx(work)
        assert found.tally.attempts == len(whole) + sum(found.tally.failures.values())
        assert found.seconds >= found.least_seconds


def test_no_failures_lose_nothing_and_checkpoints_are_not_compared():
    """At rate 0; the policy without checkpoints would differ in nothing but their price."""
    quiet = replace(STORMY, losses_per_day=0, preemptions_per_day=0, crashes_per_day=0)
    found = list(simulate(runs_of(2000, 900), [2], quiet))
    assert [one.policy for one in found] == list(POLICIES)[:-1]
    for one in found:
        assert (one.tally.lost, one.tally.down, one.given_up, one.sweeps) == (0, 0, 0, 1)
        assert one.tally.attempts == one.cohorts


def test_the_same_seed_is_the_same_sweep():
    """To the last bit, in whatever company; another seed is another one."""
    runs = runs_of(2000, 900)
    first = list(simulate(runs, [1, 4], STORMY, seed=7))
    assert list(simulate(runs, [1, 4], STORMY, seed=7)) == first
    assert list(simulate(runs, [4], STORMY, seed=7)) == first[len(POLICIES) :]
    assert list(simulate(runs, [4], STORMY, seed=8)) != first[len(POLICIES) :]


def test_rarer_checkpoints_lose_more():
    """One cohort on one GPU, free checkpoints, each cadence twice the one before, failures at the same times."""
    lost = []
    for cadence in (25.0, 50.0, 100.0, 200.0, math.inf):
        place = Script(
            1,
            Clock(replace(CALM, checkpoint_seconds=cadence, loss_seconds=0)),
            [(130, "loss"), (310, "loss"), (277, "loss")],
        )
        worked(place, cohorts_of(600))
        lost.append(place.tally.lost)
    assert lost == sorted(lost)
    assert lost[0] == 5 + 10  # done before the third
    assert lost[-1] == 130 + 310 + 277


def test_more_gpus_are_never_slower():
    """A part of the unsupervised study, with failures as assumed."""
    runs = load_study("unsupervised", {"seeds": 10, "data_sets": ["dsprites", "shapes3d"]}).runs()
    spans = [found.seconds for found in simulate(runs, [1, 4, 16], policies={"as a sweep does": Policy()})]
    assert spans == sorted(spans, reverse=True)


def test_failures_are_a_function_of_seed_and_gpu():
    """Waits of the mean that the rate says; kinds in their shares; a GPU's do not depend on how many there are."""
    draw, again = failures(STORMY, 3, 5), failures(STORMY, 3, 5)
    drawn = [draw() for _ in range(4000)]
    assert [again() for _ in range(4000)] == drawn
    assert failures(STORMY, 3, 6)() != drawn[0] != failures(STORMY, 4, 5)()
    assert sum(wait for wait, _ in drawn) / 4000 == pytest.approx(DAY / 108, rel=0.05)
    for kind, rate in (("loss", 40), ("preemption", 60), ("crash", 8)):
        assert sum(one == kind for _, one in drawn) / 4000 == pytest.approx(rate / 108, abs=0.03)


def test_times_do_not_depend_on_the_grouping():
    """But for the share of a step that does not shrink; a full cohort is the sum of its models."""
    runs = runs_of(1000, seeds=8)
    times = Times(runs, replace(CALM, model_spread=0.3, fixed=0.1), 0)
    whole, half, rest = (Cohort(tuple(part)) for part in (runs[:4], runs[:2], runs[2:4]))
    assert times.training(whole) == pytest.approx(sum(times.seconds[run.run_id] for run in runs[:4]))
    assert times.training(half) + times.training(rest) == pytest.approx(1.1 * times.training(whole))
    slow = replace(CALM, write_bytes_per_second=1e3)
    slowly = Times(runs, slow, 0)
    assert slowly.between(whole) == pytest.approx(slowly.writing(whole) / SHARE)
    assert slowly.between(whole) > slow.checkpoint_seconds


def test_the_command(tiny_file, capsys):
    """A table that says what it rests on; JSON alone; the same numbers twice."""
    command = ["simulate", str(tiny_file), "--gpus", "1,4", "--seed", "3", "--cohort", "2"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "no GPU was measured" in text
    assert text.count("| as a sweep does") == 2
    assert main(command) == 0
    assert capsys.readouterr().out == text
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["gpus"] for one in found["simulated"]] == [1] * 4 + [4] * 4
    assert found["assumed"]["flops_per_second"] == 1e13


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--gpus", "0"], "--gpus takes numbers like 1,8,64"),
        (["--gpus", "1,many"], "got '1,many'"),
        (["--failures-per-gpu-day", "-1"], "losses_per_day should be 0 or more, got -1"),
        (["--failures-per-gpu-day", "nan"], "losses_per_day should be 0 or more, got nan"),
        (["--crashes-per-gpu-day", "inf"], "a rate of failures is a finite number"),
        (["--tflops", "0"], "flops_per_second should be above 0, got 0"),
        (["--cohort", "0"], "size should be above 0, got 0"),
        (["--seed", "-1"], "a seed is at least 0"),
        (["--failures-per-gpu-day", "1e6"], "does not end"),
    ],
)
def test_bad_input_is_one_line(tiny_file, capsys, options, words):
    """Exit 2 and what would be right."""
    assert main(["simulate", str(tiny_file), *options]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_conditions_are_those_of_a_clock():
    """A share above 1 would make small cohorts slower than large ones."""
    with pytest.raises(BadInput, match="fixed should be a share"):
        Conditions(fixed=1.5)
    with pytest.raises(BadInput, match="a number of GPUs is 1 or more, got 0"):
        list(simulate(runs_of(10), []))
