"""The figure of probes: readable with the whole family, means by hand, nothing without probes."""

import itertools

import numpy as np
import pytest
from invented import invented
from readable import assert_readable, drawn

from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.figures import FIGURES
from disbench.bench.figures.arms import arms_of
from disbench.bench.figures.probes import PLACES, styled
from disbench.bench.store import Store


@pytest.fixture
def empty(tmp_path) -> Store:
    """A store without weights."""
    return Store(tmp_path)


def probed(objectives, seeds=2, features=True, data_sets=("dsprites",)):
    """Rows with probes that get better with labels."""
    rows, rng = invented(objectives, (1.0,), seeds, data_sets=data_sets), np.random.default_rng(0)
    for name, (place, size) in itertools.product(("codes", "features"), enumerate(PLACES)):
        known = 0.2 + 0.15 * place + 0.05 * rng.random(len(rows))
        rows[f"probe_{name}_{size}"] = known if features or name == "codes" else np.nan
    return rows.assign(probe_chance=0.12)


@pytest.mark.parametrize(
    "objectives", [["vae"], ["vae", "ada_gvae", "masked_image", "cvae"], sorted(OBJECTIVES)]
)
def test_it_is_readable_with_one_method_and_with_all(objectives, empty):
    """The legend takes as many rows as the methods need."""
    assert_readable(drawn("probes", probed(objectives, data_sets=("dsprites", "digits")), empty))


def test_no_two_methods_look_alike():
    """Colour, marker and dashes together, for every objective there is."""
    lines = styled(arms_of(probed(sorted(OBJECTIVES))))
    assert len(lines) >= len(OBJECTIVES)
    looks = {tuple(line.style.values()) for line in lines}
    assert len(looks) == len(lines)


def test_points_are_means_over_models(empty):
    """Of both seeds, at each number of labels."""
    rows = probed(["vae"])
    axes = drawn("probes", rows, empty).axes
    line = axes[0].lines[0]
    assert line.get_xdata().tolist() == [0, 1, 2, 3]
    expected = [rows[f"probe_codes_{place}"].mean() for place in PLACES]
    assert line.get_ydata().tolist() == pytest.approx(expected)


def test_an_encoder_without_features_has_codes_alone(empty):
    axes = drawn("probes", probed(["vae"], features=False), empty).axes
    assert len(axes[0].lines) > len(axes[1].lines) == 1  # the most frequent class
    assert_readable(axes[0].figure)


def test_a_study_without_probes_has_no_such_figure(empty):
    assert FIGURES["probes"].draw(invented(["vae"]), empty) is None
