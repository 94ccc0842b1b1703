"""The diagnosis of collapse over a study: numbers by hand from posteriors that are known, and who is left out."""

import numpy as np
import pandas as pd
import pytest
import torch

from disbench.bench import BadInput, study_collapse
from disbench.bench.analysis.collapse import as_record, collapsed_at, diagnosis_of, summary
from disbench.bench.analysis.posteriors import Posteriors, families, family_posteriors, same_images
from disbench.bench.store import Store
from disbench.datasets import load
from disbench.metrics import active_units, diagnose_collapse, gaussian_kl


def known(condition: bool = False) -> Posteriors:
    """Two latents with KL 1/2 m^2: 2 nats for all images, and 0.02 for all; the first is the condition and no more."""
    sign = torch.tensor([1.0, -1.0]).repeat(100)
    mean = torch.stack(
        [2 * sign, 0.2 * torch.roll(sign, 1) * torch.tensor([1.0, 1, -1, -1]).repeat(50)], dim=1
    )
    return Posteriors(mean, torch.zeros(200, 2), (sign > 0).long() if condition else None)


def test_numbers_by_hand():
    """Active at 0.01 nats, at 0.1 one of the two is collapsed, at 10 both; variances of the means are 4 and 0.04."""
    diagnosis = diagnosis_of(known())
    numbers = summary(diagnosis)
    assert (numbers["active_latents"], numbers["mixed_latents"], numbers["passive_latents"]) == (2, 0, 0)
    assert (numbers["collapsed_at_0.1"], numbers["collapsed_at_1"]) == (1, 1)
    assert [collapsed_at(diagnosis, nats) for nats in (0.019, 0.026, 1.9, 2.6)] == [0, 1, 1, 2]
    assert numbers["active_units"] == 2
    assert numbers["kl_nats"] == pytest.approx(2.02)
    assert np.isnan(numbers["active_units_given_condition"])


def test_given_the_condition_a_latent_that_repeats_it_is_dead():
    """Within classes the first latent stands still."""
    assert summary(diagnosis_of(known(condition=True)))["active_units_given_condition"] == 1


def test_epsilon_and_delta_are_handed_on():
    """At 0.03 nats the second latent is passive."""
    assert summary(diagnosis_of(known(), epsilon=0.03))["passive_latents"] == 1
    assert diagnosis_of(known(), epsilon=0.03, delta=0.2).delta == 0.2


def test_records_are_plain_numbers():
    """Every field of the diagnosis, as JSON takes it."""
    import json

    record = as_record(diagnosis_of(known()))
    assert json.loads(json.dumps(record))["kl_per_dimension_nats"] == pytest.approx([2.0, 0.02])
    assert record["kinds"] == ("active", "active")
    assert len(record["epsilons"]) == len(record["collapse_curve"])


def test_every_model_has_a_row(swept):
    """Six models of the tiny study; conditional ones also within their classes."""
    folder, rows = swept
    found = study_collapse(folder)
    assert found.models["run_id"].tolist() == rows["run_id"].tolist() == list(found.diagnoses)
    counts = found.models[["active_latents", "mixed_latents", "passive_latents"]].sum(axis=1)
    assert (counts == 3).all()
    conditional = found.models["objective"] == "cvae"
    assert (found.models["active_units_given_condition"].notna() == conditional).all()
    assert found.left_out == {}


def test_the_diagnosis_is_that_of_the_models_own_posteriors(swept):
    """Encoded by hand; digits are fewer than were asked for, so all of them, in their order."""
    folder, rows = swept
    store, data = Store.existing(folder), load("digits")
    run, model = store.model(rows.iloc[0].to_dict())
    everything = torch.arange(len(data))
    assert run.condition is None
    mean, logvar = model.encode(data.images(everything), torch.zeros(len(data), 0))
    found = study_collapse(store).diagnoses[run.run_id]
    expected = diagnose_collapse(mean, logvar)
    np.testing.assert_allclose(found.kl_per_dimension_nats, expected.kl_per_dimension_nats, rtol=1e-4)
    assert found.active_units == active_units(mean)
    assert found.total_correlation_of_means_nats == pytest.approx(
        expected.total_correlation_of_means_nats, rel=1e-3
    )


def test_all_models_encode_the_same_images(swept):
    """A draw from the data set alone: no seed of a run moves it; and conditional models are told what is true."""
    folder, rows = swept
    store = Store.existing(folder)
    found, left_out = families(store, rows)
    assert left_out == {}
    assert [len(family.rows) for family in found] == [2, 2, 2]
    drawn = same_images(found[0].data, 100)
    assert len(drawn) == 100
    assert torch.equal(drawn, same_images(found[-1].data, 100))
    encoded = family_posteriors(store, found[-1], 100)
    for model in encoded:
        assert torch.equal(model.condition, found[-1].data.factors(drawn)[:, 0])
        assert gaussian_kl(model.mean, model.logvar).shape == (100, 3)
    assert not torch.equal(encoded[0].mean, encoded[1].mean)


def test_bad_requests(swept, tmp_path):
    """One line each, with the model where it is one model's."""
    with pytest.raises(BadInput, match="holds no study"):
        study_collapse(tmp_path)
    with pytest.raises(BadInput, match="digits, β-VAE, β = 1, seed 0: epsilon: expected nats above 0, got 0"):
        study_collapse(swept[0], epsilon=0.0)
    with pytest.raises(BadInput, match="delta: expected a share"):
        study_collapse(swept[0], delta=0.5)
    copy = Store.claimed(tmp_path / "copy", Store.existing(swept[0]).study())
    copy.rows = lambda: swept[1]
    with pytest.raises(BadInput, match=r"2 of 2 without weights in .*weights \(and 2 more like it\)"):
        study_collapse(copy)


def test_rows_of_failed_models_are_none_of_it(swept):
    """Only finished models are run again."""
    store = Store.existing(swept[0])
    changed = swept[1].copy()
    changed.loc[0, "status"] = "diverged"
    store.rows = lambda: changed
    found = study_collapse(store, images=50)
    assert len(found.models) == 5
    assert isinstance(found.models, pd.DataFrame)
