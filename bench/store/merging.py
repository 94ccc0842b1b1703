"""Joining the results of several folders of one study, from machines that know nothing of each other.

Everything is read and compared before anything is written, and sources are never changed. What the new folder has
already is not written again, so an interrupted merge is finished by the same command.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ..bad_input import BadInput
from ..one_line import one_line
from ..run import LIKELIHOOD, likelihood_in
from . import weight_files
from .compaction import LARGE_BYTES, joined, readable, save_stacked
from .history_files import HISTORY_FIELDS
from .listing import listed
from .parquet_files import read_table, save_table
from .reading import read_each
from .register import Register
from .row_files import ROW_FIELDS, counting, schema, sound, worth_keeping
from .store import Store
from .study_file import difference

if TYPE_CHECKING:
    from ..run_model import Parameters
    from ..study import Study

FILE = "read from"
"""The column that says which file a row is of; in no file itself."""

ROWS_A_FILE = 20_000

POINTS_A_FILE = 1_000_000


@dataclass(eq=False)
class Side:
    """One of the folders."""

    store: Store
    study: Study
    register: Register
    left_out: set[str] = field(default_factory=set)
    """Runs of which another side's result is preferred."""

    @classmethod
    def of(cls, folder: Path) -> Side:
        """The side of a folder that a sweep has begun, or `BadInput`."""
        store = Store.existing(folder)
        return cls(store, store.study(), store.register())

    @cached_property
    def rows(self) -> pa.Table:
        """Every row of every file with all of its columns, and with the file that it is in."""
        fields = schema(self.register.legend)
        tables = read_each(
            self.store.cohorts,
            ".parquet",
            lambda path: read_table(path, fields, required=ROW_FIELDS, with_others=True),
            self.store.notices.damaged("what was in it is not merged"),
        )
        named = [
            table.append_column(FILE, pa.array([one_line(path)] * len(table), pa.string()))
            for path, table in tables.items()
        ]
        empty = fields.append(pa.field(FILE, pa.string())).empty_table()
        return concatenated([empty, *named], self.store.cohorts)

    def finished(self, register: Register) -> pa.Table:
        """The rows that count as results, one a run: done and diverged."""
        rows = sound(self.rows, register, self.store.cohorts, self.store.notices)
        rows = rows.take(pa.array(counting(rows)))
        return rows.filter(pc.not_equal(rows.column("status"), "failed"))


@dataclass(frozen=True)
class Merged:
    """What was joined."""

    store: Store
    finished: Mapping[Path, int]
    """Finished models of each folder."""
    added: int
    """Rows that were not in the new folder."""


def merge(sources: Sequence[Path], into: Path, prefer: Path | None = None) -> Merged:
    """Put everything that is in the sources into one folder, which may be new, one of them, or of the same study.

    Studies may differ in their grids of strengths and seeds; the folder's study then asks for all of both. Rows that
    are equal are there once. A run that two folders have finished with the same scores is one result, with the scores
    of both; with other numbers it is a conflict, whatever the devices: which one counts is for people to say.

    Args:
        sources: folders that sweeps have written.
        into: the folder to be written.
        prefer: the folder whose results count where numbers differ; those of the others stay in their folders.

    Raises:
        BadInput: a folder is of another study, or of other pixels; a conflict; `into` cannot be written.
            Nothing has been written then, but in the last case.
    """
    from ..checkpoint import copy_checkpoints, forget

    sides = opened(sources, into)
    study, contents = common_study(sides), common_contents(sides)
    register = Register.of(study, contents)
    finished = {side: side.finished(register) for side in sides}
    unions = settled(finished, register, prefer, into)
    store = Store.claimed(into, study, contents)
    others = [side for side in sides if not same(side.store.folder, into)]
    for side in others:
        add_weights(store, side)
        add_histories(store, side)
        side.store.copy_plans(store)
    added = add_rows(store, others, unions)
    copy_checkpoints([side.store.checkpoints for side in others], store.checkpoints)
    forget(store.checkpoints, store.trained())
    return Merged(store, {side.store.folder: len(rows) for side, rows in finished.items()}, added)


def same(left: Path, right: Path) -> bool:
    """Whether two paths are one folder."""
    return left.resolve() == right.resolve()


def opened(sources: Sequence[Path], into: Path) -> list[Side]:
    """The folder that is written, if it has results already, and the sources, each once."""
    folders: list[Path] = [into] if (into / "study.json").is_file() else []
    for folder in sources:
        if not any(same(folder, known) for known in folders):
            folders.append(folder)
    return [Side.of(folder) for folder in folders]


def common_study(sides: Sequence[Side]) -> Study:
    """The study that asks for everything that the sides' studies ask for; `BadInput` if they are not of one kind."""
    from ..study import Study

    first = sides[0].study
    for side in sides[1:]:
        differs = difference(first, side.study)
        if differs is not None:
            place, old, new = differs
            raise BadInput(
                f"{sides[0].store.folder} has {place} = {one_line(repr(old))}, {side.store.folder} has"
                f" {one_line(repr(new))}: not one study; nothing was written"
            )
    studies = [side.study for side in sides]
    seeds = sorted({seed for study in studies for seed in study.seed_list()})
    document = first.model_dump()
    document["seeds"] = len(seeds) if seeds == list(range(len(seeds))) else seeds
    metrics = dict.fromkeys(name for study in studies for name in study.evaluation.metrics)
    document["evaluation"]["metrics"] = list(metrics)
    likelihoods = [study.evaluation.likelihood for study in studies]
    likelihood = next((settings for settings in likelihoods if settings is not None), None)
    document["evaluation"]["likelihood"] = likelihood and likelihood.model_dump()
    for number, arm in enumerate(document["arms"]):
        grids = [study.arms[number].strengths for study in studies]
        if arm["strengths"] is not None:
            arm["strengths"] = list(dict.fromkeys(strength for grid in grids for strength in grid or ()))
    return Study.model_validate(document)


def common_contents(sides: Sequence[Side]) -> dict[str, str | None]:
    """The pixels of each data set; `BadInput` if they are not the same in all sides: that would be other runs."""
    contents: dict[str, tuple[str | None, Path]] = {}
    for side in sides:
        for family in side.register.families:
            name, content = family.configuration["data_set"], family.configuration["data_content"]
            known, folder = contents.setdefault(name, (content, side.store.folder))
            if content != known:
                raise BadInput(
                    f"{folder} has {one_line(name)} as {known or 'rendered'}, {side.store.folder} as"
                    f" {content or 'rendered'}: other pixels make other models; nothing was written"
                )
    return {name: content for name, (content, _) in contents.items()}


def settled(
    finished: Mapping[Side, pa.Table], register: Register, prefer: Path | None, into: Path
) -> list[dict[str, Any]]:
    """New rows for runs of which no side has all scores; `BadInput` for conflicts that `prefer` does not settle.

    What is not preferred is `left_out` of its side.
    """
    preferred = next(
        (side for side in finished if prefer is not None and same(side.store.folder, prefer)), None
    )
    if prefer is not None and preferred is None:
        raise BadInput(f"{prefer} is none of the folders that are merged; nothing was written")
    results: dict[str, list[tuple[Side, dict[str, Any]]]] = {}
    for side, rows in shared(finished).items():
        for row in rows.to_pylist():
            results.setdefault(row["run_id"], []).append((side, row))
    conflicts, unions = [], []
    for run_id, found in results.items():
        lines = list(disagreements(found, list(register.legend.columns)))
        if not lines:
            unions += union_of([row for _, row in found], list(register.legend.columns))
        elif preferred is None or preferred not in dict(found):
            conflicts.append(lines[0])
        else:
            losers = [side for side, _ in found if side is not preferred]
            if any(same(side.store.folder, into) for side in losers):
                raise BadInput(
                    f"{lines[0]}; {into} keeps what it has: merge into a new folder; nothing was written"
                )
            for side in losers:
                side.left_out.add(run_id)
    if conflicts:
        more = f" (and {len(conflicts) - 1} more models)" if len(conflicts) > 1 else ""
        raise BadInput(f"{conflicts[0]}{more}; say which folder counts with --prefer; nothing was written")
    return unions


def shared(finished: Mapping[Side, pa.Table]) -> dict[Side, pa.Table]:
    """The rows of runs that more than one side has finished."""
    counts = pa.concat_arrays(
        [chunk for rows in finished.values() for chunk in rows.column("run_id").chunks]
        or [pa.array([], pa.string())]
    ).value_counts()
    several = pc.filter(counts.field("values"), pc.greater(counts.field("counts"), 1))
    return {side: rows.filter(pc.is_in(rows.column("run_id"), several)) for side, rows in finished.items()}


def disagreements(found: Sequence[tuple[Side, dict[str, Any]]], scores: Sequence[str]) -> Iterator[str]:
    """In a line each, what the sides' results of one run differ in: status, or a score that both have."""
    for (_, one), (_, other) in itertools.combinations(found, 2):
        for name in ("status", *scores):
            left, right = one.get(name), other.get(name)
            # By their text: equal to the last bit, and NaN equals NaN.
            if left is not None and right is not None and repr(left) != repr(right):
                yield (
                    f"{one[FILE]} and {other[FILE]} disagree on {one_line(label(one))} (run {one['run_id']}):"
                    f" {name} is {one_line(left)} on {one_line(one['device'])}"
                    f" and {one_line(right)} on {one_line(other['device'])}"
                )


def label(row: Mapping[str, Any]) -> str:
    """A row's run for people, as `Run.label`."""
    given = f" given {row['condition']}" if row["condition"] else ""
    return f"{row['objective']} {row['strength']:g} {row['data_set']}{given} seed {row['seed']}"


def union_of(rows: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> list[dict[str, Any]]:
    """A row with the scores of all rows of a run that agree, if none of them has all; else nothing."""
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"] or ()))
    fullest = max(rows, key=lambda row: len(row["metrics"] or ()))
    if set(metrics) == set(fullest["metrics"] or ()):
        return []
    filled = {
        name: next((row[name] for row in (fullest, *rows) if row.get(name) is not None), None)
        for name in scores
    }
    configuration = json.loads(fullest["configuration"])
    configuration["evaluation"]["metrics"] = [name for name in metrics if name != LIKELIHOOD]
    settings = [likelihood_in(row["configuration"]) for row in (fullest, *rows)]
    configuration["evaluation"]["likelihood"] = next((found for found in settings if found is not None), None)
    text = json.dumps(configuration, sort_keys=True)
    return [{**fullest, **filled, "metrics": metrics, "configuration": text}]


def add_weights(store: Store, side: Side) -> None:
    """Weights of models that the store has none of, in files of models that can be stacked."""
    known = store.trained().keys() | side.left_out
    waiting: dict[Any, dict[str, Parameters]] = {}

    def wanted_of(path: Path) -> dict[str, Parameters]:
        run_ids = [run_id for run_id in weight_files.header(path).run_ids if run_id not in known]
        return {run_id: weight_files.read_weights(path, run_id) for run_id in run_ids}

    for _, found in readable(side.store, listed(side.store.weights, weight_files.SUFFIX), wanted_of):
        known |= found.keys()
        for run_id, weights in found.items():
            alike = waiting.setdefault(weight_files.form(weights), {})
            alike[run_id] = weights
            if len(alike) * sum(value.nbytes for value in weights.values()) >= LARGE_BYTES["weights"]:
                save_stacked(store, alike)
    for alike in waiting.values():
        save_stacked(store, alike)


def add_histories(store: Store, side: Side) -> None:
    """Histories of trainings that the store has none of."""
    fields, ids = pa.schema(HISTORY_FIELDS), pa.schema([("run_id", pa.string())])
    known = {
        run_id
        for _, table in readable(
            store, listed(store.histories, ".parquet"), lambda path: read_table(path, ids)
        )
        for run_id in table.column("run_id").unique().to_pylist()
    } | side.left_out
    waiting: list[pa.Table] = []
    for _, table in readable(
        side.store,
        listed(side.store.histories, ".parquet"),
        lambda path: read_table(path, fields, required=HISTORY_FIELDS),
    ):
        new = table.filter(pc.invert(pc.is_in(table.column("run_id"), pa.array(list(known), pa.string()))))
        known |= set(new.column("run_id").unique().to_pylist())
        waiting.append(new)
        if sum(map(len, waiting)) >= POINTS_A_FILE:
            save_points(store, waiting)
    save_points(store, waiting)


def save_points(store: Store, waiting: list[pa.Table]) -> None:
    """Write what waits, if there is any."""
    table = pa.concat_tables([pa.schema(HISTORY_FIELDS).empty_table(), *waiting])
    waiting.clear()
    if len(table):
        save_table(table.combine_chunks(), joined(store.histories, ".parquet"))


def add_rows(store: Store, sides: Sequence[Side], unions: Sequence[Mapping[str, Any]]) -> int:
    """Rows that the store does not have, failures last; how many."""
    own = Side.of(store.folder)
    taken = [
        side.rows.filter(
            pc.invert(pc.is_in(side.rows.column("run_id"), pa.array(list(side.left_out), pa.string())))
        )
        for side in sides
    ]
    made = pa.Table.from_pylist([dict(row) for row in unions], schema=own.rows.schema)
    table = concatenated([own.rows, *taken, made], store.cohorts).drop_columns([FILE])
    keep = worth_keeping(table)
    keep[: len(own.rows)] = False
    new = table.filter(pa.array(keep)).combine_chunks()
    for start in range(0, len(new), ROWS_A_FILE):
        save_table(new.slice(start, ROWS_A_FILE), joined(store.cohorts, ".parquet"))
    return len(new)


def concatenated(tables: Sequence[pa.Table], where: Path) -> pa.Table:
    """Tables as one, with the columns of all; `BadInput` if they do not go together."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise BadInput(
            f"{where}: its files do not go together: {one_line(error)}; nothing is lost"
        ) from error
