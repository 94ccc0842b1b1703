"""`disbench datasets`: list, show, fetch and verify, and one line for what goes wrong."""

import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from disbench.bench.cli import main
from disbench.datasets import DATA_SETS
from disbench.datasets import mnist as mnist_module
from disbench.datasets.official_file import OfficialFile


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable, name in (("DISBENCH_CACHE", "cache"), ("DISBENCH_DATA", "data")):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mine(path: Path) -> Path:
    images = np.random.default_rng(0).integers(256, size=(6, 8, 8, 3), dtype=np.uint8)
    rows = np.array([[a, b] for a in range(2) for b in range(3)])
    np.savez(path, images=images, factors=rows, factor_names=np.array(["side", "size"]))
    return path


def test_list_has_a_line_for_each(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(DATA_SETS)
    words = {line.split()[0]: line for line in lines}
    assert "rendered" in words["shapes3d"]
    assert "fetch" in words["cars3d"]
    assert "ready" in words["digits"]


def test_list_as_json(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(DATA_SETS)
    assert rows[0]["factors"] == {"shape": 3, "scale": 6, "orientation": 40, "posX": 32, "posY": 32}


@pytest.mark.parametrize("name", ["digits", "mine.npz"])
def test_show_draws_a_contact_sheet(folders: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    mine(folders / "mine.npz")
    assert main(["datasets", "show", name, "--out", "sheet.png"]) == 0
    assert (folders / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert "classes" in capsys.readouterr().out


def test_show_names_its_picture_after_the_data_set(folders: Path) -> None:
    (folders / "deep").mkdir()
    mine(folders / "deep" / "mine.npz")
    assert main(["datasets", "show", "deep/mine.npz"]) == 0
    assert (folders / "mine-contact-sheet.png").is_file()


def test_verify_reads_data_of_ones_own(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "verify", str(mine(folders / "mine.npz"))]) == 0
    out = capsys.readouterr().out
    assert "6 images of 3 x 8 x 8, side 2 x size 3" in out
    assert "a full grid: 6 of 6 combinations have images, 0 images repeat another's" in out
    (folders / "cut.npz").write_bytes((folders / "mine.npz").read_bytes()[:400])
    assert main(["datasets", "verify", "cut.npz"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_cars_unpacked_by_hand_are_recognised(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folders / "data" / "cars").mkdir()
    (folders / "data" / "cars" / "car_1.mat").write_bytes(b"")
    assert main(["datasets", "list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("cars3d"))
    assert "official" in line
    assert main(["datasets", "fetch", "cars3d"]) == 0
    assert "unpacked by hand, not checked" in capsys.readouterr().out


def test_verify_says_what_it_could_not_check(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "verify", "dsprites"]) == 1
    out = capsys.readouterr().out
    assert "not compared: the official file is absent" in out


def test_speed_prints_a_line_for_each(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "speed", "digits", str(mine(folders / "mine.npz"))]) == 0
    assert capsys.readouterr().out.count("us for 64 images") == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["show", "dsprite"], "did you mean 'dsprites'?"),
        (["fetch", "dsprite"], "did you mean 'dsprites'?"),
        (["fetch", "digits"], "digits has no file to fetch"),
        (["show", "cars3d"], "disbench datasets fetch cars3d"),
        (["show", "absent.npz"], "no data set at absent.npz"),
        (["verify", "mnist"], "disbench datasets fetch mnist"),
        (["show", "digits", "--out", "absent/sheet.png"], "cannot write absent/sheet.png"),
    ],
)
def test_what_goes_wrong_is_one_line(
    folders: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["datasets", *arguments]) == 2
    captured = capsys.readouterr()
    assert why in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def test_fetch_places_files_and_says_what_it_checked(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "server").mkdir()
    (folders / "server" / "known.bin").write_bytes(b"known" * 1000)
    (folders / "server" / "unknown.bin").write_bytes(b"unknown" * 1000)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folders / "server"))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        at = f"http://127.0.0.1:{server.server_port}"
        sha256 = hashlib.sha256(b"known" * 1000).hexdigest()
        files = (
            OfficialFile("known.bin", "5 kB", (f"{at}/absent.bin", f"{at}/known.bin"), f"sha256:{sha256}"),
            OfficialFile("unknown.bin", "7 kB", (f"{at}/unknown.bin",)),
        )
        entry = mnist_module.MNIST.__class__(**{**mnist_module.MNIST.__dict__, "files": files})
        monkeypatch.setitem(DATA_SETS, "mnist", entry)
        try:
            assert main(["datasets", "fetch", "mnist"]) == 0
        finally:
            server.shutdown()
            thread.join()
    out = capsys.readouterr().out
    assert "checksum is the known one" in out
    assert "that of this first download is recorded beside it" in out
    assert (folders / "data" / "known.bin").read_bytes() == b"known" * 1000
    assert (folders / "data" / "unknown.bin.checksum").is_file()
