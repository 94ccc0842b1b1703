"""UDR over a study: families of models whose weights are permuted, turned or of other seeds."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from disbench.bench import BadInput, Study, agreement, study_udr, sweep
from disbench.bench.analysis.score_values import SUPERVISED
from disbench.bench.run import Cohort, Run
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study

STUDY = {
    "name": "seeds",
    "data_set": "digits",
    "architecture": "small_patch",
    "latents": 4,
    "steps": 300,
    "learning_rate": 2e-3,
    "seeds": 3,
    "evaluation": {"metrics": ["active_units"]},
    "arms": [{"objective": "beta_vae", "strengths": [0.25]}],
}

HEAD = ("encoder.posterior.weight", "encoder.posterior.bias")
"""The layer from which means and log-variances come, [2 D, ...]."""


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> Store:
    """Three models of one family, trained long enough to use their latents."""
    folder = tmp_path_factory.mktemp("seeds") / "out"
    sweep(parse_study(STUDY, "seeds.toml"), out=folder, device="cpu", cohort_size=1)
    return Store.existing(folder)


def with_weights(store: Store, folder: Path, change) -> Store:
    """A copy of a store whose models are all that of the first seed, each changed by `change(seed, name, value)`."""
    copy = Store.claimed(folder, store.study())
    shutil.copytree(store.cohorts, copy.cohorts, dirs_exist_ok=True)
    runs: list[Run] = [run for run in store.study().runs() if run.run_id in set(store.rows()["run_id"])]
    first = store.parameters(Cohort((runs[0],)))
    for run in runs:
        parameters = {name: change(run.seed, name, value.clone()) for name, value in first.items()}
        copy.save_weights(Cohort((run,)), parameters)
    return copy


def reordered(seed: int, name: str, value: torch.Tensor) -> torch.Tensor:
    """The same encoder with its latents in another order, and every second mean turned round."""
    if name not in HEAD:
        return value
    order = torch.tensor(np.random.default_rng(seed).permutation(4))
    signs = torch.where(torch.arange(4) % 2 == 0, -1.0, 1.0) if seed else torch.ones(4)
    mean, logvar = value[:, :4], value[:, 4:]
    return torch.cat([mean[:, order] * signs.reshape(1, 4, *[1] * (value.ndim - 2)), logvar[:, order]], dim=1)


def test_the_same_codes_in_another_order_score_as_their_own_copies(seeds, tmp_path):
    """Order and sign of latents are nothing; correlated latents keep the score of copies below 1."""
    copies = study_udr(with_weights(seeds, tmp_path / "copies", lambda seed, name, value: value))
    others = study_udr(with_weights(seeds, tmp_path / "others", reordered))
    assert others.models["udr"].to_numpy() == pytest.approx(copies.models["udr"].to_numpy(), abs=1e-3)
    assert others.models["family"].tolist() == [3, 3, 3]
    assert (others.models["udr"] > study_udr(seeds).models["udr"].max() + 0.2).all()


def test_independent_latents_in_another_order_score_1(seeds, tmp_path, monkeypatch):
    """Codes made independent: ranks agree fully, the lasso takes its penalty."""
    from disbench.bench.analysis import udr as module
    from disbench.bench.analysis.posteriors import Posteriors

    codes = np.linalg.qr(np.random.default_rng(0).normal(size=(400, 4)))[0]
    made = [
        Posteriors(torch.tensor(20 * (codes - codes.mean(axis=0))[:, order]), torch.zeros(400, 4), None)
        for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2])
    ]
    monkeypatch.setattr(module, "family_posteriors", lambda *_: made)
    assert study_udr(seeds).models["udr"].tolist() == pytest.approx([0.9] * 3, abs=0.01)
    assert (study_udr(seeds, correlation="spearman").models["udr"] > 0.85).all()


def test_every_model_of_a_family_has_a_score(seeds):
    """One row a model, with who it is, how many latents count, and beside how many seeds."""
    found = study_udr(seeds, images=500)
    assert found.models["seed"].tolist() == [0, 1, 2]
    assert found.models["informative"].tolist() == [4, 4, 4]
    assert found.models["udr"].between(0, 1).all()
    assert found.models["udr"].nunique() == 3
    assert found.left_out == {}
    assert set(found.models["run_id"]) == set(seeds.rows()["run_id"])
    pd.testing.assert_frame_equal(found.models, study_udr(seeds.folder, images=500).models)


def test_scores_with_factors_stand_beside(seeds, monkeypatch):
    """Spearman's over models, with a score of which lower is better turned round; by hand from the values."""
    order = study_udr(seeds).models["udr"].rank().to_numpy()
    rows = seeds.rows().assign(mig=order, unfairness=order)
    monkeypatch.setattr(Store, "rows", lambda self: rows)
    found = study_udr(seeds).correlations.set_index("score")
    assert found.loc["mig", "correlation"] == pytest.approx(1)
    assert found.loc["unfairness", "correlation"] == pytest.approx(-1)
    assert found.loc["mig", "p_value"] == pytest.approx(2 / 6)
    assert (found["models"] == 3).all()
    assert (found["subject"] == "digits").all()


def test_which_scores_know_the_factors():
    """Those whose metric takes them and that have a better side."""
    assert {"mig", "dci_disentanglement", "factor_vae_score", "sap"} <= set(SUPERVISED)
    assert not {"gaussian_total_correlation", "active_units", "kl_nats", "elbo_nats"} & set(SUPERVISED)


def test_families_of_one_are_left_out_and_said(tiny: Study, swept, tmp_path):
    """A model without another seed beside it has no pair."""
    folder, rows = swept
    alone = rows[~((rows["objective"] == "cvae") & (rows["seed"] == 1))]
    store = Store.existing(folder)
    store.rows = lambda: alone
    found = study_udr(store)
    assert found.left_out == {"digits given digit, CVAE, β = 1": "1 model, needs 2"}
    assert len(found.models) == 4


def test_models_without_weights_are_left_out_and_said(seeds, tmp_path):
    """Here two of three have lost them, so that the third has no pair either."""
    copy = Store.claimed(tmp_path / "copy", seeds.study())
    shutil.copytree(seeds.cohorts, copy.cohorts, dirs_exist_ok=True)
    with pytest.raises(
        BadInput, match="no models to look into: digits, β-VAE, β = 0.25: 3 of 3 without weights"
    ):
        study_udr(copy)
    run = seeds.study().runs()[0]
    copy.save_weights(Cohort((run,)), seeds.parameters(Cohort((run,))))
    with pytest.raises(BadInput, match="2 of 3 without weights"):
        study_udr(copy)


def test_images_that_are_not_at_hand_are_said(seeds, monkeypatch):
    """The first line of what the data set says."""
    from disbench.bench.analysis import posteriors as module

    def absent(name):
        raise FileNotFoundError("fetch it first\nand more")

    monkeypatch.setattr(module, "load", absent)
    with pytest.raises(BadInput, match="no images of digits: fetch it first$"):
        study_udr(seeds)


def test_bad_requests(seeds, tmp_path):
    """One line each."""
    with pytest.raises(BadInput, match="holds no study"):
        study_udr(tmp_path)
    with pytest.raises(BadInput, match="correlation must be lasso or spearman, got 'pearson'"):
        study_udr(seeds, correlation="pearson")
    with pytest.raises(BadInput, match="images must be at least 2, got 1"):
        study_udr(seeds, images=1)
    empty = Store.claimed(tmp_path / "empty", seeds.study())
    with pytest.raises(BadInput, match="has no finished model"):
        study_udr(empty)


def test_progress_counts_models(seeds):
    """Up to all of them."""
    said = []
    study_udr(seeds, images=50, progress=lambda done, whole: said.append((done, whole)))
    assert said == [(3, 3)]


def test_agreement_takes_udr_for_no_score(seeds):
    """It is not a column of rows: it needs other models, which a run does not know."""
    with pytest.raises(BadInput, match="unknown score 'udr'"):
        agreement(seeds.rows(), ["udr"])
