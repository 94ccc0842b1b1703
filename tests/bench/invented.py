"""Rows of models that nobody trained, for figures and tables."""

import itertools
import json

import numpy as np
import pandas as pd

from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.store import schema
from disbench.datasets import DATA_SETS


def invented(
    objectives=("vae", "beta_vae", "beta_tcvae", "cvae"),
    strengths=(1.0, 4.0, 16.0),
    seeds=2,
    latents=10,
    data_sets=("dsprites", "digits"),
    options=None,
) -> pd.DataFrame:
    """Rows of models that nobody trained, with scores that fall with strength as real ones do."""
    rng, rows = np.random.default_rng(0), []
    grid = itertools.product(data_sets, objectives, strengths, range(seeds))
    for data_set, objective, strength, seed in grid:
        known, factors = OBJECTIVES[objective], DATA_SETS[data_set].factor_names
        if known.strength is None and strength != strengths[0]:
            continue
        told = factors[0] if known.conditional else None
        kept = len(factors) - (told is not None)
        information, dependence, rest = np.abs(rng.normal(size=3)) + np.array([9, 10 / (1 + strength), 0.2])
        rows.append(
            dict.fromkeys(schema().names)
            | {
                "status": "done",
                "data_set": data_set,
                "objective": objective,
                "condition": told,
                "strength": strength if known.strength else 1.0,
                "seed": seed,
                "run_id": f"{data_set} {objective} {strength} {seed}",
                "cohort_id": "none",
                "configuration": json.dumps({"options": options or {}, "strength": strength, "seed": seed}),
                "elbo_nats": -100 - strength + rng.normal(),
                "reconstruction_nats": 90 + strength + rng.normal(),
                "mutual_information_nats": information,
                "total_correlation_nats": dependence,
                "dimensionwise_kl_nats": rest,
                "kl_nats": information + dependence + rest,
                "active_units": float(latents // 2),
                "mig": rng.random() if kept else np.nan,
                "kl_per_dimension_nats": rng.exponential(size=latents) / (1 + strength),
                "mutual_information": rng.random((latents, kept)) if kept else None,
            }
        )
    return pd.DataFrame(rows)
