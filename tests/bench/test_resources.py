"""What a task gets: by file, by command line, and one line for what a place cannot use."""

import datetime
import tomllib

import pytest

from disbench.bench import BadInput
from disbench.bench.cli.sweep import parsed_pairs
from disbench.bench.executors import EXECUTORS
from disbench.bench.executors.engine import imported
from disbench.bench.resources import OWN, Resources, resources_for, seconds_of
from disbench.bench.store import Store
from disbench.bench.study_loading import load_study, parse_study

ALL = tuple(Resources.model_fields)
TINY = {"name": "mine", "data_set": "digits", "architecture": "small_patch", "arms": [{"objective": "vae"}]}


def study(**cluster):
    """A study with a table of resources."""
    return parse_study({**TINY, "cluster": cluster}, "mine.toml")


def test_the_command_line_wins_over_the_file():
    """Key by key; what the place has no use for is passed over in the file."""
    of_study = study(partition="cpu", cpus=2, account="ours", sbatch={"nice": 5, "exclusive": True}).cluster
    given = parsed_pairs("--cluster", ["partition=gpu", "time=04:00:00", "gpus=1", "sbatch.nice=7"])
    assert resources_for("slurm", ALL, of_study, given).given() == {
        "partition": "gpu", "time": "04:00:00", "gpus": 1, "cpus": 2, "account": "ours",
        "sbatch": {"nice": 7, "exclusive": True},
    }  # fmt: skip
    assert resources_for("local", EXECUTORS["local"].takes, of_study, {}).given() == {"cpus": 2}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 5400), ("90:30", 5430), ("04:00:00", 14_400), ("2-12", 216_000), ("2-12:30", 217_800),
     ("1-00:00:01", 86_401), ("100:00:00", 360_000)],
)  # fmt: skip
def test_times_are_slurms(written, seconds):
    """Minutes; minutes:seconds; hours:minutes:seconds; days-hours, with minutes, with seconds."""
    assert seconds_of(written) == seconds
    assert Resources(time=written).time_seconds == seconds


def test_times_as_toml_reads_them():
    """04:00:00 without quotes is a time of the day, 90 a number, 4:00 no TOML and so a word."""
    document = tomllib.loads("time = 04:00:00")
    assert document["time"] == datetime.time(4)
    assert study(**document).cluster.time == "04:00:00"
    assert study(time=90).cluster.time == "90"
    assert parsed_pairs("--cluster", ["time=4:00"]) == {"time": "4:00"}


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ({"partitoin": "gpu"}, "unknown key 'cluster.partitoin'; did you mean 'partition'? known: workers, cpus"),
        ({"workers": 0}, "cluster.workers should be greater than or equal to 1, got 0"),
        ({"gpus": 2}, "cluster.gpus should be less than or equal to 1, got 2"),
        ({"memory_gb": 0}, "cluster.memory_gb should be greater than 0"),
        ({"cpus": 1.5}, "cluster.cpus should be of type integer, got 1.5"),
        ({"time": "soon"}, 'cluster.time should be a time like "04:00:00"'),
        ({"time": "00:00:00"}, "cluster.time should be a time like"),
        ({"time": True}, "cluster.time should be of type string, got True"),
        ({"partition": "gpu\n#SBATCH --wrap=evil"}, "cluster.partition should be a word"),
        ({"account": "$(id)"}, "cluster.account should be a word"),
        ({"sbatch": {"comment": "a\nrm -rf /"}}, "cluster.sbatch should be a word"),
        ({"sbatch": {"output": "/etc/passwd"}}, "cluster.sbatch should have no 'output'"),
        ({"sbatch": {"task_prolog": "mine.sh"}}, "cluster.sbatch should have no 'task_prolog'"),
        ({"sbatch": {"nice --wrap": "x"}}, "cluster.sbatch should have no 'nice --wrap'"),
        ({"address": "ray://elsewhere:10001"}, "a file does not choose the machine that work is sent to"),
    ],
)  # fmt: skip
def test_bad_tables_get_one_clear_line(cluster, words):
    """A study file is data: nothing in it becomes a command, a path, or a host to send work to."""
    with pytest.raises(BadInput) as caught:
        study(**cluster)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value).replace(repr(cluster), "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"partition": "gpu"}, "--cluster partition: --on local has no use for it; it takes: workers, cpus, gpus"),
        ({"sbatch.nice": 3}, "--cluster sbatch: --on local has no use for it"),
        ({"partitoin": "gpu"}, "--cluster: unknown key 'partitoin'; known: workers, cpus, gpus"),
        ({"cpus": "many"}, "--cluster: cpus should be of type integer, got 'many'"),
    ],
)  # fmt: skip
def test_what_a_place_cannot_use_is_refused_by_hand(given, words):
    """And the line names what it takes."""
    with pytest.raises(BadInput) as caught:
        resources_for("local", EXECUTORS["local"].takes, Resources(), given)
    assert words in str(caught.value)


def test_every_own_parameter_of_sbatch_is_refused():
    """In either way to write it."""
    for name in OWN:
        for written in (name, name.replace("-", "_")):
            with pytest.raises(BadInput, match="should have no"):
                study(sbatch={written: "x"})


def test_a_gpu_is_one_unless_said_otherwise():
    """None on a CPU, whatever was asked for; none on cuda makes no sense."""
    assert Resources().gpus_on("cuda") == 1
    assert Resources(gpus=0.25).gpus_on("cuda") == 0.25
    assert Resources(gpus=0.25).gpus_on("cpu") == 0
    with pytest.raises(BadInput, match="gpus = 0 leaves a task no device"):
        Resources(gpus=0).gpus_on("cuda")


def test_a_place_is_no_part_of_a_study(tmp_path):
    """Other resources are the same runs, the same folder, and are not kept there."""
    mine, other = study(partition="gpu", account="ours"), study(workers=3)
    assert [run.run_id for run in mine.runs()] == [run.run_id for run in other.runs()]
    Store.claimed(tmp_path, mine)
    Store.claimed(tmp_path, other)
    assert "ours" not in (tmp_path / "study.json").read_text()
    assert Store.existing(tmp_path).study().cluster == Resources()
    assert load_study(mine, {"seeds": 2}).cluster.partition == "gpu"
    assert load_study(mine, {"cluster.partition": "long"}).cluster.partition == "long"


def test_an_engine_that_is_not_here():
    """One line with the command that installs it."""
    with pytest.raises(BadInput, match=r"pip install 'disbench\[ray\]'"):
        imported("no_such_engine", extra="ray")
