"""What `DataSet` promises, for every row of the table. A new data set is tested here without a new line."""

import math

import numpy as np
import pytest
import torch

from disbench.datasets import DATA_SETS, DataSet, UnknownDataSetError, load


def some_indices(data: DataSet) -> torch.Tensor:
    """Both corners and 64 places between, the same in each run."""
    between = np.random.default_rng(0).integers(len(data), size=64)
    return torch.tensor([0, len(data) - 1, *between.tolist()])


def test_the_table_says_what_opening_finds(data: DataSet) -> None:
    entry = DATA_SETS[data.name]
    assert entry.name == data.name
    assert entry.factor_names == data.factor_names
    assert entry.factor_sizes == data.factor_sizes
    assert entry.length == len(data)
    assert entry.image_shape == data.image_shape
    assert entry.is_full_grid == data.is_full_grid
    assert entry.summary


def test_the_table_is_keyed_by_name() -> None:
    assert [entry.name for entry in DATA_SETS.values()] == list(DATA_SETS)


def test_each_factor_has_a_value_for_each_class(data: DataSet) -> None:
    assert tuple(data.factor_values) == data.factor_names
    assert tuple(len(values) for values in data.factor_values.values()) == data.factor_sizes


def test_the_source_is_named(data: DataSet) -> None:
    assert data.source.split(",")[0] in {"rendered", "official", "embedded", "user"}


def test_images_are_float32_between_0_and_1(data: DataSet) -> None:
    images = data.images(some_indices(data))
    assert images.dtype == torch.float32
    assert images.shape == (66, *data.image_shape)
    assert images.is_contiguous()
    assert 0 <= images.min() < 0.1
    assert 0.9 < images.max() <= 1


def test_no_image_is_blank(data: DataSet) -> None:
    images = data.images(some_indices(data)).flatten(1)
    assert bool((images.amin(1) < images.amax(1)).all())


def test_factors_are_classes(data: DataSet) -> None:
    factors = data.factors(some_indices(data))
    assert factors.dtype == torch.int64
    assert factors.shape == (66, len(data.factor_names))
    assert bool((factors >= 0).all())
    assert bool((factors < torch.tensor(data.factor_sizes)).all())


def test_every_class_occurs(data: DataSet) -> None:
    stride = 1 if len(data) < 10_000 else 997  # 997 is prime: no factor stays in step with it
    factors = data.factors(range(0, len(data), stride))
    assert [len(column.unique()) for column in factors.unbind(1)] == list(data.factor_sizes)


def test_images_are_the_same_each_time_and_in_any_batch(data: DataSet) -> None:
    indices = some_indices(data)
    images = data.images(indices)
    assert torch.equal(images, data.images(indices))
    assert torch.equal(images.flip(0), data.images(indices.flip(0)))
    assert torch.equal(images[5:6], data.images(indices[5:6]))


def test_a_batch_belongs_to_the_caller(data: DataSet) -> None:
    before = data.images([0]).clone()
    data.images([0]).fill_(7)
    data.factors([0]).fill_(7)
    assert torch.equal(data.images([0]), before)
    assert int(data.factors([0]).max()) < max(data.factor_sizes)


@pytest.mark.parametrize(
    "indices",
    [
        [3, 1, 4],
        (3, 1, 4),
        np.array([3, 1, 4]),
        np.array([3, 1, 4], dtype=np.uint8),
        torch.tensor([3, 1, 4]),
        torch.tensor([3, 1, 4], dtype=torch.int32),
        [np.int64(3), np.int64(1), np.int64(4)],
    ],
    ids=lambda indices: f"{type(indices).__name__} of {getattr(indices, 'dtype', type(indices[0]).__name__)}",
)
def test_indices_may_be_any_integers(data: DataSet, indices: object) -> None:
    expected = torch.stack([data.images([i])[0] for i in (3, 1, 4)])
    assert torch.equal(data.images(indices), expected)
    assert torch.equal(data.factors(indices), data.factors([3, 1, 4]))


def test_a_range_is_indices_too(data: DataSet) -> None:
    assert torch.equal(data.images(range(2, 8, 2)), data.images([2, 4, 6]))


@pytest.mark.parametrize(
    "none", [[], range(0), np.array([], dtype=np.int64), torch.tensor([], dtype=torch.int64)]
)
def test_no_indices_make_an_empty_batch(data: DataSet, none: list[int]) -> None:
    assert data.images(none).shape == (0, *data.image_shape)
    assert data.factors(none).shape == (0, len(data.factor_names))


@pytest.mark.parametrize("method", ["images", "factors"])
@pytest.mark.parametrize("beyond", [-1, "length"])
def test_an_index_out_of_range_is_told_the_range(data: DataSet, method: str, beyond: int | str) -> None:
    wrong = len(data) if beyond == "length" else beyond
    with pytest.raises(IndexError) as caught:
        getattr(data, method)([0, wrong])
    assert str(caught.value) == f"{data.name} has images 0 to {len(data) - 1}, got index {wrong}"


@pytest.mark.parametrize("wrong", [[0.5], ["one"], torch.tensor([1.0]), torch.tensor([True]), slice(3), None])
def test_what_is_no_integer_is_refused(data: DataSet, wrong: object) -> None:
    with pytest.raises(TypeError, match="indices must be integers"):
        data.images(wrong)


@pytest.mark.parametrize("wrong", [3, [[1, 2], [3, 4]]])
def test_what_is_no_list_is_refused(data: DataSet, wrong: object) -> None:
    with pytest.raises(ValueError, match="indices must be one list"):
        data.images(wrong)


def test_index_is_the_inverse_of_factors(data: DataSet) -> None:
    if not data.is_full_grid:
        with pytest.raises(ValueError, match="no full grid"):
            data.index(data.factors([0]))
        return
    assert len(data) == math.prod(data.factor_sizes)
    indices = some_indices(data)
    assert torch.equal(data.index(data.factors(indices)), indices)
    first, last = [0] * len(data.factor_sizes), [size - 1 for size in data.factor_sizes]
    assert data.index([first, last]).tolist() == [0, len(data) - 1]


def test_a_class_that_does_not_exist_is_refused(data: DataSet) -> None:
    if data.is_full_grid:
        with pytest.raises(IndexError, match=f"{data.factor_names[-1]} has classes 0 to .*, got -1"):
            data.index([[0] * (len(data.factor_sizes) - 1) + [-1]])
        with pytest.raises(ValueError, match="factors must be rows"):
            data.index([0] * len(data.factor_sizes))


def test_to_a_device_changes_nothing_else(data: DataSet) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    indices = some_indices(data)
    moved = data.to(device)
    assert moved.device.type == device
    for there in (indices, indices.to(device)):
        assert moved.images(there).device.type == device
        assert torch.equal(moved.images(there).cpu(), data.images(indices))
        assert torch.equal(moved.factors(there).cpu(), data.factors(indices))
    assert (moved.name, moved.source, len(moved)) == (data.name, data.source, len(data))


def test_a_batch_on_a_device_reads_nothing_back(data: DataSet) -> None:
    """Tensors on the meta device have no contents: whatever looked at one, as a bounds check would, fails."""
    there = data.to("meta")
    indices = torch.zeros(5, dtype=torch.int64, device="meta")
    assert there.images(indices).shape == (5, *data.image_shape)
    factors = there.factors(indices)
    assert factors.shape == (5, len(data.factor_names))
    if data.is_full_grid:
        assert there.index(factors).shape == (5,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_batch_can_be_part_of_a_cuda_graph(data: DataSet) -> None:
    """Capture fails on any synchronisation or host copy; a replay with other indices gives other images."""
    there = data.to("cuda")
    indices = torch.zeros(64, dtype=torch.int64, device="cuda")
    there.images(indices), there.factors(indices)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        images, factors = there.images(indices), there.factors(indices)
    wanted = some_indices(data)[:64]
    indices.copy_(wanted)
    graph.replay()
    assert torch.equal(images.cpu(), data.images(wanted))
    assert torch.equal(factors.cpu(), data.factors(wanted))


def test_load_opens_by_name() -> None:
    assert load("digits").name == "digits"


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownDataSetError) as caught:
        load("dsprite")
    message = str(caught.value)
    assert "did you mean 'dsprites'?" in message
    assert all(name in message for name in DATA_SETS)
    assert "\n" not in message
    with pytest.raises(ValueError, match="unknown data set 'quadrilaterals', known: "):
        load("quadrilaterals")
