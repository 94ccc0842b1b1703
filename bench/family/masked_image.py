"""Self-supervised by masking: an encoder that learns to say what is in the hidden patches of an image.

The encoder is a VAE's own. As it is no transformer, hidden patches cannot be left out (He et al. 2022): they are
painted over with a value that is learned (Xie et al. 2022, SimMIM), and the decoder, a VAE's too, paints the whole
image from the code (Pathak et al. 2016). The loss looks at the hidden pixels alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from disbench.datasets import DataSet, Entry

from ..bad_input import BadInput
from ..models import PLAIN_ARCHITECTURES, VAE, Architecture, ForwardPass, ImageShape, Model
from ..objectives import Objective, Options, Setting, Telling
from ..objectives.telling import Told
from ..run import Run
from .member import Member

MOST_PATCHES = 256
"""Of an image: so many numbers are drawn for the ranks of its patches."""

CERTAIN = -20.0
"""Log-variance that stands for none: a code is a point, and what asks for its posterior gets a narrow one."""

MOMENTUM = 0.01
"""Of the running mean and variance of codes."""

LEAST_VARIANCE = 1e-6
"""What is added to the variance of a code before anything is divided by it."""

HIDDEN = "hidden"
"""Of `ForwardPass.extra`: 1 where a pixel was hidden, [B, 1, H, W]."""


class Paint(nn.Module):
    """The value that hidden pixels have, one a channel; grey before training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.empty(channels))

    def initial_range(self, name: str) -> tuple[float, float]:
        """Halfway between black and white."""
        return 0.5, 0.5

    def forward(self, images: Tensor, hidden: Tensor) -> Tensor:
        """Images [B, C, H, W] with what is `hidden`, 1 or 0 [B, 1, H, W], painted over."""
        return torch.where(hidden > 0.5, self.value[:, None, None].to(images.dtype), images)


class MaskedAutoencoder(Model):
    """A VAE's encoder and decoder with the mean half of the encoder's output for a code, and nothing drawn.

    Outside training a code is told in standard units, by the mean and variance that each of its numbers has had over
    training: the same code and the same image in other coordinates, in which N(0, I) has the right place and size to
    stand for the prior that it has not. Samples of it show what the decoder knows; it is no generative model.
    """

    code_mean: Tensor
    code_variance: Tensor

    def __init__(self, nets: VAE, channels: int, latents: int) -> None:
        super().__init__()
        self.encoder, self.decoder = nets.encoder, nets.decoder
        self.paint = Paint(channels)  # last, so that the nets begin as a VAE's of the same seed do
        self.register_buffer("code_mean", torch.zeros(latents))
        self.register_buffer("code_variance", torch.ones(latents))

    @property
    def deviation(self) -> Tensor:
        """Of each number of a code, [D]; above zero for one that never moves."""
        return torch.sqrt(self.code_variance + LEAST_VARIANCE)

    def raw_code(self, images: Tensor, condition: Tensor) -> Tensor:
        """What the encoder says, [B, D]."""
        code: Tensor = self.encoder(images, condition).chunk(2, dim=-1)[0]
        return code

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The code in standard units [B, D], and a log-variance that says that it is a point."""
        code = (self.raw_code(images, condition) - self.code_mean) / self.deviation
        return code, torch.full_like(code, CERTAIN)

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits of every pixel [B, C, H, W] from codes in standard units."""
        logits: Tensor = self.decoder(self.code_mean + self.deviation * codes, condition)
        return logits

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One pass over whole images: nothing is hidden and nothing drawn."""
        codes, logvar = (part.to(noise.dtype) for part in self.encode(images, condition))
        logits = self.decode(codes.to(images.dtype), condition).to(noise.dtype)
        return ForwardPass(images.to(noise.dtype), logits, codes, logvar, codes)

    def of_the_rest(self, images: Tensor, hidden: Tensor, noise: Tensor) -> ForwardPass:
        """Training's pass over images with what is `hidden` [B, 1, H, W] painted over; `noise` gives its type."""
        nothing = images.new_zeros((len(images), 0))
        raw = self.raw_code(self.paint(images, hidden), nothing)
        logits = self.decoder(raw, nothing).to(noise.dtype)
        codes = raw.to(noise.dtype)
        self.follow(codes.detach())
        extra = {HIDDEN: hidden.to(noise.dtype)}
        certain = torch.full_like(codes, CERTAIN)
        return ForwardPass(images.to(noise.dtype), logits, codes, certain, codes, extra)

    def follow(self, codes: Tensor) -> None:
        """Move the running moments towards those of a batch."""
        self.code_mean.mul_(1 - MOMENTUM).add_(codes.mean(dim=0), alpha=MOMENTUM)
        variance = codes.var(dim=0, unbiased=False)
        self.code_variance.mul_(1 - MOMENTUM).add_(variance, alpha=MOMENTUM)


def hidden_patches(noise: Tensor, count: Tensor) -> Tensor:
    """Which patches are hidden, bool [B, P]: the `count` [B, 1] whose numbers in `noise` [B, P] are the least.

    Ranks, not a threshold: exactly so many in each image, every set of them as likely.
    """
    return noise.argsort(dim=-1, stable=True).argsort(dim=-1) < count


def hidden_pixels(patches: Tensor, image_shape: ImageShape) -> Tensor:
    """Patches [B, P] of a grid with the sides' proportions as pixels, [B, 1, H, W]."""
    _, height, width = image_shape
    side = round((height * width / patches.shape[-1]) ** 0.5)
    grid = patches.unflatten(-1, (1, height // side, width // side))
    return grid.repeat_interleave(side, dim=-2).repeat_interleave(side, dim=-1)


def with_hidden_patches(model: Model, images: Tensor, told: Tensor, noise: Tensor) -> ForwardPass:
    """Training's pass: `told` [B, P] has, for each of P patches, how many of an image's are to be hidden.

    `noise` [B, D + P'] decides which: its numbers after the first D, of which the first P are used.
    """
    patches = told.shape[-1]
    latents = noise.shape[-1] - MOST_PATCHES
    chances = noise[:, latents : latents + patches]
    shape = (images.shape[1], images.shape[2], images.shape[3])
    hidden = hidden_pixels(hidden_patches(chances, told[:, :1]).to(images.dtype), shape)
    assert isinstance(model, MaskedAutoencoder)
    return model.of_the_rest(images, hidden, noise)


def error_of_hidden_pixels(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, share: float, patch: int
) -> Tensor:
    """Negative Bernoulli log-likelihood of the hidden pixels in nats, their sum, mean over images.

    Of all pixels where nothing was hidden. He et al. and SimMIM take squared or absolute errors and their mean over
    hidden pixels; these are as many in every image.
    """
    errors = nn.functional.softplus(outcome.logits) - outcome.images * outcome.logits
    hidden = outcome.extra.get(HIDDEN)
    return (errors if hidden is None else errors * hidden).flatten(1).sum(dim=1).mean()


def patches_of(options: Options, condition: str | None, data_set: Entry) -> int:
    """P, patches of an image; `BadInput` if they do not fill it."""
    patch, share = cast(int, options["patch"]), cast(float, options["share"])
    _, height, width = data_set.image_shape
    number = height * width // patch**2
    if height % patch or width % patch or number > MOST_PATCHES:
        raise BadInput(
            f"options.patch should divide the sides of {data_set.name}, {height} x {width} pixels, into at most "
            f"{MOST_PATCHES} patches, got {patch}"
        )
    if not 0 < round(share * number) < number:
        raise BadInput(
            f"options.share should hide some of the {number} patches of {data_set.name} and leave others, got {share:g}"
        )
    return number


def how_many_hidden(run: Run, data: DataSet, seeds: Sequence[int] = ()) -> Told:
    """For each patch of each image the number of patches to be hidden, [..., B, P]."""
    patch, share = int(run.options["patch"]), float(run.options["share"])
    _, height, width = data.image_shape
    number = height * width // patch**2

    def told(indices: Tensor, factors: Tensor) -> Tensor:
        return torch.full((*indices.shape, number), float(round(share * number)), device=indices.device)

    return told


def masked(
    plain: Callable[[ImageShape, int, int], Model], shape: ImageShape, latents: int, told: int
) -> Model:
    """The masked autoencoder with a plain VAE's nets."""
    nets = plain(shape, latents, told)
    assert isinstance(nets, VAE)
    return MaskedAutoencoder(nets, shape[0], latents)


NETS = {
    f"masked_{name}": Architecture(
        partial(masked, net.build),
        net.initialisation,
        net.objection,
        f"masked autoencoder of: {net.summary}",
        own=True,
    )
    for name, net in PLAIN_ARCHITECTURES.items()
}
"""One for every plain net, so that a pretext is compared with the VAE of the same encoder."""

MEMBER = Member(
    objectives={
        "masked_image": Objective(
            error_of_hidden_pixels,
            "masked images",
            None,
            "Xie et al. 2022",
            loss_options={"share": 0.6, "patch": 8},
            architectures=tuple(NETS),
            telling=Telling(patches_of, how_many_hidden, how_many_hidden, to_model=False),
            forward=with_hidden_patches,
            extra_noise=lambda image_shape, latents: MOST_PATCHES,
            codes="points",
            bound=False,
        )
    },
    architectures=NETS,
)
