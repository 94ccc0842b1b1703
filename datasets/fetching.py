"""Fetching official files: resumed where a connection broke, mirrors in order, checked, placed whole or not at all.

Nothing here runs unless it is called: opening a data set never downloads.
"""

import contextlib
import errno
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeAlias

from .folders import DATA_VARIABLE
from .official_file import OfficialFile, present_path

BytesProgress: TypeAlias = Callable[[int, int | None], None]
"""Called as `progress(bytes_here, bytes_in_all)`; the second is None while the server has not said."""

ATTEMPTS = 4
"""Tries at each address; one that got new bytes is not counted."""

TIMEOUT_SECONDS = 30.0
BYTES_AT_ONCE = 1 << 18


class FetchError(OSError):
    """A file could not be fetched; the message says why, where it belongs, and where it can be had."""


@dataclass(frozen=True)
class Fetched:
    """What became of one file."""

    path: Path
    checksum: str
    """`sha256:...` of the file, or of the kind that is known."""
    verdict: str
    """In words: what the checksum was compared with."""
    downloaded: bool
    """False if it was there before."""


def fetch(file: OfficialFile, *, progress: BytesProgress | None = None) -> Fetched:
    """Fetch a file into the data folder, or check the one that is there.

    Where the true checksum is not known, that of the first download is written beside the file (`.checksum`), and
    compared with from then on.

    Raises:
        FetchError: no address gave the file, a checksum is wrong, or the folder cannot be written.
    """
    there = present_path(file)
    if there.exists():
        if there != file.path:
            return Fetched(there, "", "unpacked by hand, not checked", downloaded=False)
        checksum, verdict = judged(file, file.path)
        if verdict.startswith("wrong"):
            raise FetchError(
                f"{file.path} has the {verdict}: remove {_what_to_remove(file)} and fetch it again"
            )
        return Fetched(file.path, checksum, verdict, downloaded=False)
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file):
            return _fetch(file, progress or (lambda here, total: None))
    except FetchError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _part(file).unlink(missing_ok=True)
        cause = error.strerror or str(error)
        folder = file.path.parent
        message = f"cannot write {file.name} ({file.size}) into {folder} ({cause}): make room, or set {DATA_VARIABLE}"
        raise FetchError(error.errno or errno.EIO, message) from error


def _fetch(file: OfficialFile, progress: BytesProgress) -> Fetched:
    """Try each address in turn."""
    reasons = []
    for address in file.addresses:
        try:
            _download(address, file, progress)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reasons.append(f"{address}: {_in_words(error)}")
            continue
        checksum, verdict = judged(file, _part(file))
        if verdict.startswith("wrong"):
            reasons.append(f"{address}: {verdict}")
            _part(file).unlink()
            _origin(file).unlink(missing_ok=True)
            continue
        if file.checksum is None:
            verdict = _recorded(file, checksum, address, verdict)
        _part(file).replace(file.path)
        _origin(file).unlink(missing_ok=True)
        return Fetched(file.path, checksum, verdict, downloaded=True)
    raise FetchError(
        f"cannot fetch {file.name} ({file.size}): {'; '.join(reasons) or 'no address is known'}. "
        f"Put it into {file.path.parent} by hand, or try again: what has arrived is kept"
    )


def _download(address: str, file: OfficialFile, progress: BytesProgress) -> None:
    """Bring the part file to its full length from one address, resuming as often as new bytes arrive."""
    part, origin = _part(file), _origin(file)
    if _first_line(origin) != address:
        if file.checksum is None:
            part.unlink(missing_ok=True)  # halves of two servers' files could not be told from a whole one
        origin.write_text(f"{address}\n", encoding="utf-8")
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _continued(address, part, origin, before, progress):
                return
            raise ConnectionError("the connection broke")
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            got_more = part.exists() and part.stat().st_size > before
            failures = 0 if got_more else failures + 1
            is_refusal = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if failures >= ATTEMPTS or is_refusal:
                raise


def _continued(address: str, part: Path, origin: Path, start: int, progress: BytesProgress) -> bool:
    """Ask for the bytes from `start` on and append them; whether the file is then whole.

    `origin` holds the address and, under it, the version (ETag) that the server gave the part's first bytes: of
    another version it sends all, by If-Range, and the part begins anew.
    """
    request = urllib.request.Request(address, headers={"User-Agent": "disbench"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        version = origin.read_text(encoding="utf-8").partition("\n")[2].strip()
        if version:
            request.add_header("If-Range", version)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:
            raise
        if _total(error.headers.get("Content-Range"), None, 0) == start:  # it was whole already
            return True
        part.unlink()  # longer than the file: of something else
        raise ConnectionError("what had arrived is longer than the file") from error
    with response:
        if start and response.status != 206:
            start = 0  # this server does not resume, or has another version: from the beginning
        if start and _first_byte(response.headers.get("Content-Range")) != start:
            part.unlink()
            raise ConnectionError("the server sent other bytes than those asked for")
        if not start:
            version = response.headers.get("ETag", "")
            strong = version if version.startswith('"') else ""  # a weak one (W/) does not vouch for bytes
            origin.write_text(f"{address}\n{strong}\n", encoding="utf-8")
        total = _total(response.headers.get("Content-Range"), response.headers.get("Content-Length"), start)
        with part.open("r+b" if start else "wb") as out:
            out.seek(start)
            here = _copied(response, out, start, total, progress)
            out.flush()
            os.fsync(out.fileno())
    return total is None or here == total


def _copied(
    response: IO[bytes], out: IO[bytes], here: int, total: int | None, progress: BytesProgress
) -> int:
    """Copy what comes until it ends or breaks; the number of bytes then in the file."""
    progress(here, total)
    with contextlib.suppress(http.client.IncompleteRead, TimeoutError, ConnectionError):
        while chunk := response.read(BYTES_AT_ONCE):
            here += out.write(chunk)
            progress(here, total)
    return here


def _first_byte(content_range: str | None) -> int | None:
    """Where the bytes begin that a server sends; None if it does not say."""
    matched = re.match(r"bytes (\d+)-", content_range or "")
    return int(matched[1]) if matched else None


def _total(content_range: str | None, content_length: str | None, start: int) -> int | None:
    """The length of the whole file, from whichever header says it."""
    matched = re.search(r"/(\d+)$", content_range or "")
    if matched:
        return int(matched[1])
    return start + int(content_length) if content_length else None


def judged(file: OfficialFile, path: Path) -> tuple[str, str]:
    """The checksum of the file at `path`, and what to say of it; what is not right begins with `wrong`."""
    with path.open("rb") as content:
        beginning = content.read(max(16, len(file.beginning)))
    if not beginning.startswith(file.beginning):
        return "", f"wrong content: begins with {beginning[:16]!r}, as no {file.path.suffix} file does"
    recorded = _first_line(_sidecar(file))
    known = file.checksum or recorded
    kind = (known or "sha256:").partition(":")[0]
    with path.open("rb") as content:
        checksum = f"{kind}:{hashlib.file_digest(content, kind).hexdigest()}"
    if known is None:
        return checksum, "checksum not known to us, and none recorded"
    of_whom = "the known one" if file.checksum else "that of the first download"
    if checksum != known:
        return checksum, f"wrong checksum: {checksum}, {of_whom} is {known}"
    return checksum, f"checksum is {of_whom}"


def _what_to_remove(file: OfficialFile) -> str:
    """The file, and what we wrote of an earlier one where that is all that speaks against it."""
    if file.checksum is None and _sidecar(file).is_file():
        return f"it, or {_sidecar(file).name} if you trust this one more than the first download,"
    return "it"


def _recorded(file: OfficialFile, checksum: str, address: str, verdict: str) -> str:
    """Write the checksum of a first download beside the file."""
    if _sidecar(file).exists():
        return verdict
    day = datetime.now(UTC).date().isoformat()
    _sidecar(file).write_text(
        f"{checksum}\nof the first download, {day}, from {address}; the true checksum is not known to disbench\n",
        encoding="utf-8",
    )
    return "checksum not known to us: that of this first download is recorded beside it"


@contextlib.contextmanager
def _alone(file: OfficialFile) -> Iterator[None]:
    """Refuse to fetch what another process is fetching."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(ImportError):
            import fcntl

            lock = held.enter_context(file.path.with_name(f"{file.path.name}.lock").open("ab"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FetchError(f"{file.name} is being fetched by another process; wait for it") from None
        yield
    file.path.with_name(f"{file.path.name}.lock").unlink(missing_ok=True)


def _part(file: OfficialFile) -> Path:
    return file.path.with_name(f"{file.path.name}.part")


def _origin(file: OfficialFile) -> Path:
    return file.path.with_name(f"{file.path.name}.part.from")


def _sidecar(file: OfficialFile) -> Path:
    return file.path.with_name(f"{file.path.name}.checksum")


def _first_line(path: Path) -> str | None:
    return path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else None


def _in_words(error: Exception) -> str:
    """Why a server did not give the file, on one line."""
    reason = getattr(error, "reason", None) or error
    words = f"{error.code} {reason}" if isinstance(error, urllib.error.HTTPError) else str(reason)
    return " ".join(words.split()) or type(error).__name__
