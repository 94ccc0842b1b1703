"""Finished models with given scores, for analyses of settings and seeds."""

import json

import pandas as pd


def models(scores, data_set="dsprites", name="mig", **more) -> pd.DataFrame:
    """A row a model from {(objective, strength): [score of seed 0, of seed 1, ...]}; None for one that diverged."""
    lines = []
    for (objective, strength), values in scores.items():
        for seed, value in enumerate(values):
            about = {
                "status": "diverged" if value is None else "done",
                "data_set": data_set,
                "condition": None,
                "objective": objective,
                "strength": float(strength),
                "seed": seed,
                "run_id": f"{data_set} {objective} {strength} {seed}",
                "configuration": json.dumps({"options": {}}),
            }
            lines.append(about | {name: value} | more)
    return pd.DataFrame(lines)
