"""Biases where the truth is known: their arithmetic by hand, the command that measures them, and its error lines."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from disbench.bench.cli import main
from disbench.bench.estimators import (
    GaussianPosteriors,
    as_markdown,
    as_table,
    draw_information,
    draw_kl_terms,
    grid_posteriors,
    information_bias,
    kl_terms_bias,
    save,
)
from disbench.bench.estimators.kl_terms import ESTIMATORS, TERMS
from disbench.bench.figures.style import look
from disbench.metrics import kl_decomposition
from disbench.metrics.information import KNOWN, SETTINGS

GRID = (3, 4, 5, 4, 4)
TINY = [
    "--grid",
    *map(str, GRID),
    "--batch-sizes",
    "8",
    "32",
    "--samples",
    "128",
    "--rows",
    "60",
    "--draws",
    "2",
]


@pytest.fixture(scope="module")
def posteriors() -> GaussianPosteriors:
    return grid_posteriors("grid", 0.3, GRID)


@pytest.fixture(scope="module")
def family(posteriors):
    return kl_terms_bias(posteriors, (8, 64, 256), samples=960, seed=0)


@pytest.fixture(scope="module")
def document(family):
    return {
        "information": information_bias((60, 200), 2, 0),
        "draws": 2,
        "kl": [family],
        "seed": 0,
        "provenance": {},
    }


def biases(family, estimator, size):
    """Of the three terms."""
    found = {
        bias["term"]: bias["bias_nats"]
        for bias in family["biases"]
        if (bias["estimator"], bias["batch_size"]) == (estimator, size)
    }
    return np.array([found[term] for term in TERMS])


# -- the terms of the KL ------------------------------------------------------------------------------------


def test_exact_terms_are_those_of_the_decomposition(posteriors, family):
    """The same seed draws the same rows and codes: equal up to single precision."""
    terms = kl_decomposition(posteriors.mean, posteriors.logvar, samples=960)
    for term in TERMS:
        assert family["exact"][term] == pytest.approx(getattr(terms, f"{term}_nats"), abs=1e-6)


@pytest.mark.parametrize("size", [8, 64])
def test_biases_of_the_library_are_those_of_the_decomposition(posteriors, family, size):
    """Over all 960 rows in the order of the same draw, estimates of `kl_decomposition` less the exact terms."""
    for estimator in ("mws", "mss"):
        terms = kl_decomposition(
            posteriors.mean, posteriors.logvar, samples=960, estimator=estimator, batch_size=size
        )
        differences = [getattr(terms, f"{term}_nats") - family["exact"][term] for term in TERMS]
        np.testing.assert_allclose(biases(family, estimator, size), differences, atol=1e-4)


def test_weighted_sampling_is_the_mixture_over_the_batch_and_its_constants(family):
    nats = math.log(math.prod(GRID))
    for size in (8, 64, 256):
        offset = biases(family, "mws", size) - biases(family, "mixture over the batch", size)
        np.testing.assert_allclose(offset, [nats, 9 * nats, -10 * nats], atol=1e-4)


def test_bias_shrinks_with_the_batch_and_has_the_sign_that_it_must(family):
    """A logarithm of an unbiased density reads low: I(x; z) high, dimension-wise KL low. A batch that is taken for the
    data set knows no more than its size: I(x; z) low.
    """
    stratified, mixture = (
        [biases(family, name, size) for size in (8, 64, 256)] for name in ("mss", "mixture over the batch")
    )
    assert stratified[0][0] > stratified[1][0] > stratified[2][0] > 0
    assert stratified[0][2] < stratified[1][2] < stratified[2][2] < 0
    assert mixture[0][0] < mixture[1][0] < mixture[2][0] < 0


def test_mistakes_of_public_code_by_hand():
    """Six rows, two dimensions, one number at a time."""
    random = np.random.default_rng(0)
    z, mean, logvar = random.normal(size=(3, 6, 2)) * np.array([1, 1, 0.3])[:, None, None]
    density = np.exp(-((z[:, None] - mean) ** 2) / (2 * np.exp(logvar))) / np.sqrt(
        2 * math.pi * np.exp(logvar)
    )
    size, rows = 100, 6
    column = np.full((rows, rows), 1 / 5)
    column[:, 0], column[:, 1] = 1 / size, (size - 5) / (size * 5)
    stratified = np.full((rows, rows), (size - 1) / (size * 5))
    np.fill_diagonal(stratified, 1 / size)
    for name, weights, power in (
        ("mistake: 1/N in column 0", column, 1),
        ("mistake: weight in every dimension", stratified, 2),
    ):
        joint, product = ESTIMATORS[name](
            *(torch.from_numpy(part).float() for part in (z, mean, logvar)), size
        )
        np.testing.assert_allclose(
            joint, np.log((weights**power * density.prod(axis=2)).sum(axis=1)), rtol=1e-4
        )
        by_dimension = np.log((weights[:, :, None] * density).sum(axis=1)).sum(axis=1)
        np.testing.assert_allclose(product, by_dimension, rtol=1e-4)


def test_the_seed_decides(posteriors):
    first, again, other = (kl_terms_bias(posteriors, (8,), 64, seed) for seed in (0, 0, 1))
    assert first == again
    assert first["exact"] != other["exact"]


@pytest.mark.parametrize("deviation", [0.07, 0.3])
def test_a_grid_of_posteriors_is_what_a_model_at_work_has(deviation):
    """Latents in use have an aggregate of about unit variance, widths around the one named, others are the prior."""
    made = grid_posteriors("grid", deviation, (3, 6, 8, 8, 8))
    aggregate = made.mean.var(axis=0) + np.exp(made.logvar).mean(axis=0)
    assert made.mean.shape == made.logvar.shape == (3 * 6 * 8 * 8 * 8, 10)
    assert ((aggregate > 0.6) & (aggregate < 1.1)).all()
    assert np.median(np.exp(0.5 * made.logvar[:, :6])) == pytest.approx(deviation, rel=0.02)
    assert made.mean[:, 6:].std() == pytest.approx(0.03, rel=0.05)
    assert np.linalg.matrix_rank(np.corrcoef(made.mean[:, :6].T)) == 6


# -- mutual information -------------------------------------------------------------------------------------


def test_every_setting_meets_every_distribution_that_it_takes(document):
    pairs = sum(known.right == kind for known in KNOWN.values() for kind, _ in SETTINGS.values())
    assert len(document["information"]) == 2 * pairs
    assert {bias["rows"] for bias in document["information"]} == {60, 200}


# -- tables and figures -------------------------------------------------------------------------------------


def test_the_table_has_every_bias(document):
    lines = list(csv.DictReader(io.StringIO(as_table(document))))
    assert len(lines) == len(document["information"]) + len(document["kl"][0]["biases"])
    first, last = lines[0], lines[-1]
    assert float(first["bias_nats"]) == pytest.approx(document["information"][0]["bias_nats"], abs=1e-6)
    assert float(first["standard_error_nats"]) == pytest.approx(
        float(first["deviation_nats"]) / 2**0.5, abs=1e-6
    )
    assert (last["measured"], last["of"], last["rows"], last["term"]) == (
        "KL decomposition", "grid", str(math.prod(GRID)), "dimensionwise_kl",
    )  # fmt: skip


def test_the_page_has_every_bias_to_three_places(document):
    text = as_markdown(document)
    assert text.count("±") == len(document["information"]) + len(document["kl"][0]["biases"]) + 2 * 2
    assert f"total correlation {document['kl'][0]['exact']['total_correlation']:.3f}" in text


def test_files_can_be_read_again(document, tmp_path):
    """Figures of one family and of a distribution of each kind."""
    some = [
        bias for bias in document["information"] if bias["distribution"] in ("gaussian_0.9", "classes_3_1")
    ]
    document = {**document, "information": some}
    paths = save(document, tmp_path / "estimators")
    names = ["information_bias", "information_error", "kl_terms_bias"]
    figures = [f"{name}.{ending}" for name in names for ending in ("png", "pdf")]
    assert [path.name for path in paths] == ["estimators.json", "estimators.md", "table.csv", *figures]
    assert json.loads(paths[0].read_text(), parse_constant=pytest.fail) == document
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert min(picture.size) > 400


def test_figures_draw_every_line_that_the_legend_names(document):
    """A panel a distribution or term, lines at the values of the table, a legend for each kind."""
    with look():
        figure = draw_information(document["information"])
        terms = draw_kl_terms(document["kl"])
    panels = {axes.get_title(loc="left").splitlines()[-1]: axes for axes in figure.axes if axes.lines}
    assert len(panels) == len(KNOWN)
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert [len(legend.get_texts()) for legend in legends] == [6, 9]
    known = KNOWN["gaussian_0.9"]
    drawn = {tuple(line.get_ydata()) for line in panels[f"I = {known.nats:.3f} nats"].lines}
    ksg = [
        bias["bias_nats"]
        for bias in document["information"]
        if (bias["distribution"], bias["estimator"]) == (known.name, "KSG, k = 3")
    ]
    assert tuple(ksg) in drawn
    assert [axes.get_title(loc="left").split(":")[0] for axes in terms.axes] == [
        "I(x; z)", "total correlation", "dimension-wise KL",
    ]  # fmt: skip
    assert {text.get_text() for text in terms.legends[0].get_texts()} >= {"stratified sampling (MSS)"}


def test_a_folder_that_cannot_be_made_is_one_line(document, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"output folder .*file/in cannot be written"):
        save(document, tmp_path / "file" / "in")


# -- the command --------------------------------------------------------------------------------------------


def test_the_command_measures(tmp_path, capsys):
    own = tmp_path / "own.npz"
    random = np.random.default_rng(0)
    np.savez(own, mean=random.normal(size=(300, 3)).astype(np.float32), logvar=np.full((300, 3), -2.0))
    assert main(["estimators", *TINY, "--posteriors", str(own), "--json"]) == 0
    printed, said = capsys.readouterr()
    document = json.loads(printed, parse_constant=pytest.fail)
    assert [(family["name"], family["latents"]) for family in document["kl"]] == [
        ("narrow", 10),
        ("wide", 10),
        ("own", 3),
    ]
    assert document["provenance"]["versions"]["torch"] == torch.__version__
    assert "own: batches of 32" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-sizes", "1"], "--batch-sizes should be at least 2, got 1"),
        (["--batch-sizes", "65"], "--batch-sizes: 65 should be at most half of the codes, 128"),
        (["--samples", "16"], "--batch-sizes: 32 should be at most half of the codes, 16"),
        (["--rows", "20"], "--rows should be at least 50, got 20"),
        (["--draws", "1"], "--draws should be at least 2, got 1"),
        (["--grid", "1", "2", "3", "4", "5"], "--grid should be at least 2, got 1"),
        (["--seed", "-1"], "--seed should be at least 0, got -1"),
        (["--posteriors", "absent.npz"], "absent.npz is not a readable .npz file of plain arrays: No such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_one_line(arguments, message, capsys):
    assert main(["estimators", *TINY, *arguments]) == 2
    printed, said = capsys.readouterr()
    assert said.startswith(f"disbench: error: {message}")
    assert not printed
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mean": np.zeros((4, 2))}, "has no array 'logvar'; it has: mean"),
        (
            {"mean": np.zeros((4, 2)), "logvar": np.zeros((4, 3))},
            r"expected [N, D] each, got [4, 2] and [4, 3]",
        ),
        ({"mean": np.zeros((4, 2)), "logvar": np.full((4, 2), np.nan)}, "every value must be finite"),
        ({"mean": np.array(["a"]), "logvar": np.zeros(1)}, "is not a readable .npz file of plain arrays"),
    ],
)
def test_posteriors_that_cannot_be_used_are_one_line(arrays, message, tmp_path, capsys):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays)
    assert main(["estimators", *TINY, "--posteriors", str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert message in said
    assert said.count("\n") == 1
