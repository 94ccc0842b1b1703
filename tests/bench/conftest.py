"""A study that takes seconds, and what was made of it."""

import runpy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch

from disbench.bench import Study, sweep
from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.objectives.factor_vae import DISCRIMINATOR, discriminator
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study

TINY = {
    "name": "tiny",
    "title": "two objectives on digits",
    "data_set": "digits",
    "architecture": "small_patch",
    "latents": 3,
    "steps": 20,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "seeds": 2,
    "evaluation": {
        "samples": 200,
        "test_samples": 100,
        "metrics": ["mig", "active_units", "kl_decomposition"],
    },
    "arms": [
        {"objective": "beta_vae", "strengths": [1, 4]},
        {"objective": "cvae", "condition": "digit", "strengths": [1]},
    ],
}


@pytest.fixture(scope="session")
def tiny() -> Study:
    """Six models of three arms and strengths, a fraction of a second each."""
    return parse_study(TINY, "tiny.toml")


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study as a file, for the command line."""
    path = tmp_path_factory.mktemp("study") / "tiny.toml"
    path.write_text(
        """
        name = "tiny"
        title = "two objectives on digits"
        data_set = "digits"
        architecture = "small_patch"
        latents = 3
        steps = 20
        batch_size = 16
        learning_rate = 1e-3
        seeds = 2
        [evaluation]
        samples = 200
        test_samples = 100
        metrics = ["mig", "active_units", "kl_decomposition"]
        [[arms]]
        objective = "beta_vae"
        strengths = [1, 4]
        [[arms]]
        objective = "cvae"
        condition = "digit"
        strengths = [1]
        """
    )
    return path


@pytest.fixture(scope="session")
def swept(tiny: Study, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """The folder and the rows of an uninterrupted sweep of the tiny study, one model a cohort."""
    folder = tmp_path_factory.mktemp("swept") / "out"
    return folder, sweep(tiny, out=folder, device="cpu", cohort_size=1)


@pytest.fixture(scope="session")
def fill() -> Callable[..., Store]:
    """Writes a store of made-up models: `fill(folder, study, cohort_size=1, points=2)`."""
    return runpy.run_path(str(Path(__file__).with_name("synthetic_store.py")))["fill"]


@pytest.fixture
def small_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """FactorVAE's discriminator with 50 units a layer instead of 1,000: the same program in a fraction of the time."""
    small = replace(DISCRIMINATOR, build=partial(discriminator, units=50))
    whole = OBJECTIVES["factor_vae"]
    monkeypatch.setitem(OBJECTIVES, "factor_vae", replace(whole, helper=small))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, so that sums have one order and two sweeps the same bits on any machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
