"""Images indexed by known factors: renderers and loaders.

    data = load("dsprites")
    data.images([0, 737_279])     # float32 torch [2, 1, 64, 64] in [0, 1]
    data.factors([0, 737_279])    # int64 torch [2, 5]
    mine = load("my/images.npz")  # a data set of one's own, by its path
    train, test = held_out(data, extrapolation(data, {"scale": 0.8}))

To add a data set: one file that makes an `Entry`, one line in `DATA_SETS`, one test.
"""

from difflib import get_close_matches
from pathlib import Path

from .cars3d import CARS3D
from .contract import DataSet as DataSet
from .contract import Entry as Entry
from .contract import Progress as Progress
from .correlation import Sampler as Sampler
from .correlation import correlated as correlated
from .digits import DIGITS
from .dsprites import DSPRITES
from .dsprites import render_dsprites as render_dsprites
from .dsprites_variants import COLOR_DSPRITES, NOISY_DSPRITES, SCREAM_DSPRITES
from .dsprites_variants import open_scream_dsprites as open_scream_dsprites
from .mnist import FASHION_MNIST, MNIST
from .mpi3d import MPI3D_REAL, MPI3D_REALISTIC, MPI3D_TOY
from .official_file import AbsentFileError as AbsentFileError
from .official_file import DamagedFileError as DamagedFileError
from .shapes3d import SHAPES3D
from .shapes3d import render_shapes3d as render_shapes3d
from .small_norb import SMALL_NORB
from .splits import compositional as compositional
from .splits import extrapolation as extrapolation
from .splits import held_out as held_out
from .splits import random_share as random_share
from .subset import Subset as Subset
from .user_data import is_path, user_entry

DATA_SETS: dict[str, Entry] = {
    "dsprites": DSPRITES,
    "color_dsprites": COLOR_DSPRITES,
    "noisy_dsprites": NOISY_DSPRITES,
    "scream_dsprites": SCREAM_DSPRITES,
    "shapes3d": SHAPES3D,
    "cars3d": CARS3D,
    "small_norb": SMALL_NORB,
    "mpi3d_toy": MPI3D_TOY,
    "mpi3d_realistic": MPI3D_REALISTIC,
    "mpi3d_real": MPI3D_REAL,
    "mnist": MNIST,
    "fashion_mnist": FASHION_MNIST,
    "digits": DIGITS,
}
"""Every data set by name. Reading it opens nothing."""


class UnknownDataSetError(ValueError):
    """A name that is not in `DATA_SETS`, and no path of a data set either."""


def entry(name: str | Path) -> Entry:
    """All that can be said of a data set without opening it: a row of `DATA_SETS`, or a user's own by its path.

    Args:
        name: a key of `DATA_SETS`, or the path of an .npz or .h5 file or of a folder (see `user_data`).

    Raises:
        UnknownDataSetError: neither; names the nearest and all known names.
        DamagedFileError: a path whose contents are no data set; says what they should be.
    """
    if str(name) in DATA_SETS:
        return DATA_SETS[str(name)]
    if is_path(name):
        return user_entry(name)
    near = get_close_matches(str(name), DATA_SETS, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ","
    known = ", ".join(sorted(DATA_SETS))
    raise UnknownDataSetError(
        f"unknown data set {str(name)!r}{hint} known: {known}; or a path of .npz, .h5 or folder"
    )


def load(name: str | Path, *, progress: Progress | None = None) -> DataSet:
    """Open the data set called `name`, or the user's own at that path, building its cache first where there is none.

    Args:
        name: as `entry` takes it.
        progress: told (images done, images in all) while a cache is built.

    Raises:
        UnknownDataSetError: no such name and no such path.
        AbsentFileError: its official file is needed and not there; says where it belongs and how to fetch it.
        DamagedFileError: a file is there, and is not what it should be.
        OSError: the cache folder cannot be written; names it and the variable that moves it.
    """
    return entry(name).open(progress=progress)
