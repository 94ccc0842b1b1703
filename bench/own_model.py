"""`evaluate`: every score of anybody's own model, from a function of images."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from disbench.datasets import DataSet, load
from disbench.metrics import Result, measure, page

from .randomness import integers

Encoder: TypeAlias = Callable[..., "Tensor | tuple[Tensor, Tensor]"]
"""Images [B, C, H, W] in [0, 1], and of a conditional model the classes [B] that it is told, to codes [B, D], or to
(mean, logvar), each [B, D]."""


@dataclass(frozen=True)
class Evaluation(Mapping[str, Result]):
    """Results by column; printing it shows the page."""

    results: Mapping[str, Result]
    data_set: str
    images: int
    """Encoded."""

    def __getitem__(self, column: str) -> Result:
        """One result."""
        return self.results[column]

    def __iter__(self) -> Any:
        """Over columns."""
        return iter(self.results)

    def __len__(self) -> int:
        """How many columns."""
        return len(self.results)

    def __str__(self) -> str:
        """The page."""
        return f"{self.data_set}: {self.images} images encoded\n\n{page(self.results)}"

    def values(self) -> Any:
        """The results themselves."""
        return self.results.values()

    def numbers(self) -> dict[str, Any]:
        """Plain values by column, as `disbench evaluate --json` prints them: None for an infinite one."""
        return {column: result.plain for column, result in self.results.items()}


def evaluate(
    encoder: Encoder,
    data: DataSet | str,
    *,
    metrics: Iterable[str] | None = None,
    samples: int = 10_000,
    test_samples: int = 5_000,
    whole: bool = False,
    condition: str | None = None,
    draws: int = 10,
    seed: int = 0,
    batch_size: int = 256,
    device: str | torch.device | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Evaluation:
    """Encode a data set once with any model and run every metric that its codes allow.

    Args:
        encoder: images [B, C, H, W] in [0, 1] to codes [B, D], or to (mean, logvar) [B, D] each; then the KL
            decomposition and the scores of posteriors are there too. A module is put into evaluation mode for the
            time, and no gradients are kept.
        data: a data set or its name.
        metrics: keys of `METRICS`; all that the codes allow when left out.
        samples: images that train classifiers and feed sampled scores; 10,000 in the study. Drawn without replacement,
            other than there: copies of an image are neighbours that estimates without bins take for structure.
        test_samples: images that test classifiers; 5,000 in the study. A data set that is no larger than both is taken
            whole, two thirds of it to train.
        whole: encode every image, for the exact scores beside the sampled ones.
        condition: the factor that a conditional model was told; it is left out of `factors`, and how much of it codes
            still tell is scored. An encoder with a second argument gets its classes, int64 [B].
        draws: random halves behind each interval; 0 leaves intervals out.
        seed: of the images and of everything that draws.
        batch_size: images encoded at once; changes no number beyond rounding.
        device: where images are put; that of the module's parameters, or the CPU, when left out.
        options: keywords of metrics, by name.

    Returns:
        Results by column; print it for a page.

    Raises:
        ValueError: an encoder that returns something else, an unknown metric, factor or data set.
    """
    images = load(data) if isinstance(data, str) else data
    names = list(images.factor_names)
    if condition is not None and condition not in names:
        raise ValueError(
            f"condition: expected a factor of {images.name}, {', '.join(names)}, got {condition!r}"
        )
    told = None if condition is None else names.index(condition)
    chosen, train = torch.arange(len(images)), 2 * len(images) // 3
    if not whole:
        chosen = integers([seed], "metric", [0], len(images), below=2**31)[0, 0].argsort(stable=True)
        if samples + test_samples < len(images):
            chosen, train = chosen[: samples + test_samples], samples
    arrays = _encoded(encoder, images, chosen, told, batch_size, device)
    factors = images.factors(chosen.to(images.device)).cpu().numpy()
    if told is not None:
        arrays["condition"] = factors[:, told]
        factors = np.delete(factors, told, axis=1)
    if factors.shape[1]:
        arrays["factors"] = factors
    results = measure(metrics, **arrays, train=train, whole=whole, seed=seed, draws=draws, options=options)
    return Evaluation(results, images.name, len(chosen))


def _encoded(
    encoder: Encoder,
    images: DataSet,
    chosen: Tensor,
    told: int | None,
    batch_size: int,
    device: str | torch.device | None,
) -> dict[str, Any]:
    """`codes`, and `mean` and `logvar` where the encoder gives them."""
    module = encoder if isinstance(encoder, nn.Module) else None
    if device is None:
        parameter = next(module.parameters(), None) if module is not None else None
        device = images.device if parameter is None else parameter.device
    was_training = module.training if module is not None else False
    asks = told is not None and _takes_two(module.forward if module is not None else encoder)
    parts: list[tuple[Tensor, ...]] = []
    try:
        if module is not None:
            module.eval()
        with torch.no_grad():
            for some in chosen.split(batch_size):
                given = [images.images(some.to(images.device)).to(device)]
                if asks:
                    given.append(images.factors(some.to(images.device))[:, told].to(device))
                parts.append(_outcome(encoder(*given), len(some)))
    finally:
        if module is not None:
            module.train(was_training)
    columns = [torch.cat(column) for column in zip(*parts, strict=True)]
    if len(columns) == 1:
        return {"codes": columns[0]}
    return {"codes": columns[0], "mean": columns[0], "logvar": columns[1]}


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether it can be called with images and classes."""
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):  # of another shape, or without a signature, as built-in functions are
        return False
    return True


def _outcome(outcome: Any, rows: int) -> tuple[Tensor, ...]:
    """What the encoder returned, on the CPU, or a ValueError that says what was expected."""
    parts = tuple(outcome) if isinstance(outcome, (tuple, list)) else (outcome,)
    shapes = [tuple(part.shape) if hasattr(part, "shape") else type(part).__name__ for part in parts]
    parts = tuple(torch.as_tensor(part) for part in parts if hasattr(part, "shape"))
    fits = len(parts) == len(shapes) and all(part.ndim == 2 and len(part) == rows for part in parts)
    if len(parts) not in (1, 2) or not fits or len({part.shape for part in parts}) > 1:
        raise ValueError(
            f"encoder: expected codes [{rows}, D], or (mean, logvar) of that shape, got {', '.join(map(str, shapes))}"
        )
    return tuple(part.detach().cpu() for part in parts)
