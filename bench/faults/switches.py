"""Faults inside of a sweep, switched on and off from outside: an empty file a fault, in a folder that both know."""

from __future__ import annotations

from pathlib import Path

DISK_FULL, OUT_OF_MEMORY, LOST_DEVICE, RAISING_METRIC, CLOCK = (
    "disk_full",
    "out_of_memory",
    "lost_device",
    "raising_metric",
    "clock",
)


class Switches:
    """The switches of the sweeps that write to a folder; they lie beside it, in `OUT.switches`."""

    def __init__(self, out: Path) -> None:
        self.folder = out.with_name(f"{out.name}.switches")

    def turn_on(self, name: str, value: str = "") -> None:
        """Let a fault happen: once to whoever takes it, or until it is turned off, as the fault is."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text(value)

    def turn_off(self, name: str) -> None:
        """Let it happen no more."""
        (self.folder / name).unlink(missing_ok=True)

    def is_on(self, name: str) -> bool:
        """Whether it is to happen."""
        return (self.folder / name).exists()

    def value(self, name: str) -> str | None:
        """What it was turned on with; None if it is off."""
        try:
            return (self.folder / name).read_text()
        except FileNotFoundError:
            return None

    def taken(self, name: str) -> bool:
        """Turn it off if it is on; whether this process did, of all that look at the same moment."""
        try:
            (self.folder / name).unlink()
        except FileNotFoundError:
            return False
        return True
