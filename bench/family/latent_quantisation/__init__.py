"""Latent quantisation (Hsu et al. 2023): every latent takes one of a few learned numbers; and the plain autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from disbench.metrics import Score, infomec

from ...models import PLAIN_ARCHITECTURES, VAE, Architecture, ForwardPass, ImageShape, Model, sides_of_64
from ...objectives import Objective, Setting, reconstruction
from ...objectives.objective import WEIGHT_DECAY
from ...run import Run
from ...tasks import Subject, Task
from ..member import Member
from ..vq_vae.model import POINT, VQVAE
from ..vq_vae.pixelcnn import GatedPixelCNN
from ..vq_vae.quantiser import VectorQuantiser, straight_through
from .style_nets import VECTOR_WIDTH, StyleOfVectors, VectorsOfStyle, hsu_style

VALUES = 10
"""Numbers that each latent can take, as in all of the paper's experiments."""

QUANTISE, COMMIT = "quantise", "commit"
"""Of `ForwardPass.extra`, each [B]: mean squared difference of codes and values, for the values and for the codes."""


class Autoencoder(Model):
    """Codes are the means that a VAE's encoder would have: nothing is drawn, nothing has a prior.

    The other half of the encoder's output, the VAE's log-variances, is not used, so that every net of a VAE serves.
    """

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.encoder = vae.encoder
        self.decoder = vae.decoder

    def points(self, images: Tensor, condition: Tensor) -> Tensor:
        """What the encoder says, [B, D]."""
        first: Tensor = self.encoder(images, condition).chunk(2, dim=-1)[0]
        return first

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """A pass without anything random."""
        codes = self.points(images, condition).to(noise.dtype)
        logits = self.decoder(codes.to(images.dtype), condition).to(noise.dtype)
        return ForwardPass(images.to(noise.dtype), logits, codes, torch.full_like(codes, POINT), codes)

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [B, D], and the log-variance of a point: there is no posterior."""
        codes = self.points(images, condition)
        return codes, torch.full_like(codes, POINT)

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W]."""
        logits: Tensor = self.decoder(codes, condition)
        return logits


class LatentQuantiser(nn.Module):
    """D codebooks of V numbers, one for each latent, evenly from -1/2 to 1/2 before training.

    What is learned is how far each value is from where it began.
    """

    def __init__(self, latents: int, values: int) -> None:
        super().__init__()
        self.moved = nn.Parameter(torch.zeros(latents, values))

    def initial_range(self, name: str) -> tuple[float, float]:
        """All values begin in place."""
        return 0.0, 0.0

    @property
    def values(self) -> Tensor:
        """What each latent can be, [D, V]."""
        count = self.moved.shape[1]
        even = torch.arange(count, device=self.moved.device, dtype=self.moved.dtype) / (count - 1) - 0.5
        return even + self.moved

    def indices(self, points: Tensor) -> Tensor:
        """Which value of its latent is nearest to points [B, D], int64 [B, D]; the first of equally near ones."""
        return (points[..., None] - self.values).abs().argmin(dim=-1)

    def at(self, indices: Tensor) -> Tensor:
        """The values with these indices, [B, D]; their gradient reaches the codebooks."""
        chosen = indices[..., None] == torch.arange(self.moved.shape[1], device=indices.device)
        return (chosen.to(self.moved.dtype) * self.values).sum(dim=-1)

    def forward(self, points: Tensor) -> Tensor:
        """The nearest values, [B, D]."""
        return self.at(self.indices(points))


class QuantisedAutoencoder(Autoencoder):
    """The quantised-latent autoencoder, QLAE (Hsu et al. 2023, section 3.1): codes are combinations of few values."""

    def __init__(self, vae: VAE, latents: int) -> None:
        super().__init__(vae)
        self.quantiser = LatentQuantiser(latents, VALUES)

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """A pass without anything random; the decoder's gradient goes straight through to the encoder."""
        points = self.points(images, condition).to(noise.dtype)
        values = self.quantiser(points).to(noise.dtype)
        codes = straight_through(points, values)
        logits = self.decoder(codes.to(images.dtype), condition).to(noise.dtype)
        extra = {
            QUANTISE: (points.detach() - values).square().mean(dim=1),
            COMMIT: (points - values.detach()).square().mean(dim=1),
        }
        return ForwardPass(
            images.to(noise.dtype), logits, values, torch.full_like(values, POINT), codes, extra
        )

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Quantised codes [B, D], and the log-variance of a point."""
        codes = self.quantiser(self.points(images, condition)).to(images.dtype)
        return codes, torch.full_like(codes, POINT)

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W] of the values nearest to `codes` [B, D]."""
        logits: Tensor = self.decoder(self.quantiser(codes).to(codes.dtype), condition)
        return logits

    def prior(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Codes [B, D] of independent values, each as likely, as the paper's code draws them; nothing is trained."""
        count = self.quantiser.moved.shape[1]
        place = (torch.special.ndtr(noise) * count).long().clamp_max(count - 1)
        return self.quantiser.at(place).to(noise.dtype)


def autoencoder(outcome: ForwardPass, strength: Tensor, setting: Setting) -> Tensor:
    """-log p(x | z) at the encoder's own codes, in nats: no KL, no noise, no strength."""
    return reconstruction(outcome)


def qlae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, quantise: float, commit: float
) -> Tensor:
    """-log p(x | z) + lambda_quantise |sg(c) - z|^2 + lambda_commit |c - sg(z)|^2 (Hsu et al. 2023, section 3.1).

    Their code takes means over pixels and over latents: ours is theirs times the number of pixels and channels, so that
    it is in nats an image and the three terms are in their proportion; Adam does not notice the factor.

    Args:
        outcome: of a `QuantisedAutoencoder`.
        strength: it has none.
        setting: unused.
        quantise: lambda by which values move to the codes that they stand for; 0.01.
        commit: lambda by which codes stay near their values; 0.01.

    Returns:
        Nats an image; no bound on log p(x).
    """
    pixels = outcome.images[0].numel()
    tied = quantise * outcome.extra[QUANTISE].mean() + commit * outcome.extra[COMMIT].mean()
    return reconstruction(outcome) + pixels * tied


VECTORS = 512
"""Of the codebook of the paper's VQ-VAE."""


def vq_hsu_style(image_shape: ImageShape, latents: int, condition_size: int) -> VQVAE:
    """The paper's VQ-VAE: each latent is one of 512 vectors. The PixelCNN sees them as a row, and all before each."""
    reach = 2
    layers = max(2, -(-(latents - 1) // reach))
    return VQVAE(
        VectorsOfStyle(image_shape, latents),
        StyleOfVectors(image_shape, latents),
        VectorQuantiser(VECTORS, VECTOR_WIDTH),
        GatedPixelCNN(VECTORS, (1, latents), 128, layers, 2 * reach + 1),
    )


STYLE = Architecture(
    hsu_style, "torch_default", sides_of_64, "style net of Hsu et al. 2023, 12 layers each way"
)

VECTORS_OF_STYLE = Architecture(
    vq_hsu_style,
    "torch_default",
    sides_of_64,
    "style net of Hsu et al. 2023 with a vector of a codebook for each latent",
    own=True,
)

NETS = {name: PLAIN_ARCHITECTURES[name] for name in ("small_patch", "study_conv")} | {"hsu_style": STYLE}
"""Of VAEs, that serve as autoencoders."""


def without_noise(plain: Architecture) -> Callable[[ImageShape, int, int], Autoencoder]:
    """An architecture of VAEs as one of autoencoders."""

    def build(image_shape: ImageShape, latents: int, condition_size: int) -> Autoencoder:
        vae = plain.build(image_shape, latents, condition_size)
        assert isinstance(vae, VAE)
        return Autoencoder(vae)

    return build


def quantised(plain: Architecture) -> Callable[[ImageShape, int, int], QuantisedAutoencoder]:
    """An architecture of VAEs as one of quantised-latent autoencoders."""

    def build(image_shape: ImageShape, latents: int, condition_size: int) -> QuantisedAutoencoder:
        vae = plain.build(image_shape, latents, condition_size)
        assert isinstance(vae, VAE)
        return QuantisedAutoencoder(vae, latents)

    return build


def wrapped(
    prefix: str, about: str, build: Callable[[Architecture], Callable[[ImageShape, int, int], Model]]
) -> dict[str, Architecture]:
    """Every net, by its name behind a prefix."""
    return {
        f"{prefix}_{name}": Architecture(
            build(plain), plain.initialisation, plain.objection, f"{plain.summary}; {about}", own=True
        )
        for name, plain in NETS.items()
    }


AUTOENCODERS = wrapped("ae", "codes without noise", without_noise)

QUANTISED = wrapped("qlae", f"codes without noise, of {VALUES} values each", quantised)

DISCRETE = ("qlae", "vq_vae")
"""Objectives whose codes take few values."""

DISCRETE_SCORES = (
    Score("infom_discrete", "higher", "", "infom of codes of few values, by counting"),
    Score("infoe_discrete", "higher", "", "infoe, one indicator a value"),
    Score("infoc_discrete", "higher", "", "infoc by counting"),
)


def measure_discrete(subject: Subject) -> Mapping[str, Any]:
    """InfoMEC as the paper scores quantised codes: plug-in information, one indicator a value, active by range."""
    rows = slice(subject.train)
    found = infomec(subject.mean[rows], subject.factors[rows], convention="range", discrete=True)
    return {
        "infom_discrete": found.modularity,
        "infoe_discrete": found.explicitness,
        "infoc_discrete": found.compactness,
    }


def continuous_codes(run: Run) -> str | None:
    """Whose codes are real numbers."""
    return None if run.objective in DISCRETE else f"codes of {run.objective} are real numbers"


MEMBER = Member(
    objectives={
        "autoencoder": Objective(
            autoencoder,
            "AE",
            None,
            "Rumelhart et al. 1986",
            architectures=tuple(AUTOENCODERS),
            codes="points",
            bound=False,
        ),
        "qlae": Objective(
            qlae,
            "QLAE",
            None,
            "Hsu et al. 2023",
            loss_options={"quantise": 0.01, "commit": 0.01},
            optimiser_options={WEIGHT_DECAY: 0.1},
            architectures=tuple(QUANTISED),
            codes="points",
            bound=False,
        ),
    },
    architectures={"hsu_style": STYLE, "vq_hsu_style": VECTORS_OF_STYLE, **AUTOENCODERS, **QUANTISED},
    tasks={"infomec_discrete": Task(DISCRETE_SCORES, measure_discrete, objection=continuous_codes)},
)
