"""The trained models behind rows, for figures that show what models make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from disbench.datasets import DataSet, load

from ..bad_input import BadInput
from ..models import VAE
from ..run import Run
from ..store import Store


def trained(store: Store, row: Mapping[str, Any]) -> tuple[Run, VAE] | None:
    """The run and model of a row; None if its weights are no longer in the store, or damaged, which is said."""
    if row["run_id"] not in store.trained():
        return None
    try:
        return store.model(row)
    except BadInput as fault:
        store.notices.say(str(fault))
        return None


def images_of(name: str) -> DataSet | None:
    """A data set, or None where its images are not at hand."""
    try:
        return load(name)
    except (OSError, ValueError):
        return None
