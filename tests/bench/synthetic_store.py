"""An output folder as a finished sweep leaves it, filled with made-up numbers: to try the store at any size in seconds.

    python tests/bench/synthetic_store.py OUT                    the 12,600 models of the unsupervised study
    python tests/bench/synthetic_store.py OUT --seeds 2 --cohort 14

Identities, configurations and columns are those of real rows; scores, histories and the (small) weights are drawn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from disbench.bench import Study, load_study
from disbench.bench.evaluation import SCORES
from disbench.bench.history import COLUMNS
from disbench.bench.provenance import versions
from disbench.bench.run import Cohort, Plan, Run, cohorts
from disbench.bench.store import Store
from disbench.datasets import entry

POINTS = 5


def fill(folder: Path, study: Study, *, cohort_size: int = 1, points: int = 200) -> Store:
    """A store of all models of a study, written as their cohorts would be; `points` a history."""
    store = Store.claimed(folder, study)
    told = json.dumps(versions())
    for cohort in cohorts(study.runs(), lambda members: Plan(cohort_size)):
        store.save_history(cohort, list(history(cohort, points)))
        store.save_weights(cohort, weights(cohort))
        store.save_rows(cohort, [row(cohort, run, study.name, told) for run in cohort.runs])
    return store


def generator(run: Run) -> np.random.Generator:
    """What a run's numbers are drawn from: the run itself."""
    return np.random.Generator(np.random.Philox(int(run.run_id, 16)))


def row(cohort: Cohort, run: Run, study_name: str, told: str) -> dict[str, Any]:
    """A row with every column that a model can have."""
    chance = generator(run)
    factors = len(entry(run.data_set).factor_names) - (run.condition is not None)
    sizes = {"number": (), "list": (run.latents,), "matrix": (run.latents, factors), "curve": (POINTS,)}
    scores = {name: chance.random(sizes[score.kind]).tolist() for name, score in SCORES.items()}
    if not factors:  # none is left to be scored on
        scores |= {name: None for name, score in SCORES.items() if score.kind == "matrix"}
    return {
        "study": study_name,
        "run_id": run.run_id,
        "cohort_id": cohort.cohort_id,
        "status": "done",
        "data_set": run.data_set,
        "data_source": "rendered",
        "architecture": run.architecture,
        "objective": run.objective,
        "condition": run.condition,
        "strength": run.strength,
        "seed": run.seed,
        "configuration": json.dumps(run.configuration, sort_keys=True),
        "metrics": list(run.evaluation.metrics),
        "train_seconds": chance.uniform(1e3, 2e3),
        "evaluate_seconds": chance.uniform(50, 60),
        "device": "made up",
        "commit": "0123456789ab",
        "versions": told,
        "finished_at": f"2026-01-{1 + chance.integers(28):02d}T{chance.integers(24):02d}:00:00+00:00",
        **scores,
    }


def history(cohort: Cohort, points: int) -> Iterator[dict[str, Any]]:
    """The points of each of a cohort's trainings."""
    for run in cohort.runs:
        chance = generator(run)
        for step in np.linspace(0, run.steps - 1, points).astype(int).tolist():
            yield {
                "run_id": run.run_id,
                "step": step,
                "images": run.batch_size,
                "elbo_nats": -chance.random(),
                **dict(zip(COLUMNS, chance.random(len(COLUMNS)).tolist(), strict=True)),
                "kl_per_dimension_nats": chance.random(run.latents).tolist(),
            }


def weights(cohort: Cohort) -> dict[str, torch.Tensor]:
    """Tensors of the number and with the names of a model's, a few values each."""
    names = [
        f"{part}.{layer}.{kind}"
        for part in ("encoder", "decoder")
        for layer in range(6)
        for kind in ("weight", "bias")
    ]
    drawn = torch.from_numpy(
        np.stack([generator(run).random((len(names), 4), dtype=np.float32) for run in cohort.runs])
    )
    return {name: drawn[:, position] for position, name in enumerate(names)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--study", default="unsupervised")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--cohort", type=int, default=1, help="models in a cohort, so in a file")
    parser.add_argument("--points", type=int, default=200, help="of a training's history")
    given = parser.parse_args(arguments)
    study = load_study(given.study, {} if given.seeds is None else {"seeds": given.seeds})
    store = fill(given.out, study, cohort_size=given.cohort, points=given.points)
    print(f"{len(study.runs())} models in {store.folder}")


if __name__ == "__main__":
    main()
