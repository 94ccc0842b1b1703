"""Fetching, from a server on this machine that breaks, resumes, refuses and lies as it is told."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from disbench.datasets import DATA_SETS, fetching
from disbench.datasets.fetching import FetchError, fetch
from disbench.datasets.official_file import OfficialFile

CONTENT = bytes(range(256)) * 4000
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every path; what a path starts with says how."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.version: str | None = None
        """What it calls the version of its file (ETag)."""
        self.break_after = [0]
        """Bytes that the next answers under /breaks give before they hang up; whole when used up."""

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        way = self.path.split("/")[1]
        asked = self.headers.get("Range")
        self.server.asked.append((way, asked))
        if way == "absent":
            return self.send_error(404)
        if way == "ill":
            return self.send_error(503)
        content = b"something else" * 1000 if way == "lies" else CONTENT
        if self.headers.get("If-Range") not in (None, self.server.version):
            asked = None
        start = 0
        if asked and way != "forgets":
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if way == "elsewhere":
                start -= 1000
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if self.server.version:
            self.send_header("ETag", self.server.version)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if way in ("breaks", "forgets", "elsewhere") and self.server.break_after:
            rest = rest[: self.server.break_after.pop(0)]
        self.wfile.write(rest)
        self.close_connection = True
        return None

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def folder(own_folders: tuple[Path, Path]) -> Path:
    return own_folders[1]


def official(server: Server, *ways: str, checksum: str | None = SHA256) -> OfficialFile:
    return OfficialFile("deep/file.bin", "1 MB", tuple(server.address(way) for way in ways), checksum)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "deep").iterdir()}


@pytest.mark.parametrize("checksum", [SHA256, MD5])
def test_a_file_is_fetched_checked_and_placed(server: Server, folder: Path, checksum: str) -> None:
    told: list[tuple[int, int | None]] = []
    got = fetch(
        official(server, "plain", checksum=checksum), progress=lambda here, total: told.append((here, total))
    )
    assert got.path.read_bytes() == CONTENT
    assert (got.checksum, got.verdict, got.downloaded) == (checksum, "checksum is the known one", True)
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert left_in(folder) == {"file.bin"}


def test_a_file_that_is_there_is_checked_and_not_fetched(server: Server, folder: Path) -> None:
    file = official(server, "plain")
    fetch(file)
    assert not fetch(file).downloaded
    assert len(server.asked) == 1
    file.path.write_bytes(b"other")
    with pytest.raises(FetchError, match="wrong checksum: sha256:.*remove it and fetch it again"):
        fetch(file)


def test_a_broken_connection_is_resumed_where_it_broke(server: Server, folder: Path) -> None:
    server.break_after = [300_000, 200_000, 0, 100_000]
    assert fetch(official(server, "breaks")).path.read_bytes() == CONTENT
    starts = [asked for _, asked in server.asked]
    assert starts == [None, "bytes=300000-", "bytes=500000-", "bytes=500000-", "bytes=600000-"]


def test_what_an_earlier_process_fetched_is_resumed(server: Server, folder: Path) -> None:
    server.break_after = [400_000] + [0] * 20
    file = official(server, "breaks")
    with pytest.raises(FetchError, match="what has arrived is kept"):
        fetch(file)
    assert "file.bin" not in left_in(folder)
    server.break_after = []
    assert fetch(file).path.read_bytes() == CONTENT
    assert server.asked[-1] == ("breaks", "bytes=400000-")


def test_a_part_that_was_whole_already_is_placed(server: Server, folder: Path) -> None:
    file = official(server, "plain")
    file.path.parent.mkdir()
    file.path.with_name("file.bin.part").write_bytes(CONTENT)
    assert fetch(file).path.read_bytes() == CONTENT


def test_a_part_that_is_too_long_begins_anew(server: Server, folder: Path) -> None:
    file = official(server, "plain")
    file.path.parent.mkdir()
    file.path.with_name("file.bin.part").write_bytes(CONTENT + b"more")
    assert fetch(file).path.read_bytes() == CONTENT


def test_a_server_that_cannot_resume_is_asked_for_everything(server: Server, folder: Path) -> None:
    server.break_after = [300_000]
    assert fetch(official(server, "forgets")).path.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(server: Server, folder: Path) -> None:
    server.version, server.break_after = '"one"', [400_000] + [0] * 20
    file = official(server, "breaks", checksum=None)
    with pytest.raises(FetchError):
        fetch(file)
    part = folder / "deep" / "file.bin.part"
    part.write_bytes(bytes(400_000))  # the old version's bytes
    server.version, server.break_after = '"two"', []
    assert fetch(file).path.read_bytes() == CONTENT


def test_bytes_that_were_not_asked_for_are_not_joined(server: Server, folder: Path) -> None:
    server.break_after = [400_000]
    assert fetch(official(server, "elsewhere")).path.read_bytes() == CONTENT


@pytest.mark.parametrize("first", ["absent", "ill", "lies"])
def test_the_next_mirror_is_tried(server: Server, folder: Path, first: str) -> None:
    assert fetch(official(server, first, "plain")).path.read_bytes() == CONTENT
    assert server.asked[0][0] == first
    assert left_in(folder) == {"file.bin"}


def test_a_wrong_checksum_leaves_no_file_behind(server: Server, folder: Path) -> None:
    with pytest.raises(FetchError, match=f"wrong checksum: .*the known one is {SHA256}"):
        fetch(official(server, "lies"))
    assert "file.bin" not in left_in(folder)
    assert "file.bin.part" not in left_in(folder)


def test_parts_of_two_servers_are_not_joined_where_nothing_could_tell(server: Server, folder: Path) -> None:
    server.break_after = [400_000] + [0] * 20
    fetch(official(server, "breaks", "plain", checksum=None))
    assert server.asked[-1] == ("plain", None)


def test_an_unknown_checksum_is_recorded_at_the_first_download(server: Server, folder: Path) -> None:
    file = official(server, "plain", checksum=None)
    assert "that of this first download is recorded" in fetch(file).verdict
    sidecar = (folder / "deep" / "file.bin.checksum").read_text()
    assert sidecar.startswith(SHA256)
    assert "the true checksum is not known" in sidecar
    assert fetch(file).verdict == "checksum is that of the first download"
    file.path.unlink()
    with pytest.raises(FetchError, match="wrong checksum: .*that of the first download is"):
        fetch(official(server, "lies", checksum=None))


def test_a_page_in_place_of_the_file_is_not_taken_for_a_first_download(server: Server, folder: Path) -> None:
    """Where no checksum could tell: an archive does not begin as what this server sends."""
    file = OfficialFile("deep/file.tar.gz", "1 MB", (server.address("lies"),))
    with pytest.raises(FetchError, match=r"wrong content: begins with b'something else.*as no .gz file does"):
        fetch(file)
    assert not {
        name for name in left_in(folder) if name.startswith("file.tar.gz") and name.endswith(("gz", "part"))
    }


def test_a_first_download_that_was_wrong_can_be_mended(server: Server, folder: Path) -> None:
    """The line names the file in which its checksum stands."""
    file = official(server, "plain", checksum=None)
    fetch(file)
    file.path.write_bytes(b"the true one, by hand")
    with pytest.raises(FetchError, match="or file.bin.checksum if you trust this one more"):
        fetch(file)
    file.path.with_name("file.bin.checksum").unlink()
    assert fetch(file).verdict == "checksum not known to us, and none recorded"


def test_offline_is_one_clear_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as gone:  # a port that nobody listens on any more
        address = gone.address("plain")
    with pytest.raises(FetchError) as caught:
        fetch(OfficialFile("deep/file.bin", "1 MB", (address,), SHA256))
    message = str(caught.value)
    for part in ("file.bin (1 MB)", address, "refused", str(folder / "deep"), "by hand"):
        assert part in message
    assert "\n" not in message


def test_a_folder_that_cannot_be_made_is_one_clear_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in the way").write_text("")
    monkeypatch.setenv("DISBENCH_DATA", str(tmp_path / "in the way"))
    with pytest.raises(FetchError, match=r"cannot write deep/file.bin \(1 MB\) .*set DISBENCH_DATA"):
        fetch(official(server, "plain"))


def test_a_full_disk_leaves_nothing_behind(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.os, "fsync", full)
    with pytest.raises(FetchError, match="No space left on device"):
        fetch(official(server, "plain"))
    assert not {name for name in left_in(folder) if name in ("file.bin", "file.bin.part")}


def test_two_processes_do_not_fetch_the_same_file(server: Server, folder: Path) -> None:
    file = official(server, "plain")
    file.path.parent.mkdir()
    with fetching._alone(file), pytest.raises(FetchError, match="being fetched by another process"):
        fetch(file)


def test_every_official_file_can_be_asked_for() -> None:
    for entry in DATA_SETS.values():
        assert bool(entry.files) or not entry.needs_files
        for file in entry.files:
            assert file.addresses
            assert all(address.startswith(("https://", "http://")) for address in file.addresses)
            assert file.checksum is None or file.checksum.split(":")[0] in ("md5", "sha256")
