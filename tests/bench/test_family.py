"""The family: members are found by themselves, every one keeps the contract of a model, one study has them all."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import disbench.bench
from disbench.bench.catalogue import ARCHITECTURES, OBJECTIVES
from disbench.bench.evaluation import Encoded, rows_for_tasks
from disbench.bench.family import MEMBERS, Member
from disbench.bench.found import found
from disbench.bench.models import KL_NATS, initial_parameters
from disbench.bench.run_model import (
    Conditioning,
    build_model,
    code_width,
    initial_buffers,
    noise_width,
    with_parameters,
)
from disbench.bench.study_loading import load_study
from disbench.bench.task_catalogue import TASKS
from disbench.bench.tasks import Subject
from disbench.bench.tasks.probes import hidden_features
from disbench.datasets import load

RUNS = {run.run_id: run for run in load_study("family").first_runs()}

OF_MEMBERS = [name for member in MEMBERS.values() for name in member.objectives]

THIRTEENTH = '''
"""A VAE that pays for every nat of KL twice."""
from ..objectives import Objective, kl, reconstruction
from .member import Member

def twice(outcome, strength, setting):
    return reconstruction(outcome) + 2 * kl(outcome).sum()

MEMBER = Member(objectives={"twice": Objective(twice, "twice", None, "nobody")})
'''

STUDY = """
name = "mine"
data_set = "digits"
architecture = "small_patch"
latents = 2
steps = 3
batch_size = 8
[evaluation]
samples = 40
test_samples = 20
metrics = ["mig"]
[[arms]]
objective = "twice"
"""


def test_what_a_member_names_is_there():
    """Nets, tasks and titles; a net of a member's own is told apart from plain ones."""
    for member in MEMBERS.values():
        assert all(OBJECTIVES[name] is objective for name, objective in member.objectives.items())
        assert all(ARCHITECTURES[name] is net for name, net in member.architectures.items())
        assert all(TASKS[name] is task for name, task in member.tasks.items())
        for objective in member.objectives.values():
            assert objective.architectures == () or set(objective.architectures) <= set(ARCHITECTURES)
            assert set(objective.tasks) <= set(TASKS)
    titles = [objective.title for objective in OBJECTIVES.values()]
    assert len(set(titles)) == len(titles)


def test_the_study_of_the_family_has_every_member():
    """One study runs them all."""
    assert set(OF_MEMBERS) <= {run.objective for run in RUNS.values()}


def test_every_objective_has_a_page():
    """The table of methods names each."""
    table = (Path(__file__).parents[2] / "docs" / "methods" / "README.md").read_text()
    assert [name for name in OBJECTIVES if f"`{name}`" not in table] == []


def untrained(run):
    """A run's model with initial weights."""
    scheme = ARCHITECTURES[run.architecture].initialisation
    drawn = initial_parameters(build_model(run), scheme, [3], torch.device("cpu"))
    return with_parameters(run, {**{name: value[0] for name, value in drawn.items()}, **initial_buffers(run)})


@pytest.fixture(scope="module")
def data_sets():
    """Those of the study, opened once."""
    return {name: load(name) for name in {run.data_set for run in RUNS.values()}}


@pytest.mark.parametrize("run_id", RUNS, ids=[f"{run.objective}-{run.data_set}" for run in RUNS.values()])
def test_a_member_keeps_the_contract_of_a_model(run_id, data_sets):
    """What training, figures and samples ask for has the shapes that they rely on; nothing is drawn twice."""
    run = RUNS[run_id]
    data, module = data_sets[run.data_set], build_model(run)
    scheme = ARCHITECTURES[run.architecture].initialisation
    drawn = initial_parameters(module, scheme, [3], torch.device("cpu"))
    model = with_parameters(
        run, {**{name: value[0] for name, value in drawn.items()}, **initial_buffers(run)}
    )
    indices = torch.tensor([0, 5, 11, 40])
    images, factors = data.images(indices), data.factors(indices)
    told = Conditioning.of(run).evaluation(data)(indices, factors)
    width = code_width(run)
    assert noise_width(run) >= width
    noise = torch.sin(torch.arange(4.0 * width)).reshape(4, width)
    with torch.no_grad():
        outcome = model(images, told, noise)
        mean, logvar = model.encode(images, told)
        again, _ = model.encode(images, told)
        codes = model.prior(noise, told)
        logits = model.decode(codes, told)
    assert outcome.logits.shape == logits.shape == images.shape
    assert (
        outcome.mean.shape == outcome.logvar.shape == mean.shape == logvar.shape == codes.shape == (4, width)
    )
    assert torch.equal(mean, again)
    for part in (outcome.logits, outcome.mean, mean, codes, logits, *outcome.extra.values()):
        assert torch.isfinite(part).all()
    if KL_NATS in outcome.extra:
        assert outcome.extra[KL_NATS].shape[0] == 4
    if OBJECTIVES[run.objective].codes == "posterior":
        assert torch.equal(outcome.mean, mean)
        assert KL_NATS not in outcome.extra


@pytest.mark.parametrize("run_id", RUNS, ids=[f"{run.objective}-{run.data_set}" for run in RUNS.values()])
def test_features_are_of_the_encoder_of_images(run_id, data_sets):
    """Not of a prior, a decoder or the text: told the same, another image has other features."""
    run = RUNS[run_id]
    data, model = data_sets[run.data_set], untrained(run)
    indices = torch.tensor([0, 700, 900])
    factors = data.factors(indices)
    told = Conditioning.of(run).evaluation(data)(indices[:1].expand(3), factors[:1].expand(3, -1))
    subject = Subject(run, model, data, lambda *_: told, indices, factors, torch.zeros(3, 1), 2)
    with torch.no_grad():
        features = hidden_features(subject)
    if run.objective == "nvae":  # its convolutions are none of PyTorch's layers
        assert features is None
    else:
        assert not torch.equal(features[0], features[2])


def test_codes_are_scored_over_factors_that_nobody_told():
    """A CVAE is told one, captions may name any, and models of few labels are scored without being told."""
    told = {run.objective: Conditioning.of(run).told_when_scored for run in RUNS.values()}
    assert (
        told["vae"] == told["m1"] == told["m2"] == told["m1_m2"] == told["group_vae"] == told["miwae"] == ()
    )
    assert told["cvae"] == (0,)
    assert told["captioned_vae"] == told["captioned_prior_vae"] == (0, 1, 2, 3, 4)


def encoded(indices, train):
    """Scored images of which nothing but their number is known."""
    rows = torch.zeros(len(indices), 1)
    return Encoded(torch.tensor(indices), rows, rows, rows, rows[:, 0], rows[:, 0], train)


def test_no_task_is_tested_on_an_image_that_trained_it():
    """Rows are drawn with replacement: a test row whose image is among the training rows is left out."""
    run = next(run for run in RUNS.values() if run.data_set == "digits")
    rows, train = rows_for_tasks(run, encoded([4, 4, 7, 9, 7, 9, 9, 2], 3))
    assert (rows.tolist(), train) == ([0, 1, 2, 3, 5, 6, 7], 3)


def test_tasks_see_a_whole_data_set_in_no_order():
    """In the grid's order its last third is one shape; tasks are asked of a random part of the study's size."""
    run = next(run for run in RUNS.values() if run.data_set == "digits")
    whole = replace(run, evaluation=replace(run.evaluation, whole=True, samples=400, test_samples=200))
    rows, train = rows_for_tasks(whole, encoded(list(range(1797)), 1198))
    assert len(rows) == len(rows.unique()) == 600
    assert train == 400
    assert 700 < rows[400:].float().mean() < 1100
    assert torch.equal(rows, rows_for_tasks(whole, encoded(list(range(1797)), 1198))[0])


def test_things_of_a_folder_are_found_by_themselves(tmp_path, monkeypatch):
    """Those that have the attribute, in alphabetical order; one of another kind is an error that names it."""
    room = tmp_path / "room_of_numbers"
    room.mkdir()
    for name, text in {"__init__": "", "b": "THING = 2", "a": "THING = 1", "c": "other = 3"}.items():
        (room / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(found("room_of_numbers", [str(room)], "THING", int).items()) == [("a", 1), ("b", 2)]
    with pytest.raises(TypeError, match=r"room_of_numbers.a.THING should be a Member, is a int"):
        found("room_of_numbers", [str(room)], "THING", Member)


def test_a_thirteenth_member_touches_one_file(tmp_path):
    """A copy of the house with one more file in `family`: a sweep trains it, a table shows it."""
    house = tmp_path / "disbench"
    rooms = Path(disbench.bench.__file__).parent
    (house / "bench" / "family").mkdir(parents=True)
    for name in ("metrics", "datasets"):
        (house / name).symlink_to(rooms.parent / name)
    for here, there in ((rooms, house / "bench"), (rooms / "family", house / "bench" / "family")):
        for part in here.iterdir():
            if part.name not in ("__pycache__", "family"):
                (there / part.name).symlink_to(part)
    (house / "bench" / "family" / "thirteenth.py").write_text(THIRTEENTH)
    (tmp_path / "mine.toml").write_text(STUDY)
    program = "import sys; from disbench.bench.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    for arguments in (("sweep", "mine.toml", "--out", "out", "--workers", "1"), ("table", "out")):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert "| twice" in done.stdout
