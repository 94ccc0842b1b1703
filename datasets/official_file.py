"""Official files: where each belongs, and what is said where one is absent or damaged."""

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .folders import DATA_VARIABLE, cache_folder, data_folder


class DamagedFileError(ValueError):
    """A file that should be an official one, and is not or no longer."""


class AbsentFileError(FileNotFoundError):
    """An official file that is needed and is not there; the message says what to do."""


BEGINNINGS = {".gz": b"\x1f\x8b", ".npz": b"PK\x03\x04", ".h5": b"\x89HDF\r\n\x1a\n"}
"""By ending: a page that says "moved" or "log in" begins otherwise."""


@dataclass(frozen=True)
class OfficialFile:
    """A file that the authors of a data set publish."""

    name: str
    """Its name in the data folder; may hold a folder."""
    size: str
    """How large it is, in words."""
    addresses: tuple[str, ...] = ()
    """Where it can be had, in order of preference."""
    checksum: str | None = None
    """`md5:...` or `sha256:...`, where it is known to us."""
    unpacked: str | None = None
    """A pattern in the data folder that files unpacked by hand match, where they may stand in for this one."""

    @property
    def path(self) -> Path:
        """Where it belongs."""
        return data_folder() / self.name

    @property
    def beginning(self) -> bytes:
        """How every file of its kind begins; empty where the ending of the name says nothing of that."""
        return BEGINNINGS.get(self.path.suffix, b"")


def require(data_set: str, *files: OfficialFile) -> list[Path]:
    """Paths of files that must be there; AbsentFileError says of the first that is not what would be right."""
    for file in files:
        if not present(file):
            raise AbsentFileError(
                f"{data_set} needs its official file {file.name} ({file.size}) in {data_folder()}: "
                f"run `disbench datasets fetch {data_set}`, or put it there (${DATA_VARIABLE} moves the folder)"
            )
    return [present_path(file) for file in files]


def present(file: OfficialFile) -> bool:
    """Whether the file, or what stands in for it, is in the data folder."""
    return present_path(file).exists()


def present_path(file: OfficialFile) -> Path:
    """The path of the file, or of its unpacked form (without `.gz`, or a folder) where only that is there."""
    if file.path.is_file():
        return file.path
    if file.unpacked is not None:
        found = next(data_folder().glob(file.unpacked), None)
        return file.path if found is None else found.parent
    unpacked = file.path.with_suffix("") if file.path.suffix == ".gz" else file.path
    return unpacked if unpacked.is_file() else file.path


def fingerprint(*paths: Path) -> str:
    """Which contents these files have, for the cache: one SHA-256 over all.

    Files are read once; the sum is kept in the cache folder under their names, sizes and times of change. So a file
    that was copied or touched finds its table again, and one that changed does not.
    """
    stated = "".join(f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}\n" for path in paths)
    note = cache_folder() / f"seen-{hashlib.sha256(stated.encode()).hexdigest()[:16]}.sha256"
    with contextlib.suppress(OSError):
        known = note.read_text(encoding="ascii")
        if len(known) == 64:
            return known
    sums = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            sums.update(hashlib.file_digest(file, "sha256").digest())
    with contextlib.suppress(OSError):  # what cannot be kept is summed again
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(sums.hexdigest(), encoding="ascii")
    return sums.hexdigest()


@contextmanager
def reading(path: Path, what: str, advice: str = "fetch it again") -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into one line; garbled bytes raise a dozen kinds."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedFileError(f"{path} is not {what} ({reason}): {advice}") from error
