"""What went wrong in the firmware, and where."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.sim.elf import Place


class BusError(Exception):
    """An access that the modelled hardware does not answer; becomes a `Fault` at the place of the access."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True)
class Fault:
    """Why the firmware stopped.

    kind: "bus error", "usage fault", "stack overrun", "unmodelled register", "hang", "reset", "breakpoint",
    "lockup". `pc` is the instruction's address, `backtrace` its callers, innermost first.
    """

    kind: str
    message: str
    pc: int
    function: str
    file: str | None
    line: int | None
    backtrace: tuple[Place, ...] = ()

    def __str__(self) -> str:
        where = Place(self.function, self.file, self.line)
        return "\n".join([f"{self.kind}: {self.message}", f"  in {where}", *(f"  from {p}" for p in self.backtrace)])


@dataclass(frozen=True)
class MissedDeadline:
    """Audio that was lost at `cycle` (samples), and what the processor was doing then."""

    cycle: int
    lost_samples: int
    place: Place
    backtrace: tuple[Place, ...] = ()
