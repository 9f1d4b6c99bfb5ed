"""The search as a stage of the path: what goes into it, when it is stale, and what a project keeps of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import tomlkit
from pydantic import TypeAdapter, ValidationError

from tinyml.architecture import Found, Geometry, Network, read_network, write_network
from tinyml.artifacts import Stages, code_digest, digest
from tinyml.board import Board
from tinyml.budgets import Budgets, Limits
from tinyml.errors import Progress, ProjectError
from tinyml.nas.budget import Budget
from tinyml.nas.record import Counts, Evaluated, SearchRecord
from tinyml.nas.space import SearchSpace, architecture
from tinyml.nas.space_file import check_front_end, load_space
from tinyml.project import CONFIG_FILE, NETWORK_FILE, Config, check_teachers_hear_all
from tinyml.searched import Searched, sha256_of
from tinyml.stage_keys import StageKeys
from tinyml.storage import write_text

if TYPE_CHECKING:
    from tinyml.data import FeatureSet

DECIDED_BY_NETWORK = {"model": ("arch", "width_mult", "module"), "features": ("mel_bins", "window_frames", "hop_ms")}
"""Keys that leave tinyml.toml when a network is found: the architecture file decides what they did."""
_CODE = ("nas", "architecture", "models", "train", "compiler", "ops")
_COUNTS_FILE = "counts.json"
HAND_MADE = ("ds_cnn", "temporal_resnet")
"""Networks of `tinyml.models` that the searched one is compared with, for the front end's default geometry."""
TRAININGS = 1 + len(HAND_MADE)
"""Networks that are trained behind a search, in the time that was given for it; their teachers are too."""
LESSON_EFFORT = 0.25
"""A step takes so much longer for every teacher that answers."""
QAT_EFFORT = 3
"""A step of quantisation-aware training takes about as long as this many others."""


@dataclass(frozen=True)
class SearchOptions:
    """How a search is run, which does not change what it finds. `workers` None: one per core. `restart` throws away
    what an earlier run of the same search left."""

    backend: str = "processes"
    workers: int | None = None
    ray_address: str | None = None
    restart: bool = False


@dataclass(frozen=True)
class SearchOutcome:
    """A finished search; `network` is now the project's."""

    searched: Searched
    record: SearchRecord
    network: Network

    @property
    def chosen(self) -> Evaluated:
        return self.record.evaluations[self.record.chosen]

    @property
    def budget(self) -> Budget:
        """That of the chosen network's geometry."""
        return self.record.budgets[self.chosen.genome.geometry]


@dataclass(frozen=True)
class SearchStage:
    """The search that `config` asks for. `examples` gives the windows of a geometry and split."""

    folder: Path
    config: Config
    board: Board
    keys: StageKeys
    stages: Stages
    examples: Callable[[Geometry, str], FeatureSet]
    progress: Progress

    @cached_property
    def space(self) -> SearchSpace:
        """The search space. Raises: ProjectError for one that this project's front end cannot serve."""
        space = load_space(self.config.search.space, self.folder)
        check_front_end(space, sample_rate_hz=self.config.features.sample_rate_hz,
                        frame_ms=self.config.features.frame_ms,
                        inferences_per_second=self.config.detect.inferences_per_second)  # fmt: skip
        return space

    @cached_property
    def key(self) -> str:
        """Hashes everything that decides what is found."""
        c, board = self.config, self.board
        search = {k: v for k, v in asdict(c.search).items() if k not in ("enabled", "space")}
        features = (c.features.sample_rate_hz, c.features.frame_ms, c.features.mean_removal)
        return digest(
            self.space, search, self._data, c.labels, c.data.copies, c.data.seed, features, Limits.of(c, board),
            c.detect.inferences_per_second, board.name, board.isa, board.memories, board.cpu_hz, board.time_factor,
            board.core_time, board.stack_bytes, code_digest("data", "features"), code_digest(*_CODE),
        )  # fmt: skip

    @property
    def current(self) -> bool:
        """Whether the project's network is the one that this search found."""
        path = self.folder / NETWORK_FILE
        if self.config.model.architecture != NETWORK_FILE or not path.is_file():
            return False
        found = read_network(path).found
        return found is not None and found.search_key == self.key

    def check(self) -> None:
        """Fail before anything is made when the search cannot be run, or would overwrite. Raises: ProjectError."""
        self.board.require_time_model()
        _ = self.space
        check_teachers_hear_all(self.config, self.folder / CONFIG_FILE)
        path = self.folder / NETWORK_FILE
        if path.is_file() and read_network(path).found is None:
            raise ProjectError(f"{NETWORK_FILE} does not come from a search and would be overwritten",
                               hint="give it another name, and name that in `model.architecture`")  # fmt: skip

    @cached_property
    def budgets(self) -> tuple[Budget, ...]:
        """What the board leaves, per geometry. Raises: OverBudgetError when not even the smallest network fits."""
        return Budgets(self.config, self.board, self.space, self.folder, self.stages, self.progress).measured()

    def run(self, options: SearchOptions | None = None) -> SearchOutcome:
        """Search, or go on with a search that was stopped, or take a finished one; its network becomes the project's.

        Raises: OverBudgetError when no network fits, ProjectError for damaged files of a stopped search.
        """
        self.check()
        store, options = self.stages.store, options or SearchOptions()
        if options.restart:
            shutil.rmtree(store.path("search", self.key), ignore_errors=True)
            shutil.rmtree(self.work, ignore_errors=True)
        made = self.stages.make("search", self.key, lambda out: self._search(out, options), lambda: self.budgets)
        searched = Searched(made.path)
        network = read_network(searched.network_file)
        write_network(network, self.folder / NETWORK_FILE)
        name_network(self.folder)
        return SearchOutcome(searched, SearchRecord.load(searched.record_file), network)

    @property
    def work(self) -> Path:
        """What a search that was stopped leaves, until it is done."""
        return self.stages.store.work_dir("search", self.key)

    def _search(self, out: Path, options: SearchOptions) -> None:
        from tinyml.nas.search import SearchTask, search

        c = self.config
        with _restart_named(self.work):
            task = SearchTask(
                self.space, len(c.labels), self.board.isa, self.budgets, self.board.name, self._counts(options),
                c.search.seed, self.work, lambda g: (self.examples(g, "train"), self.examples(g, "val")),
                self.keys.features.quant, options.backend, options.workers, options.ray_address, c.search.spaces,
            )  # fmt: skip
            record = search(task, progress=self.progress, announce=self.stages.announce)
        self._keep(record, out)

    def _counts(self, options: SearchOptions) -> Counts:
        """How much is done in the time that is given: measured once, then the same however often a run is resumed."""
        kept, adapter = self.work / _COUNTS_FILE, TypeAdapter(Counts)
        if kept.is_file():
            try:
                return adapter.validate_json(kept.read_bytes())
            except ValidationError as error:
                raise ProjectError(f"{kept} is damaged") from error
        from tinyml.nas.calibration import counts_for, measure
        from tinyml.nas.costing import Costs

        space, classes, seed = self.space, len(self.config.labels), self.config.search.seed
        windows = len(self.examples(space.geometries[0], "val"))
        costs = Costs(space, classes, self.board.isa)
        speeds = measure(space, classes, costs, self.budgets, fitness_windows=windows, seed=seed)
        counts = counts_for(self.config.search.budget_s, speeds, len(space.spaces),
                            options.workers or os.cpu_count() or 1, self._finetune_steps)  # fmt: skip
        write_text(kept, adapter.dump_json(counts, indent=1).decode())
        return counts

    @property
    def _finetune_steps(self) -> int:
        """Steps of all training behind the search, in those of a network on the labels."""
        train, quant = self.config.train, self.config.quant
        taught = train.steps * (1 + LESSON_EFFORT * len(train.teachers))
        pupils = TRAININGS * (round(taught) + QAT_EFFORT * quant.qat_steps)
        inputs = 2  # the chosen network's and the hand-made ones': teachers hear what their pupils hear
        return pupils + inputs * len(train.teachers) * train.steps

    def _keep(self, record: SearchRecord, out: Path) -> None:
        """Fill the artifact: what outlives the search's own files."""
        from tinyml.report.search_report import write_search_report

        kept = Searched(out)
        record.save(kept.record_file)
        shutil.copyfile(self.work / kept.weights_file.name, kept.weights_file)
        write_search_report(record, kept.report_file, self.progress, self.board)
        write_network(self._network(record, kept), kept.network_file)

    def _network(self, record: SearchRecord, kept: Searched) -> Network:
        genome = record.evaluations[record.chosen].genome
        budget = record.budgets[genome.geometry]
        found = Found(
            command=self.command, date=datetime.now(UTC).date().isoformat(), seed=record.seed, board=record.board,
            data=self._data, labels=self.config.labels, space=self.space.name, ram_bytes=budget.ram_bytes,
            flash_bytes=budget.flash_bytes, cycles=budget.cycles or 0, search_key=self.key,
            record_sha256=sha256_of(kept.record_file), weights_sha256=sha256_of(kept.weights_file),
        )  # fmt: skip
        return Network.of(architecture(record.space, genome, record.classes), found)

    @property
    def command(self) -> str:
        """The command line that asks for this search, whatever stands in `[search]`."""
        s = self.config.search
        parts = [f"--space {s.space}", f"--budget {s.budget}", f"--seed {s.seed}"]
        parts += [f"--ram {s.ram_bytes}"] if s.ram_bytes else []
        parts += [f"--flash {s.flash_bytes}"] if s.flash_bytes else []
        parts += [f"--latency {s.latency_ms:g}ms"] if s.latency_ms else []
        return " ".join(["tinyml search", *parts])

    @cached_property
    def _data(self) -> str:
        """Every source with the beginning of the hash of what is in it."""
        return ", ".join(f"{source}:{self.keys.source(source)[:12]}" for source in self.config.data.sources)


@contextmanager
def _restart_named(work: Path) -> Iterator[None]:
    """Errors about files of a stopped search say how to start over."""
    try:
        yield
    except ProjectError as error:
        if str(work) not in error.message or "--restart" in (error.hint or ""):
            raise
        raise ProjectError(error.message, details=error.details,
                           hint="start over with `tinyml search --restart`") from error  # fmt: skip


def name_network(folder: Path) -> None:
    """Make `network.toml` the network of the project in `folder`: edits tinyml.toml, comments kept."""
    path = folder / CONFIG_FILE
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    for section, keys in DECIDED_BY_NETWORK.items():
        for key in keys:
            document.get(section, {}).pop(key, None)
    document.setdefault("model", tomlkit.table())["architecture"] = NETWORK_FILE
    write_text(path, tomlkit.dumps(document))
