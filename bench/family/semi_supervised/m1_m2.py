"""M1 + M2, stacked: M2 of the codes of an M1 that was trained before it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from disbench.metrics import gaussian_kl, log_gaussian

from ...models import KL_NATS, VAE, ForwardPass, ImageShape, Model
from ...models.small_patch import small_patch
from ...objectives import Setting, bernoulli_errors
from . import classes as as_class
from .m1 import softplus_vae
from .m2 import (
    BOUNDS,
    LOG_Q,
    TOLD,
    WIDTH,
    StyleOfEachClass,
    class_kl,
    over_data_set,
    select,
    semi_supervised_bound,
)
from .networks import Classifier, Flat, GaussianDecoder, StylePosterior

FIRST_BOUND = "first_bound"
"""Of `ForwardPass.extra`: M1's negative bound of each image in nats, [B]."""

PATCH_WIDTH = 200


class Stacked(Model):
    """p(y) p(z2) p(z1 | y, z2) p(x | z1) (Kingma et al. 2014, section 2.3); z1 and z2 have D numbers each.

    A code is z2, the class as one number, and e1 = (z1 - mean(y, z2)) / deviation(y, z2), what of z1 the two above it
    leave open: 2 D + 1 numbers whose prior is N(0, I) and of which the decoder makes z1 again. So the same (z2, e1)
    under another class is an analogy. M2 sees samples of q(z1 | x) and passes no gradient on to M1.
    """

    def __init__(
        self,
        first: VAE,
        classifier: nn.Module,
        encoder: StylePosterior,
        decoder: GaussianDecoder,
        classes: int,
    ) -> None:
        super().__init__()
        self.first = first
        self.classifier, self.encoder, self.decoder = classifier, encoder, decoder
        self.classes = classes

    def class_logits(self, images: Tensor) -> Tensor:
        """Of q(y | z1) at the mean of q(z1 | x), [B, K]."""
        logits: Tensor = self.classifier(self.first_mean(images)[0])
        return logits

    def first_mean(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z1 | x), each [B, D]."""
        return self.first.encode(images, images.new_zeros(len(images), 0))

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One sample of all that is latent; `noise` is [B, 2 D + 1], of z2, the class, z1."""
        return self.enumerated(images, condition, noise)

    def enumerated(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """The pass with M1's bound and, of every class, M2's bound L(z1, y) beside it."""
        latents = (noise.shape[1] - 1) // 2
        low = images.dtype
        mean, logvar = (part.to(noise.dtype) for part in self.first_mean(images))
        z1 = mean + torch.exp(0.5 * logvar) * noise[:, latents + 1 :]
        logits = self.first.decode(z1.to(low), images.new_zeros(len(images), 0)).to(noise.dtype)
        pixels = images.to(noise.dtype)
        first_bound = bernoulli_errors(pixels, logits) + gaussian_kl(mean, logvar).sum(dim=1)

        told, data = condition.to(noise.dtype), z1.detach()
        log_q = self.classifier(data.to(low)).to(noise.dtype).log_softmax(dim=1)
        means, style_logvar = (part.to(noise.dtype) for part in self.encoder(data.to(low)))
        style = StyleOfEachClass(means, style_logvar, noise[:, :latents])
        every = torch.eye(self.classes, dtype=low, device=images.device).repeat_interleave(len(images), dim=0)
        made = self.decoder(style.codes.flatten(0, 1).to(low), every)
        made_mean, made_logvar = (part.to(noise.dtype).unflatten(0, (self.classes, -1)) for part in made)
        densities = log_gaussian(data, made_mean, made_logvar)  # [K, B, D]
        bounds = (style.kl - densities).sum(dim=2).T + math.log(self.classes)

        chosen = as_class.told_or(told, as_class.drawn(log_q.exp(), noise[:, latents]))
        left = (z1 - select(made_mean, chosen)) * torch.exp(-0.5 * select(made_logvar, chosen))
        weights = as_class.told_or(told, log_q.exp())
        costs = log_gaussian(z1, mean, logvar) - select(densities, weights)
        parts = torch.cat((select(style.kl, weights), class_kl(told, log_q), costs), dim=1)
        middle, spread = self.code_of(mean.to(low), logvar.to(low), condition)
        return ForwardPass(
            pixels, logits, middle.to(noise.dtype), spread.to(noise.dtype),
            torch.cat((style.code(style.codes, chosen), left), dim=1),
            {KL_NATS: parts, FIRST_BOUND: first_bound, BOUNDS: bounds, LOG_Q: log_q, TOLD: condition},
        )  # fmt: skip

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Of q at the mean of z1 and the class that is told or the most probable there, each [B, 2 D + 1]."""
        return self.code_of(*self.first_mean(images), condition)

    def code_of(self, mean: Tensor, logvar: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The same from mean and log-variance of q(z1 | x), each [B, D]."""
        best = as_class.told_or(condition, as_class.likeliest(self.classifier(mean)))
        means, style_logvar = self.encoder(mean)
        style = StyleOfEachClass(means, style_logvar, torch.zeros_like(style_logvar))
        above = style.code(means, best)
        made_mean, made_logvar = self.decoder(above[:, :-1], best)
        left = (mean - made_mean) * torch.exp(-0.5 * made_logvar)
        return (
            torch.cat((above, left), dim=1),
            torch.cat((style.logvar_of_code(), logvar - made_logvar), dim=1),
        )

    def image_encoder(self) -> nn.Module:
        """M1's: M2 sees its codes alone."""
        return self.first.encoder

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits of p(x | z1), [B, C, H, W], z1 made of z2, e1 and the class that is told or else the code's."""
        latents = (codes.shape[1] - 1) // 2
        chosen = as_class.told_or(condition, as_class.of_code(codes[:, latents], self.classes))
        mean, logvar = self.decoder(codes[:, :latents], chosen)
        z1 = mean + torch.exp(0.5 * logvar) * codes[:, latents + 1 :]
        return self.first.decode(z1, codes.new_zeros(len(codes), 0))


def m1_m2(
    outcome: ForwardPass,
    strength: Tensor,
    setting: Setting,
    *,
    labels: int,
    alpha: float,
    first_stage: float,
    **of_the_batch: object,
) -> Tensor:
    """M1's negative bound in the first stage, M2's of M1's codes after it, per image; it has no strength.

    The first stage is a share of all steps. The loss of the stage that is not on is multiplied by 0, so that its
    weights have no gradient: M1's go on for a few steps by Adam's momentum alone, M2's stand still until theirs begins.
    """
    extra = outcome.extra
    told = extra[TOLD].to(extra[LOG_Q].dtype)
    share = labels / setting.dataset_size
    first = over_data_set(extra[FIRST_BOUND], extra[FIRST_BOUND], told, share)
    second = semi_supervised_bound(
        extra[BOUNDS], extra[LOG_Q], told, labels=labels, dataset_size=setting.dataset_size, alpha=alpha
    )
    is_first = (setting.step < first_stage * setting.steps).to(first.dtype)
    return is_first * first + (1 - is_first) * second


def width_of_both(image_shape: ImageShape, latents: int) -> int:
    """Of a code: z2, the class, e1."""
    return 2 * latents + 1


def stacked(first: VAE, latents: int, classes: int, width: int) -> Stacked:
    """M2 of MLPs with one hidden layer, softplus, on the codes of an M1."""
    return Stacked(
        first,
        Classifier(Flat(latents, width), width, classes, F.softplus),
        StylePosterior(Flat(latents, width), width, classes, latents, F.softplus),
        GaussianDecoder(latents, latents, classes, width),
        classes,
    )


def m1_m2_mlp(image_shape: ImageShape, latents: int, classes: int) -> Stacked:
    """The paper's M1 and M2, for images of any shape."""
    return stacked(softplus_vae(image_shape, latents), latents, classes, WIDTH)


def m1_m2_patch(image_shape: ImageShape, latents: int, classes: int) -> Stacked:
    """The patch net below, a narrower M2 on its codes."""
    return stacked(small_patch(image_shape, latents, 0), latents, classes, PATCH_WIDTH)
