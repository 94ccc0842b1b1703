"""Ways to ask a model for images: one function each, and the table that `disbench sample --kind` names them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from disbench.datasets import DataSet
from disbench.metrics import gaussian_kl

from ..models import Model
from ..models.layers import layer_widths, redrawn
from ..randomness import integers, normal
from ..run import Run
from ..run_model import Conditioning, code_width

CODES, IMAGES = 1, 2
"""Steps of the role `sample` that codes and images are drawn at; 0 is the figures'."""

REACH = 2.0
"""A traversal goes from -REACH to REACH, standard deviations of the prior."""

JUDGED = 500
"""Images over which the KL that orders latents is averaged."""


@dataclass(frozen=True)
class Question:
    """What is asked of one model; every kind reads what concerns it."""

    run: Run
    model: Model
    data: DataSet
    count: int = 8
    """Images across, and rows down where nothing else says how many."""
    seed: int = 0
    """Of codes and of which images: the same for every model, so that their pictures compare."""
    temperature: float = 1.0
    """Codes have so many times the standard deviation that they should have."""
    condition: int | None = None
    """The class that a conditional model is told; None: each row another class, or an image's own."""
    spherical: bool = False
    """Interpolations go along a great circle instead of a line."""

    def noise(self, rows: int, step: int = CODES) -> Tensor:
        """Standard normal [rows, D], times the temperature."""
        latents = code_width(self.run)
        drawn = normal([self.seed], "sample", [step], rows * latents)[0, 0].reshape(rows, latents)
        return self.temperature * drawn

    def images(self, count: int) -> tuple[Tensor, Tensor]:
        """Images of the data set [count, C, H, W], the first being the same whatever the count, and conditions."""
        indices = integers([self.seed], "sample", [IMAGES], count, below=len(self.data))[0, 0]
        factors = self.data.factors(indices).cpu()
        tells = Conditioning.of(self.run).evaluation(self.data)
        return self.data.images(indices).cpu(), tells(indices, factors)

    def told(self, condition: Tensor) -> Tensor:
        """Conditions [B, Y], all of the class that was asked for, if one was."""
        if self.condition is None or not Conditioning.of(self.run).classes:
            return condition
        return torch.eye(condition.shape[1])[self.condition].expand(len(condition), -1)

    def decoded(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Means of p(x | z, y), [B, C, H, W] in [0, 1]."""
        return self.model.decode(codes, condition).sigmoid()


def prior(question: Question) -> Tensor:
    """Images of codes from the prior. A conditional model shows the same codes under each class, a row a class.

    One that is told something else than a class is told it of images of the data set.
    """
    told = Conditioning.of(question.run)
    if told.classes and question.condition is None:
        noise = question.noise(question.count).repeat(told.classes, 1)
        condition = torch.eye(told.classes).repeat_interleave(question.count, dim=0)
    else:
        noise = question.noise(question.count**2)
        of_class = torch.zeros(len(noise), told.size)
        condition = question.told(of_class) if told.classes else question.images(len(noise))[1]
    sampler = question.model.for_samples(question.temperature)
    made = sampler.decode(sampler.prior(noise, condition), condition).sigmoid()
    return made.unflatten(0, (-1, question.count))


def of_texts(question: Question, told: Tensor) -> Tensor:
    """Images of captions [R, Y], a row a caption, of the same prior codes; a single caption fills a square."""
    rows = told if len(told) > 1 else told.expand(question.count, -1)
    noise = question.noise(question.count if len(told) > 1 else question.count**2)
    noise = noise.repeat(len(rows), 1) if len(told) > 1 else noise
    condition = rows.repeat_interleave(question.count, dim=0)
    made = question.decoded(question.model.prior(noise, condition), condition)
    return made.unflatten(0, (-1, question.count))


def aggregate(question: Question) -> Tensor:
    """Images of codes from the aggregate posterior q(z): a random image of the data set, a code of its posterior.

    What the decoder was trained on: where these are good and those of the prior are not, q(z) misses the prior.
    """
    images, condition = question.images(question.count**2)
    mean, logvar = question.model.encode(images, condition)
    codes = mean + (0.5 * logvar).exp() * question.noise(len(images))
    return question.decoded(codes, question.told(condition)).unflatten(0, (-1, question.count))


def reconstruction(question: Question) -> Tensor:
    """Rows of images, each above its reconstruction from posterior means; under another class if one is asked for."""
    images, condition = question.images(question.count * max(1, question.count // 2))
    mean, _ = question.model.encode(images, condition)
    again = question.decoded(mean, question.told(condition))
    pairs = torch.stack([part.unflatten(0, (-1, question.count)) for part in (images, again)], dim=1)
    return pairs.flatten(0, 1)


def interpolation(question: Question) -> Tensor:
    """A row a pair of images: the two at the ends, between them images of codes from one's mean to the other's.

    Of a conditional model the class stays the first image's, or the one asked for, so that the last may differ.
    """
    images, condition = question.images(2 * question.count)
    mean, _ = question.model.encode(images, condition)
    first, last = mean[: question.count], mean[question.count :]
    shares = torch.linspace(0, 1, question.count)
    codes = torch.stack([between(first, last, float(s), spherical=question.spherical) for s in shares], dim=1)
    told = question.told(condition[: question.count]).repeat_interleave(question.count, dim=0)
    made = question.decoded(codes.flatten(0, 1), told).unflatten(0, (question.count, question.count))
    ends = [part.unsqueeze(1) for part in images.unflatten(0, (2, question.count))]
    return torch.cat([ends[0], made, ends[1]], dim=1)


def between(first: Tensor, last: Tensor, share: float, *, spherical: bool) -> Tensor:
    """Codes [B, D] a share of the way from one to the other, on a line or on a great circle (White 2016)."""
    if not spherical:
        return first + share * (last - first)
    cosine = torch.cosine_similarity(first, last, dim=1).clamp(-1, 1)
    angle = torch.acos(cosine)[:, None]
    nearly_parallel = angle.sin() < 1e-4
    weights = [((1 - share) * angle).sin(), (share * angle).sin()]
    turned = (weights[0] * first + weights[1] * last) / angle.sin().clamp(min=1e-4)
    return torch.where(nearly_parallel, first + share * (last - first), turned)


def traversal(question: Question) -> Tensor:
    """A row a latent, most KL first: it goes from -2 to 2, the others stay at the code of the first image."""
    images, condition = question.images(JUDGED)
    mean, logvar = question.model.encode(images, condition)
    ranked = gaussian_kl(mean, logvar).mean(dim=0).argsort(descending=True, stable=True)
    steps = torch.linspace(-REACH, REACH, question.count)
    codes = mean[:1].repeat(len(ranked) * question.count, 1).unflatten(0, (len(ranked), question.count))
    for row, latent in enumerate(ranked.tolist()):
        codes[row, :, latent] = steps
    told = question.told(condition[:1]).expand(len(ranked) * question.count, -1)
    return question.decoded(codes.flatten(0, 1), told).unflatten(0, (len(ranked), question.count))


def layers(question: Question) -> Tensor:
    """A row a layer of codes, the top one first: drawn anew while the others stay at the code of the first image.

    The first column is that code's reconstruction. Layers below the one that is drawn keep what they add to what is
    above them. A model with one layer of codes has one row.
    """
    images, condition = question.images(1)
    mean, _ = question.model.encode(images, condition)
    told, across = question.told(condition), question.count - 1
    fresh = question.model.prior(question.noise(across), told.expand(across, -1))
    drawn = redrawn(mean, fresh, layer_widths(question.model, mean.shape[1]))
    codes = torch.cat((mean.expand(len(drawn), 1, -1), drawn), dim=1)
    made = question.decoded(codes.flatten(0, 1), told.expand(codes[..., 0].numel(), -1))
    return made.unflatten(0, codes.shape[:2])


KINDS: dict[str, Callable[[Question], Tensor]] = {
    "prior": prior,
    "aggregate": aggregate,
    "reconstruction": reconstruction,
    "interpolation": interpolation,
    "traversal": traversal,
    "layers": layers,
}
"""Each makes images [rows, columns, C, H, W] in [0, 1]."""
