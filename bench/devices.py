"""The torch devices that a name means on this machine."""

from __future__ import annotations

import torch

from .bad_input import BadInput, unknown

DEVICES = ("auto", "cpu", "cuda")


def checked_device(name: str) -> str:
    """`BadInput` for what is no device anywhere; whether this machine has it is another question."""
    kind, colon, number = name.partition(":")
    numbered = kind == "cuda" and number.isascii() and number.isdecimal()
    if kind not in DEVICES or (colon and not numbered):
        raise unknown("device", name, DEVICES)
    return name


def chosen_device(name: str) -> torch.device:
    """The device that a name means here, the first of several, or `BadInput`."""
    kind, _, number = checked_device(name).partition(":")
    if kind == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise BadInput(
            f"device {name} is not there: this machine has {torch.cuda.device_count()} CUDA devices"
        )
    return torch.device(name)


def chosen_devices(name: str) -> list[torch.device]:
    """Every device that a name means here: `cuda` is all GPUs, `cuda:1` that one, `auto` GPUs if there are any."""
    first = chosen_device(name)
    if first.type == "cpu" or first.index is not None:
        return [first]
    return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
