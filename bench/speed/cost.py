"""What training on one image takes at least: arithmetic, and traffic with memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from disbench.datasets import entry

from ..losses import losses_of
from ..precision import PRECISIONS
from ..run import Cohort, Run
from ..run_model import Conditioning, Parameters, build_model, initial_buffers, noise_width
from ..training_state import helper_module

PASSES_OVER_ACTIVATIONS = 5
"""A layer's output is written and read, read again for its gradient, whose own is written and read."""

PASSES_OVER_WEIGHTS = 10
"""Read twice, their gradient written and read; Adam reads and writes weights and two moments."""


class Cost(NamedTuple):
    """Of one image, forward, backward and its share of the optimiser's step."""

    flops: float
    """Multiplications and additions of matrix products and convolutions; nothing else counts."""
    bytes: float
    """To and from memory if nothing stayed in a cache from one layer to the next."""


def cost(run: Run) -> Cost:
    """Count one training step on one small batch."""
    return Cost(flops_of(run), bytes_of(run))


def flops_of(run: Run) -> float:
    """Floating point operations an image, counted while a step runs on shapes alone: nothing is computed."""
    cohort, batch = Cohort((run,)), run.batch_size
    drawn = batch * (2 if run.options.get("permute") == "second_batch" else 1)
    with torch.device("meta"):
        model, helper = blank(build_model(run)), blank(helper_module(cohort))
        stacked = (
            torch.empty(1, drawn, *entry(run.data_set).image_shape),
            torch.empty(1, drawn, Conditioning.of(run).told_size),
            torch.empty(1, drawn * run.codes_an_image, noise_width(run)),
            torch.empty(1, batch if helper else 0, run.latents, dtype=torch.int64),
            torch.empty(1),
            torch.empty(()),
        )
        buffers = {name: torch.empty(1, *value.shape) for name, value in initial_buffers(run).items()}
        with FlopCounterMode(display=False) as counter:
            loss, _ = losses_of(cohort, 1000, "pytorch")(model, buffers, helper, *stacked)
            loss.sum().backward()
    return float(counter.get_total_flops()) / batch


def blank(module: nn.Module | None) -> Parameters:
    """Weights [1, ...] of a network, if there is one: shapes on the device at hand."""
    named = module.named_parameters() if module is not None else ()
    return {name: torch.empty(1, *value.shape, requires_grad=True) for name, value in named}


def bytes_of(run: Run) -> float:
    """Bytes an image: outputs of layers in the networks' precision, weights and moments in float32."""
    model, numbers = build_model(run), 0

    def count(layer: nn.Module, inputs: object, output: object) -> None:
        nonlocal numbers
        numbers += sum(part.numel() for part in tree_leaves(output) if isinstance(part, torch.Tensor))

    for layer in model.modules():
        if next(layer.children(), None) is None:
            layer.register_forward_hook(count)
    shape, size = entry(run.data_set).image_shape, Conditioning.of(run).size
    codes = torch.zeros(run.codes_an_image, noise_width(run), device="meta")
    model(*(torch.zeros(1, *part, device="meta") for part in (shape, (size,))), codes)
    width = torch.empty(0, dtype=PRECISIONS[run.precision]).element_size()
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    return numbers * width * PASSES_OVER_ACTIVATIONS + weights * PASSES_OVER_WEIGHTS / run.batch_size
