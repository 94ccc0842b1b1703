"""Images indexed by known factors: renderers and loaders.

    data = load("dsprites")
    data.images([0, 737_279])     # float32 torch [2, 1, 64, 64] in [0, 1]
    data.factors([0, 737_279])    # int64 torch [2, 5]

To add a data set: one file that makes an `Entry`, one line in `DATA_SETS`, one test.
"""

from difflib import get_close_matches

from .cars3d import CARS3D
from .contract import DataSet as DataSet
from .contract import Entry as Entry
from .contract import Progress as Progress
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
    """A name that is not in `DATA_SETS`."""


def load(name: str, *, progress: Progress | None = None) -> DataSet:
    """Open the data set called `name`, building its cache first where there is none.

    Args:
        name: a key of `DATA_SETS`.
        progress: told (images done, images in all) while a cache is built.

    Raises:
        UnknownDataSetError: no such name; names the nearest and all known ones.
        OSError: the cache folder cannot be written; names it and the variable that moves it.
        ValueError: an official file in the data folder is damaged; names it.
    """
    if name not in DATA_SETS:
        near = get_close_matches(name, DATA_SETS, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ","
        raise UnknownDataSetError(f"unknown data set {name!r}{hint} known: {', '.join(sorted(DATA_SETS))}")
    return DATA_SETS[name].open(progress=progress)
