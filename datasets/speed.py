"""How fast batches come out of a data set, ready for training."""

import statistics
import time

import torch

from .contract import DataSet

WARM_UP = 10


def batch_seconds(data: DataSet, batch_size: int = 64, batches: int = 200) -> float:
    """The median time of `data.images` for a batch of random indices on the data's device, in seconds."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.randint(len(data), (batches + WARM_UP, batch_size), generator=generator).to(data.device)
    seconds = []
    for indices in draws:
        _wait(data.device)
        started = time.perf_counter()
        data.images(indices)
        _wait(data.device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[WARM_UP:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
