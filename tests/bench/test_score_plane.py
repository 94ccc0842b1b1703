"""One score against another: what is drawn where, what was printed beside, what a study may ask for."""

import numpy as np
import pytest
from invented import invented
from matplotlib.figure import Figure
from readable import assert_readable, drawn

from disbench.bench import BadInput
from disbench.bench.figures.arms import mean_and_interval
from disbench.bench.figures.point_labels import PointLabel, joined
from disbench.bench.figures.score_plane import DEFAULT, MOST_PRINTED, printed_of, spread_out, told
from disbench.bench.figures.style import INK
from disbench.bench.published import PublishedNumber
from disbench.bench.store import Store
from disbench.bench.study_loading import load_study


@pytest.fixture
def empty(tmp_path) -> Store:
    """A store without weights and without a study."""
    return Store(tmp_path)


def printed(column, value, objective="beta_vae", strength=4.0, source="a table", **more) -> PublishedNumber:
    """A printed number of dSprites."""
    return PublishedNumber(
        column=column,
        value=value,
        rounding=0.005,
        data_set="dsprites",
        objective=objective,
        strength=strength,
        source=source,
        tag="V",
        **more,
    )


def store_of(folder, published=(), **overrides) -> Store:
    """A store whose study is a shipped one with these numbers and keys."""
    study = load_study("chen2018", overrides, scale="smoke")
    study = study.model_copy(update={"published": list(published)})
    store = Store(folder)
    store.study_file.write_text(study.model_dump_json())
    return store


def test_points_are_means_and_bars_intervals(empty):
    """A point a strength at the mean of both scores; its bars end where the intervals of `scores` do."""
    rows = invented(["beta_vae"], [1.0, 4.0], 4, data_sets=["dsprites"])
    axes = drawn("score_plane", rows, empty).axes[0]
    line = next(line for line in axes.lines if line.get_label() == "β-VAE")
    bars = [segment for found in axes.collections for segment in found.get_segments()]
    for place, strength in enumerate([1.0, 4.0]):
        of_it = rows[rows["strength"] == strength]
        for side, column in enumerate(DEFAULT[0]):
            middle, reach = mean_and_interval(of_it[column].to_numpy(dtype=float))
            assert line.get_data()[side][place] == pytest.approx(middle)
            ends = [sorted(segment[:, side]) for segment in bars if np.ptp(segment[:, side]) > 0]
            assert any(pair == pytest.approx([middle - reach, middle + reach]) for pair in ends)


def test_only_seeds_with_both_scores_count(empty):
    """Hand-worked: of MIG 0.2 and 0.8 the second has no ELBO."""
    rows = invented(["beta_vae"], [4.0], 2, data_sets=["dsprites"]).assign(mig=[0.2, 0.8])
    rows.loc[1, "elbo_nats"] = np.nan
    axes = drawn("score_plane", rows, empty).axes[0]
    assert axes.lines[0].get_ydata().tolist() == [0.2]


def test_a_study_chooses_its_planes(tmp_path):
    """Each has a panel whose axes say which way is better; without a study ELBO against MIG."""
    rows = invented(["beta_vae"], data_sets=["dsprites"]).assign(sap=0.1)
    assert told(Store(tmp_path)) == (list(DEFAULT), [])
    store = store_of(tmp_path, planes=[["reconstruction_nats", "sap"], ["elbo_nats", "mig"]])
    figure = drawn("score_plane", rows, store)
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes] == [
        ("reconstruction ↓ (nats per image)", "SAP ↑"),
        ("ELBO ↑ (nats per image)", "MIG ↑"),
    ]


def test_printed_values_are_lines_and_printed_pairs_rings(tmp_path):
    """Two numbers of the same models from one source are a point; others lines across the panel, with their spread."""
    numbers = [
        printed("elbo_nats", -90.0),
        printed("mig", 0.3),
        printed("mig", 0.5, "beta_tcvae", None, spread=0.1, not_comparable="another MIG"),
        printed("elbo_nats", -80.0, during=[0, 100]),
        printed("sap", 0.3),
    ]
    axes = drawn(
        "score_plane", invented(["beta_vae"], data_sets=["dsprites"]), store_of(tmp_path, numbers)
    ).axes[0]
    assert axes.get_ylabel() == "MIG ↑"
    rings = [line for line in axes.lines if line.get_markersize() == 8]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings] == [(-90.0, 0.3)]
    dotted = [line for line in axes.lines if len(line.get_ydata()) == 2 and set(line.get_ydata()) == {0.5}]
    assert len(dotted) == 1
    (band,) = axes.patches
    assert band.get_y() == pytest.approx(0.4)
    assert band.get_height() == pytest.approx(0.2)
    key = [text.get_text() for text in axes.texts if "[V]" in text.get_text()]
    assert key == [
        "a  β-VAE, β = 4: ELBO −90.00, MIG 0.30 [V]",
        "b  β-TCVAE: 0.50 ± 0.10 [V], not comparable",
    ]


def test_numbers_of_other_data_stand_in_no_panel():
    """Of another data set, of a condition."""
    from disbench.bench.figures.arms import arms_of

    (arm,) = arms_of(invented(["beta_vae"], data_sets=["digits"]))
    assert not printed_of([printed("mig", 0.3)], arm, ("elbo_nats", "mig"))


def test_many_printed_values_are_readable(tmp_path):
    """Letters of close lines are moved apart; what is too much is counted."""
    numbers = [printed("mig", 0.40 + 0.002 * n, strength=float(n)) for n in range(MOST_PRINTED + 3)]
    numbers += [printed("elbo_nats", -101.0 - n, source=f"table {n}") for n in range(3)]
    rows = invented(["beta_vae", "factor_vae"], [1.0, 2.0, 4.0, 16.0], 3, data_sets=["dsprites", "shapes3d"])
    figure = drawn("score_plane", rows, store_of(tmp_path, numbers))
    assert_readable(figure)
    assert any("and 6 more: see the table" in text.get_text() for text in figure.axes[0].texts)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], []),
        ([0.2, 1.0], [0.2, 1.0]),
        ([1.0, 1.0], [0.95, 1.05]),
        ([0.0, 0.0], [0.0, 0.1]),
        ([2.0, 2.0], [1.9, 2.0]),
    ],
)
def test_letters_move_as_little_as_they_must(places, expected):
    """Hand-worked: apart by 0.1 to both sides alike, but for the ends of the axis, 0 and 2."""
    assert spread_out(places, 0.1, 2.0) == pytest.approx(expected)


def test_points_on_each_other_share_a_label():
    """One black label for two colours at one strength; another strength, and the same far away, have their own."""
    axes = Figure((2, 2), dpi=100).add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 200), ylim=(0, 200))
    near = [PointLabel(50, 50, "1", "red"), PointLabel(56, 52, "1", "blue")]
    rest = [PointLabel(52, 51, "4", "red"), PointLabel(150, 50, "1", "red")]
    assert joined(axes, [*near, *rest]) == [PointLabel(53, 51, "1", INK), *rest]


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        ([["elbo_nats", "migg"]], r"planes.0: unknown column 'migg'"),
        ([["elbo_nats", "kl_per_dimension_nats"]], r"planes.0: unknown column"),
        ([["mig", "mig"]], r"planes.0: two different columns make a plane, got 'mig' twice"),
        ([["mig", "sap"], ["mig", "sap"]], r"planes.1: mig and sap are a plane already"),
        ([["mig"]], r"planes.0"),
        (["mig", "sap"], r"planes.0"),
    ],
)
def test_planes_that_make_no_sense_are_refused(planes, message):
    """As `columns` are, with the place in the study file."""
    with pytest.raises(BadInput, match=message):
        load_study("chen2018", {"planes": planes})


def test_studies_of_the_papers_have_their_planes():
    """What their figures set against each other."""
    assert load_study("kim2018").planes == [["reconstruction_nats", "factor_vae_score"]]
    assert ["elbo_nats", "mig_chen"] in load_study("chen2018").planes
