"""Joining a Ray cluster, or starting one on this machine for as long as a sweep takes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

from ..bad_input import BadInput
from ..one_line import one_line
from .engine import imported
from .local import cores

CONNECT_SECONDS = 10.0
"""In which a cluster must answer."""

OWN = "local"
"""The address, in Ray's words, of a cluster that is started here."""

OBJECTS_BYTES = 100 * 1024 * 1024
"""Of shared memory for a cluster of our own: cohorts and their ends are kilobytes, images never travel."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` Ray would copy the working directory to every node
}

GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of gRPC begins (RFC 9113, 3.4): its preface and an empty frame of settings; the server sends its own."""

SETTINGS_FRAME = 4


def engine() -> ModuleType:
    """Ray, imported with our settings."""
    with settings():
        return imported("ray", extra="ray")


@contextmanager
def settings() -> Iterator[None]:
    """The environment of this process with our settings of Ray; afterwards it is as it was, whatever Ray put there."""
    before = dict(os.environ)
    os.environ.update(SETTINGS)
    try:
        yield
    finally:
        for name in {*before, *os.environ}:
            if name not in before:
                del os.environ[name]
            elif os.environ.get(name) != before[name]:
                os.environ[name] = before[name]


def wanted_address(given: str | None) -> str:
    """Where to connect: as given, else as RAY_ADDRESS says, else nowhere: a cluster of our own."""
    return given or os.environ.get("RAY_ADDRESS") or OWN


@contextmanager
def connected(ray: ModuleType, address: str) -> Iterator[None]:
    """Be connected to a cluster. A process that was connected before stays in its cluster, and stays connected.

    Raises:
        BadInput: nothing answers there, or something that this Ray cannot talk to.
    """
    if ray.is_initialized():
        yield
        return
    if address not in (OWN, "auto"):
        greet(address)
    with settings():
        try:
            join(ray, address)
        except Exception as error:
            raise BadInput(f"--on ray: no connection to {address}: {one_line(reasons(error))}") from error
        try:
            yield
        finally:
            ray.shutdown()


def join(ray: ModuleType, address: str) -> None:
    """Connect; nothing of this process travels with it: no environment, no files."""
    # What Ray says of lost nodes it prints to standard output, where results go; we say it ourselves.
    with suppress(AttributeError):
        ray._private.worker._worker_logs_enabled = False
    quietly = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == OWN:
        ray.init(
            address=OWN,
            num_cpus=cores(),
            object_store_memory=OBJECTS_BYTES,
            include_dashboard=False,
            **quietly,
        )
    else:
        ray.init(address=address, **quietly)


def reasons(error: BaseException | None) -> str:
    """What an error says, and those behind it, without tracebacks: of a missing token Ray tells in the innermost."""
    said: list[str] = []
    while error is not None:
        text, traced, traceback = str(error).strip().partition("Traceback (most recent call last)")
        said += [" ".join([*text.split(), *(traceback.splitlines()[-1:] if traced else [])])]
        error = error.__cause__
    return "; ".join(said)


def greet(address: str) -> None:
    """`BadInput` unless a gRPC server answers at HOST:PORT or ray://HOST:PORT; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and host and port.isascii() and port.isdecimal()):
        raise BadInput(f"--cluster address: auto, HOST:PORT or ray://HOST:PORT, got {address!r}")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS) as connection:
            if "RAY_USE_TLS" in os.environ:
                return  # it would not understand us
            connection.sendall(GREETING)
            answer = connection.recv(4)
    except (OSError, OverflowError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        raise BadInput(f"--on ray: no Ray cluster answers at {address}: {why}") from error
    if len(answer) < 4 or answer[3] != SETTINGS_FRAME:
        raise BadInput(f"--on ray: what answers at {address} is no Ray cluster")
