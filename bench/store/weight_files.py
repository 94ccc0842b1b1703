"""Files of weights: safetensors with the models of a cohort, or of many cohorts of one shape, stacked.

Read by hand from the format's own description (a length, a JSON header, the bytes), not through a memory map: a file on
NFS that another machine removes must not kill the process that looks at it. Weights are floating-point numbers between
checked offsets; there is nothing in them that could be run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..atomic_file import write_atomically
from ..checksum import checksum
from .faults import DamagedFile, ForeignFile
from .small_files import parsed_json

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..run_model import Parameters

SUFFIX = ".safetensors"

MOST_HEADER_BYTES = 32 * 1024 * 1024

MOST_MODEL_BYTES = 2 * 1024**3
"""Of one model: far more than any here. What claims more is not read into memory."""

CHECKSUMS = "crc32"
"""In the header: of each model. Not `checksums`, as older versions have them, of the numbers alone."""

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Of a number, by the format's name of its type."""


Form = tuple[tuple[str, str, tuple[int, ...]], ...]
"""Name, type and shape of each tensor of a model."""


class Stacked(NamedTuple):
    """A tensor of a file: what it is of each of the file's models, and where."""

    dtype: str
    shape: tuple[int, ...]
    """Of one model."""
    start: int
    """Of the first model, from the beginning of the file."""

    @property
    def bytes(self) -> int:
        """Of one model."""
        return prod(self.shape) * BYTES[self.dtype]


class Header(NamedTuple):
    """What a file says that it holds."""

    run_ids: tuple[str, ...]
    """Of its models, in their order."""
    checksums: tuple[int, ...] | None
    """CRC-32 of each model's id and tensors; None in files of an older version."""
    tensors: Mapping[str, Stacked]

    @property
    def form(self) -> Form:
        """What two files share whose models can be stacked."""
        return tuple((name, t.dtype, t.shape) for name, t in sorted(self.tensors.items()))


def header(path: Path) -> Header:
    """What a file holds, checked against its size.

    Raises:
        DamagedFile: it is no such file, or a part of it is missing.
        ForeignFile: it is one, of another program.
        OSError: it cannot be read, or is gone.
    """
    with path.open("rb") as stream:
        size = path.stat().st_size
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(MOST_HEADER_BYTES, size - 8):
            raise DamagedFile(path, f"{size:,} bytes without a header")
        text = stream.read(length)
    try:
        document = parsed_json(text)
        if document and "run_ids" not in document.get("__metadata__", {}):
            raise ForeignFile(path, "its header names no models")
        return checked_header(document, 8 + length, size)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise DamagedFile(path, f"its header is none of weights: {error}") from error


def checked_header(document: Any, first: int, size: int) -> Header:
    """The header that a document says, or a ValueError or its like."""
    about = document.pop("__metadata__")
    run_ids = parsed_json(about["run_ids"])
    checksums = parsed_json(about[CHECKSUMS]) if CHECKSUMS in about else None
    if not isinstance(run_ids, list) or not all(isinstance(run_id, str) for run_id in run_ids):
        raise ValueError("run_ids are no list of texts")
    if checksums is not None and (len(checksums) != len(run_ids) or {type(c) for c in checksums} - {int}):
        raise ValueError("not a checksum for each model")
    tensors, end = {}, first
    for name, tensor in sorted(document.items(), key=lambda item: item[1]["data_offsets"][0]):
        models, *shape = tensor["shape"]
        start, stop = tensor["data_offsets"]
        stacked = Stacked(tensor["dtype"], tuple(shape), end)
        if models != len(run_ids) or not all(type(n) is int and n >= 0 for n in (*shape, start, stop)):
            raise ValueError(f"{name} is of {models} models, not {len(run_ids)}")
        if start != end - first or stop - start != models * stacked.bytes:
            raise ValueError(f"{name} does not fill its place")
        tensors[name], end = stacked, first + stop
    if end != size:
        raise ValueError(f"{size:,} bytes instead of {end:,}")
    if (claimed := sum(stacked.bytes for stacked in tensors.values())) > MOST_MODEL_BYTES:
        raise ValueError(f"a model of {claimed:,} bytes")
    return Header(tuple(run_ids), None if checksums is None else tuple(checksums), tensors)


def form(parameters: Parameters) -> Form:
    """Of a model that was read, as `Header.form` of its file."""
    names = {torch_type: name for name, torch_type in types().items()}
    return tuple((name, names[value.dtype], tuple(value.shape)) for name, value in sorted(parameters.items()))


def types() -> dict[str, torch.dtype]:
    """Numbers that weights may be, by the format's names."""
    import torch

    return {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_weights(path: Path, run_id: str) -> Parameters:
    """The parameters of one model.

    Raises:
        DamagedFile: they are not what was written.
        KeyError: they are not in the file.
        OSError: it cannot be read, or is gone.
    """
    import torch

    found, of_name = header(path), types()
    if run_id not in found.run_ids:
        raise KeyError(run_id)
    position, parameters = found.run_ids.index(run_id), {}
    with path.open("rb") as stream:
        for name, stacked in sorted(found.tensors.items()):
            stream.seek(stacked.start + position * stacked.bytes)
            content = bytearray(stream.read(stacked.bytes))
            if len(content) < stacked.bytes:
                raise DamagedFile(path, "it ends too early")
            flat = torch.frombuffer(content, dtype=of_name[stacked.dtype]) if content else torch.empty(0)
            parameters[name] = flat.reshape(stacked.shape)
    if found.checksums is not None and checksum(parameters, run_id) != found.checksums[position]:
        raise DamagedFile(path, f"the checksum of model {run_id} is another")
    return parameters


def save_weights(path: Path, run_ids: Sequence[str], parameters: Mapping[str, Tensor]) -> None:
    """Write the parameters [K, ...] of K models as one file."""
    from safetensors.torch import save_file

    tensors = {name: value.cpu().contiguous() for name, value in parameters.items()}
    about = {
        "run_ids": json.dumps(list(run_ids)),
        CHECKSUMS: json.dumps(
            [
                checksum({name: value[k] for name, value in tensors.items()}, run_id)
                for k, run_id in enumerate(run_ids)
            ]
        ),
    }
    write_atomically(path, lambda temporary: save_file(tensors, temporary, about))
