"""A training step as a CUDA graph: recorded once, then launched whole, so that Python no longer sets the pace."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from .batches import Batch
from .models import ForwardPass
from .training_state import TrainingState

Advance = Callable[[Batch], ForwardPass]

WARM_UP = 3
"""Steps before recording, in which libraries choose their kernels and allocate what they keep."""


class Recorded(NamedTuple):
    """A recorded program."""

    replay: Callable[[], None]
    outcome: ForwardPass
    """Where every replay leaves its result."""


def graphed(
    advance: Advance,
    state: TrainingState,
    example: Batch,
    record: Callable[[Callable[[], ForwardPass]], Recorded] | None = None,
) -> Advance:
    """`advance` as one launch; `state` is what it was before.

    The result of a call is overwritten by the next. `record` makes the recording (on CUDA by default): a test without
    a GPU hands in one of its own.
    """
    inputs = Batch(*(part.clone() for part in example))
    before = {name: value.clone() for name, value in state.tensors().items()}
    recorded = (record or record_on_cuda)(lambda: advance(inputs))
    state.load(before)

    def replayed(batch: Batch) -> ForwardPass:
        for fixed, fresh in zip(inputs, batch, strict=True):
            fixed.copy_(fresh)
        recorded.replay()
        return recorded.outcome

    return replayed


def record_on_cuda(step: Callable[[], ForwardPass]) -> Recorded:
    """Warm up on a stream of its own, as recording demands, then record."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outcome = step()
    return Recorded(graph.replay, outcome)
