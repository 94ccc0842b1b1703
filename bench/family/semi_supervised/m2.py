"""M2: the class is a latent variable that is sometimes observed, beside a style z; q(y | x) is the classifier."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from disbench.metrics import gaussian_kl

from ...models import KL_NATS, ForwardPass, ImageShape, Model
from ...models.small_patch import PatchDecoder
from ...objectives import Setting
from . import classes as as_class
from .networks import Classifier, Flat, FlatDecoder, Patches, StylePosterior

BOUNDS, LOG_Q, TOLD = "bounds", "log_q", "told"
"""Of `ForwardPass.extra`: L(x, y) of every class, log q(y | x), and the class that was told or zeros; each [B, K]."""

WIDTH = 500
"""Units of the hidden layer of each of the paper's networks."""

PATCH_WIDTH = 128


class M2(Model):
    """p(y) p(z) p(x | y, z) with q(y | x) q(z | x, y) (Kingma et al. 2014, section 2); y uniform, z N(0, I).

    A code is the style, D numbers, and the class as one more (see `classes`), so that it says all of what the decoder
    needs. A condition is the class, one-hot, or zeros: nothing is told, and q(y | x) or the code itself says it.
    """

    def __init__(
        self, classifier: nn.Module, encoder: StylePosterior, decoder: nn.Module, classes: int
    ) -> None:
        super().__init__()
        self.classifier, self.encoder, self.decoder = classifier, encoder, decoder
        self.classes = classes

    def class_logits(self, images: Tensor) -> Tensor:
        """Of q(y | x), [B, K]."""
        logits: Tensor = self.classifier(images)
        return logits

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One class drawn from q(y | x), where none is told, and one style; `noise` is [B, D + 1]."""
        style, log_q = self.inferred(images, noise)
        return self.outcome(images, condition, noise, style, log_q)

    def enumerated(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """The same pass with the bound L(x, y) of every class beside it, one style of each from the same noise."""
        style, log_q = self.inferred(images, noise)
        outcome = self.outcome(images, condition, noise, style, log_q)
        every = torch.eye(self.classes, dtype=images.dtype, device=images.device)
        every = every.repeat_interleave(len(images), dim=0)
        logits = self.decoder(style.codes.flatten(0, 1).to(images.dtype), every).to(noise.dtype)
        flat = logits.unflatten(0, (self.classes, len(images))).flatten(2)  # [K, B, pixels]
        errors = F.softplus(flat).sum(dim=2) - torch.einsum("kbp,bp->kb", flat, outcome.images.flatten(1))
        bounds = (errors + style.kl.sum(dim=2)).T + math.log(self.classes)
        return outcome._replace(extra={**outcome.extra, BOUNDS: bounds, LOG_Q: log_q, TOLD: condition})

    def inferred(self, images: Tensor, noise: Tensor) -> tuple[StyleOfEachClass, Tensor]:
        """q(z | x, y) of every class with a sample each, and log q(y | x) [B, K]."""
        means, logvar = self.encoder(images)
        log_q = self.class_logits(images).to(noise.dtype).log_softmax(dim=1)
        return StyleOfEachClass(means.to(noise.dtype), logvar.to(noise.dtype), noise[:, :-1]), log_q

    def outcome(
        self, images: Tensor, condition: Tensor, noise: Tensor, style: StyleOfEachClass, log_q: Tensor
    ) -> ForwardPass:
        """The pass of one class an image, and the KL of every part of the code, [B, D + 1]."""
        told = condition.to(noise.dtype)
        chosen = as_class.told_or(told, as_class.drawn(log_q.exp(), noise[:, -1]))
        best = as_class.told_or(told, as_class.likeliest(log_q))
        codes = style.code(style.codes, chosen)
        logits = self.decoder(codes[:, :-1].to(images.dtype), chosen.to(images.dtype)).to(noise.dtype)
        parts = torch.cat((style.expected_kl(told, log_q), class_kl(told, log_q)), dim=1)
        return ForwardPass(
            images.to(noise.dtype), logits, style.code(style.means, best), style.logvar_of_code(), codes,
            {KL_NATS: parts},
        )  # fmt: skip

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x, y) with the class that is told or the most probable, each [B, D + 1]."""
        means, logvar = self.encoder(images)
        style = StyleOfEachClass(means, logvar, torch.zeros_like(logvar))
        best = as_class.told_or(condition, as_class.likeliest(self.class_logits(images)))
        return style.code(means, best), style.logvar_of_code()

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits of p(x | y, z), [B, C, H, W], y being the class that is told or, where none is, the code's."""
        chosen = as_class.told_or(condition, as_class.of_code(codes[:, -1], self.classes))
        logits: Tensor = self.decoder(codes[:, :-1], chosen)
        return logits


class StyleOfEachClass:
    """q(z | x, y) of B images and K classes: means [K, B, D], a log-variance for all classes [B, D], samples, KL."""

    def __init__(self, means: Tensor, logvar: Tensor, noise: Tensor) -> None:
        self.means, self.logvar = means, logvar
        self.codes = means + torch.exp(0.5 * logvar) * noise
        self.kl = gaussian_kl(means, logvar)
        """KL(q(z | x, y) || N(0, I)) in nats, [K, B, D]."""

    def code(self, of_each: Tensor, chosen: Tensor) -> Tensor:
        """Of styles for each class [K, B, D] the one of the chosen class [B, K], and that class: [B, D + 1]."""
        return torch.cat((select(of_each, chosen), as_class.as_code(chosen)[:, None]), dim=1)

    def logvar_of_code(self) -> Tensor:
        """[B, D + 1]: the class is known once it is chosen."""
        return torch.cat((self.logvar, torch.full_like(self.logvar[:, :1], as_class.CERTAIN)), dim=1)

    def expected_kl(self, told: Tensor, log_q: Tensor) -> Tensor:
        """Its KL over the told class or over q(y | x), [B, D]."""
        return select(self.kl, as_class.told_or(told, log_q.exp()))


def select(of_each: Tensor, weights: Tensor) -> Tensor:
    """Values of each class [K, B, D] by one-hot classes or weights [B, K]: [B, D]."""
    return torch.einsum("kbd,bk->bd", of_each, weights)


def class_kl(told: Tensor, log_q: Tensor) -> Tensor:
    """What the class costs in nats, [B, 1]: log K where it is told, KL(q(y | x) || uniform) where it is not."""
    negative_entropy = (log_q.exp() * log_q).sum(dim=1, keepdim=True)
    return math.log(log_q.shape[1]) + (1 - told.sum(dim=1, keepdim=True)) * negative_entropy


def labelled_bound(bounds: Tensor, told: Tensor) -> Tensor:
    """L(x, y) >= -log p(x, y) in nats of the told class, [B] (Kingma et al. 2014, eq. 6); 0 where none is told."""
    return (bounds * told).sum(dim=1)


def unlabelled_bound(bounds: Tensor, log_q: Tensor) -> Tensor:
    """U(x) = sum_y q(y | x) (L(x, y) + log q(y | x)) >= -log p(x) in nats, [B] (Kingma et al. 2014, eq. 7).

    The sum over classes is exact, not a sample. `bounds` are L(x, y), [B, K], log p(y) included.
    """
    return (log_q.exp() * (bounds + log_q)).sum(dim=1)


def mean_of(values: Tensor, those: Tensor) -> Tensor:
    """Mean of values [B] where `those` [B] is 1, a scalar; 0 where none is."""
    return (values * those).sum() / those.sum().clamp(min=1)


def over_data_set(of_told: Tensor, of_others: Tensor, told: Tensor, share: float) -> Tensor:
    """Mean over a data set of which a share is labelled, a scalar, from a batch of another share; each [B]."""
    labelled = told.sum(dim=1)
    return share * mean_of(of_told, labelled) + (1 - share) * mean_of(of_others, 1 - labelled)


def semi_supervised_bound(
    bounds: Tensor, log_q: Tensor, told: Tensor, *, labels: int, dataset_size: int, alpha: float
) -> Tensor:
    """J^alpha / N in nats per image, a scalar (Kingma et al. 2014, eqs. 8 and 9).

    The mean over the labelled images of a batch stands for all the labelled ones, that over the others for all the
    others, whatever share of the batch they are; the classification loss E[-log q(y | x)] of labelled images has the
    weight alpha N in J, alpha in J / N.

    Args:
        bounds: [B, K], L(x, y) of every class.
        log_q: [B, K], log q(y | x).
        told: [B, K], one-hot, zeros for images without a label.
        labels: labelled images of the data set.
        dataset_size: N.
        alpha: of N, the weight of the classification loss; the paper's 0.1.
    """
    share = labels / dataset_size
    bound = over_data_set(labelled_bound(bounds, told), unlabelled_bound(bounds, log_q), told, share)
    return bound + alpha * mean_of(-(told * log_q).sum(dim=1), told.sum(dim=1))


def m2(
    outcome: ForwardPass,
    strength: Tensor,
    setting: Setting,
    *,
    labels: int,
    alpha: float,
    **of_the_batch: object,
) -> Tensor:
    """The negative bound of labelled and unlabelled images with alpha N classification loss, per image.

    It has no strength (Kingma et al. 2014, eq. 9).
    """
    extra = outcome.extra
    return semi_supervised_bound(
        extra[BOUNDS], extra[LOG_Q], extra[TOLD].to(extra[LOG_Q].dtype),
        labels=labels, dataset_size=setting.dataset_size, alpha=alpha,
    )  # fmt: skip


def run_enumerated(model: Model, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
    """How a model is run in training: with the bound of every class."""
    outcome: ForwardPass = model.enumerated(images, condition, noise)  # type: ignore[operator]
    return outcome


def width_with_class(image_shape: ImageShape, latents: int) -> int:
    """Of a code: the style, and the class."""
    return latents + 1


def m2_mlp(image_shape: ImageShape, latents: int, classes: int) -> M2:
    """The paper's: MLPs with one hidden layer of 500 units, softplus, for images of any shape."""
    pixels = math.prod(image_shape)
    return M2(
        Classifier(Flat(pixels, WIDTH), WIDTH, classes, F.softplus),
        StylePosterior(Flat(pixels, WIDTH), WIDTH, classes, latents, F.softplus),
        FlatDecoder(image_shape, latents, classes, WIDTH),
        classes,
    )


def m2_patch(image_shape: ImageShape, latents: int, classes: int) -> M2:
    """A small net for CPUs, on patches."""
    return M2(
        Classifier(Patches(image_shape, PATCH_WIDTH), PATCH_WIDTH, classes, F.relu),
        StylePosterior(Patches(image_shape, PATCH_WIDTH), PATCH_WIDTH, classes, latents, F.relu),
        PatchDecoder(image_shape, latents, classes),
        classes,
    )
