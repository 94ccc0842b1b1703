"""Spoilt images and how well they are mended: by a model, by a classical filter, not at all."""

from .corruption import CORRUPTIONS, corrupted
from .error import mean_squared_error, psnr
from .filters import FILTERS, best_filter, filtered

__all__ = ["CORRUPTIONS", "FILTERS", "best_filter", "corrupted", "filtered", "mean_squared_error", "psnr"]
