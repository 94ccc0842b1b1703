"""What a study file says of the literature: how the paper trained, which numbers it printed, what else it found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ..strict import Strict

Tag = Literal["V", "V2", "D", "M"]

TAGS: dict[Tag, str] = {
    "V": "read in the primary source",
    "V2": "read in a secondary source that quotes it or ran it again",
    "D": "derived from numbers read in the primary source",
    "M": "from memory, unverified",
}
"""How well a printed number is verified. One from memory is shown and never judged by."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]

ALL = "all"
"""Every image of a data set, instead of a number of them."""

OPTIONS = ("options", "metric_options")
"""Keys of a protocol that are tables of tables: whose they are, and then by name."""


class PaperProtocol(Strict):
    """How the models behind a printed number were made, as far as is known.

    Keys that are absent are not compared, but for those that name a usual value: a paper that did otherwise says so.
    """

    architecture: str | None = None
    latents: Count | None = None
    steps: Count | None = None
    batch_size: Count | None = None
    learning_rate: Number | None = None
    options: dict[str, dict[str, str | float]] = Field(default_factory=dict)
    """Of objectives, by their names; usually their defaults."""
    precision: str | None = None
    """Usually float32."""
    correlation: dict[str, Any] | None = None
    """Of training images; usually none."""
    hold_out: dict[str, Any] | None = None
    """What was kept from training; usually nothing."""
    samples: Count | Literal["all"] | None = None
    """Images that a score was computed from."""
    test_samples: Count | None = None
    """Further images that tested what the first ones trained."""
    metric_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Keywords of metrics, tasks and `likelihood`, by their names, that give the paper's definition."""
    notes: list[Text] | None = None
    """What no key can say: where paper and this code differ."""

    def settings(self) -> dict[str, Any]:
        """The keys that are known, by name; without options."""
        return self.model_dump(exclude_none=True, exclude={"notes", *OPTIONS})

    def over(self, other: PaperProtocol) -> PaperProtocol:
        """These keys and options, and those of `other` where nothing is said of them here."""

        def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
            return {
                name: {**below.get(name, {}), **above.get(name, {})}
                for name in dict.fromkeys([*below, *above])
            }

        options = {key: merged(getattr(other, key), getattr(self, key)) for key in OPTIONS}
        return PaperProtocol.model_validate({**other.settings(), **self.settings(), **options})


class PublishedNumber(Strict):
    """One printed number: which column it stands beside, of which models, and where it was read."""

    column: Text
    """Of the rows; of the history where `during` says when."""
    value: Number
    """In the column's unit and sign: an error of 11.97 % is an accuracy of 0.8803."""
    rounding: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Half a unit of the last digit that was printed."""
    spread: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Standard deviation over the models behind it, where one was printed."""
    models: Count | None = None
    """Seeds behind it; None where the source does not say."""
    statistic: Literal["mean", "median"] = "mean"
    """Over these models; a single model is its own mean."""
    data_set: Text
    condition: str | None = None
    objective: Text
    strength: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """None where the source does not say, and for objectives without one."""
    options: dict[str, str | float] = Field(default_factory=dict)
    """Those of the objective that tell which arm it belongs to."""
    during: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    """Mean of the training batches from one step until before another, instead of the finished model."""
    every: Count = 1
    """Of these steps, which ones the source's mean is of: each so many'th of the training, its first one included."""
    metric_options: dict[str, Any] = Field(default_factory=dict)
    """Keywords of what makes the column, where the paper's definition is not what the study's `[protocol]` says."""
    protocol: PaperProtocol = PaperProtocol()
    """Where these models were trained otherwise than the study's `[protocol]` says."""
    source: Text
    """Where it was read: paper, table, page, thread."""
    tag: Tag
    not_comparable: str = ""
    """Why no run here could be judged by it: another metric, another estimator, a strength that nobody gave."""

    def printed(self, plus_minus: str = " ± ") -> str:
        """The number as it was printed, with its spread, as far as its rounding tells the digits."""
        return as_printed(self.value, self.spread, self.rounding, plus_minus)


def as_printed(value: float, spread: float | None, rounding: float, plus_minus: str = " ± ") -> str:
    """A value and its spread with the digits that half a unit of the last one tells; all digits where it is 0."""
    how = f".{max(0, round(-math.log10(2 * rounding)))}f" if rounding else "g"
    return f"{value:{how}}" + (f"{plus_minus}{spread:{how}}" if spread is not None else "")


class Finding(Strict):
    """A printed result that no cell of a table can stand beside."""

    text: Text
    source: Text
    tag: Tag
