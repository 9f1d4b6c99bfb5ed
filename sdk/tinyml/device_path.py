"""The second half of the path: int8 graph -> C -> image -> virtual board or silicon."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tinyml.artifacts import Stages
from tinyml.board import Board
from tinyml.errors import Progress
from tinyml.features import LogMelSpec
from tinyml.project import Config
from tinyml.quantized import Quantized
from tinyml.stage_keys import StageKeys

if TYPE_CHECKING:
    from tinyml.compiler import Compiled
    from tinyml.data import Manifest
    from tinyml.evaluate.stream import Stimulus, VirtualRun
    from tinyml.firmware import Image
    from tinyml.ir.graph import Graph
    from tinyml.limits import Load


class DevicePath:
    """What `Project` does from the int8 network on; the first half, and what both share, stand in `pipeline.py`."""

    folder: Path
    config: Config
    board: Board
    features: LogMelSpec
    keys: StageKeys
    stages: Stages
    progress: Progress
    manifests: dict[str, Manifest]
    graph: Graph
    quantized: Quantized
    find_network: Callable[[], None]

    @cached_property
    def compiled(self) -> Compiled:
        """Specialised C and its memory plan; cheap enough to be made anew in each process."""
        from tinyml.compiler import compile_graph

        return compile_graph(self.graph, self.board.isa, prefix="m")

    @cached_property
    def compiled_dir(self) -> Path:
        """The folder of generated C."""
        self.find_network()
        return self.stages.make("compile", self.keys.compile, self._compile_stage, lambda: self.graph).path

    def _compile_stage(self, out: Path) -> None:
        from tinyml.compiler import write

        write(self.compiled, out)

    @cached_property
    def load_estimate(self) -> Load:
        """Estimated latency and duty, checked against `[limits]`. Raises: OverBudgetError."""
        from tinyml.features.cost import CYCLES_PER_HOP
        from tinyml.limits import check_load, estimate_load

        cycles = sum(layer.cycles for layer in self.compiled.layers)
        load = estimate_load(self.config, self.board, cycles, CYCLES_PER_HOP)
        if self.board.status != "native":
            check_load(self.config, self.board, load)
        return load

    @cached_property
    def image(self) -> Image:
        """The linked firmware. Objects are cached, so a changed threshold compiles one file and links."""
        return self.build_image()

    def build_image(self, *, uf2: bool = False) -> Image:
        """Compile and link for the board (`uf2`: behind its UF2 bootloader). Raises: OverBudgetError, ProjectError."""
        from tinyml import compiler, features, firmware
        from tinyml.application import app_config
        from tinyml.limits import check_memory, check_needs

        self.find_network()
        c = self.config
        check_needs(c, self.board)
        _ = self.load_estimate
        app, model = app_config(c, self.quantized.sha256), compiler.write(self.compiled, self.compiled_dir)
        peak = compiler.Peak.of(self.compiled.plan)
        self.stages.announce("build", "running")
        # A folder per image: two processes may build different configurations of one project at a time.
        folder = self.stages.store.root / "build" / self.board.name
        front_end = features.write_c(self.features, folder / f"features-{self.features.digest[:12]}")
        image = firmware.build(
            self.board, c.board.compiler, self.folder / "firmware", front_end, model, app,
            folder / self.keys.image(app), uf2=uf2,
            peak=peak, objects_dir=folder / "objects",
        )  # fmt: skip
        check_memory(c, self.board, ram_bytes=image.ram_bytes, flash_bytes=image.flash_bytes,
                     biggest=[f"{s.name} {s.size_bytes:,} bytes" for s in image.biggest[:6]], peak=peak)  # fmt: skip
        return image

    @cached_property
    def simulated(self) -> VirtualRun:
        """The image on the virtual board, hearing held-out recordings; always run, never cached."""
        from tinyml.evaluate.stream import build_stimulus

        seed, words = self.config.data.seed, self.config.data.words
        return self._simulate(build_stimulus(tuple(self.manifests.values()), words, seed=seed))

    def listen(self, recording: Path) -> VirtualRun:
        """The image on the virtual board, hearing a recording. Raises: ProjectError when it cannot be read."""
        from tinyml.evaluate.stream import recorded_stimulus

        return self._simulate(recorded_stimulus(recording))

    def _simulate(self, stimulus: Stimulus) -> VirtualRun:
        from tinyml import deploy
        from tinyml.evaluate.stream import VirtualRun

        image = self.image
        self.stages.announce("run", f"{stimulus.seconds:.0f} s of audio on the virtual {self.board.name}")
        options = deploy.DeployOptions(microphone=stimulus.pcm, layers=self.compiled.calls)
        done = deploy.runners()["virtual"].run(image, self.board, options, self.progress)
        return VirtualRun(done.simulation, stimulus)
