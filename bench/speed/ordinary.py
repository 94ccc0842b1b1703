"""One model as the field's loops train it: a DataLoader over a tensor data set, PyTorch's layouts, Adam's defaults."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from disbench.datasets import load

from ..catalogue import ARCHITECTURES
from ..run import Run

IMAGES = 10_000
WARM_UP_STEPS = 20


def ordinary_loop(run: Run, device: torch.device, seconds: float, ready: Callable[[], None]) -> float:
    """Images a second of a beta-VAE; `ready` is called after the first steps, before the clock starts."""
    data = load(run.data_set)
    images = data.images(torch.arange(min(IMAGES, len(data))) * max(1, len(data) // IMAGES))
    loader = DataLoader(TensorDataset(images), batch_size=run.batch_size, shuffle=True, drop_last=True)
    model = ARCHITECTURES[run.architecture].build(data.image_shape, run.latents, 0).to(device)
    adam = torch.optim.Adam(model.parameters(), lr=run.learning_rate)
    nothing = torch.zeros(run.batch_size, 0, device=device)
    steps, begun = 0, 0.0
    while True:
        for (batch,) in loader:
            batch = batch.to(device)
            mean, logvar = model.encode(batch, nothing)
            codes = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
            logits = model.decode(codes, nothing)
            error = F.binary_cross_entropy_with_logits(logits, batch, reduction="sum") / len(batch)
            kl = -0.5 * (1 + logvar - mean.square() - logvar.exp()).sum(dim=1).mean()
            adam.zero_grad()
            (error + run.strength * kl).backward()
            adam.step()
            steps += 1
            if steps == WARM_UP_STEPS:
                ready()
                begun = now(device)
            elif steps > WARM_UP_STEPS and time.perf_counter() - begun >= seconds:
                return (steps - WARM_UP_STEPS) * run.batch_size / (now(device) - begun)


def now(device: torch.device) -> float:
    """The time when everything asked of the device so far is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
