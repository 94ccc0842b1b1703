"""The number of models in a cohort, chosen by trial; here on devices that tests make up."""

import pytest
import torch

from disbench.bench import cohort_plan as module
from disbench.bench.cohort_plan import LARGEST, Trial, Trials, best_plan
from disbench.bench.lowering import TRIED
from disbench.bench.out_of_memory import is_out_of_memory
from disbench.bench.run import Plan
from disbench.bench.study_loading import parse_study
from disbench.datasets import load

GIB = 2**30


class Device:
    """A step takes `fixed` seconds, and as much again for every `parallel` models; a model takes `each` bytes."""

    def __init__(self, parallel=64.0, each=GIB, memory=10_000 * GIB, slow=()):
        self.parallel, self.each, self.memory, self.slow = parallel, each, memory, slow
        self.tried = []

    def __call__(self, plan):
        self.tried.append(plan)
        used = plan.size * self.each
        if used > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seconds = 0.001 * (1 + plan.size / self.parallel) * (10 if plan.lowering in self.slow else 1)
        return Trial(seconds, used)


def test_as_many_models_as_pay():
    """Twice the models must advance more than 1.05 times as fast: beyond 1024 there is nothing to be had."""
    assert best_plan(Device(), 10_000 * GIB, wanted=10_000).size == LARGEST
    # Steps a millisecond of 1, 4, 16, 64, 128 and 256 models: 0.8, 2, 3.2, 3.76, 3.88, 3.94.
    assert best_plan(Device(parallel=4.0), 10_000 * GIB, wanted=10_000).size == 64


def test_no_more_than_there_are():
    """A family of 50 has no cohort of 64."""
    assert best_plan(Device(), 10_000 * GIB, wanted=50).size == 32
    assert best_plan(Device(), 10_000 * GIB, wanted=1).size == 1


def test_no_more_than_fit():
    """85 % of the free memory: 68 of 80 models; larger ones are not even tried."""
    device = Device(memory=80 * GIB)
    assert best_plan(device, 80 * GIB, wanted=1000).size == 64
    assert max(plan.size for plan in device.tried) == 64


def test_memory_that_was_promised_but_is_not_there():
    """A trial that runs out of memory is no error: smaller ones stand."""
    device = Device(memory=20 * GIB)
    assert best_plan(device, 1000 * GIB, wanted=1000).size == 16


def test_the_fastest_lowering_wins():
    """Whichever it is."""
    for fast in TRIED:
        slow = [name for name in TRIED if name != fast]
        assert best_plan(Device(slow=slow), 1000 * GIB, wanted=16) == Plan(16, fast)


def test_where_nothing_fits_one_is_left_to_say_so():
    """The sweep then ends with failed rows and the device's own words."""
    assert best_plan(Device(memory=0), GIB, wanted=64) == Plan(1, "native")


def test_other_errors_are_errors():
    """A trial that breaks is a bug to be seen."""

    def broken(plan):
        raise RuntimeError("no kernel image is available")

    with pytest.raises(RuntimeError, match="kernel image"):
        best_plan(broken, GIB, wanted=4)


def test_a_trial_times_steps_and_not_what_comes_before(monkeypatch):
    """A clock of the test's: a hundred seconds to set up and for the first steps, then a millisecond an image."""
    clock, counted = [0.0], []
    for name, value in {"max_memory_allocated": 7 * GIB, "memory_allocated": 2 * GIB}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    for name in ("empty_cache", "reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda *device: None)
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def trained(cohort, data, *, lowering, on_images):
        assert lowering == "matmul"
        counted.append(len(cohort.runs))
        images = cohort.shared.steps * cohort.shared.batch_size * len(cohort.runs)
        clock[0] += 100
        on_images(images // 2)
        clock[0] += 0.001 * (images - images // 2)
        on_images(images - images // 2)

    monkeypatch.setattr(module, "train", trained)
    digits = load("digits")
    arm = {"objective": "beta_vae", "data_set": "digits", "architecture": "small_patch", "strengths": [4]}
    run = parse_study({"name": "trial", "arms": [arm]}, "trial").runs()[0]
    found = Trials(run, digits)(Plan(3, "matmul"))
    assert found.seconds == pytest.approx(0.001 * 64 * 3)
    assert found.bytes == 5 * GIB
    assert counted == [3]


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_has_many_names(error, is_one):
    """Only what a device or the machine says about its memory."""
    assert is_out_of_memory(error) is is_one


def test_a_real_allocation_that_fails_is_known():
    """A petabyte."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
