"""The virtual board: runs the firmware image that would be flashed, and measures it.

`simulate` runs an image with sound in its microphone and returns a `SimResult`; `VirtualBoard` is the machine below it.
Both are imported on first use, so that importing this package needs neither Unicorn nor capstone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyml.sim.faults import Fault, MissedDeadline
from tinyml.sim.result import SimResult

if TYPE_CHECKING:
    from tinyml.sim.arena_watch import check_arena_accesses
    from tinyml.sim.board_machine import VirtualBoard, check_virtual
    from tinyml.sim.simulation import simulate

__all__ = [
    "Fault", "MissedDeadline", "SimResult", "VirtualBoard", "check_arena_accesses", "check_virtual", "simulate",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # The modules `simulation` and `board_machine` raise MissingToolError where the extra is absent.
    if name == "simulate":
        from tinyml.sim.simulation import simulate

        return simulate
    if name == "VirtualBoard":
        from tinyml.sim.board_machine import VirtualBoard

        return VirtualBoard
    if name == "check_virtual":
        from tinyml.sim.board_machine import check_virtual

        return check_virtual
    if name == "check_arena_accesses":
        from tinyml.sim.arena_watch import check_arena_accesses

        return check_arena_accesses
    raise AttributeError(name)
