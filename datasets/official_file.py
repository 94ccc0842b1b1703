"""Official files: where each belongs, and what is said where one is absent or damaged."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .folders import DATA_VARIABLE, data_folder


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
    """Whether the file, or its unpacked form without `.gz`, is in the data folder."""
    return present_path(file).is_file()


def present_path(file: OfficialFile) -> Path:
    """The path of the file, or of its unpacked form where only that is there."""
    unpacked = file.path.with_suffix("") if file.path.suffix == ".gz" else file.path
    return unpacked if unpacked.is_file() and not file.path.is_file() else file.path


def fingerprint(*paths: Path) -> str:
    """Which files these are, for the cache: sizes and times of change."""
    return ", ".join(f"{path.stat().st_size} bytes of {path.stat().st_mtime_ns}" for path in paths)


@contextmanager
def reading(path: Path, what: str, advice: str = "fetch it again") -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into one line; garbled bytes raise a dozen kinds."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedFileError(f"{path} is not {what} ({reason}): {advice}") from error
