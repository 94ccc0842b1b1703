"""Knowing an error after which a process can use its device no more, though another process can.

After an illegal access, a failed assertion or a hardware error a CUDA context answers every further call with the same
error: whatever cohort the process takes next fails too. The device itself is well most of the time.
"""

from __future__ import annotations

import torch

from .out_of_memory import is_out_of_memory

SIGNS = (
    "CUDA error",
    "device-side assert",
    "cuda runtime error",
    "CUDNN_STATUS_EXECUTION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR",
    "CUDNN_STATUS_MAPPING_ERROR",
    "CUBLAS_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_INTERNAL_ERROR",
    "CUBLAS_STATUS_MAPPING_ERROR",
    "CUBLAS_STATUS_NOT_INITIALIZED",
)
"""Some of these pass (a launch with impossible numbers); a process too many costs seconds, one too few the night."""


class LostDevice(RuntimeError):
    """The process that raises it should end; its cohort can be begun again elsewhere, from its checkpoint."""


def is_lost_device(error: BaseException) -> bool:
    """Whether an error says that; too little memory is another thing, which leaves the device usable."""
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    accelerator = getattr(torch, "AcceleratorError", None)  # from PyTorch 2.8 on
    return (accelerator is not None and isinstance(error, accelerator)) or any(
        sign in str(error) for sign in SIGNS
    )
