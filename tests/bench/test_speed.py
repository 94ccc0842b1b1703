"""Speed is measured, never tested; what is tested is the arithmetic of its report, and that it reports at all."""

import json
import math
import sys

import pytest
import torch
from PIL import Image

from disbench.bench.cli import main
from disbench.bench.speed import Measured, Way, as_markdown, measure, save, ways
from disbench.bench.speed.cost import Cost, bytes_of, flops_of
from disbench.bench.speed.machine import Machine
from disbench.bench.speed.report import as_mapping, limit
from disbench.bench.study_loading import parse_study
from disbench.bench.tally import Tally


def run(**keys):
    """One run of the study."""
    arm = {"objective": "beta_vae", "data_set": "dsprites", "strengths": [4]} | keys
    return parse_study({"name": "speed", "arms": [arm]}, "speed").runs()[0]


ORDINARY = Measured(Way("ordinary loop", 1, 1, 2), [900.0, 1000.0, 1300.0])
OURS = Measured(Way("disbench", 4, 2, 1), [4000.0, 2000.0])
LOST = Measured(Way("disbench", 64, 2, 1), [], "out of memory")
MACHINE = Machine(matmul_flops=2e11, convolution_flops=4e11, copied_bytes=2e10)
COST = Cost(flops=8e7, bytes=5e6)


def document():
    """A report on three ways, one of which did not fit."""
    about = {"device": "CPU", "commit": "abc", "versions": {}, "measured_at": "now", "command": []}
    return as_mapping([ORDINARY, OURS, LOST], run(), COST, MACHINE, about)


def test_the_limit_is_the_narrower_of_arithmetic_and_memory():
    """80 MFLOP at 400 GFLOP/s are 5,000 images/s; 5 MB at 20 GB/s are 4,000."""
    assert limit(COST, MACHINE) == pytest.approx(4000)
    assert limit(COST._replace(bytes=1e6), MACHINE) == pytest.approx(5000)


def test_what_follows_from_images_a_second():
    """Hand-worked, from the median of the rounds."""
    ordinary, ours, lost = document()["ways"]
    assert ordinary["images_per_second"] == 1000
    assert ours["images_per_second"] == 3000
    assert ours["times_ordinary"] == 3
    assert ours["step_milliseconds"] == pytest.approx(1000 * 4 * 2 * 64 / 3000)
    assert ours["of_matmul"] == pytest.approx(3000 * 8e7 / 2e11)
    assert ours["of_limit"] == pytest.approx(0.75)
    assert ours["models_per_day"] == pytest.approx(3000 * 86_400 / (64 * 300_000))
    assert ours["study_days"] == pytest.approx(12_600 * 300_000 * 64 / 3000 / 86_400)
    assert lost["images_per_second"] is None
    assert lost["note"] == "out of memory"


def test_the_table_says_all_of_it():
    """A line a way; what was not measured says why."""
    text = as_markdown(document())
    assert "80.0 MFLOP" in text
    assert "limit 4,000 images/s" in text
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    assert len(lines) == 2 + 3
    assert lines[3][:4] == ["disbench", "4", "2 x 1", "3,000"]
    assert lines[4][3:] == ["out of memory", "", "", "", "", "", ""]


def test_files_can_be_read_again(tmp_path):
    """JSON without NaN, a table, a picture."""
    paths = save(document(), tmp_path / "speed")
    assert [path.name for path in paths] == ["speed.json", "speed.md", "speed.png", "speed.pdf"]
    assert json.loads(paths[0].read_text(), parse_constant=pytest.fail) == document()
    with Image.open(paths[2]) as picture:
        assert min(picture.size) > 400


@pytest.mark.parametrize(
    ("architecture", "flops"),
    [
        # Multiply-adds of the layers' forward: 32 x 16 x 32 x 32 of the first convolution, and so on; twice that are
        # operations, and backward has both again but for the gradient of the images.
        ("study_conv", 82.4e6),
        (
            "chen_mlp",
            6 * (4096 * 1200 + 1200**2 + 20 * 1200 + 10 * 1200 + 2 * 1200**2 + 1200 * 4096) - 2 * 4096 * 1200,
        ),
    ],
)
def test_operations_are_those_of_the_layers(architecture, flops):
    """To one per cent: the rest are sums too small to count."""
    assert flops_of(run(architecture=architecture)) == pytest.approx(flops, rel=0.01)


def test_bytes_shrink_with_precision_and_batches():
    """Half the width, half the activations; weights are read once a batch."""
    whole, half = bytes_of(run()), bytes_of(run(precision="bf16"))
    weights = 10 * 4 * weight_count() / 64
    assert half - weights == pytest.approx((whole - weights) / 2)
    assert bytes_of(run(batch_size=128)) == pytest.approx(whole - weights / 2)


def weight_count():
    """Of the study's conv net on one channel."""
    from disbench.bench.run_model import build_model

    return sum(parameter.numel() for parameter in build_model(run()).parameters())


def test_ways_fit_the_device(monkeypatch):
    """On a CPU also a process a core; on a GPU one process."""
    monkeypatch.setattr(sys.modules["disbench.bench.speed.measure"], "cores", lambda: 2)
    cpu = ways(torch.device("cpu"), [1, 4], ["native"])
    assert [(way.name, way.models, way.processes, way.threads) for way in cpu] == [
        ("ordinary loop", 1, 1, 2),
        ("ordinary loop", 1, 2, 1),
        ("disbench", 1, 1, 2),
        ("disbench", 1, 2, 1),
        ("disbench", 4, 2, 1),
    ]
    gpu = ways(torch.device("cuda"), [64], ["native", "matmul"])
    assert [(way.name, way.processes, way.lowering) for way in gpu] == [
        ("ordinary loop", 1, "native"),
        ("disbench", 1, "native"),
        ("disbench", 1, "matmul"),
    ]


def test_a_way_that_fails_is_a_note_and_the_others_go_on():
    """An unknown lowering stands for whatever may go wrong in a process."""
    said = []
    digits = run(data_set="digits", architecture="small_patch", batch_size=16)
    found = [Way("disbench", 1, 1, 1, "nonsense"), Way("disbench", 2, 1, 1)]
    bad, good = measure(digits, torch.device("cpu"), found, seconds=0.05, rounds=1, say=said.append)
    assert "nonsense" in bad.note
    assert not bad.rounds
    assert good.images_per_second > 0
    assert len(said) == 2


@pytest.mark.slow
def test_the_command_measures_and_keeps(tmp_path, capsys):
    """A short measurement of small nets: table on standard output, four files, JSON that has both loops."""
    arguments = ["--data", "digits", "--architecture", "small_patch", "--batch-size", "16"]
    arguments += ["--cohort", "2", "--seconds", "0.1", "--rounds", "1", "--out", str(tmp_path)]
    assert main(["speed", *arguments]) == 0
    assert "| ordinary loop |" in capsys.readouterr().out
    report = json.loads((tmp_path / "speed.json").read_text())
    assert {way["name"] for way in report["ways"]} == {"ordinary loop", "disbench"}
    assert all(math.isfinite(way["images_per_second"]) for way in report["ways"])
    assert report["run"]["batch_size"] == 16


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cohort", "0"], "--cohort should be above 0, got 0"),
        (["--seconds", "nan"], "--seconds should be above 0"),
        (["--rounds", "-1"], "--rounds should be above 0"),
        (["--lowering", "mathmul"], "did you mean 'matmul'"),
        (["--architecture", "study"], "unknown architecture 'study'"),
        (["--objective", "cvae"], "cvae needs a condition"),
        (["--precision", "half"], "unknown precision 'half'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_bad_arguments_are_one_line(arguments, words, capsys):
    """And exit 2, before anything is measured."""
    assert main(["speed", *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_a_tally_speaks_once_a_second_and_loses_nothing(monkeypatch):
    """Counts wait for the second to pass, or for the end."""
    clock, told = [0.0], []
    monkeypatch.setattr("disbench.bench.tally.time.monotonic", lambda: clock[0])
    tally = Tally(told.append)
    for now in (0.4, 0.8, 1.2, 1.4):
        clock[0] = now
        tally.add(64)
    assert told == [192]
    tally.pass_on()
    tally.pass_on()
    assert told == [192, 64]
