"""The heat map of agreement: what its cells hold, in which order, and whether it can be read at twenty scores."""

import numpy as np
import pandas as pd
import pytest
from invented import invented
from matplotlib.figure import Figure
from readable import assert_readable, drawn

from disbench.bench import agreement
from disbench.bench.evaluation import SCORES
from disbench.bench.figures import FIGURES
from disbench.bench.figures.agreement import FIRST, MOST, arranged, label, short, shown_scores
from disbench.bench.figures.style import look
from disbench.bench.store import Store

NAMES = [name for name, score in SCORES.items() if score.kind == "number"]


@pytest.fixture
def empty(tmp_path) -> Store:
    """A store without weights."""
    return Store(tmp_path)


def scored(names, *, data_sets=("dsprites",), models=4, seed=0) -> pd.DataFrame:
    """Rows with these scores and no others, in two clusters: one follows the seed, the other goes against it."""
    rows = invented(["beta_vae"], [1.0, 4.0, 8.0], models, data_sets=data_sets)
    random = np.random.default_rng(seed)
    rows = rows.assign(**dict.fromkeys(NAMES, np.nan)).copy()
    for number, name in enumerate(names):
        turn = (1 if number % 2 else -1) * (-1 if SCORES[name].direction == "lower" else 1)
        rows[name] = turn * rows["seed"] + random.normal(size=len(rows))
    return rows.copy()  # in one piece: hundreds of columns, one by one


def triangle(figure: Figure, panel: int = 0) -> pd.DataFrame:
    """The values of a panel's cells by their labels, NaN where there is none."""
    axes = figure.axes[panel]
    table = np.ma.filled(axes.collections[0].get_array(), np.nan)
    rows, columns = (
        [text.get_text() for text in texts] for texts in (axes.get_yticklabels(), axes.get_xticklabels())
    )
    return pd.DataFrame(np.asarray(table, dtype=float).reshape(len(rows), -1), rows, columns)


def test_cells_hold_the_correlations(empty):
    """Every pair once, oriented; numbers only where the permutation test is sure."""
    rows = scored(["mig", "sap", "reconstruction_nats", "kl_nats"])
    figure = drawn("agreement", rows, empty)
    (found,) = agreement(rows, resamples=0)
    table = triangle(figure)
    assert np.isfinite(table.to_numpy()).sum() == 6
    for row, column in np.argwhere(np.isfinite(table.to_numpy())):
        names = [name for name in found.scores if label(name) in (table.index[row], table.columns[column])]
        assert table.iloc[row, column] == pytest.approx(found.matrix().loc[names[0], names[1]])
    sure = (found.p_value[np.triu_indices(4, 1)] <= 0.05).sum()
    assert 0 < sure == len(figure.axes[0].texts)


def test_scores_that_agree_stand_side_by_side():
    """Two clusters of four: the order has each in one piece, and the same for every data set."""
    names = ["mig", "sap", "modularity", "irs", "explicitness", "beta_vae_score", "med", "jemmig"]
    rows = scored(names, data_sets=("dsprites", "digits"), models=12)
    order = arranged(agreement(rows, names, resamples=0), names)
    assert sorted(order) == sorted(names)
    assert {frozenset(order[:4]), frozenset(order[4:])} == {frozenset(names[::2]), frozenset(names[1::2])}
    assert order.index("mig") < 4
    assert arranged(agreement(rows, names, resamples=0), names) == order


@pytest.mark.parametrize(
    ("names", "data_sets"),
    [
        pytest.param(NAMES, ("dsprites",), id="all scores"),
        pytest.param(NAMES[:2], ("dsprites",), id="two scores"),
        pytest.param(FIRST, ("dsprites", "digits", "color_dsprites"), id="twenty scores of three data sets"),
    ],
)
def test_texts_do_not_touch(names, data_sets, empty):
    """From one cell to twenty scores; further ones are left out, those of tables and of the study last."""
    rows = scored(names, data_sets=data_sets)
    figure = drawn("agreement", rows, empty)
    assert_readable(figure)
    assert len(triangle(figure)) == min(len(names), MOST) - 1


def test_labels_are_unlike_each_other():
    """No two scores of one figure are called the same."""
    assert len({label(name) for name in NAMES}) == len(NAMES)
    assert len(FIRST) == len(set(FIRST))


def test_which_scores_show():
    """Those of tables first; training's own estimates of terms that are there never."""
    shown = shown_scores(scored(NAMES))
    assert len(shown) == MOST
    assert len(set(FIRST) & set(shown)) == min(len(FIRST), MOST)
    assert not [name for name in shown if "_mws_" in name or "_mss_" in name]
    assert shown == [name for name in NAMES if name in shown]


def test_pairs_that_nobody_has_are_dashes(empty):
    """Half of the models have the one, half the other."""
    rows = scored(["mig", "sap", "irs"])
    rows.loc[::2, "mig"] = np.nan
    rows.loc[1::2, "sap"] = np.nan
    assert [text.get_text() for text in drawn("agreement", rows, empty).axes[0].texts].count("–") == 1


def test_too_few_models_or_scores_are_no_figure(empty):
    """Three models, or one score."""
    with look():
        draw = FIGURES["agreement"].draw
        assert draw(scored(["mig", "sap"]).iloc[:3], empty) is None
        assert draw(scored(["mig"]), empty) is None
        assert draw(scored(["mig", "sap"]).assign(sap=1.0), empty) is None


def test_numbers_are_short():
    """Three characters, and a sign."""
    values = [0.834, -0.834, 1.0, -0.999, 0.0, 0.051]
    assert [short(value) for value in values] == [".83", "-.83", "1", "-1", ".00", ".05"]
