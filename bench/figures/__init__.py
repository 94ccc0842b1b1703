"""Figures: what a study's rows and models show, as PNG and PDF. One file a figure, one row of `FIGURES` each.

To add a figure: one file with a function from (rows, store) to a matplotlib figure, one row here, one test.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
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
from .agreement import draw_agreement
from .collapse import draw_collapse
from .condition_samples import draw_condition_samples
from .kl_decomposition import draw_kl_decomposition
from .kl_per_dimension import draw_kl_per_dimension
from .latents_over_training import draw_latents_over_training
from .likelihood import draw_likelihood
from .mutual_information import draw_mutual_information
from .rate_distortion import draw_rate_distortion
from .scores import draw_scores
from .style import DOTS_PER_INCH, look
from .training import draw_training
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


FIGURES: dict[str, FigureEntry] = {
    entry.name: entry
    for entry in (
        FigureEntry(
            "kl_decomposition",
            "KL decomposition against strength",
            "The KL of the posterior to the prior, in nats per image, is the sum of three terms: what codes tell about "
            "the image, I(x; z), the dependence between latents (total correlation), and what is left for each latent "
            "alone. Bars show means over seeds, whiskers one standard deviation of the sum; panels of one data set "
            "share their axis.",
            "finished models scored with the KL decomposition",
            draw_kl_decomposition,
        ),
        FigureEntry(
            "scores",
            "Scores against strength",
            "Faint points are seeds, lines their means, bands one standard deviation. Arrows say which way is better; "
            "axes have their own ranges, and strength runs in octaves. Points of different objectives at one strength "
            "are moved apart a little.",
            "finished models",
            draw_scores,
        ),
        FigureEntry(
            "rate_distortion",
            "Rate and distortion",
            "What the code costs (KL) against what it leaves unexplained (negative log-likelihood), in nats per image: "
            "lower left is better. Lines join the strengths of one objective, numbers are strengths, crosses one "
            "standard deviation over seeds, and the ELBO is constant along each grey line.",
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
            "kl_per_dimension",
            "KL of each latent",
            "Nats that each latent carries on average, largest first, on a logarithmic scale, for the first seed: "
            "pale latents are switched off. The orange bar ends as many latents as are active units, those whose "
            "posterior mean has a variance above 0.01 over images.",
            "finished models scored with the KL decomposition",
            draw_kl_per_dimension,
        ),
        FigureEntry(
            "collapse",
            "Posterior collapse",
            "From 2,000 images and the first seed. A latent is collapsed at ε if its posterior is within ε nats of the "
            "prior for 99 % of images; at 0.01 nats (dotted) it is passive, active if for at most 1 %, mixed between. "
            "Diamonds count active units, whose mean has a variance above 0.01. Solid lines are what each latent "
            "costs, dotted ones what it knows of the image. Where the total correlation of mean codes (of Gaussians) "
            "is far above that of samples, scores of means count what no sample shows. For conditional models the last "
            "panel has the variance of each latent's mean over all images, and what of it is left within classes.",
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
            "dark cell a column and at most one a row; numbers below 5 are left out. Where there are many models, "
            "some strengths stand for all.",
            "finished models scored with the mutual information of latents and factors",
            draw_mutual_information,
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
            "traversals",
            "Reconstructions and latent traversals",
            "Eight images, their reconstructions, and the first image with one latent at a time moved from -2 to 2, "
            "for the first seed and up to three strengths an objective. Latents are sorted by the KL beside their "
            "names, in nats; those below 0.05 nats are grey.",
            "the weights of finished models, and the data set's images",
            draw_traversals,
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
    )
}
"""Every figure by name, in reading order."""


def save_figures(store: Store) -> list[Path]:
    """Draw each figure that the results allow into the folder `figures`, as PNG and PDF; the paths written.

    A figure of an earlier call that the results no longer allow is removed.
    """
    folder, rows, state = store.folder / "figures", store.rows(), fingerprint(store)
    written: list[Path] = []
    try:
        folder.mkdir(exist_ok=True)
        for entry in FIGURES.values():
            paths = {ending: folder / f"{entry.name}.{ending}" for ending in ("png", "pdf")}
            with look(), said_where_not_drawn(entry, store):
                figure = entry.draw(rows, store)
                if figure is not None:
                    write_atomically(paths["png"], partial(write_png, figure, state))
                    write_atomically(paths["pdf"], partial(write_pdf, figure))
                    written += paths.values()
                    continue
            for path in paths.values():
                path.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror or error}") from error
    return written


def png(entry: FigureEntry, rows: pd.DataFrame, store: Store, state: str) -> bytes | None:
    """A figure as PNG: the saved one if it shows this `state`, the fingerprint of the store; else drawn now."""
    try:
        saved = (store.folder / "figures" / f"{entry.name}.png").read_bytes()
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
            state.update(path.name.encode() + path.read_bytes())
        for path in sorted(beside):
            state.update(f"{path.name} {path.stat().st_size}".encode())
    return state.hexdigest()
