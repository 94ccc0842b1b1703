"""Digits (Alpaydin and Kaynak, 1998): 1,797 handwritten digits of 8 x 8 pixels, bundled with scikit-learn.

The only known factor is the digit, so this is no factor grid; it serves for quick trials and tests.
"""

import numpy as np
import torch

from .contract import Entry, Progress
from .factored_images import FactoredImages
from .factors import FactorTable
from .pixels import Levels


def open_digits(*, progress: Progress | None = None) -> FactoredImages:
    """Open the digits; nothing is built, so `progress` is not called."""
    from sklearn.datasets import load_digits  # late: it takes a second to import

    digits = load_digits()
    levels = torch.from_numpy(digits.images.astype(np.uint8))[:, None]  # 0 to 16
    classes = torch.from_numpy(digits.target.astype(np.int64))[:, None]
    table = FactorTable({"digit": np.arange(10)}, classes)
    return FactoredImages("digits", "embedded", table, Levels(levels, white=16))


DIGITS = Entry(
    name="digits",
    summary="handwritten digits of 8 x 8 pixels from scikit-learn; small, and no factor grid",
    factor_names=("digit",),
    factor_sizes=(10,),
    length=1797,
    image_shape=(1, 8, 8),
    open=open_digits,
)
