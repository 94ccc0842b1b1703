"""The state of a training in work: two generations of it, and no trust in what a disk gives back."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from disbench.bench import BadInput, checkpoint, sweep
from disbench.bench.checkpoint import CohortCheckpoint, interrupted, metadata, previous
from disbench.bench.cohort import train
from disbench.bench.run import Cohort
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study
from disbench.bench.training_state import TrainingState
from disbench.datasets import load

STEPS, MODELS, BATCH = 200, 2, 16


@pytest.fixture(scope="module")
def digits():
    """Small images."""
    return load("digits")


@pytest.fixture(scope="module")
def cohort(tiny) -> Cohort:
    """Two models of 200 steps: checkpoints after 64, 128 and 192."""
    arms = [{**arm, "steps": STEPS} for arm in tiny.model_dump()["arms"]]
    runs = parse_study({**tiny.model_dump(), "arms": arms}, "tiny").runs()
    return Cohort(tuple(runs[:MODELS]))


@pytest.fixture(scope="module")
def whole(cohort, digits):
    """What an undisturbed training gives."""
    return train(cohort, digits)


@pytest.fixture(scope="module")
def folder(cohort, digits, tmp_path_factory) -> Path:
    """What a training that was killed near its end leaves."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "SHARE", 1e9)  # keep every one, however long it took
        train(cohort, digits, checkpoint=CohortCheckpoint(folder / "kept.safetensors", cohort, seconds=0))
    return folder


@pytest.fixture
def kept(folder, tmp_path) -> Path:
    """Its checkpoint, to be damaged: the last after 192 steps, the one before after 128."""
    path = Path(shutil.copytree(folder, tmp_path / "copy")) / "kept.safetensors"
    assert (done_by(path), done_by(previous(path))) == (192, 128)
    return path


def done_by(path: Path) -> int:
    """The steps done by a checkpoint."""
    return int(metadata(path.read_bytes())["done"])


def resumed(path: Path, cohort: Cohort, digits, whole) -> int:
    """Go on from a checkpoint, check that the end is that of an undisturbed training; the steps that were spared."""
    images: list[int] = []
    again = train(cohort, digits, on_images=images.append, checkpoint=CohortCheckpoint(path, cohort))
    assert all(torch.equal(value, whole.parameters[name]) for name, value in again.parameters.items())
    assert again.history.rows() == whole.history.rows()
    return STEPS - sum(images) // (MODELS * BATCH)


DAMAGE = {
    "gone": lambda content: None,
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one bit": lambda content: content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
    "not ours": lambda content: b"PAR1" + content,
    "a header that never ends": lambda content: b"\xff" * 8 + content[8:],
    "nested": lambda content: (200_000).to_bytes(8, "little") + b"[" * 200_000,
}


@pytest.mark.parametrize(
    ("damage", "victims", "spared"),
    [*((damage, "last", 128) for damage in DAMAGE), ("half", "both", 0), ("half", "one before", 192)],
)
def test_a_damaged_checkpoint_costs_minutes(damage, victims, spared, kept, cohort, digits, whole):
    """The one before the last takes its place; without either the training starts anew; the end is the same."""
    for path in {"last": [kept], "one before": [previous(kept)], "both": [kept, previous(kept)]}[victims]:
        content = DAMAGE[damage](path.read_bytes())
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    assert resumed(kept, cohort, digits, whole) == spared


def changed(path: Path, tensors=None, **about: str) -> None:
    """Write a checkpoint anew with other contents and the right checksum."""
    told = metadata(path.read_bytes()) | about
    found = load_file(path) | (tensors or {})
    save_file(found, path, {**told, "checksum": checkpoint.whole_checksum(told, found)})


@pytest.mark.parametrize("done", ["0", "-5", "200", "1000000", "64.5", "many"])
def test_steps_that_cannot_be(done, kept, cohort, digits, whole):
    """A checkpoint that claims to be at the end would pass initial weights off as trained ones."""
    changed(kept, done=done)
    assert resumed(kept, cohort, digits, whole) == 128


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight/encoder.0.weight": torch.zeros(1)},
        {"history/step": torch.zeros(3, dtype=torch.int64)},
        {"history/numbers": torch.zeros(10, 2, 4)},
        {"history/more": torch.zeros(10)},
    ],
)
def test_tensors_that_do_not_fit(tensors, kept, cohort, digits, whole):
    """Weights, moments of Adam and points of history have the shapes of this cohort, or it is another's."""
    known = load_file(kept)
    name = next(iter(tensors))
    if name.startswith("weight/"):
        first = next(key for key in known if key.startswith("exp_avg/"))
        tensors = {first: torch.zeros(1)}
    changed(kept, tensors)
    assert resumed(kept, cohort, digits, whole) == 128


def test_a_good_one_is_there_at_every_moment(kept, cohort, digits, whole, monkeypatch):
    """A disk that fills up while a checkpoint is written: one line, and both generations are as good as before."""

    def full(tensors, path, about):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    state = TrainingState.initial(cohort, torch.device("cpu"), torch.float32)
    with pytest.raises(BadInput, match=r"kept.safetensors cannot be written: No space left on device"):
        CohortCheckpoint(kept, cohort, seconds=0).offer(64, state, whole.history)
    assert done_by(kept) == 192
    assert done_by(previous(kept)) == 192  # by a second name, until the next one is whole
    assert sorted(path.name for path in kept.parent.iterdir()) == [
        "kept.previous.safetensors",
        "kept.safetensors",
    ]
    assert resumed(kept, cohort, digits, whole) == 192


def test_file_systems_without_links(cohort, digits, tmp_path, monkeypatch):
    """There the one before is a copy."""
    kept = tmp_path / "kept.safetensors"

    def no_links(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    train(cohort, digits, checkpoint=CohortCheckpoint(kept, cohort, seconds=0))
    assert (done_by(kept), done_by(previous(kept))) == (192, 128)


def test_a_sweep_forgets_what_is_trained(swept, tiny, tmp_path, cohort, kept):
    """A kill between keeping weights and removing the checkpoint leaves it; the next sweep removes it, and no other."""
    folder = Path(shutil.copytree(swept[0], tmp_path / "out"))
    leftover = folder / "checkpoints" / "0123456789abcdef.safetensors"
    other = folder / "checkpoints" / "fedcba9876543210.safetensors"
    for path, run_ids in ((leftover, [swept[1]["run_id"][0]]), (other, [cohort.runs[0].run_id])):
        shutil.copy(kept, path)
        changed(path, run_ids=json.dumps(run_ids))
    sweep(tiny, out=folder, device="cpu")
    assert list((folder / "checkpoints").iterdir()) == [other]
    assert interrupted(Store(folder).checkpoints) == [[cohort.runs[0].run_id]]
