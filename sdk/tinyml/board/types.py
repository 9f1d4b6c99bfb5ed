"""Boards as frozen data; `load.py` reads them from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyml.errors import ProjectError


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
    """Everything that is known of a board; paths are absolute, sizes in bytes, clocks in Hz."""

    name: str
    product: str
    vendor: str
    soc: str
    status: str  # tested | simulated | builds | native
    isa: Isa
    cpu: str  # "cortex-m4", "host"
    cpu_hz: int
    svd: str | None  # file name inside pyOCD's packaged SVD archive
    time_factor: float
    memories: tuple[Memory, ...]
    regions: Mapping[str, str]  # role ("code", "data", "stack", "dma", "arena") -> memory name
    stack_bytes: int
    features: Mapping[str, Mapping[str, Any]]  # microphone, console, led ...: driver and pins
    deploy: Mapping[str, Any]  # runners, pyocd_target, uf2_family ...
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
        return self.memory(self.regions["data"]).length_bytes

    def milliseconds(self, cycles: float) -> float:
        """Estimated wall time on silicon of `cycles` counted at zero wait states (includes `time_factor`)."""
        return cycles * self.time_factor / self.cpu_hz * 1e3

    def for_uf2(self) -> Board:
        """This board, its flash cut down to what the UF2 bootloader leaves. Raises: ProjectError without one."""
        code = self.memory(self.regions["code"])
        origin, end = self.deploy.get("uf2_origin"), self.deploy.get("uf2_end")
        if origin is None or end is None:
            raise ProjectError(f"`{self.name}` has no UF2 bootloader", hint="use `--to pyocd` or `--to virtual`")
        left = replace(code, origin=origin, length_bytes=end - origin)
        return replace(self, memories=tuple(left if m is code else m for m in self.memories))
