"""Figures show what the rows say, can be read, and can be told apart by everybody."""

import itertools
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from invented import invented
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from readable import assert_readable, drawn

from disbench.bench import BadInput
from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.figures import FIGURES, FINGERPRINT, fingerprint, save_figure, save_figures
from disbench.bench.figures.arms import arms_of, evenly, some_strengths
from disbench.bench.figures.kl_decomposition import LABELS
from disbench.bench.figures.over_training import curve, histories_of
from disbench.bench.figures.page import arm_by_arm, wrapped
from disbench.bench.figures.strength_axis import StrengthAxis
from disbench.bench.figures.style import (
    DEAD,
    HEAT,
    INK,
    MARKERS,
    PALETTE,
    TERM_COLOURS,
    heat_colours,
    ink_on,
    line_style,
    look,
    opposed_colours,
)
from disbench.bench.figures.tiles import GAP, SMALLEST, mosaic
from disbench.bench.history import COLUMNS
from disbench.bench.store import HISTORY_FIELDS, Store, schema

FROM_ROWS = (
    "kl_decomposition",
    "scores",
    "score_distributions",
    "score_plane",
    "rate_distortion",
    "active_units",
    "kl_per_dimension",
    "mutual_information",
)
FROM_MODELS = ("traversals", "condition_samples", "collapse", "latent_factor_scatter", "manifold")
FROM_HISTORY = ("training", "latents_over_training")
FROM_MANY = ("agreement",)  # needs more models than some of the grids below: see test_figure_agreement.py
FROM_ESTIMATES = ("likelihood",)  # of log p(x), that few studies ask for: see test_likelihood.py
FROM_MISSING = ("imputation", "imputed_images")  # of studies scored by imputation: see test_miwae.py
FROM_TASKS = ("outliers", "denoising", "denoised_images")  # see test_outliers.py, test_denoising.py
OF_HIERARCHIES = ("layers", "layer_samples")  # see test_hierarchical.py
FROM_PROBES = ("probes",)  # of studies scored by probes: see test_figure_probes.py
OF_CAPTIONS = ("caption_samples",)  # of models that are told some: see test_captioned.py
FROM_LABELS = ("label_error",)  # of models that are told some: see test_semi_supervised.py


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    """A store without weights."""
    return Store(tmp_path)


def test_every_figure_says_what_it_shows():
    """A title, a caption of at least a sentence, what it needs; file names are keys."""
    for name, entry in FIGURES.items():
        assert entry.name == name
        assert name.isidentifier()
        assert entry.title[0].isupper()
        assert entry.caption.endswith(".")
        assert entry.needs
    elsewhere = {
        *FROM_MANY,
        *FROM_ESTIMATES,
        *FROM_MISSING,
        *FROM_TASKS,
        *FROM_LABELS,
        *FROM_PROBES,
        *OF_HIERARCHIES,
        *OF_CAPTIONS,
    }
    assert {*FROM_ROWS, *FROM_MODELS, *FROM_HISTORY, *elsewhere} == set(FIGURES)


def test_the_test_of_texts_finds_what_it_should():
    """Texts one over the other, and texts beside the page; not slanted labels that stand beside each other."""
    figure = Figure((3, 3), dpi=100)
    for x in (0.3, 0.4, 0.5):
        figure.text(x, 0.5, "orientation", rotation=45, rotation_mode="anchor", ha="right")
    assert_readable(figure)
    over = figure.text(0.32, 0.5, "shape", rotation=45, rotation_mode="anchor", ha="right")
    with pytest.raises(AssertionError, match="lies over 'shape'"):
        assert_readable(figure)
    over.set_position((0.99, 0.1))
    over.set(rotation=0, ha="left")
    with pytest.raises(AssertionError, match="'shape' leaves the page"):
        assert_readable(figure)


@pytest.mark.parametrize("name", FROM_ROWS)
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(invented(strengths=[1.0, 16.0]), id="usual"),
        pytest.param(invented(["beta_vae"], [4.0], 1, data_sets=["dsprites"]), id="one model"),
        pytest.param(invented(["vae"], data_sets=["dsprites"]), id="no strength"),
        pytest.param(
            invented(["beta_vae", "beta_tcvae"], [0.0, 0.1, 0.25, 1.0, 100.0, 1e6], data_sets=["dsprites"]),
            id="zero to a million",
        ),
        pytest.param(
            invented(["beta_vae"], [1.0, 4.0], latents=40, data_sets=["dsprites"]), id="many latents"
        ),
        pytest.param(invented(["beta_vae", "cvae"], [1.0, 4.0], latents=2), id="two latents"),
    ],
)
def test_texts_do_not_touch(name, rows, empty):
    """Labels stay apart and on the page for odd grids too."""
    assert_readable(drawn(name, rows, empty))


def with_history(store: Store, rows: pd.DataFrame, steps=(0, 19, 39, 49)) -> Store:
    """A store in which every row's training was recorded; numbers that fall as trainings' do."""
    points = [
        dict.fromkeys(COLUMNS, 100.0 / (1 + step) + row.seed)
        | {"run_id": row.run_id, "step": step, "images": 64, "elbo_nats": -100.0 / (1 + step)}
        | {"kl_per_dimension_nats": [0.0, *np.geomspace(0.001, 5.0, 4)]}
        for row in rows.itertuples()
        for step in steps
    ]
    store.histories.mkdir()
    table = pa.Table.from_pylist(points, schema=pa.schema(HISTORY_FIELDS))
    pq.write_table(table, store.histories / "all.parquet")
    return store


@pytest.mark.parametrize("name", FROM_HISTORY)
@pytest.mark.parametrize(
    ("rows", "steps"),
    [
        pytest.param(invented(), (0, 19, 39, 49), id="usual"),
        pytest.param(invented(["vae"], seeds=1, data_sets=["digits"]), (0,), id="one step, no strength"),
        pytest.param(invented(["beta_vae"], np.geomspace(0.001, 1e6, 10)), (0, 299_999), id="many strengths"),
    ],
)
def test_trainings_are_readable(name, rows, steps, empty):
    """Labels stay apart for trainings of one step and of many."""
    assert_readable(drawn(name, rows, with_history(empty, rows, steps)))


@pytest.mark.parametrize("name", FROM_HISTORY)
def test_without_a_history_no_curves(name, empty):
    """Rows of a version that recorded none."""
    with look():
        assert FIGURES[name].draw(invented(), empty) is None


def test_curves_are_means_over_seeds(empty):
    """Hand-worked: seeds 0 and 1 have 100 / (1 + step) + seed; the standard deviation is sqrt(1/2)."""
    rows = invented(["beta_vae"], [4.0], data_sets=["digits"])
    store = with_history(empty, rows)
    steps, middle, spread = curve(histories_of(arms_of(rows)[0], store.history())[4.0], "kl_nats")
    np.testing.assert_allclose(steps, [1, 20, 40, 50])
    np.testing.assert_allclose(middle, [100.5, 5.5, 3.0, 2.5])
    np.testing.assert_allclose(spread, 0.5**0.5)
    line = drawn("training", rows, store).axes[2].lines[0]
    np.testing.assert_allclose(line.get_ydata(), middle)


def test_latents_at_the_foot_of_the_axis_are_still_drawn(empty):
    """A KL of exactly zero has no logarithm: its line runs along the foot."""
    rows = invented(["beta_vae"], [4.0], 1, data_sets=["digits"])
    axes = drawn("latents_over_training", rows, with_history(empty, rows)).axes[0]
    assert len(axes.lines) == 5
    assert min(line.get_ydata().min() for line in axes.lines) == axes.get_ylim()[0]


@pytest.mark.parametrize("name", FROM_ROWS)
def test_gaps_in_the_rows_are_gaps_in_the_figure(name, empty):
    """NaN, infinity, missing lists and models that failed or diverged break nothing."""
    rows = invented(["beta_vae", "cvae"], data_sets=["dsprites"])
    rows.loc[0, ["kl_nats", "elbo_nats"]] = np.nan
    rows.loc[1, "mutual_information_nats"] = np.inf
    rows.loc[2, "status"], rows.loc[3, "status"] = "failed", "diverged"
    rows.at[4, "kl_per_dimension_nats"], rows.at[5, "mutual_information"] = None, None
    assert_readable(drawn(name, rows, empty))


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_show_is_no_figure(name, empty):
    """No rows, rows of failed runs only, rows without scores: None, not an empty page."""
    failed = invented().assign(status="failed")
    bare = invented().drop(
        columns=[
            n
            for n in schema().names
            if n.endswith("_nats") or n in ("mig", "active_units", "mutual_information")
        ]
    )
    for rows in (invented().iloc[:0], failed, bare):
        with look():
            assert FIGURES[name].draw(rows, empty) is None


@pytest.mark.parametrize("name", FROM_MODELS)
def test_without_weights_no_pictures_of_models(name, empty):
    """Rows may be kept without the weights; what needs models is left out."""
    with look():
        assert FIGURES[name].draw(invented(), empty) is None


def test_only_conditional_models_have_samples_by_condition(swept):
    """The tiny study has one: its rows are the ten digits."""
    folder, rows = swept
    with look():
        assert FIGURES["condition_samples"].draw(rows[rows["objective"] != "cvae"], Store(folder)) is None
    figure = drawn("condition_samples", rows, Store(folder))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        f"digit {d}" for d in range(10)
    ]


def test_bars_end_where_the_kl_does(empty):
    """The three terms of a bar sum to the mean KL, also where one of them is negative."""
    rows = invented(["beta_vae", "beta_tcvae"], seeds=3, data_sets=["dsprites"])
    rows.loc[rows["strength"] == 16, "dimensionwise_kl_nats"] -= 2
    rows["kl_nats"] = rows[list(LABELS)].sum(axis=1)
    figure = drawn("kl_decomposition", rows, empty)
    for objective, axes in zip(["beta_vae", "beta_tcvae"], figure.axes, strict=True):
        bars = [patch for patch in axes.patches if patch.get_width() > 0.5]
        heights = np.array([bar.get_height() for bar in bars]).reshape(3, -1).sum(axis=0)
        means = rows[rows["objective"] == objective].groupby("strength")["kl_nats"].mean()
        np.testing.assert_allclose(heights, means)


def test_panels_of_a_data_set_share_their_axis(empty):
    """Else a reader could not compare objectives."""
    figure = drawn("kl_decomposition", invented(), empty)
    limits = [axes.get_ylim() for axes in figure.axes]
    assert len(limits) == 8
    assert len(set(limits[:4])) == len(set(limits[4:])) == 1


def test_scores_draw_every_seed_and_the_mean(empty):
    """Of the first panel, ELBO: as many points as models, and a line through their means."""
    rows = invented(["beta_vae"], seeds=5, data_sets=["dsprites"])
    axes = drawn("scores", rows, empty).axes[0]
    assert axes.get_title("left").startswith("ELBO ↑")
    points, line = axes.get_lines()
    assert sorted(points.get_ydata()) == pytest.approx(sorted(rows["elbo_nats"]))
    assert line.get_ydata() == pytest.approx(rows.groupby("strength")["elbo_nats"].mean().to_numpy())


def test_heat_map_holds_the_sorted_kl(empty):
    """A line a strength, latents by descending KL, of the smallest seed."""
    rows = invented(["beta_vae"], data_sets=["dsprites"])
    mesh = drawn("kl_per_dimension", rows, empty).axes[0].collections[0]
    first = rows[rows["seed"] == 0]
    expected = np.stack([np.sort(v)[::-1] for v in first["kl_per_dimension_nats"]])
    np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(expected.shape), expected)


def test_mutual_information_is_in_per_cent_of_the_entropy(empty):
    """A latent that gives shape away, ln 3 nats, reads 100."""
    rows = invented(["beta_vae"], [1.0], 1, data_sets=["dsprites"])
    table = np.zeros((10, 5))
    table[3, 0] = np.log(3)
    rows.at[0, "mutual_information"] = table
    rows.at[0, "kl_per_dimension_nats"] = np.arange(10.0)
    axes = drawn("mutual_information", rows, empty).axes[0]
    shown = np.asarray(axes.collections[0].get_array()).reshape(10, 5)
    assert shown[6, 0] == pytest.approx(100), "latent 4 of 10 has the seventh largest KL"
    assert shown.sum() == pytest.approx(100)


def test_latents_without_information_are_grey(empty):
    """Of KLs 1 and 0 nats the second is grey, label and cells, whatever it seems to know."""
    rows = invented(["beta_vae"], [1.0], 1, latents=2, data_sets=["dsprites"])
    rows.at[0, "kl_per_dimension_nats"] = np.array([0.0, 1.0])
    axes = drawn("mutual_information", rows, empty).axes[0]
    assert [label.get_color() for label in axes.get_yticklabels()] == [INK, DEAD]
    _, dead = axes.collections
    cells = np.asarray(dead.get_array().filled(np.nan)).reshape(2, 5)
    assert np.isnan(cells).all(axis=1).tolist() == [True, False]
    red, green, blue, _ = dead.get_facecolors()[-1]
    assert red == green == blue


def test_variants_have_shades_of_their_own():
    """Two estimators of one objective differ in colour and dashes; the objective's own colour is the first."""
    for objective in OBJECTIVES:
        styles = [line_style(objective, number) for number in range(4)]
        assert styles[0]["color"] in PALETTE
        assert len({style["color"] for style in styles}) == len({style["linestyle"] for style in styles}) == 4


def test_two_arms_fill_the_width_of_the_legend(empty):
    """Panels of few bars are as wide as the page that the legend needs, and their bars with them."""
    figure = drawn("kl_decomposition", invented(["beta_vae", "beta_tcvae"], data_sets=["dsprites"]), empty)
    assert figure.axes[-1].get_position().x1 > 0.95


def test_variants_of_an_objective_are_not_averaged():
    """Two estimators of one objective are two arms, named for what differs."""
    rows = pd.concat(
        [invented(["beta_tcvae"], options={"estimator": e}, data_sets=["dsprites"]) for e in ("mws", "mss")]
    )
    arms = arms_of(rows)
    assert [arm.method for arm in arms] == ["β-TCVAE (estimator mws)", "β-TCVAE (estimator mss)"]
    assert [len(arm.rows) for arm in arms] == [6, 6]


def test_pictures_stay_within_their_budget():
    """With many arms each shows its middle strength; with few, first and last are among those shown."""
    arms = arms_of(invented(strengths=[1.0, 2.0, 4.0, 8.0, 16.0]))
    assert len(some_strengths(arms, each=3, in_all=8)) == 8
    few = [s for arm, s in some_strengths(arms, each=3, in_all=100) if arm.objective == "beta_vae"]
    assert few[:3] == [1.0, 4.0, 16.0]
    assert evenly([1, 2, 4, 8], 1) == [2]


def test_strengths_stand_in_octaves_with_a_place_for_zero():
    """Equal ratios are equal distances; zero stands left of the smallest strength."""
    axis = StrengthAxis.of(arms_of(invented(["beta_vae"], [0.0, 1.0, 2.0, 4.0])))
    places = axis.places
    assert places[4.0] - places[2.0] == places[2.0] - places[1.0] == places[1.0] - places[0.0] == 1


def test_titles_wrap_at_a_remark():
    """On two lines if the panel is too narrow, on one if there is room."""
    assert wrapped("β-VAE, β = 4", 2.0) == "β-VAE, β = 4"
    assert wrapped("CVAE given orientation", 1.0) == "CVAE\ngiven orientation"
    assert wrapped("β-TCVAE (estimator mss), β = 4", 1.0) == "β-TCVAE\n(estimator mss), β = 4"


def test_arms_begin_rows_of_their_own():
    """Arms of 1 and 3 models in 2 columns need 3 rows; arms of one model each stand side by side."""
    assert arm_by_arm([1, 3], 2) == (5, [0, 2, 3, 4])
    assert arm_by_arm([1, 1, 1], 2) == (3, [0, 1, 2])


@pytest.mark.parametrize("channels", [1, 3])
def test_mosaics_keep_pixels_and_colours(channels):
    """Tiles lie where they belong, small ones enlarged, with white between them."""
    import torch

    tiles = torch.rand(2, 3, channels, 8, 8)
    sheet = mosaic(tiles)
    side = SMALLEST + GAP
    assert sheet.shape == (2 * side - GAP, 3 * side - GAP, 3)
    assert (sheet[SMALLEST : SMALLEST + GAP] == 255).all()
    corner = (tiles[1, 2, :, 0, 0] * 255).round().to(torch.uint8).numpy()
    np.testing.assert_array_equal(sheet[side, 2 * side], np.broadcast_to(corner, 3))


# Linear RGB as people with one kind of cone missing see it: Machado, Oliveira and Fernandes 2009, severity 1.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}  # fmt: skip


def lab(colour: str, vision: str) -> np.ndarray:
    """CIE L*a*b* of a colour as seen."""
    encoded = np.array(to_rgb(colour))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    to_xyz = [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
    xyz = np.asarray(to_xyz) @ seen / (0.9505, 1, 1.0888)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_apart_for_everybody(vision):
    """A difference of 10 is plain to see; and objectives differ in their markers too."""
    for colours in (PALETTE, tuple(TERM_COLOURS.values())):
        nearest = min(
            np.linalg.norm(lab(a, vision) - lab(b, vision)) for a, b in itertools.combinations(colours, 2)
        )
        assert nearest > 15
    styles = {(line_style(name)["color"], line_style(name)["marker"]) for name in OBJECTIVES}
    assert len(set(MARKERS)) == len(PALETTE)
    assert len(styles) == len(OBJECTIVES)


@pytest.mark.parametrize("vision", VISION)
def test_heat_maps_darken_all_the_way(vision):
    """One order of lightness, whatever the eye."""
    with look():
        colours = heat_colours()
    lightness = [lab(matplotlib.colors.to_hex(colours(x)), vision)[0] for x in np.linspace(0, 1, 64)]
    assert (np.diff(lightness) < 0).all()
    assert len(HEAT) > 2


@pytest.mark.parametrize("vision", VISION)
def test_opposed_colours_tell_sign_and_size(vision):
    """Both sides darken alike from the middle, and their ends are never taken for each other."""
    with look():
        colours = opposed_colours()
    shades = [matplotlib.colors.to_hex(colours(x)) for x in np.linspace(0, 1, 65)]
    lightness = np.array([lab(shade, vision)[0] for shade in shades])
    assert (np.diff(lightness[:33]) > 0).all()
    assert (np.diff(lightness[32:]) < 0).all()
    for distance in (8, 16, 24, 32):
        below, above = shades[32 - distance], shades[32 + distance]
        assert np.linalg.norm(lab(below, vision) - lab(above, vision)) > 15


@pytest.mark.parametrize("palette", [heat_colours, opposed_colours])
def test_numbers_in_cells_have_contrast(palette):
    """At least 4.5 to 1 on every shade (WCAG AA)."""
    with look():
        colours = palette()
    for x in np.linspace(0, 1, 64):
        shade = np.array(colours(x)[:3])
        bright, dark = sorted([luminance(shade), luminance(np.array(to_rgb(ink_on(*shade))))], reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: np.ndarray) -> float:
    """WCAG relative luminance."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_drawing_leaves_no_trace(empty):
    """Matplotlib's settings are those of before: a notebook's own figures do not change."""
    before = dict(matplotlib.rcParams)
    drawn("scores", invented(), empty)
    assert dict(matplotlib.rcParams) == before


def test_files_are_in_every_format_and_say_what_they_show(swept):
    """Every figure that the study allows; the PNG knows the state of the results; what is of no use any more goes."""
    folder, _ = swept
    store = Store(folder)
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "traversals-of-an-earlier-call.gif").write_bytes(b"GIF89a")
    written = save_figures(store)
    assert {path.suffix for path in written} == {".png", ".svg", ".pdf", ".gif"}
    assert len(written) == len(set(written)) == len(list((folder / "figures").iterdir()))
    assert {path.stem for path in written} >= {
        "kl_decomposition",
        "scores",
        "traversals",
        "condition_samples",
        *FROM_HISTORY,
    }
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert image.info[FINGERPRINT] == fingerprint(store)
        elif path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")
        elif path.suffix == ".svg":
            assert path.read_text(encoding="utf-8").count("<text") > 3, "text as text, not as outlines"
    assert not list((folder / "figures").glob(".*")), "no temporary file is left"


@pytest.mark.parametrize("name", ["rate_distortion", "latent_factor_scatter"])
def test_the_same_results_make_the_same_files(name, swept, tmp_path):
    """Lines and a rasterised cloud of points: no date, no random name is in any format."""
    folder, rows = swept
    twice = []
    for number in range(2):
        with look():
            figure = FIGURES[name].draw(rows, Store(folder))
            paths = save_figure(figure, tmp_path / f"{number}", "state")
        twice.append([path.read_bytes() for path in paths])
    assert [len(content) > 1000 for content in twice[0]] == [True] * 3
    assert twice[0] == twice[1]


def test_pictures_of_models_are_readable(swept):
    """Labels beside mosaics stay apart."""
    folder, rows = swept
    for name in (*FROM_MODELS, *FROM_HISTORY):
        assert_readable(drawn(name, rows, Store(folder)))


def test_a_folder_that_cannot_be_written_is_one_line(swept, tmp_path):
    """Here a file is in the way of the folder."""
    folder, _ = swept
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("study.json", "cohorts", "weights"):
        (copy / name).symlink_to(folder / name)
    (copy / "figures").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        save_figures(Store(copy))
