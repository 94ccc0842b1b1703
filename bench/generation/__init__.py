"""What trained models make: samples, reconstructions, interpolations and traversals, as images and PNG grids.

To add a kind: a function from a `Question` to images in `kinds.py`, one row of `KINDS`, one test.
"""

from .kinds import KINDS, Question
from .save import Which, chosen_models, save_grids

__all__ = ["KINDS", "Question", "Which", "chosen_models", "save_grids"]
