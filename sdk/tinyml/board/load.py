"""`board.toml -> soc.toml -> arch.toml` and the drivers they name, merged into one `Board`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyml.board.core_time import CoreTime
from tinyml.board.isa import isa_of
from tinyml.board.schema import (
    ArchFile,
    BoardFile,
    DriverFile,
    KeyRule,
    MemoryTable,
    Scalar,
    SocFile,
    nearest,
    read_file,
)
from tinyml.board.types import Board, Isa, Memory
from tinyml.errors import ProjectError
from tinyml.resources import board_support_dir


def list_boards(search: Sequence[Path] = ()) -> list[str]:
    """Names of all boards, those of `search` folders included, sorted."""
    return sorted({f.parent.name for root in _roots(search) for f in root.glob("boards/*/board.toml")})


def timed_boards() -> list[str]:
    """Names of the boards that ship for whose cores there is a time model."""
    return [name for name in list_boards() if load_board(name).core_time is not None]


def firmware_boards() -> list[str]:
    """Names of the boards that ship with firmware."""
    return [name for name in list_boards() if load_board(name).has_firmware]


def load_board(name: str, search: Sequence[Path] = ()) -> Board:
    """Read a board and the SoC, architecture and drivers it names.

    `search` are more folders laid out as `board_support/` (boards/, soc/, arch/, drivers/); they come first.
    Raises: ProjectError for an unknown name, an unknown or missing key, overlapping memories or a missing file.
    """
    known = list_boards(search)
    if name not in known:
        raise ProjectError(f"there is no board `{name}`", hint=nearest(name, known))
    roots = _roots(search)
    path = _find(roots, "boards", name, "board.toml")
    board = read_file(BoardFile, path)
    if board.name != name:
        raise ProjectError(f"{path}: `name` is `{board.name}`, but the folder is called `{name}`")
    soc_path = _find(roots, "soc", board.soc, "soc.toml", path)
    soc = read_file(SocFile, soc_path)
    arch_path = _find(roots, "arch", soc.arch, "arch.toml", soc_path)
    arch = read_file(ArchFile, arch_path)
    drivers = [_Driver.load(roots, d, soc_path) for d in soc.drivers]
    features = {}
    for feature, table in board.features.items():
        driver = _Driver.load(roots, str(table.get("driver", "")), path)
        features[feature] = driver.settings(feature, table, path)
        drivers.append(driver)
    parts = [(arch_path, arch.sources), (soc_path, soc.sources), *((d.path, d.file.sources) for d in drivers),
             (path, board.sources)]  # fmt: skip
    return Board(
        name=board.name, product=board.product, vendor=board.vendor, soc=soc.name, status=board.status,
        isa=_isa(arch, soc, soc_path), cpu=soc.cpu, cpu_hz=int(soc.cpu_hz.value), svd=soc.svd,
        time_factor=board.time_factor.value, core_time=_core_time(arch, soc.cpu),
        memories=_memories(soc.memory, soc_path), regions=_regions(soc, soc_path),
        stack_bytes=board.reserve.stack_bytes,
        features=features, deploy=board.deploy.model_dump(exclude_none=True), has_firmware=bool(board.sources),
        c_sources=_c_sources(parts), c_include_dirs=_include_dirs(roots, parts),
        c_defines=(f"SOC_CPU_HZ={int(soc.cpu_hz.value)}u", f"SOC_INTERRUPTS={soc.interrupts}u", *_defines(features)),
    )  # fmt: skip


@dataclass(frozen=True)
class _Driver:
    path: Path
    file: DriverFile

    @classmethod
    def load(cls, roots: Sequence[Path], name: str, named_in: Path) -> _Driver:
        known = sorted({f.stem for root in roots for f in root.glob("drivers/*.toml")})
        if name not in known:
            raise ProjectError(f"{named_in}: there is no driver `{name}`", hint=nearest(name, known))
        path = next(f for root in roots if (f := root / "drivers" / f"{name}.toml").is_file())
        return cls(path, read_file(DriverFile, path))

    def settings(self, feature: str, table: Mapping[str, Scalar], path: Path) -> Mapping[str, Scalar]:
        """The board's keys for this driver with defaults filled in. Raises: ProjectError."""
        if self.file.feature != feature:
            raise ProjectError(f"{path}: driver `{self.path.stem}` provides `{self.file.feature}`, not `{feature}`",
                               hint=nearest(feature, [self.file.feature]))  # fmt: skip
        for key in table:
            if key != "driver" and key not in self.file.keys:
                raise ProjectError(f"{path}: unknown key `features.{feature}.{key}`",
                                   hint=nearest(key, list(self.file.keys)))  # fmt: skip
        chosen = {key: _checked(table.get(key, rule.default), rule, f"{path}: `features.{feature}.{key}`")
                  for key, rule in self.file.keys.items()}  # fmt: skip
        return {"driver": self.path.stem, **chosen}


def _checked(value: Scalar | None, rule: KeyRule, where: str) -> Scalar:
    if value is None:
        raise ProjectError(f"{where} is missing")
    if rule.choices is not None:
        if not any(value == c and type(value) is type(c) for c in rule.choices):
            raise ProjectError(f"{where} is {value!r}, known values: {', '.join(map(repr, rule.choices))}")
    elif not isinstance(value, int) or isinstance(value, bool) or not rule.min <= value <= rule.max:
        raise ProjectError(f"{where} is {value!r}, an integer from {rule.min} to {rule.max} is needed")
    return value


def _roots(search: Sequence[Path]) -> list[Path]:
    return [*(Path(s).resolve() for s in search), board_support_dir()]


def _find(roots: Sequence[Path], kind: str, name: str, file: str, named_in: Path | None = None) -> Path:
    for root in roots:
        if (path := root / kind / name / file).is_file():
            return path
    known = sorted({f.parent.name for root in roots for f in root.glob(f"{kind}/*/{file}")})
    raise ProjectError(f"{named_in}: there is no {kind} `{name}`", hint=nearest(name, known))


def _isa(arch: ArchFile, soc: SocFile, path: Path) -> Isa:
    if soc.cpu not in arch.cpu:
        raise ProjectError(f"{path}: `{arch.name}` has no cpu `{soc.cpu}`", hint=nearest(soc.cpu, list(arch.cpu)))
    return isa_of(arch, soc.cpu)


def _core_time(arch: ArchFile, cpu: str) -> CoreTime | None:
    table = arch.cpu[cpu].time
    return CoreTime(**table.model_dump()) if table else None


def _memories(tables: Sequence[MemoryTable], path: Path) -> tuple[Memory, ...]:
    """Raises: ProjectError when two memories share a name or an address."""
    memories = sorted((Memory(t.name, t.origin, t.length, t.dma, t.source) for t in tables), key=lambda m: m.origin)
    if len({m.name for m in memories}) != len(memories):
        raise ProjectError(f"{path}: two memories have the same name")
    for low, high in zip(memories, memories[1:], strict=False):
        end = low.origin + low.length_bytes
        if end > high.origin:
            raise ProjectError(
                f"{path}: the memories `{low.name}` and `{high.name}` overlap",
                details=[f"{low.name} {low.origin:#010x} to {end:#010x}", f"{high.name} starts at {high.origin:#010x}"],
                hint=f"correct `origin` or `length` from the manual ({high.source})",
            )
    return tuple(memories)


def _regions(soc: SocFile, path: Path) -> Mapping[str, str]:
    memories = {m.name: m for m in soc.memory}
    regions = soc.regions.model_dump()
    for role, name in regions.items():
        if name not in memories:
            raise ProjectError(f"{path}: `regions.{role}` names no memory: `{name}`",
                               hint=nearest(name, list(memories)))  # fmt: skip
    if not memories[regions["dma"]].dma:
        raise ProjectError(f"{path}: DMA does not reach `{regions['dma']}`, which `regions.dma` names")
    return regions


def _c_sources(parts: Sequence[tuple[Path, Sequence[str]]]) -> tuple[Path, ...]:
    """Every C file once, in the order arch, SoC, drivers, board. Raises: ProjectError for a file that is missing."""
    found: dict[Path, None] = {}
    for named_in, sources in parts:
        for source in sources:
            path = named_in.parent / source
            if not path.is_file():
                raise ProjectError(f"{named_in}: the C file `{source}` does not exist")
            found[path] = None
    return tuple(found)


def _include_dirs(roots: Sequence[Path], parts: Sequence[tuple[Path, Sequence[str]]]) -> tuple[Path, ...]:
    hal = next(folder for root in roots if (folder := root / "hal").is_dir())
    return tuple(dict.fromkeys([hal, *(named_in.parent for named_in, _ in parts)]))


def _defines(features: Mapping[str, Mapping[str, Scalar]]) -> Iterator[str]:
    """A number or truth value is BOARD_FEATURE_KEY=VALUE, a text BOARD_FEATURE_KEY_TEXT=1."""
    for feature, table in features.items():
        for key, value in table.items():
            name = f"BOARD_{feature}_{key}".upper()
            if isinstance(value, str):
                yield f"{name}_{value.upper()}=1"
            else:
                yield f"{name}={int(value) if isinstance(value, bool) else value}"
