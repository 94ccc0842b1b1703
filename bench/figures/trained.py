"""The trained models behind rows, for figures that show what models make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from disbench.datasets import DataSet, load

from ..models import VAE
from ..run import Run
from ..store import Store


def trained(store: Store, row: Mapping[str, Any]) -> tuple[Run, VAE] | None:
    """The run and model of a row; None if its weights are no longer in the store."""
    if not (store.weights / f"{row['cohort_id']}.safetensors").is_file():
        return None
    return store.model(row)


def images_of(name: str) -> DataSet | None:
    """A data set, or None where its images are not at hand."""
    try:
        return load(name)
    except (OSError, ValueError):
        return None
