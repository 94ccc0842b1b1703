"""Sweeps on Slurm: a real one of one node where it is installed, and the parts that need none."""

import json
import os
import pickle
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from slurm_cluster import Cluster, missing

from disbench.bench import BadInput, sweep
from disbench.bench.checkpoint import CohortCheckpoint, Left
from disbench.bench.cli import main
from disbench.bench.cohort import train
from disbench.bench.executors import Request, slurm, slurm_commands, slurm_script, slurm_task
from disbench.bench.executors.slurm import (
    Key,
    Slurm,
    dealt,
    device_of,
    parts,
    same_as,
    shared_out,
)
from disbench.bench.executors.slurm_commands import Element, Unanswered, parsed
from disbench.bench.executors.slurm_records import Ledger, Report, Submission, Task, checksum
from disbench.bench.resources import Resources
from disbench.bench.run import Cohort, Plan
from disbench.bench.store import Store
from disbench.bench.study_loading import load_study
from disbench.datasets import load

DISBENCH = str(Path(sys.executable).with_name("disbench"))
BESIDE = ["train_seconds", "evaluate_seconds", "finished_at", "commit"]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A Slurm that runs; a worker of pytest-xdist has its own."""
    if lacking := missing():
        pytest.skip(f"no Slurm here: {', '.join(lacking)} missing (Debian: apt-get install slurm-wlm munge)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", "")
        started = Cluster(tmp_path_factory.mktemp("slurm"))
        try:
            started.start()
            yield started
        finally:
            started.stop()


@pytest.fixture
def hasty(monkeypatch):
    """Sweeps that ask Slurm more often than one should."""
    monkeypatch.setattr(slurm, "POLL_SECONDS", (0.3, 1.0))


@pytest.fixture(scope="session")
def longer(tiny):
    """Three models of some seconds each."""
    return load_study(tiny, {"seeds": 1, "steps": 500})


@pytest.fixture(scope="session")
def single(tiny):
    """One model."""
    arm = tiny.model_dump()["arms"][0]
    return load_study(tiny, {"seeds": 1, "arms": [{**arm, "strengths": [1]}]})


@pytest.fixture
def out(tmp_path):
    """A folder whose name a shell, and sbatch, would make something else of."""
    return tmp_path / "it's 100%j"


def cohorts(study):
    """One model each."""
    return [Cohort((run,)) for run in study.runs()]


def submission_of(study, folder, **more):
    """A record of all models of a study, a task each."""
    tasks = tuple(Task(cohort) for cohort in cohorts(study))
    return Submission(
        **{"folder": str(folder), "study_name": "tiny", "device": "cpu", "threads": 1, "tasks": tasks} | more
    )


# A real Slurm


@pytest.mark.slow
def test_what_slurm_and_accidents_do_to_jobs_changes_no_bit(cluster, hasty, longer, out, monkeypatch, capsys):
    """Of three jobs one meets its limit, one dies, one is queued again by hand; the rows are those of a local sweep.

    The signal before the limit is Slurm's own (`--signal`), sent by hand: limits are minutes.
    """
    expected = sweep(longer, out=out.parent / "local", device="cpu")
    monkeypatch.setenv("A_TOKEN", "secret")
    sweep(longer, out=out, on="slurm", wait=False)
    ledger = Ledger(Store(out))
    (submission,) = ledger.submissions()
    (array,) = {job.split("_")[0] for job in cluster.queue()}

    def meet_the_limit():
        subprocess.run(["scancel", "--signal=USR2", "--batch", f"{array}_0"], check=True)

    def die():
        environment = Path(f"/proc/{cluster.process(out, 1)}/environ").read_bytes()
        cluster.kill(out, 1)
        assert b"HOME=" in environment
        assert b"secret" not in environment

    def be_queued_again():
        subprocess.run(["scontrol", "requeue", f"{array}_2"], check=True)

    accidents = {0: meet_the_limit, 1: die, 2: be_queued_again}

    def all_met_theirs():
        for number in list(accidents):
            report = ledger.report(submission, number)
            if report is not None and report.images:
                accidents.pop(number)()
        return not accidents

    cluster.wait(all_met_theirs, "trainings", 300)
    kept = ledger.folder / "checkpoints"
    cluster.wait(lambda: len(list(kept.glob("*.safetensors"))) == 2, "two checkpoints")
    cluster.wait(lambda: f"{array}_1" not in cluster.queue(), "the death of task 1")
    assert {f"{array}_0", f"{array}_2"} <= cluster.queue().keys()
    rows = sweep(longer, out=out, on="slurm", quiet=False)
    assert "2 cohorts are with Slurm already" in capsys.readouterr().err
    pd.testing.assert_frame_equal(rows.drop(columns=BESIDE), expected.drop(columns=BESIDE), check_exact=True)
    assert not list(kept.iterdir())
    assert not ledger.submissions()
    assert not list(ledger.tasks.iterdir())
    assert len(list(ledger.logs.iterdir())) == 4


@pytest.mark.slow
def test_a_cohort_that_dies_twice_is_a_failed_row(cluster, hasty, single, out, capsys):
    """While a sweep waits: begun again once, then written down, with the state and the log; the sweep goes on."""
    found = []
    waits = threading.Thread(target=lambda: found.append(sweep(single, out=out, on="slurm", quiet=False)))
    waits.start()
    first = cluster.kill(out, 0)
    cluster.kill(out, 0, other_than=first)
    waits.join(60)
    (rows,) = found
    assert rows["status"].tolist() == ["failed"]
    logs = sorted(str(path) for path in (out / "slurm" / "logs").iterdir())
    assert len(logs) == 2
    assert rows["error"][0].startswith("its job ")
    assert rows["error"][0].endswith(f"ended as FAILED (log: {logs[1]}), 2 times in all")
    assert "ended as FAILED" in capsys.readouterr().err


class Trap:
    """Unpickling it leaves a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_look_attach_and_cancel(cluster, hasty, tiny_file, out, capsys):
    """Walk away, look, sweep again twice, cancel: jobs are handed over once, and pickles in the folder are not read."""
    sweep_it = [
        "sweep",
        str(tiny_file),
        "--out",
        str(out),
        "--on",
        "slurm",
        "--seeds",
        "1",
        "--quiet",
        "--no-wait",
    ]
    held = ["--cluster", "sbatch.hold=true", "cpus=1", "memory_gb=0.5", "time=10"]
    assert main([*sweep_it, *held]) == 0
    assert f"disbench cancel {shlex.quote(str(out))} ends it" in capsys.readouterr().err
    queue = cluster.queue()
    assert Counter(queue.values()) == {"PENDING": 3}
    (record,) = (out / "slurm" / "submissions").iterdir()
    sprung = out.parent / "sprung"
    trap = pickle.dumps(Trap(sprung))
    job = next(iter(queue))
    for name in (
        f"{job}_submitted.pkl",
        f"{job}_0_result.pkl",
        f"submissions/{'0' * 24}.json",
        f"tasks/{record.stem}-0.json",
    ):
        (out / "slurm" / name).write_bytes(trap)
    assert main(["status", str(out)]) == 0
    assert "jobs on slurm: 3 waiting" in capsys.readouterr().out
    for _ in range(2):
        assert main([*sweep_it, *held]) == 0
    assert cluster.queue() == queue
    copy = shutil.copytree(out, out.parent / "copy")
    assert Slurm.jobs(Store(copy)) == []
    assert Slurm.cancel(Store(copy)) == []
    assert main(["table", str(out)]) in (0, 2)
    capsys.readouterr()
    assert main(["cancel", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"cancelled: slurm {name}, waiting, 1 models" for name in sorted(queue)
    ]
    assert cluster.queue() == {}
    assert main(["cancel", str(out)]) == 0
    assert "nothing works for" in capsys.readouterr().out
    assert not sprung.exists()


def test_interrupts_detach_and_cancelling_ends_the_sweep_that_waits(
    cluster, hasty, tiny_file, out, monkeypatch, capsys
):
    """Ctrl-C leaves the jobs; cancelled from elsewhere, a sweep begins nothing again and says so."""
    command = ["sweep", str(tiny_file), "--out", str(out), "--on", "slurm", "--seeds", "1", "--quiet"]
    command += ["--cluster", "sbatch.hold=true"]

    def interrupt(names):
        if names:
            raise KeyboardInterrupt
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(slurm_commands, "elements", interrupt)
        assert main(command) == 130
    assert "the work goes on" in capsys.readouterr().err
    queue = cluster.queue()
    assert len(queue) == 3
    ask, asked = slurm_commands.elements, []

    def cancelled_meanwhile(names):
        asked.append(names)
        if len(asked) == 2:  # the first was to attach
            assert len(Slurm.cancel(Store(out))) == 3
        return ask(names)

    monkeypatch.setattr(slurm_commands, "elements", cancelled_meanwhile)
    assert main(command) == 2
    assert f"what worked for {out} was cancelled" in capsys.readouterr().err
    assert cluster.queue() == {}


@pytest.mark.slow
def test_jobs_outlive_the_sweep_that_gave_them(cluster, hasty, tiny, tiny_file, out):
    """After SIGKILL of the driver: what it handed over is there, and is not handed over again."""
    options = ["--on", "slurm", "--seeds", "1", "--cluster", "sbatch.hold=true"]
    driver = subprocess.Popen(
        [DISBENCH, "sweep", str(tiny_file), "--out", str(out), *options], stderr=subprocess.DEVNULL
    )
    cluster.wait(lambda: len(cluster.queue()) == 3, "jobs", 120)
    driver.kill()
    driver.wait()
    queue = cluster.queue()
    sweep(tiny, out=out, on="slurm", overrides={"seeds": 1}, wait=False, cluster={"sbatch.hold": True})
    assert cluster.queue() == queue
    assert [job.state for job in Slurm.cancel(Store(out))] == ["waiting"] * 3


def test_arrays_as_large_as_slurm_takes(cluster, tiny, out, monkeypatch):
    """Six cohorts where an array has at most four elements: two arrays of three, two tasks at a time over both.

    What a user's environment has sbatch and squeue do otherwise is of no account.
    """
    theirs = {"SBATCH_JOB_NAME": "mine", "SBATCH_WAIT": "1", "SBATCH_ARRAY_INX": "7", "SQUEUE_FORMAT": "%i"}
    theirs |= {"SQUEUE_USERS": "nobody", "SCANCEL_STATE": "RUNNING"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    assert slurm_commands.largest_array() == 4
    sweep(tiny, out=out, on="slurm", wait=False, cluster={"sbatch.hold": True, "workers": 2})
    assert [job.state for job in Slurm.jobs(Store(out))] == ["waiting"] * 6
    monkeypatch.delenv("SQUEUE_USERS")
    assert len(cluster.queue()) == 6
    throttles = cluster.said("squeue", "--noheader", "--format=%i").split()
    assert sorted(name.split("_")[1] for name in throttles) == ["[0-2%1]", "[0-2%1]"]
    assert len(Slurm.cancel(Store(out))) == 6


def test_sbatch_refuses(cluster, tiny, out):
    """In its own words, on one line; nothing is left behind."""
    with pytest.raises(BadInput, match=r"^sbatch refuses the jobs: invalid partition specified: none"):
        sweep(tiny, out=out, on="slurm", cluster={"partition": "none"})
    assert Ledger(Store(out)).submissions() == []
    assert cluster.queue() == {}


@pytest.mark.slow
def test_sizes_of_cohorts_are_tried_by_a_job(cluster, hasty, tiny, out):
    """Where tasks run, here on a CPU, on which one model fills a core."""
    place = Slurm(Request(Store.claimed(out, tiny), "tiny"))
    assert place.plan(tiny.runs()[0], 4) == Plan(1, "native")
    assert place.ledger.submissions() == []


# Without Slurm


def test_words_of_squeue():
    """Lines of arrays are read; other jobs and what is no line are left out; states have three kinds."""
    lines = [
        "12|3|RUNNING|disbench-a-b|None",
        "13|N/A|RUNNING|x|None",
        "slurm_load_jobs error",
        "",
        "14|0|PENDING|n|(a|b)",
    ]
    found = list(parsed(lines))
    assert found == [
        ("disbench-a-b", 3, Element("12_3", "RUNNING", "None")),
        ("n", 0, Element("14_0", "PENDING", "(a|b)")),
    ]
    words = {"PENDING": "waiting", "REQUEUED": "waiting", "COMPLETING": "running", "SUSPENDED": "suspended"}
    assert {state: Element("1_0", state).word for state in words} == words
    assert all(Element("1_0", state).is_there for state in words)
    assert not any(Element("1_0", state).is_there for state in ("TIMEOUT", "OUT_OF_MEMORY", "COMPLETED"))


def test_arrays_are_dealt_in_turn():
    """What should begin first begins every array; together they run as many as may."""
    assert dealt(range(7), 3) == [[0, 3, 6], [1, 4], [2, 5]]
    assert dealt(range(3), 1000) == [[0, 1, 2]]
    assert shared_out(None, 3) == [None] * 3
    assert shared_out(8, 3) == [3, 3, 2]
    assert shared_out(2, 13) == [1, 1]  # the third array begins when the first has ended


def test_runs_that_are_with_slurm_already(tiny):
    """A cohort is divided by the tasks that have its runs; a task that scored less leaves the run to be scored."""
    first, second, third = tiny.runs()[:3]
    key = Key("a", 0)
    assert parts(Cohort((first, second, third)), {second.run_id: key}) == {
        None: Cohort((first, third)),
        key: Cohort((second,)),
    }
    scored_more = load_study(tiny, {"evaluation.metrics": ["mig", "sap"]}).runs()[0]
    assert scored_more.run_id == first.run_id
    wanted = Cohort((scored_more, second))
    assert same_as(wanted, Cohort((first, second))) == (Cohort((second,)), Cohort((scored_more,)))
    assert same_as(wanted, wanted) == (wanted, None)


def request(tmp_path, device="auto", **resources):
    """What a sweep asks."""
    return Request(Store(tmp_path), "tiny", device, Resources(**resources))


def test_devices_of_tasks(tmp_path):
    """A GPU where GPUs are asked for; which one, Slurm says."""
    assert device_of(request(tmp_path)) == device_of(request(tmp_path, gpus=0)) == torch.device("cpu")
    assert (
        device_of(request(tmp_path, gpus=1)) == device_of(request(tmp_path, "cuda")) == torch.device("cuda")
    )
    assert device_of(request(tmp_path, "cpu", gpus=1)) == torch.device("cpu")
    with pytest.raises(BadInput, match="Slurm says which GPU"):
        device_of(request(tmp_path, "cuda:1"))
    with pytest.raises(BadInput, match=r"whole GPUs, not 0\.5 of one"):
        device_of(request(tmp_path, gpus=0.5))
    with pytest.raises(BadInput, match="gpus = 0 leaves a task no device"):
        device_of(request(tmp_path, "cuda", gpus=0))


def test_a_place_without_slurm(tmp_path, monkeypatch, tiny):
    """No command: refused before anything is written; a folder with records can be looked at all the same."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="--on slurm needs sbatch, which is not on PATH"):
        sweep(tiny, out=tmp_path / "out", on="slurm")
    assert not (tmp_path / "out").exists()
    store = Store.claimed(tmp_path / "out", tiny)
    ledger = Ledger(store)
    assert Slurm.jobs(store) == Slurm.cancel(store) == []
    ledger.make()
    ledger.keep(submission_of(tiny, store.folder))
    said = []
    store.notices.show = said.append
    assert Slurm.jobs(store) == []
    assert said[0].startswith("whether jobs wait or run on Slurm cannot be told: no squeue on PATH")
    with pytest.raises(BadInput, match="jobs on Slurm cannot be cancelled: no squeue"):
        Slurm.cancel(store)


def test_options_of_sbatch(tmp_path, tiny, monkeypatch):
    """What the user asks for, and what is ours; variables by name, and none that is not needed."""
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "HOME": "/h", "AWS_SECRET_ACCESS_KEY": "x"})
    ledger = Ledger(Store(tmp_path / "a%j"))
    given = Resources(
        memory_gb=2.0, partition="gpu", time="00:02:00", sbatch={"mail_type": "END", "hold": False}
    )
    submission = submission_of(tiny, ledger.folder)
    assert slurm_script.options(submission, ledger, given) == {
        "job_name": f"disbench-tiny-{submission.submission_id}",
        "output": f"{tmp_path}/a%%j/slurm/logs/%A_%a.log",
        "signal": "B:USR2@30",
        "requeue": True,
        "export": "PATH,HOME",
        "ntasks": 1,
        "cpus_per_task": 1,
        "mem": "1907M",
        "time": "00:02:00",
        "partition": "gpu",
        "mail_type": "END",
    }
    on_gpu = submission_of(tiny, ledger.folder, device="cuda")
    assert slurm_script.options(on_gpu, ledger, Resources())["gpus_per_node"] == 1
    by_the_site = Resources(sbatch={"gres": "gpu:a100:1"})
    assert "gpus_per_node" not in slurm_script.options(on_gpu, ledger, by_the_site)


def test_records_come_back_and_forged_ones_do_not(tmp_path, tiny):
    """A record is known by its checksum, which names the jobs; without it, or of another folder, it is none."""
    ledger = Ledger(Store(tmp_path))
    ledger.make()
    submission = submission_of(tiny, tmp_path)
    ledger.keep(submission)
    (found,) = ledger.submissions()
    assert found == submission
    assert found.submission_id == submission.submission_id
    assert submission_of(tiny, tmp_path).submission_id != submission.submission_id
    path = ledger.record(submission.submission_id)
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "threads": 64}))
    with pytest.raises(ValueError, match="is not what was handed over"):
        ledger.submission(submission.submission_id)
    path.unlink()
    for forged in (b"[]", b"{}", b"[" * 100_000, json.dumps({**told, "tasks": [{"runs": [{}]}]}).encode()):
        ledger.record(checksum(forged)).write_bytes(forged)
    ledger.keep(submission_of(tiny, tmp_path / "elsewhere"))
    assert ledger.submissions() == []


@pytest.mark.parametrize(
    "forged",
    [
        "[]",
        "{}",
        '{"job": "1; rm", "images": 1}',
        "[" * 100_000,
        '{"job": 1, "images": 1, "statuses": null, "plan": null}',
    ],
)
def test_forged_reports_are_none(tmp_path, tiny, forged):
    """Whatever lies where a task would say how far it is."""
    ledger, submission = Ledger(Store(tmp_path)), submission_of(tiny, tmp_path)
    ledger.make()
    path = ledger.report_file(submission.submission_id, 0)
    for said in (
        Report("1_0", 5),
        Report("1_0", 5, {tiny.runs()[0].run_id: "done"}, "why"),
        Report(plan=Plan(2)),
    ):
        path.write_text(said.content)
        assert ledger.report(submission, 0) == said
    path.write_text(Report(statuses={"another": "done"}).content)
    assert ledger.report(submission, 0) is None
    path.write_text(forged)
    assert ledger.report(submission, 0) is None


@pytest.fixture
def restored_signals():
    """Handlers as they were."""
    numbers = (signal.SIGUSR2, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_training_is_left_when_it_is_asked_to(tiny, tmp_path):
    """However young the last checkpoint is; what goes on from there ends as if nothing had been."""
    cohort, data = Cohort((load_study(tiny, {"steps": 130}).runs()[0],)), load("digits")
    asked = []
    whole = train(cohort, data)
    where = CohortCheckpoint(tmp_path / "state.safetensors", cohort, leaves=lambda: bool(asked))
    with pytest.raises(Left):
        train(cohort, data, checkpoint=where, on_images=asked.append)
    trained = sum(asked)
    assert 0 < trained < 130 * 16
    asked.clear()
    counted = []
    where = CohortCheckpoint(tmp_path / "state.safetensors", cohort)
    rest = train(cohort, data, checkpoint=where, on_images=counted.append)
    assert sum(counted) == 130 * 16 - trained
    assert all(torch.equal(value, rest.parameters[name]) for name, value in whole.parameters.items())


@pytest.mark.usefixtures("restored_signals")
def test_a_task_says_how_it_ended(tiny, tmp_path, monkeypatch, swept):
    """Rows are in the store; a data set with other pixels than where the sweep began is for the sweep to stop at."""
    store = Store.claimed(tmp_path, tiny)
    ledger, submission = Ledger(store), submission_of(tiny, tmp_path)
    ledger.make()
    ledger.keep(submission)
    run = tiny.runs()[0]
    assert slurm_task.run_task(tmp_path, submission.submission_id, 0, "7_0", 0) == 0
    assert ledger.report(submission, 0) == Report("7_0", 20 * 16, {run.run_id: "done"})
    assert store.rows()["elbo_nats"].tolist() == swept[1]["elbo_nats"].tolist()[:1]
    monkeypatch.setattr("disbench.bench.executors.task.content_digest", lambda name: "official")
    assert slurm_task.run_task(tmp_path, submission.submission_id, 1, "7_1", 0) == 2
    assert "digits is not what it is where the sweep was begun" in ledger.report(submission, 1).bad_input


class Over(BaseException):
    """Stands for the end of the process."""


@pytest.mark.usefixtures("restored_signals")
@pytest.mark.parametrize(
    ("number", "trained", "starts", "accepted", "status", "asked", "left"),
    [
        (signal.SIGUSR2, 8, 9, True, 0, ["scontrol requeue 7_0"], False),
        (signal.SIGUSR2, 8, 9, False, 1, ["scontrol requeue 7_0"], True),
        (signal.SIGUSR2, 0, 2, True, 0, ["scontrol requeue 7_0"], False),
        (signal.SIGUSR2, 0, 3, True, 1, [], False),
        (signal.SIGTERM, 8, 0, True, 1, [], False),
    ],
)
def test_departures(number, trained, starts, accepted, status, asked, left, tmp_path, monkeypatch):
    """Queued again before the limit, unless starts train nothing; a refusal is said; other ends are Slurm's."""
    calls = []

    def run(command, check, timeout):
        calls.append(" ".join(command))
        if not accepted:
            raise subprocess.CalledProcessError(1, command)

    def end(code):
        raise Over(code)

    monkeypatch.setattr(slurm_task.subprocess, "run", run)
    monkeypatch.setattr(slurm_task.os, "_exit", end)
    report = slurm_task.TaskReport(tmp_path / "report.json", Report("7_0", 100), "7_0")
    departure = slurm_task.Departure(report, "7_0", starts)
    departure.listen()
    if trained:
        report.images(trained)
    assert not departure.leaves()
    os.kill(os.getpid(), number)
    assert departure.leaves()
    with pytest.raises(Over) as over:
        departure.go()
    assert over.value.args == (status,)
    assert calls == asked
    assert report.report.left == left
    assert report.report.images == 100 + trained


@pytest.mark.usefixtures("restored_signals")
def test_patience_ends(tmp_path, monkeypatch):
    """A task that reaches no moment at which its training can be kept ends where it stands."""

    def end(code):
        raise Over(code)

    monkeypatch.setattr(slurm_task.os, "_exit", end)
    monkeypatch.setitem(slurm_task.PATIENCE_SECONDS, signal.SIGTERM, 0.01)
    departure = slurm_task.Departure(slurm_task.TaskReport(tmp_path / "r.json", None, "7_0"), "7_0", 0)
    departure.listen()

    def linger():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    with pytest.raises(Over):
        linger()


class Fake:
    """A Slurm that says what a test wants, answer by answer: states of the tasks handed over last, or an error.

    `says` is the report of every first task.
    """

    def __init__(self, monkeypatch, answers, says=None):
        self.answers, self.says, self.handed = iter(answers), says, []
        monkeypatch.setattr(slurm, "POLL_SECONDS", (0.0, 0.0))
        monkeypatch.setattr(slurm, "needed", lambda *commands: None)
        monkeypatch.setattr(slurm, "largest_array", lambda: 10)
        monkeypatch.setattr(slurm, "hand_over", self.hand_over)
        monkeypatch.setattr(slurm_commands, "elements", self.elements)

    def hand_over(self, submission, ledger, resources, at_a_time, after=None):
        self.handed.append(submission)
        if self.says is not None:
            ledger.report_file(submission.submission_id, 0).write_text(self.says.content)
        return str(len(self.handed))

    def elements(self, names):
        if not names:
            return {}
        states = next(self.answers)
        if isinstance(states, BaseException):
            raise states
        if callable(states):
            states = states()
        array = len(self.handed)
        return {
            self.handed[-1].job_name: {n: Element(f"{array}_{n}", state) for n, state in enumerate(states)}
        }


@pytest.mark.parametrize(
    ("state", "tries"),
    [("NODE_FAIL", 0), ("PREEMPTED", 0), ("OUT_OF_MEMORY", 1), ("TIMEOUT", 1), ("CANCELLED", 1)],
)
def test_whose_fault_an_end_was(state, tries, single, tmp_path, monkeypatch):
    """A machine that is taken away counts against no cohort; a controller that is silent for a while is no death."""
    answers = [["RUNNING"], Unanswered("restarting"), [state], [state], ["RUNNING"], KeyboardInterrupt()]
    fake = Fake(monkeypatch, answers)
    with pytest.raises(KeyboardInterrupt):
        sweep(single, out=tmp_path / "out", on="slurm")
    assert [submission.tasks[0].tries for submission in fake.handed] == [0, tries]


def test_a_job_that_kept_its_state_and_could_not_be_queued_again_has_not_died(single, tmp_path, monkeypatch):
    """Where nodes have no scontrol the sweep that waits hands it over anew, as often as it takes."""
    answers = [["FAILED"]] * 6 + [KeyboardInterrupt()]
    fake = Fake(monkeypatch, answers, Report("1_0", 64, left=True))
    with pytest.raises(KeyboardInterrupt):
        sweep(single, out=tmp_path / "out", on="slurm")
    assert [submission.tasks[0].tries for submission in fake.handed] == [0, 0, 0, 0]


def test_what_one_task_cannot_do_none_is_left_to_try(tiny, tmp_path, monkeypatch):
    """A full disk, other pixels: the sweep ends with that line, and what waits or runs is ended too."""
    answers, ended = [["RUNNING", "PENDING"]] * 2, []
    fake = Fake(monkeypatch, answers, Report("1_0", bad_input="no space left"))
    monkeypatch.setattr(slurm_commands, "end", ended.extend)
    with pytest.raises(BadInput, match="^no space left$"):
        sweep(tiny, out=tmp_path / "out", on="slurm")
    assert [element.job for element in ended] == ["1_0", "1_1"]
    assert Ledger(Store(tmp_path / "out")).is_cancelled(fake.handed[0])


def test_deaths_while_nobody_waited_count(single, tmp_path, monkeypatch):
    """A task that was a second try and is gone: failed rows, and nothing handed over; the next sweep begins anew."""
    fake = Fake(monkeypatch, [[]])
    monkeypatch.setattr(slurm, "accounted", lambda job: "OUT_OF_MEMORY" if job == "9_0" else None)
    ledger = Ledger(Store.claimed(tmp_path / "out", single))
    ledger.make()
    (run,) = single.runs()
    dead = Submission(str(ledger.folder), "tiny", "cpu", 1, (Task(Cohort((run,)), tries=1),))
    fake.handed.append(dead)
    ledger.keep(dead)
    os.utime(ledger.record(dead.submission_id), (0, 0))
    ledger.report_file(dead.submission_id, 0).write_text(Report("9_0", 64).content)
    rows = sweep(single, out=tmp_path / "out", on="slurm")
    assert rows["error"].tolist() == ["its job 9_0 ended as OUT_OF_MEMORY (it has no log), 2 times in all"]
    assert fake.handed == [dead]
    assert ledger.submissions() == []
    sweep(single, out=tmp_path / "out", on="slurm", wait=False)
    assert fake.handed[1].tasks == (Task(Cohort((run,))),)


@pytest.mark.usefixtures("restored_signals")
def test_a_task_that_scores_less_is_waited_for_and_the_rest_scored(single, tmp_path, monkeypatch):
    """Other metrics asked for while it runs: it is not trained a second time beside itself."""
    out, trained = tmp_path / "out", []

    def ends():
        submission = fake.handed[0]
        assert slurm_task.run_task(out, submission.submission_id, 0, "1_0", 0) == 0
        trained.extend(Store(out).rows()["status"])
        return ["COMPLETED"]

    fake = Fake(monkeypatch, [["RUNNING"], ends, KeyboardInterrupt()])
    sweep(single, out=out, on="slurm", wait=False)
    with pytest.raises(KeyboardInterrupt):
        sweep(single, out=out, on="slurm", overrides={"evaluation.metrics": ["mig", "sap"]})
    assert trained == ["done"]
    asked = [submission.tasks[0].cohort.shared.evaluation.metrics for submission in fake.handed]
    assert len(asked) == 2
    assert {"mig", "sap"} <= set(asked[1])
    assert "sap" not in asked[0]
