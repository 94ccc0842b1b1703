"""Arrays of a user's file: numbers are read, everything else is one line."""

import numpy as np
import pytest

from disbench.bench import BadInput
from disbench.bench.npz_file import read_npz
from disbench.bench.pixels import as_images


def test_arrays_of_numbers(tmp_path):
    """Those that were asked for, whatever else the file has."""
    path = tmp_path / "mine.npz"
    np.savez(path, images=np.arange(3), words=np.array(["a"]), seen=np.array([True]))
    found, present = read_npz(path, ("images", "seen", "absent"))
    assert list(found) == ["images", "seen"]
    assert present == ["images", "words", "seen"]


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.array(["a", "b"]), "got <U1"),
        (np.array([b"a"]), r"got \|S1"),
        (np.zeros(2, dtype=complex), "got complex128"),
        (np.array([{}, None], dtype=object), "got Python objects"),
        (np.zeros(2, dtype="datetime64[s]"), r"got datetime64\[s\]"),
        (np.zeros(2, dtype=[("a", float)]), "got .*'a'"),
    ],
)
def test_arrays_of_anything_else(tmp_path, array, got):
    """The file, the array, what it should be, and what it is."""
    path = tmp_path / "mine.npz"
    np.savez(path, images=array)
    with pytest.raises(BadInput, match=f"mine.npz: images must be an array of real numbers, {got}"):
        read_npz(path, ("images",))


def test_files_that_are_no_npz(tmp_path):
    """Text, one array, a folder, nothing at all; and a zip file that was cut off, whose end says so."""
    text, array, cut = (tmp_path / name for name in ("text.npz", "array.npz", "cut.npz"))
    text.write_text("images")
    with array.open("wb") as stream:
        np.save(stream, np.zeros(3))
    np.savez(cut, images=np.zeros(1000))
    cut.write_bytes(cut.read_bytes()[:500])
    for path in (text, array, cut):
        with pytest.raises(BadInput, match=f"{path.name} is no .npz file"):
            read_npz(path, ("images",))
    with pytest.raises(BadInput, match="is no file"):
        read_npz(tmp_path, ("images",))
    with pytest.raises(BadInput, match="does not exist"):
        read_npz(tmp_path / "absent.npz", ("images",))


def test_every_type_of_numbers_becomes_images():
    """Foreign byte order, extended precision and True or False are pixels as they are; bytes are levels of 255."""
    for kind in (">f4", "longdouble", "float16", "bool", ">i4", "uint16"):
        assert as_images(np.ones((2, 3, 4), dtype=kind)).tolist() == [[[[1.0] * 4] * 3]] * 2
    assert as_images(np.full((1, 1, 1, 1), 51, dtype=np.uint8)).item() == pytest.approx(0.2)
