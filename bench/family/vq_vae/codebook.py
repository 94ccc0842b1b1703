"""How much of a codebook is in use: perplexity, share of codes, entropy of each position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from disbench.metrics import Score

from ...run import Run
from ...tasks import Subject, Task
from .model import VQVAE, places

CODEBOOK_SCORES = (
    Score("codebook_perplexity", None, "units", "exp of the entropy of codes over all positions; at most K"),
    Score("codebook_used_share", "higher", "", "codes that some position of some image has, over all codes"),
    Score("codebook_position_entropy_nats", None, "nats", "entropy of the codes of each position", "curve"),
)


def entropy(counts: Tensor) -> Tensor:
    """Entropy in nats of counts [..., K], at least 0 and at most log K."""
    share = counts / counts.sum(dim=-1, keepdim=True)
    return -torch.special.xlogy(share, share).sum(dim=-1)


def use(numbers: Tensor, codes: int) -> dict[str, Any]:
    """Columns of a table of codes by number, int64 [N, P], 0 .. `codes` - 1."""
    counts = torch.stack([torch.bincount(column, minlength=codes) for column in numbers.T]).double()
    pooled = counts.sum(dim=0)
    return {
        "codebook_perplexity": float(entropy(pooled).exp()),
        "codebook_used_share": float((pooled > 0).double().mean()),
        "codebook_position_entropy_nats": entropy(counts).tolist(),
    }


def measure(subject: Subject) -> Mapping[str, Any]:
    """The use of the codebook over the evaluated images, as they are encoded when training is over."""
    assert isinstance(subject.model, VQVAE)
    codes = len(subject.model.quantiser.vectors)
    return use(places(subject.mean, codes), codes)


def without_codebook(run: Run) -> str | None:
    """Only vector-quantised models have one."""
    return None if run.objective == "vq_vae" else f"{run.objective} has no codebook of vectors"


CODEBOOK = Task(CODEBOOK_SCORES, measure, objection=without_codebook)
