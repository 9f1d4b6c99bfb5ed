"""Boards as frozen data; `load.py` reads them from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyml.board.core_time import CoreTime
from tinyml.errors import ProjectError

_RAM_ROLES = ("stack", "data", "dma", "arena")


@dataclass(frozen=True)
class Isa:
    """What the compiler may use of a core: `dsp` is the Armv7E-M/Armv8-M SIMD extension.

    `target` and `cpu_flags` are the zig/clang spelling, `gcc_flags` GNU's; both empty for the host.
    """

    name: str
    dsp: bool = False
    fpu: bool = False
    target: str = ""
    cpu_flags: tuple[str, ...] = ()
    gcc_flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """A memory of the SoC. `dma`: EasyDMA-like masters reach it. `source`: the manual the figures come from."""

    name: str
    origin: int
    length_bytes: int
    dma: bool
    source: str


@dataclass(frozen=True)
class Board:
    """Everything that is known of a board; paths are absolute, sizes in bytes, clocks in Hz.

    `has_firmware` says whether there is C for this board: without it (memories, clock and core only) networks are
    costed, searched and compiled for the board, but no application is linked for it.
    """

    name: str
    product: str
    vendor: str
    soc: str
    status: str  # tested | simulated | builds | native
    isa: Isa
    cpu: str  # "cortex-m4", "host"
    cpu_hz: int
    svd: str | None  # file name inside pyOCD's packaged SVD archive
    time_factor: float  # wait states and whatever else cycles counted at zero wait states leave out
    core_time: CoreTime | None  # none: it is not known how long the core takes
    memories: tuple[Memory, ...]
    regions: Mapping[str, str]  # role ("code", "data", "stack", "dma", "arena") -> memory name
    stack_bytes: int
    features: Mapping[str, Mapping[str, Any]]  # microphone, console, led ...: driver and pins
    deploy: Mapping[str, Any]  # runners, pyocd_target, uf2_family ...
    has_firmware: bool
    c_sources: tuple[Path, ...]  # board.c, soc startup, drivers, arch code
    c_include_dirs: tuple[Path, ...]
    c_defines: tuple[str, ...]  # pins and rates, as NAME=VALUE

    def memory(self, name: str) -> Memory:
        """The memory called `name`. Raises: KeyError."""
        return {m.name: m for m in self.memories}[name]

    @property
    def flash_bytes(self) -> int:
        return self.memory(self.regions["code"]).length_bytes

    @property
    def ram_bytes(self) -> int:
        """All of the memories that stack, variables, DMA buffers and arena go to."""
        names = {self.regions[role] for role in _RAM_ROLES if role in self.regions}
        return sum(self.memory(name).length_bytes for name in names)

    @property
    def arena_bytes(self) -> int:
        """The memory that the arena goes to, in one piece; stack and variables may need a part of it (`arena_left`)."""
        return self.memory(self.regions["arena"]).length_bytes

    def arena_left(self, *, data_bytes: int, dma_bytes: int = 0) -> int:
        """What is left for the arena: its memory less the stack, variables and DMA buffers that lie in the same one."""
        taken = {"stack": self.stack_bytes, "data": data_bytes, "dma": dma_bytes}
        return self.arena_bytes - sum(n for role, n in taken.items() if self.regions[role] == self.regions["arena"])

    def milliseconds(self, cycles: float) -> float:
        """Estimated wall time on silicon of `cycles` counted on a Cortex-M4 at zero wait states.

        Includes what the board's core makes of them (`core_time`) and `time_factor`. Raises: ProjectError.
        """
        return cycles * self._factor / self.cpu_hz * 1e3

    def cycles(self, milliseconds: float) -> int:
        """The most cycles, counted on a Cortex-M4 at zero wait states, that last no longer. Raises: ProjectError."""
        most = int(milliseconds * 1e-3 * self.cpu_hz / self._factor)
        return most - (self.milliseconds(most) > milliseconds)  # rounding of the division

    def require_time_model(self) -> CoreTime:
        """The time model of the board's core. Raises: ProjectError where cycles say nothing about it."""
        if self.core_time is None:
            from tinyml.board.load import timed_boards  # which makes boards: at the top it would be a circle

            raise ProjectError(
                f"`{self.name}` has no time model: nobody says what its core `{self.cpu}` makes of counted cycles",
                hint=f"boards with one: {', '.join(timed_boards())}; or give the core a `time` table in its arch.toml",
            )
        return self.core_time

    def require_firmware(self) -> None:
        """Raises: ProjectError for a board whose files hold no C."""
        if not self.has_firmware:
            from tinyml.board.load import firmware_boards

            raise ProjectError(
                f"there is no firmware for `{self.name}` yet: its memories, clock and core are known, no drivers",
                hint=f"applications run on {', '.join(firmware_boards())}; for `{self.name}` networks can be searched "
                "(`tinyml search`) and exported as C (`tinyml export`)",
            )

    @property
    def _factor(self) -> float:
        return self.require_time_model().factor * self.time_factor

    def for_uf2(self) -> Board:
        """This board, its flash cut down to what the UF2 bootloader leaves. Raises: ProjectError without one."""
        code = self.memory(self.regions["code"])
        origin, end = self.deploy.get("uf2_origin"), self.deploy.get("uf2_end")
        if origin is None or end is None:
            raise ProjectError(f"`{self.name}` has no UF2 bootloader", hint="use `--to pyocd` or `--to virtual`")
        left = replace(code, origin=origin, length_bytes=end - origin)
        return replace(self, memories=tuple(left if m is code else m for m in self.memories))
