"""Color-, Noisy- and Scream-dSprites: each against its definition, on a small grid and in whole batches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from disbench.datasets.dsprites import open_dsprites
from disbench.datasets.dsprites_variants import (
    open_color_dsprites,
    open_noisy_dsprites,
    open_scream_dsprites,
    picture_levels,
    waves,
)
from disbench.datasets.factors import FactorGrid
from disbench.datasets.index_hash import below, hashes, uniform
from disbench.datasets.official_file import DamagedFileError

EVERYTHING = range(54)


@pytest.fixture
def sprites(own_folders: tuple[Path, Path], small_grid: FactorGrid) -> torch.Tensor:
    return open_dsprites(grid=small_grid).images(EVERYTHING)


def test_a_sprite_has_one_colour_of_at_least_half(sprites: torch.Tensor, small_grid: FactorGrid) -> None:
    images = open_color_dsprites(grid=small_grid).images(EVERYTHING)
    colours = images.amax((2, 3))
    assert torch.equal(images, sprites * colours[:, :, None, None])
    assert bool(((colours >= 0.5) & (colours < 1)).all())
    assert len(colours.unique(dim=0)) == 54
    assert 0.65 < colours.mean() < 0.85


def test_a_white_sprite_lies_on_uniform_noise(sprites: torch.Tensor, small_grid: FactorGrid) -> None:
    images = open_noisy_dsprites(grid=small_grid).images(EVERYTHING)
    inside = sprites.expand_as(images) == 1
    assert bool((images[inside] == 1).all())
    noise = images[~inside].numpy()
    assert np.histogram(noise, bins=16, range=(0, 1))[0] / len(noise) == pytest.approx(1 / 16, abs=0.002)
    assert noise.max() <= 1
    channels = images[0].flatten(1)
    assert not torch.equal(channels[0], channels[1])


def test_a_sprite_inverts_a_tinted_patch_of_the_picture(
    sprites: torch.Tensor, small_grid: FactorGrid, tmp_path: Path
) -> None:
    """A picture of two flat colours, so that each pixel says what it was made of."""
    levels = np.zeros((100, 90, 3), dtype=np.uint8)
    levels[:, 45:] = 255
    Image.fromarray(levels).save(tmp_path / "halves.png")
    data = open_scream_dsprites(grid=small_grid, picture=tmp_path / "halves.png")
    assert data.source.startswith("rendered, background halves.png ")
    images = data.images(EVERYTHING)
    background = torch.where(sprites == 1, 1 - images, images)
    for channel in background.flatten(0, 1).flatten(1)[:30]:
        values = channel.unique()
        assert len(values) <= 4  # two halves, each up to the rounding of 1 - (1 - x)
        assert values.amax() - values.amin() < 1e-6 or values.amax() - values.amin() == pytest.approx(0.5)


def test_patches_lie_anywhere_in_the_picture() -> None:
    corners = below(torch.arange(20_000), 3, (274 - 64, 350 - 64))
    assert corners.amin(0).tolist() == [0, 0]
    assert corners.amax(0).tolist() == [209, 285]


def test_without_a_picture_the_background_is_procedural_and_says_so(
    own_folders: tuple[Path, Path], small_grid: FactorGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISBENCH_SCREAM", raising=False)
    assert open_scream_dsprites(grid=small_grid).source == "rendered, procedural background"
    assert waves().shape == (274, 350, 3)
    assert (waves().min(), waves().max()) == (0, 255)


def test_the_picture_may_come_from_the_environment(
    own_folders: tuple[Path, Path], small_grid: FactorGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(waves()).save(tmp_path / "mine.png")
    monkeypatch.setenv("DISBENCH_SCREAM", str(tmp_path / "mine.png"))
    mine = open_scream_dsprites(grid=small_grid)
    assert "mine.png" in mine.source
    monkeypatch.delenv("DISBENCH_SCREAM")
    assert torch.equal(mine.images(EVERYTHING), open_scream_dsprites(grid=small_grid).images(EVERYTHING))


def test_a_large_picture_is_shrunk(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((600, 1400, 3), np.uint8)).save(tmp_path / "wide.png")
    assert picture_levels(tmp_path / "wide.png")[0].shape == (150, 350, 3)


def test_what_is_no_picture_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no background picture at"):
        picture_levels(tmp_path / "absent.png")
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(DamagedFileError, match="is not a usable background picture"):
        picture_levels(tmp_path / "text.png")
    Image.fromarray(np.zeros((40, 90, 3), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(DamagedFileError, match="90 x 40 pixels .* larger than 64 x 64"):
        picture_levels(tmp_path / "small.png")


def test_hashes_are_those_of_the_published_function() -> None:
    """Of lowbias32: computed here with whole numbers of any size, not with int32 tensors."""

    def lowbias32(x: int) -> int:
        x = (x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF
        x = (x ^ (x >> 15)) * 0x846CA68B & 0xFFFFFFFF
        return x ^ (x >> 16)

    words = hashes(torch.tensor([0, 1, 737_279]), 2, 3).long() & 0xFFFFFFFF
    for row, index in zip(words.tolist(), (0, 1, 737_279), strict=True):
        start = lowbias32(index + 2 * 0x1000000)
        assert row == [lowbias32((start + k * 0x9E3779B9) & 0xFFFFFFFF) for k in range(3)]


def test_numbers_of_neighbours_are_unrelated() -> None:
    numbers = uniform(torch.arange(4000), 1, 64).numpy()
    assert numbers.mean() == pytest.approx(0.5, abs=0.003)
    assert numbers.var() == pytest.approx(1 / 12, abs=0.002)
    assert abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]) < 0.01
    assert not np.array_equal(numbers, uniform(torch.arange(4000), 2, 64).numpy())
