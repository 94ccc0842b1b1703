"""The figure of collapse: panels hold the diagnosis, and can be read for odd studies too."""

import numpy as np
from matplotlib.colors import to_rgb
from readable import assert_readable, drawn

from disbench.bench import study_collapse, sweep
from disbench.bench.figures import FIGURES
from disbench.bench.figures.collapse import KINDS, diagnosed
from disbench.bench.figures.style import look
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study

ODD = {
    "name": "odd",
    "data_set": "digits",
    "architecture": "small_patch",
    "latents": 12,
    "steps": 2,
    "evaluation": {"metrics": ["active_units"]},
    "arms": [
        {"objective": "vae"},
        {"objective": "beta_vae", "strengths": [0, 0.001, 0.25, 1, 4, 100, 1000000]},
        {"objective": "annealed_vae", "strengths": [12.5], "options": {"gamma": 100, "capacity_steps": 1}},
        {"objective": "beta_tcvae", "strengths": [1, 4], "options": {"estimator": "mss"}},
        {"objective": "beta_tcvae", "strengths": [1, 4], "options": {"estimator": "mws"}},
        {"objective": "cvae", "condition": "digit", "strengths": [1]},
    ],
}


def test_panels_hold_the_diagnosis(swept):
    """Of the first arm: curves, bars that add up to the latents, what latents cost and know, the two correlations."""
    folder, rows = swept
    figure = drawn("collapse", rows, Store.existing(folder))
    found = study_collapse(folder)
    first = [found.diagnoses[run_id] for run_id in rows.loc[[0, 2], "run_id"]]
    assert rows.loc[[0, 2], "strength"].tolist() == [1, 4]
    curves, kinds, nats, gap = figure.axes[:4]
    for line, diagnosis in zip(curves.lines, first, strict=False):
        np.testing.assert_allclose(line.get_ydata(), diagnosis.collapse_curve)
    bars = np.array([bar.get_height() for bar in kinds.patches]).reshape(3, 2)
    assert bars.sum(axis=0).tolist() == [3, 3]
    for heights, kind in zip(bars, KINDS, strict=True):
        assert heights.tolist() == [diagnosis.kinds.count(kind) for diagnosis in first]
    assert kinds.lines[0].get_ydata().tolist() == [diagnosis.active_units for diagnosis in first]
    order = np.argsort(-first[0].kl_per_dimension_nats)
    np.testing.assert_allclose(nats.lines[0].get_ydata(), first[0].kl_per_dimension_nats[order])
    known = first[0].mutual_information_per_dimension_nats[order].clip(min=0)
    np.testing.assert_allclose(nats.lines[1].get_ydata(), known)
    np.testing.assert_allclose(gap.lines[0].get_ydata(), [d.total_correlation_of_means_nats for d in first])
    np.testing.assert_allclose(gap.lines[1].get_ydata(), [d.total_correlation_of_samples_nats for d in first])


def test_conditional_models_have_a_panel_more(swept):
    """Variances over all images and within classes, and a second mark on the bars."""
    folder, rows = swept
    axes = drawn("collapse", rows, Store.existing(folder)).axes
    assert len(axes) == 4 + 5
    diagnosis = study_collapse(folder).diagnoses[rows.loc[4, "run_id"]]
    order = np.argsort(-diagnosis.mean_variance)
    over_all, within = axes[-1].lines[:2]
    np.testing.assert_allclose(over_all.get_ydata(), diagnosis.mean_variance[order].clip(min=1e-4))
    np.testing.assert_allclose(within.get_ydata(), diagnosis.within_class_variance[order].clip(min=1e-4))
    assert axes[5].lines[1].get_ydata().tolist() == [diagnosis.active_units_given_condition]
    without = drawn("collapse", rows[rows["objective"] != "cvae"], Store.existing(folder))
    assert len(without.axes) == 4
    words = {text.get_text() for legend in without.legends for text in legend.get_texts()}
    assert "active units" in words
    assert "active within classes" not in words


def test_odd_studies_are_readable(tmp_path):
    """No strength, one strength, seven from zero to a million, variants, many latents, a condition."""
    rows = sweep(parse_study(ODD, "odd.toml"), out=tmp_path / "out", device="cpu", cohort_size=1)
    store = Store.existing(tmp_path / "out")
    assert_readable(drawn("collapse", rows, store))
    found = diagnosed(rows, store)
    assert [len(one.strengths) for one in found] == [1, 5, 1, 2, 2, 1]
    assert found[1].strengths[0] == 0
    assert found[1].strengths[-1] == 1_000_000


def test_models_that_cannot_be_run_are_left_out(swept, tmp_path):
    """Without weights no figure; without those of an arm the others show."""
    folder, rows = swept
    with look():
        assert FIGURES["collapse"].draw(rows, Store(tmp_path)) is None
    store = Store.existing(folder)
    lost = set(rows.loc[rows["objective"] == "beta_vae", "run_id"])
    kept = {run_id: path for run_id, path in store.trained().items() if run_id not in lost}
    store.trained = lambda: kept
    assert [one.arm.objective for one in diagnosed(rows, store)] == ["cvae"]


def test_images_that_are_not_at_hand_are_no_error(swept, monkeypatch):
    """The figure is left out."""
    from disbench.bench.figures import collapse

    monkeypatch.setattr(collapse, "images_of", lambda name: None)
    with look():
        assert FIGURES["collapse"].draw(swept[1], Store.existing(swept[0])) is None


def test_stronger_is_darker(swept):
    """Lines of an arm fall in lightness with strength, and its legend has the same colours."""
    figure = drawn("collapse", swept[1], Store.existing(swept[0]))
    weak, strong = (np.array(to_rgb(line.get_color())) for line in figure.axes[0].lines[:2])
    assert strong.sum() < weak.sum()
    legend = next(found for found in figure.legends if found.get_texts()[0].get_text() == "β = 1")
    assert [to_rgb(line.get_color()) for line in legend.get_lines()] == [tuple(weak), tuple(strong)]
