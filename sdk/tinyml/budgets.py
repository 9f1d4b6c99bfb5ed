"""What a board leaves for a network, measured: the application's image is built around the smallest network of a search
space, and everything in it that is not the network is taken off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from tinyml.application import app_config
from tinyml.architecture import Architecture, weightless
from tinyml.artifacts import Stages, code_digest, digest, files_digest
from tinyml.board import Board, load_board
from tinyml.compiler.cost import NetworkCost, network_cost
from tinyml.errors import OverBudgetError, Progress, no_progress
from tinyml.features.cost import CYCLES_PER_HOP
from tinyml.limits import DEFAULT_DUTY
from tinyml.nas.budget import Budget
from tinyml.nas.space import SearchSpace, architecture, extreme
from tinyml.project import Config, features_of
from tinyml.stage_keys import log_mel_spec

REFERENCE_BOARD = "nrf52840"
"""Where there is no firmware for a board, the application around the network is measured on this one."""
FLASH_MARGIN = 0.02
"""Code bytes of a network are estimated, to within this share of its flash; that much is left free."""


@dataclass(frozen=True)
class Surroundings:
    """Bytes of an image that are not the network's: variables with their gaps, DMA buffers, flash. The stack is not
    among them. `board` is where they were measured."""

    board: str
    data_bytes: int
    dma_bytes: int
    flash_bytes: int


@dataclass(frozen=True)
class Limits:
    """The tightest of the board's, of `[limits]` and of `[search]`; None: no limit but the board's own."""

    ram_bytes: int | None
    flash_bytes: int
    latency_ms: float | None
    duty: float

    @classmethod
    def of(cls, config: Config, board: Board) -> Limits:
        def tightest(key: str) -> float | None:
            stated = [v for v in (getattr(config.limits, key), getattr(config.search, key)) if v is not None]
            return min(stated, default=None)

        flash_bytes = tightest("flash_bytes")
        return cls(tightest("ram_bytes"), min(board.flash_bytes, flash_bytes or board.flash_bytes),
                   tightest("latency_ms"), config.limits.duty or DEFAULT_DUTY)  # fmt: skip


@dataclass(frozen=True)
class Budgets:
    """The budgets of an application on a board, per geometry of a search space. `folder` is the project's."""

    config: Config
    board: Board
    space: SearchSpace
    folder: Path
    stages: Stages
    progress: Progress = no_progress

    def measured(self) -> tuple[Budget, ...]:
        """One budget per geometry. Raises: OverBudgetError when not even the smallest network meets one, ProjectError
        for a board without a time model."""
        self.board.require_time_model()
        budgets = tuple(self._budget(g) for g in range(len(self.space.geometries)))
        if not any(b.fits(cost) for b, cost in zip(budgets, self.smallest_costs, strict=True)):
            raise self._nothing_fits(budgets)
        return budgets

    @cached_property
    def limits(self) -> Limits:
        return Limits.of(self.config, self.board)

    @cached_property
    def smallest_costs(self) -> tuple[NetworkCost, ...]:
        """What the smallest network of every geometry needs."""
        return tuple(network_cost(weightless.graph(self._smallest(g)), self.board.isa, rows=True)
                     for g in range(len(self.space.geometries)))  # fmt: skip

    @cached_property
    def surroundings(self) -> tuple[Surroundings, ...]:
        """What is around the network, per geometry; measured once, then kept in the build folder."""
        found = []
        for number in range(len(self.space.geometries)):
            made = self.stages.store.make("budgets", self._key(number), lambda out, n=number: self._measure(n, out))
            if made.fresh:
                self.progress("measuring what the board leaves", number + 1, len(self.space.geometries))
            found.append(Surroundings(**json.loads((made.path / "surroundings.json").read_text())))
        return tuple(found)

    def _budget(self, geometry: int) -> Budget:
        around, limits, board = self.surroundings[geometry], self.limits, self.board
        ram = board.arena_left(data_bytes=around.data_bytes, dma_bytes=around.dma_bytes)
        if limits.ram_bytes is not None:
            ram = min(ram, limits.ram_bytes - self._other_ram(geometry))
        flash = int((limits.flash_bytes - around.flash_bytes) * (1 - FLASH_MARGIN))
        return Budget(max(0, ram), max(0, flash), self._cycles(self.space.geometries[geometry].hop_ms))

    def _other_ram(self, geometry: int) -> int:
        around = self.surroundings[geometry]
        return around.data_bytes + around.dma_bytes + self.board.stack_bytes

    def _cycles(self, hop_ms: float) -> int:
        """What latency and duty leave for an inference, the front end's work taken off."""
        front_end_ms = self.board.milliseconds(CYCLES_PER_HOP * 1000 / hop_ms)  # of every second
        left_ms = (1000 * self.limits.duty - front_end_ms) / self.config.detect.inferences_per_second
        if self.limits.latency_ms is not None:
            left_ms = min(left_ms, self.limits.latency_ms)
        return max(0, self.board.cycles(max(0.0, left_ms)))

    def _smallest(self, geometry: int) -> Architecture:
        width = min(range(len(self.space.widths)), key=self.space.widths.__getitem__)
        genome = extreme(self.space, largest=False, geometry=geometry, width=width)
        return architecture(self.space, genome, len(self.config.labels))

    @cached_property
    def _reference(self) -> Board:
        return self.board if self.board.has_firmware else load_board(REFERENCE_BOARD)

    def _config(self, geometry: int) -> Config:
        """The project's, as if the network had this geometry."""
        features = features_of(self.space.geometries[geometry], f"the search space {self.space.name}")
        return self.config.override(features=features)

    def _key(self, geometry: int) -> str:
        c = self._config(geometry)
        sources = files_digest(path for path in (self.folder / "firmware").glob("*") if path.is_file())
        return digest(
            self._smallest(geometry), c.app, c.labels, c.detect, c.features, c.board.compiler, self._reference.name,
            self._reference.memories, self._reference.stack_bytes, sources,
            code_digest("features", "runtime", "firmware", "compiler", "ops", "ir", "toolchain", "architecture"),
        )  # fmt: skip

    def _measure(self, geometry: int, out: Path) -> None:
        """Build the application around the smallest network and write what else is in the image."""
        from tinyml import compiler, features, firmware

        board, config, arch = self._reference, self._config(geometry), self._smallest(geometry)
        folder = self.stages.store.root / "build" / "surroundings"
        compiled = compiler.compile_graph(weightless.graph(arch, seed=0), board.isa, prefix="m")
        image = firmware.build(
            board, config.board.compiler, self.folder / "firmware",
            features.write_c(log_mel_spec(config.features), out / "features"), compiler.write(compiled, out / "model"),
            app_config(config, "0" * 64), out / "image", objects_dir=folder / "objects",
        )  # fmt: skip
        sizes = {section.name: section.size_bytes for section in image.sections}
        network_flash = network_cost(weightless.graph(arch), board.isa, rows=True).flash_bytes
        dma_bytes = sizes.get(".dma", 0)
        rest = image.ram_bytes - sizes[".arena"] - dma_bytes - board.stack_bytes
        found = Surroundings(board.name, rest, dma_bytes, image.flash_bytes - network_flash)
        (out / "surroundings.json").write_text(json.dumps(asdict(found), indent=1))

    def _nothing_fits(self, budgets: tuple[Budget, ...]) -> OverBudgetError:
        """Says what the network that is nearest to fitting lacks."""

        def worst(number: int) -> float:
            budget, cost = budgets[number], self.smallest_costs[number]
            return max(cost.arena_bytes / max(budget.ram_bytes, 1), cost.flash_bytes / max(budget.flash_bytes, 1),
                       cost.cycles / max(budget.cycles, 1))  # fmt: skip

        number = min(range(len(budgets)), key=worst)
        return OverBudgetError(
            f"no network of the search space `{self.space.name}` meets the budgets of `{self.config.app.name}` on "
            f"`{self.board.name}`",
            details=[f"the smallest ({self.space.geometries[number].title}) needs, beside what is left for it:",
                     *self._needs(number, budgets[number])],
            hint=f"{', '.join(self._remedies(number, budgets[number]))}; or use a space with smaller networks",
        )  # fmt: skip

    def _needs(self, number: int, budget: Budget) -> Iterator[str]:
        cost, around, limits, board = self.smallest_costs[number], self.surroundings[number], self.limits, self.board
        rest = (f"{limits.ram_bytes or board.ram_bytes:,}, stack {board.stack_bytes:,}, "
                f"DMA buffers {around.dma_bytes:,}, variables {around.data_bytes:,}")  # fmt: skip
        yield f"RAM     {cost.arena_bytes:>9,} bytes of {budget.ram_bytes:,} (of {rest})"
        rest = f"{limits.flash_bytes:,}, the rest of the application {around.flash_bytes:,}"
        yield f"flash   {cost.flash_bytes:>9,} bytes of {budget.flash_bytes:,} (of {rest})"
        yield (f"latency {board.milliseconds(cost.cycles):>9.1f} ms of {board.milliseconds(budget.cycles):.1f} ms "
               f"({cost.cycles:,} of {budget.cycles:,} cycles)")  # fmt: skip

    def _remedies(self, number: int, budget: Budget) -> Iterator[str]:
        """The limits that would have to be raised, and how far."""
        cost = self.smallest_costs[number]
        if cost.arena_bytes > budget.ram_bytes:
            yield f"allow at least {-(-(self._other_ram(number) + cost.arena_bytes) // 1024)}k of RAM"
        if cost.flash_bytes > budget.flash_bytes:
            needed = self.surroundings[number].flash_bytes + cost.flash_bytes / (1 - FLASH_MARGIN)
            yield f"allow at least {-(-int(needed + 1) // 1024)}k of flash"
        if cost.cycles > budget.cycles:
            yield (f"allow {self.board.milliseconds(cost.cycles):.1f} ms of latency, a higher `limits.duty` or fewer "
                   "`detect.inferences_per_second`")  # fmt: skip
