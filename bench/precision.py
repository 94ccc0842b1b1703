"""With which numbers matrix products are made; weights, sums and everything else stay float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

PRECISIONS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
}
"""Name to the type that networks compute in; the first is the default.

`tf32` rounds the factors of products to 10 bits on NVIDIA's matrix units and is float32 elsewhere. `bf16` runs the
networks in bfloat16, on any device; codes, losses, gradients of weights and Adam stay float32.
"""


@contextmanager
def matrix_units(precision: str) -> Iterator[None]:
    """Let CUDA round the factors of float32 products for `tf32`, and for nothing else; as before afterwards."""
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = precision == "tf32"
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value
