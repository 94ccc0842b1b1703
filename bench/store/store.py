"""The store: what every command and every task does with an output folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..atomic_file import TEMPORARY, write_atomically
from ..bad_input import BadInput
from ..run import LIKELIHOOD, Cohort, Plan, Run, likelihood_in
from . import compaction, damage, history_files, row_files, study_file, weight_files
from .faults import GONE, Fault, Notices
from .listing import listed
from .reading import read_each
from .register import Register
from .row_files import MISSING
from .small_files import read_json, read_small
from .times import file_system_time, later

if TYPE_CHECKING:
    from ..checkpoint import CohortCheckpoint
    from ..models import Model
    from ..run_model import Parameters
    from ..study import Study

LEFTOVER_SECONDS = 3600
"""Age at which a temporary file is nobody's."""

BESIDE = ("damaged", "figures", "samples")
"""Further folders that commands write to."""

MOVES = 10
"""Times that a file of weights may be joined with others between finding and reading it."""

NO_WEIGHTS = "its models' scores are kept; figures of them are not drawn, and further scores train them again"


class Store:
    """An output folder. Opening it with a study claims it for that study; without, reads what is there.

    Reading changes nothing in the folder, and what cannot be read is said in a line on standard error, each once.
    """

    def __init__(self, folder: str | Path, leaves: Callable[[], bool] | None = None) -> None:
        self.folder = Path(folder)
        self.leaves = leaves
        """Whether trainings that keep their state here are to be left."""
        self.cohorts = self.folder / "cohorts"
        self.weights = self.folder / "weights"
        self.histories = self.folder / "history"
        self.checkpoints = self.folder / "checkpoints"
        self.study_file = self.folder / "study.json"
        self.register_file = self.folder / "register.json"
        self.plans = self.folder / "plans"
        self.folders = (self.cohorts, self.weights, self.histories, self.checkpoints, self.plans)
        self.notices = Notices()
        self.homes: dict[str, tuple[str, ...]] = {}
        """Runs by the name of the file that has their weights: what a file holds never changes."""
        self.stamps: dict[str, dict[str, str]] = {}
        """Likewise of files of rows, when each run was finished."""

    @classmethod
    def existing(cls, folder: str | Path) -> Store:
        """The store of a folder that a sweep has begun, or `BadInput`."""
        store = cls(folder)
        if not store.study_file.is_file():
            raise BadInput(
                f"{folder} holds no study (no study.json); `disbench sweep STUDY --out {folder}` makes one"
            )
        return store

    @classmethod
    def claimed(
        cls, folder: str | Path, study: Study, contents: Mapping[str, str | None] | None = None
    ) -> Store:
        """The store of `folder` for `study`, made if it is new; `BadInput` if another study owns it.

        `contents` says which pixels the data sets have, if not those that are here now.

        What a killed sweep left half written is removed, and what is damaged set aside, so that its runs are missing
        and computed anew.
        """
        from ..checkpoint import forget

        store = cls(folder)
        store.refuse_links_out(*(path.name for path in store.folders), *BESIDE, "slurm")
        try:
            for inner in store.folders:
                inner.mkdir(parents=True, exist_ok=True)
            owned = study_file.claim(store.study_file, study)
            register = Register.of(study, contents).as_json(owned)
            if not holds(store.register_file, register.encode()):
                write_atomically(store.register_file, lambda path: path.write_bytes(register.encode()))
            store.remove_leftovers()
            damage.set_aside_damaged(store)
            forget(store.checkpoints, store.trained())
        except OSError as error:
            raise BadInput(f"output folder {folder} cannot be written: {error.strerror or error}") from error
        return store

    def remove_leftovers(self) -> None:
        """Remove the temporary files that a kill left behind; a younger one may be another sweep's work.

        Their age is told by the file system's own clock, not by this machine's, which may be another; and if either
        jumps, a sweep whose temporary file is taken away writes it again.
        """
        written = (self.study_file, self.register_file, self.folder / "report.html", self.folder / "clock")
        places = [(path.parent, f".{path.name}.*.tmp") for path in written]
        places += [(inner, pattern) for inner in self.folders for pattern in TEMPORARY]
        places += [(self.folder / name, TEMPORARY[0]) for name in BESIDE]
        leftovers = [path for place, pattern in places for path in place.glob(pattern) if path.is_file()]
        leftovers += [path for path in (self.folder / "slurm").glob(f"*/{TEMPORARY[0]}") if path.is_file()]
        if not leftovers:
            return
        now = file_system_time(self.folder)
        for path in leftovers:
            try:
                if now - path.stat().st_mtime > LEFTOVER_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue  # another sweep tidies up too

    def refuse_links_out(self, *names: str) -> None:
        """`BadInput` if a folder of ours in which files are written, moved and removed is a link to somewhere else.

        Whoever made the folder made the link too; what it leads to need not be theirs to change.
        """
        for inner in (self.folder / name for name in names):
            if inner.is_symlink() and not inner.resolve().is_relative_to(self.folder.resolve()):
                raise BadInput(
                    f"{inner} is a link out of {self.folder}, and nothing is written through it; put a folder there"
                )

    def has_folders_of_others(self) -> bool:
        """Whether something that is not the store keeps a folder here: a place whose jobs go on without a sweep."""
        ours = {*BESIDE, *(path.name for path in self.folders)}
        return any(path.is_dir() and path.name not in ours for path in self.folder.iterdir())

    def study(self) -> Study:
        """The study that the folder belongs to; nothing that it names is opened."""
        return study_file.read_study(self.study_file)

    def register(self) -> Register:
        """Which runs the study asks for and what columns mean: as written by the sweep, or worked out now."""
        content = study_file.study_bytes(self.study_file)
        try:
            known = Register.of_json(read_small(self.register_file), content)
        except (OSError, ValueError):
            known = None
        return known or Register.of(self.study(), self.contents())

    def contents(self) -> dict[str, str | None]:
        """Which pixels each data set had when its models were trained, by what the newest rows say."""
        fields = pa.schema([(name, pa.string()) for name in ("finished_at", "configuration")])
        found = row_files.read_all(self.cohorts, fields, self.notices).sort_by("finished_at")
        contents = {}
        for text in found.column("configuration").to_pylist():
            try:
                run = Run.from_configuration(json.loads(text))
                contents[run.data_set] = run.data_content
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
        return contents

    def rows(self, columns: Collection[str] | None = None) -> pd.DataFrame:
        """All rows, one a run, in the study's order; those of failed runs too.

        Rows whose configuration means another run today (an older recipe, a version with other settings) stay in
        their files and are left out here: they would stand beside their successors as if they were more seeds.

        Args:
            columns: only these; a table of three scores need not read the matrices.
        """
        return row_files.read_rows(self.cohorts, self.register(), columns, self.notices).to_pandas()

    def finished(self, metrics: Sequence[str] = (), likelihood: Mapping[str, Any] | None = None) -> set[str]:
        """Ids of runs that need no more work: done with all these scores asked for, or diverged.

        Estimates of log p(x) by other settings than `likelihood`, if it is given, are not what is asked for.
        """
        rows = self.rows(["run_id", "status", "metrics", "configuration"])
        wanted = {*metrics, *([] if likelihood is None else [LIKELIHOOD])}
        return {
            str(row.run_id)
            for row in rows.itertuples()
            if row.status == "diverged"
            or (
                row.status == "done"
                and wanted <= set(() if row.metrics is None else row.metrics)
                and (likelihood is None or likelihood_in(row.configuration) == likelihood)
            )
        }

    def save_rows(self, cohort: Cohort, rows: Sequence[Mapping[str, Any]]) -> None:
        """Make a cohort finished. What was saved before stays: a failure can take no result away.

        Of rows that say as much the newest counts, so a new one is not older than those before it, whatever the clock
        of this machine says.
        """
        before = self.finished_at()
        told = [{**row, "finished_at": later(row["finished_at"], before.get(row["run_id"]))} for row in rows]
        row_files.save_rows(self.cohorts, cohort.cohort_id, told)

    def finished_at(self) -> dict[str, str]:
        """When each run's newest row was finished, as it says."""

        def stamps(path: Path) -> dict[str, str]:
            if path.name not in self.stamps:
                self.stamps[path.name] = row_files.stamps(path)
            return self.stamps[path.name]

        newest: dict[str, str] = {}
        files = read_each(self.cohorts, ".parquet", stamps, self.notices.damaged(MISSING))
        for run_id, stamp in (pair for found in files.values() for pair in found.items()):
            newest[run_id] = max(stamp, newest.get(run_id, ""))
        return newest

    def files_of(self, run_ids: Iterable[str]) -> dict[str, str]:
        """The file, below the folder, that holds the newest row of each of these runs."""
        newest: dict[str, tuple[str, str]] = {}
        for path, found in read_each(
            self.cohorts, ".parquet", row_files.stamps, self.notices.damaged(MISSING)
        ).items():
            for run_id in found.keys() & set(run_ids):
                newest[run_id] = max(
                    newest.get(run_id, ("", "")), (found[run_id], f"{self.cohorts.name}/{path.name}")
                )
        return {run_id: file for run_id, (_, file) in newest.items()}

    def history(
        self, run_ids: Collection[str] | None = None, columns: Collection[str] | None = None
    ) -> pd.DataFrame:
        """Every point of every training that is finished, or of these alone, a row each: `HISTORY_FIELDS`.

        With `columns` only these: the KL of each latent is a list a point and takes longest.
        """
        return history_files.read_history(self.histories, self.notices, run_ids, columns)

    def save_history(self, cohort: Cohort, points: Sequence[Mapping[str, Any]]) -> None:
        """Keep what was recorded while a cohort trained."""
        history_files.save_history(self.histories / f"{cohort.cohort_id}.parquet", points)

    def plan(self, program: str) -> Plan | None:
        """How a program was trained so far: a resumed sweep must group its runs as the first one did."""
        from ..lowering import LOWERINGS

        try:
            found = Plan(**read_json(self.plans / f"{program}.json"))
        except (OSError, ValueError, TypeError):
            return None
        return found if type(found.size) is int and found.size > 0 and found.lowering in LOWERINGS else None

    def save_plan(self, program: str, plan: Plan) -> None:
        """Remember how a program is trained: a file each, so that two sweeps cannot lose each other's."""
        text = json.dumps(asdict(plan))
        write_atomically(self.plans / f"{program}.json", lambda path: path.write_text(text))

    def copy_plans(self, other: Store) -> None:
        """Tell another store of the same study how programs were trained here, where it does not know."""
        for path in listed(self.plans, ".json"):
            plan = self.plan(path.stem)
            if plan is not None and other.plan(path.stem) is None:
                other.save_plan(path.stem, plan)

    def checkpoint(self, cohort: Cohort) -> CohortCheckpoint:
        """Where the cohort's training keeps its state on the way."""
        from ..checkpoint import CohortCheckpoint, never

        path = self.checkpoints / f"{cohort.cohort_id}.safetensors"
        return CohortCheckpoint(path, cohort, leaves=self.leaves or never)

    def reached(self, cohort: Cohort) -> tuple[int, int, int]:
        """How far a cohort is: models scored by all that is asked for, models trained, steps kept of a training."""
        run_ids, plan = {run.run_id for run in cohort.runs}, cohort.shared.evaluation
        scored = len(self.finished(plan.metrics, plan.likelihood) & run_ids)
        return scored, len(self.trained().keys() & run_ids), self.checkpoint(cohort).done()

    def save_weights(self, cohort: Cohort, parameters: Parameters) -> None:
        """Keep a trained cohort's weights: a kill after this repeats the scoring only."""
        run_ids = [run.run_id for run in cohort.runs]
        weight_files.save_weights(self.weights / f"{cohort.cohort_id}.safetensors", run_ids, parameters)

    def trained(self) -> dict[str, Path]:
        """The runs whose weights are there, and the file of each."""

        def runs_of(path: Path) -> tuple[str, ...]:
            if path.name not in self.homes:
                self.homes[path.name] = weight_files.header(path).run_ids
            return self.homes[path.name]

        files = read_each(self.weights, weight_files.SUFFIX, runs_of, self.notices.damaged(NO_WEIGHTS))
        return {run_id: path for path, run_ids in files.items() for run_id in run_ids}

    def parameters_of(self, run_id: str) -> Parameters:
        """A trained model's weights.

        Raises:
            BadInput: they are not there, damaged, or may not be read.
        """
        for _ in range(MOVES):
            path = self.trained().get(run_id)
            if path is None:
                break
            try:
                return weight_files.read_weights(path, run_id)
            except Fault as fault:
                raise BadInput(f"{fault}; {NO_WEIGHTS}") from fault
            except OSError as error:
                if error.errno not in GONE:
                    raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error
        raise BadInput(f"{self.weights} has no weights of model {run_id}, or they are damaged; {NO_WEIGHTS}")

    def parameters(self, cohort: Cohort) -> Parameters | None:
        """A cohort's weights if all of its runs were trained before, in whatever company, and can be read."""
        import torch

        if not self.trained().keys() >= {run.run_id for run in cohort.runs}:
            return None
        try:
            single = [self.parameters_of(run.run_id) for run in cohort.runs]
        except BadInput as fault:
            self.notices.say(str(fault))
            return None
        return {name: torch.stack([weights[name] for weights in single]) for name in single[0]}

    def model(self, row: Mapping[str, Any]) -> tuple[Run, Model]:
        """The trained model of a row; `BadInput` if its weights are not there, damaged, or of another architecture."""
        from ..run_model import with_parameters

        run = Run.from_configuration(json.loads(row["configuration"]))
        parameters = self.parameters_of(run.run_id)
        try:
            return run, with_parameters(run, parameters)
        except RuntimeError as error:
            raise BadInput(
                f"{self.weights} holds weights of another architecture than {run.architecture}"
            ) from error

    def compact(self) -> compaction.Counts:
        """Join small files into large ones; see `compaction`."""
        self.refuse_links_out(*(path.name for path in self.folders))
        return compaction.compact(self)

    def tidy(self) -> None:
        """Join small files where there are too many of them: called by a sweep after each cohort."""
        compaction.tidy(self)


def refuse_other_study(store: Store, study: Study) -> None:
    """`BadInput` unless the folder's study differs from `study` in its grid of strengths and seeds at most."""
    study_file.refuse_other(store.study_file, study)


def holds(path: Path, content: bytes) -> bool:
    """Whether a file is there and holds just this."""
    try:
        return read_small(path) == content
    except (OSError, ValueError):
        return False


def trained_in(path: Path) -> list[str]:
    """The ids of the runs whose weights a file holds, in its order, or `BadInput`."""
    try:
        return list(weight_files.header(path).run_ids)
    except Fault as fault:
        raise BadInput(f"{fault}; {NO_WEIGHTS}") from fault
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error
