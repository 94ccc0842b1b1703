"""The wheel, installed where no checkout is: everything is in it, and it works."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("bench", "metrics", "datasets")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the source, so that the checkout stays clean."""
    source = tmp_path_factory.mktemp("source")
    for name in (*FOLDERS, "pyproject.toml", "README.md", "LICENSE"):
        kind = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        kind(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(out), str(source)], check=True)
    return next(out.glob("disbench-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of programs of a virtual environment with the wheel in it, and our dependencies beside it."""
    home = tmp_path_factory.mktemp("home")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "env")], check=True)
    python = home / "env" / "bin" / "python"
    # A path in a .pth file brings the dependencies without the editable install that stands beside them.
    site = next((home / "env").glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    return python.parent


def test_every_file_is_in_the_wheel(wheel):
    """Modules, studies, templates, type markers; and nothing outside `disbench`."""
    expected = {
        "disbench/" + path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }
    names = set(zipfile.ZipFile(wheel).namelist())
    assert expected <= names, expected - names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"disbench"}


def test_it_runs_where_no_checkout_is(installed, tmp_path):
    """Help, and one small sweep with its table, figures and report, in an empty folder."""
    disbench = str(installed / "disbench")
    where = "import disbench.bench; print(disbench.bench.__file__)"
    found = subprocess.run(
        [installed / "python", "-c", where], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert str(installed.parent) in found.stdout
    help_text = subprocess.run([disbench, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "sweep" in help_text.stdout
    (tmp_path / "small.toml").write_text(
        'name = "small"\ndata_set = "digits"\narchitecture = "small_patch"\nsteps = 5\n'
        '[evaluation]\nmetrics = ["mig", "kl_decomposition"]\n'
        '[[arms]]\nobjective = "beta_vae"\nstrengths = [1, 4]\n'
    )
    for command in (["sweep", "small.toml", "--out", "out", "--workers", "1"], ["report", "out"]):
        subprocess.run([disbench, *command], check=True, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
