"""Figures: what a study's rows and models show, as PNG, SVG and PDF. One file a figure, one row of `FIGURES` each.

To add a figure: one file with a function from (rows, store) to a matplotlib figure, one row here, one test.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..store import Store
from ..store.listing import listed
from ..store.small_files import read_small
from .active_units import draw_active_units
from .agreement import draw_agreement
from .caption_samples import draw_caption_samples
from .collapse import draw_collapse
from .condition_samples import draw_condition_samples
from .denoised_images import draw_denoised_images
from .denoising import draw_denoising
from .imputation import draw_imputation
from .imputed_images import draw_imputed_images
from .kl_decomposition import draw_kl_decomposition
from .kl_per_dimension import draw_kl_per_dimension
from .label_error import draw_label_error
from .latent_factor_scatter import draw_latent_factor_scatter
from .latents_over_training import draw_latents_over_training
from .layer_samples import draw_layer_samples
from .layers import draw_layers
from .likelihood import draw_likelihood
from .manifold import draw_manifold
from .mutual_information import draw_mutual_information
from .outliers import draw_outliers
from .probes import draw_probes
from .rate_distortion import draw_rate_distortion
from .score_distributions import draw_score_distributions
from .score_plane import draw_score_plane
from .scores import draw_scores
from .sheets import sheets
from .style import DOTS_PER_INCH, look
from .training import draw_training
from .traversal_film import traversal_films
from .traversals import draw_traversals

FINGERPRINT = "disbench results"
"""The key under which a PNG file keeps the state of the results that it shows."""


@dataclass(frozen=True)
class FigureEntry:
    """A figure that every study's results are asked for."""

    name: str
    """Of its files, without ending."""
    title: str
    caption: str
    """What to see in it, and in which unit."""
    needs: str
    """What the results must hold for it to be drawn."""
    draw: Callable[[pd.DataFrame, Store], Figure | None]
    """(rows, store) to the figure, or None where the results do not hold what it needs. Called under `look()`."""
    films: Callable[[pd.DataFrame, Store], Iterable[tuple[str, bytes]]] | None = None
    """(rows, store) to animated GIFs beside the figure: names, which begin with the figure's and a dash, and bytes."""
    apart: bool = False
    """Whether data sets have a figure each where settings are many; see `sheets`."""


FIGURES: dict[str, FigureEntry] = {
    entry.name: entry
    for entry in (
        FigureEntry(
            "kl_decomposition",
            "KL decomposition against strength",
            "The KL of the posterior to the prior, in nats per image, is the sum of three terms: what codes tell "
            "about the image, I(x; z), the dependence between latents (total correlation), and what is left for each "
            "latent alone. Bars show means over seeds, whiskers one standard deviation of the sum; panels of one "
            "data set share their axis.",
            "finished models scored with the KL decomposition",
            draw_kl_decomposition,
            apart=True,
        ),
        FigureEntry(
            "scores",
            "Scores against strength",
            "Faint points are seeds, lines their means; bands, or bars where methods are many, are the 95 % interval "
            "of the mean (Student's t) where there are three seeds or more. Arrows say which way is better; axes "
            "have their own ranges, and strength runs in octaves. Points of different objectives at one strength are "
            "moved apart a little.",
            "finished models",
            draw_scores,
            apart=True,
        ),
        FigureEntry(
            "score_distributions",
            "Scores by method",
            "Every model of a method is a point, all strengths and seeds together, the darker the stronger; the bar "
            "is their median. From six models on a violin shows their density, cut off at the lowest and the "
            "highest. Methods whose violins overlap differ less than strength and seed do. Arrows say which way is "
            "better.",
            "finished models with a score that has a better side",
            draw_score_distributions,
            apart=True,
        ),
        FigureEntry(
            "score_plane",
            "One score against another",
            "What one score costs in the other, as the study's `planes` pair them: a line joins the strengths of one "
            "method, numbers are strengths (in black where methods share them), crosses the 95 % intervals of both "
            "means (Student's t) where there are three seeds or more. Arrows say which way is better. Dotted lines "
            "are printed values, pale bands their spread, rings models of which both were printed; letters name them "
            "below, with how well each is verified.",
            "finished models that have both scores: ELBO and MIG where the study names no other pair",
            draw_score_plane,
            apart=True,
        ),
        FigureEntry(
            "rate_distortion",
            "Rate and distortion",
            "What the code costs (KL) against what it leaves unexplained (negative log-likelihood), in nats per "
            "image: lower left is better. Lines join the strengths of one objective, numbers are strengths (in black "
            "where objectives share them), crosses one standard deviation over seeds, and the ELBO is constant along "
            "each grey line.",
            "finished models scored with the KL decomposition",
            draw_rate_distortion,
        ),
        FigureEntry(
            "likelihood",
            "Convergence of the likelihood",
            "Estimates of log p(x) for the first seed, mean over images, with bands of one standard error from "
            "sampling: the importance-weighted bound over samples, which begins at the ELBO, and annealed importance "
            "sampling over steps, whose last value is also the circle beside the bound. Both rise towards log p(x) "
            "and have converged where they are flat and agree; the first of annealing's points may lie below the "
            "panel. The last panel has the distance between bounds from both sides for images that the model made "
            "itself: what annealing may be off by.",
            "finished models of a study with [evaluation.likelihood]",
            draw_likelihood,
        ),
        FigureEntry(
            "label_error",
            "Error against the number of labels",
            "Share of images without a label whose class a semi-supervised model gets wrong, over the number of "
            "labels, on a logarithmic axis. Dotted, in the same colour, the same classifier trained on the labelled "
            "images alone: what lies between the two is what the other images are good for. Faint points are seeds, "
            "each with its own draw of labels, lines their means, bars the 95 % interval of a mean (Student's t) "
            "where there are three or more.",
            "finished models of objectives that are told some labels",
            draw_label_error,
        ),
        FigureEntry(
            "kl_per_dimension",
            "KL of each latent",
            "Nats that each latent carries on average, largest first, on a logarithmic scale, for the first seed: "
            "pale latents are switched off. The orange bar ends as many latents as are active units, those whose "
            "posterior mean has a variance above 0.01 over images.",
            "finished models scored with the KL decomposition",
            draw_kl_per_dimension,
            apart=True,
        ),
        FigureEntry(
            "active_units",
            "Active units and collapse against strength",
            "Active units, latents whose posterior mean has a variance above 0.01 over images, on an axis that ends "
            "at the number of latents, and the share of latents whose KL, mean over images, is below 0.01, 0.1 and 1 "
            "nats: where a curve climbs to 1, everything has collapsed. Points are seeds, lines means, bands or bars "
            "95 % intervals (three seeds or more).",
            "finished models scored with active units or the KL of each latent",
            draw_active_units,
        ),
        FigureEntry(
            "collapse",
            "Posterior collapse",
            "From 2,000 images and the first seed. A latent is collapsed at ε if its posterior is within ε nats of "
            "the prior for 99 % of images; at 0.01 nats (dotted) it is passive, active if for at most 1 %, mixed "
            "between. Diamonds count active units, whose mean has a variance above 0.01. Solid lines are what each "
            "latent costs, dotted ones what it knows of the image. Where the total correlation of mean codes (of "
            "Gaussians) is far above that of samples, scores of means count what no sample shows. For conditional "
            "models the last panel has the variance of each latent's mean over all images, and what of it is left "
            "within classes.",
            "the weights of finished models, and the data set's images",
            draw_collapse,
        ),
        FigureEntry(
            "training",
            "The objective's parts over training",
            "Measured on the training batches as they pass; lines are means over seeds, bands one standard "
            "deviation, circles the finished models' scores. The first tenth of a training may leave the panel. The "
            "last three panels split the KL by minibatch stratified sampling, from far fewer rows than the finished "
            "model's: where posteriors are narrow I(x; z) reads high, up to ln N, and total correlation low by as "
            "much, even below zero. They show when a term moves and which strength moves it more; the circles say "
            "where it ends.",
            "finished models whose training was recorded",
            draw_training,
            apart=True,
        ),
        FigureEntry(
            "latents_over_training",
            "KL of each latent over training",
            "One line a latent, the darker the more it carries in the end, for the first seed and up to six strengths "
            "of each arm, on a logarithmic scale: a line that drops to the foot is a latent that is switched off, one "
            "that climbs late a factor that is learnt late.",
            "finished models whose training was recorded",
            draw_latents_over_training,
        ),
        FigureEntry(
            "mutual_information",
            "Mutual information of latents and factors",
            "How much each latent tells about each factor, in per cent of ln(number of classes), which is the "
            "factor's entropy where its classes are equally frequent, for the first seed. An untangled code has one "
            "dark cell a column and at most one a row; numbers below 5 are left out. Latents whose KL is below "
            "0.05 nats are grey: binning enlarges what little they know. Where there are many models, some strengths "
            "stand for all.",
            "finished models scored with the mutual information of latents and factors",
            draw_mutual_information,
        ),
        FigureEntry(
            "latent_factor_scatter",
            "Latents against true factors",
            "For each factor the latent that knows most about it (upper row) and the second (lower row), with what "
            "they know: 1,000 images by the class of the factor, and the mean of each class. An untangled code has a "
            "clear line above and a flat cloud below; a line in both rows is a factor that two latents share. For "
            "the first seed and up to two strengths of each objective; the latents of a model have one range.",
            "the weights of finished models, and the data set's images",
            draw_latent_factor_scatter,
        ),
        FigureEntry(
            "agreement",
            "Agreement of scores",
            "Spearman's rank correlation of every two scores over the models of a data set, all objectives and "
            "strengths; scores marked ↓ are turned round, so that blue means that two prefer the same models. Scores "
            "that agree stand side by side. Where a number is missing, unrelated scores would agree or disagree as "
            "much in more than 5 % of cases (permutation test, each pair by itself); `disbench agreement` has all.",
            "four finished models of a data set with two scores that differ",
            draw_agreement,
        ),
        FigureEntry(
            "probes",
            "What a linear reader makes of few labels",
            "Test accuracy of logistic regression from so many labelled images, mean over factors, of each model's "
            "codes and of the last hidden features of its encoder, both standardised. Points are means over all models "
            "of a method, bars one standard deviation over them; methods are moved apart a little. `all` is every "
            "training row of the evaluation. The dotted line says the most frequent class always.",
            "finished models scored with probes",
            draw_probes,
        ),
        FigureEntry(
            "outliers",
            "Outliers",
            "How often an outlier scores higher than a member of the data set, in per cent, mean over seeds: blue "
            "scores tell outliers, orange ones take them for more usual than members, as the likelihood does with "
            "plain images. Regret is what a better posterior than the encoder's would gain; complexity is the "
            "likelihood corrected by the length of the compressed image.",
            "finished models scored with outliers",
            draw_outliers,
        ),
        FigureEntry(
            "denoising",
            "Denoising over the level of noise",
            "Peak signal-to-noise ratio against clean images, higher is better, mean over images and seeds, of each "
            "objective's middle strength. The filter is the best of medians, Gaussians and Wiener filters on other "
            "images spoilt in the same way.",
            "finished models scored with denoising",
            draw_denoising,
        ),
        FigureEntry(
            "denoised_images",
            "Denoised images",
            "Five images, spoilt in three ways, through the classical filter that suits the noise best, and as "
            "reconstructed by each model from the mean of its posterior, for the first seed and the middle strength.",
            "the weights of finished models scored with denoising, and the data set's images",
            draw_denoised_images,
        ),
        FigureEntry(
            "traversals",
            "Reconstructions and latent traversals",
            "Eight images, their reconstructions, and the first image with one latent at a time moved from -2 to 2, "
            "for the first seed and up to three strengths an objective. Latents are sorted by the KL beside their "
            "names, in nats; those below 0.05 nats are grey. The files traversals-*.gif show each model in motion.",
            "the weights of finished models, and the data set's images",
            draw_traversals,
            traversal_films,
        ),
        FigureEntry(
            "manifold",
            "Images over a plane of the latent space",
            "What the decoder makes of the two latents with the most KL, for the first seed and up to three "
            "strengths of each objective: tiles stand at the middles of equally likely parts of the prior, all other "
            "latents at 0. Neighbours should change little by little; a plane of one image is a plane that the "
            "decoder ignores. Conditional models are told one condition.",
            "the weights of finished models of two latents or more, and the data set's images",
            draw_manifold,
        ),
        FigureEntry(
            "condition_samples",
            "Samples by condition",
            "Images that a conditional model makes from eight draws of the prior: the draw is the same down a column, "
            "the condition the same along a row, for the first seed. A column should keep its style and change what "
            "the model is told.",
            "the weights of finished conditional models",
            draw_condition_samples,
        ),
        FigureEntry(
            "caption_samples",
            "Samples by caption",
            "Images that a model makes of captions, from eight draws of its prior: the draw is the same down a column, "
            "the caption the same along a row, for the first seed. What a caption leaves out may differ along its row. "
            "Captions in orange are of combinations that training never saw.",
            "the weights of finished models that are told captions, and the data set's images",
            draw_caption_samples,
        ),
        FigureEntry(
            "imputation",
            "Missing pixels",
            "Root mean squared error of missing pixels by each method, and the log-likelihood of the missing pixels "
            "given the others (nats per image, by importance sampling), mean over seeds with one standard deviation. "
            "Rules are what a model has to beat on the same pixels: the mean of training images and of the five "
            "nearest. Up to three strengths of each objective.",
            "finished models of a study scored by imputation",
            draw_imputation,
        ),
        FigureEntry(
            "imputed_images",
            "Images with one half missing",
            "Five images, what is seen of them, four draws of Metropolis-within-Gibbs (means of p(x | z), a chain "
            "each), the mean over draws, and the mean of the five nearest training images. Draws that differ say what "
            "a model leaves open; for the first seed and the middle strength of each objective.",
            "the weights of finished models of a study scored by imputation, and the data set's images",
            draw_imputed_images,
        ),
        FigureEntry(
            "layers",
            "What each layer of a hierarchy carries",
            "Mean over seeds of what each layer adds to the KL, and of its active units, whose posterior mean has a "
            "variance above 0.01 over images. Layer 1 is next to the image. A layer with 0 nats has collapsed: its "
            "posterior is its prior given the layer above. Below the top of a plain hierarchy the terms are no KLs by "
            "themselves and may be negative; only their sum is one.",
            "finished models of several layers of codes",
            draw_layers,
        ),
        FigureEntry(
            "layer_samples",
            "Samples with one layer drawn anew",
            "The reconstruction of one image, and eight draws of one layer from its prior given the layers above it, "
            "which stay as the image has them; layers below keep what they add to what is above. The top layer is "
            "the upper row, layer 1 is next to the image; for the first seed. A row of equal images is a layer that "
            "the image does not depend on.",
            "the weights of finished models of several layers of codes, and the data set's images",
            draw_layer_samples,
        ),
    )
}
"""Every figure by name, in reading order."""


ENDINGS = ("png", "svg", "pdf")
"""Of every figure's files."""


def save_figures(store: Store) -> list[Path]:
    """Draw each figure that the results allow into the folder `figures`, as PNG, SVG and PDF; the paths written.

    A figure or film of an earlier call that the results no longer allow is removed.
    """
    store.refuse_links_out("figures")
    store.study()  # refused if it makes no sense to this version
    folder, rows, state = store.folder / "figures", store.rows(), fingerprint(store)
    parts = sheets(rows)
    written: list[Path] = []
    try:
        folder.mkdir(exist_ok=True)
        for entry in FIGURES.values():
            drawn: list[Path] = []
            for sheet in parts[entry.apart]:
                with look(), said_where_not_drawn(entry, store):
                    figure = entry.draw(sheet.rows, store)
                    if figure is not None:
                        drawn += save_figure(figure, folder / f"{entry.name}{sheet.stem}", state)
                        drawn += save_films(entry, sheet.rows, store)
            earlier = [folder / f"{entry.name}.{ending}" for ending in ENDINGS]
            if entry.apart:
                earlier += [
                    path for ending in ENDINGS for path in folder.glob(f"{entry.name}-[0-9]*.{ending}")
                ]
            for path in (*earlier, *(folder.glob(f"{entry.name}-*.gif") if entry.films else ())):
                if path not in drawn:
                    path.unlink(missing_ok=True)
            written += drawn
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror or error}") from error
    return written


def save_figure(figure: Figure, stem: Path, state: str) -> list[Path]:
    """Write a figure in every format; the paths."""
    writers = {
        "png": partial(write_png, figure, state),
        "svg": partial(write_svg, figure),
        "pdf": partial(write_pdf, figure),
    }
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ENDINGS]
    for path, ending in zip(paths, ENDINGS, strict=True):
        write_atomically(path, writers[ending])
    return paths


def save_films(entry: FigureEntry, rows: pd.DataFrame, store: Store) -> list[Path]:
    """Write the films of a figure that has any; the paths."""
    paths = []
    for name, film in entry.films(rows, store) if entry.films else ():
        paths.append(store.folder / "figures" / f"{name}.gif")
        write_atomically(paths[-1], partial(write_bytes, film))
    return paths


def png(entry: FigureEntry, rows: pd.DataFrame, store: Store, state: str, stem: str = "") -> bytes | None:
    """A figure as PNG: the saved one if it shows this `state`, the fingerprint of the store; else drawn now.

    `rows` and `stem` are a sheet's.
    """
    try:
        saved = read_small(store.folder / "figures" / f"{entry.name}{stem}.png")
        with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(saved), formats=["png"]) as image:
            if image.info.get(FINGERPRINT) == state:
                return saved
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        pass  # none, or no picture of ours
    stream = io.BytesIO()
    with look(), said_where_not_drawn(entry, store):
        figure = entry.draw(rows, store)
        if figure is not None:
            write_png(figure, state, stream)
            return stream.getvalue()
    return None


@contextlib.contextmanager
def said_where_not_drawn(entry: FigureEntry, store: Store) -> Iterator[None]:
    """Say that a figure cannot be drawn of what the folder holds: a score out of all bounds must not cost the page."""
    try:
        yield
    except BadInput:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        store.notices.say(f"{store.folder}: the figure {entry.name} cannot be drawn of its rows: {error}")


def write_png(figure: Figure, state: str, target: Path | io.BytesIO) -> None:
    """Save a figure as PNG that says which state of the results it shows."""
    figure.savefig(target, format="png", dpi=DOTS_PER_INCH, metadata={FINGERPRINT: state})


def write_svg(figure: Figure, path: Path) -> None:
    """Save a figure as SVG, its text as text, without the date, so that the same results make the same file."""
    figure.savefig(path, format="svg", dpi=DOTS_PER_INCH, metadata={"Date": None})


def write_bytes(content: bytes, path: Path) -> None:
    """Save what is there already."""
    path.write_bytes(content)


def write_pdf(figure: Figure, path: Path) -> None:
    """Save a figure as PDF without the date, so that the same results make the same file."""
    figure.savefig(path, format="pdf", dpi=DOTS_PER_INCH, metadata={"CreationDate": None})


def fingerprint(store: Store) -> str:
    """Hash of all that figures depend on: study, rows, which weights there are, and the code that draws."""
    state = hashlib.sha256(matplotlib.__version__.encode())
    files = (
        store.study_file,
        *listed(store.cohorts, ".parquet"),
        *sorted(Path(__file__).parent.glob("*.py")),
    )
    beside = (*listed(store.weights, ".safetensors"), *listed(store.histories, ".parquet"))
    # A file that is gone was joined with others meanwhile: another state, whatever is hashed of this one.
    with contextlib.suppress(FileNotFoundError):
        for path in files:
            with path.open("rb") as stream:
                state.update(os.fsencode(path.name) + hashlib.file_digest(stream, "sha256").digest())
        for path in sorted(beside):
            state.update(os.fsencode(path.name) + f" {path.stat().st_size}".encode())
    return state.hexdigest()
