"""THE path, data to device. `Project` pulls each stage from the one before it:

    manifests -> examples (-> search) -> trained -> quantized -> evaluated -> compiled -> image -> simulated
    -> deploy, report

A stage's artifact lies in `build/<stage>/<key>`; its key is the hash of what goes in: configuration, upstream
keys, and the sources of the code that makes it. Properties load or make; the verbs do the same and return the
project, so that `Project.load(".").train().deploy(to="virtual")` reads as it runs. From `compiled` to `simulated`
the stages stand in `device_path.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyml.architecture import Geometry, read_network
from tinyml.artifacts import Artifact, Stages, Store
from tinyml.board import Board, load_board
from tinyml.device_path import DevicePath
from tinyml.errors import Announce, Progress, ProjectError, no_announcement, no_progress
from tinyml.project import CONFIG_FILE, DEFAULT_ARCH, NETWORK_FILE, Config, features_of, load_config
from tinyml.quantized import Quantized
from tinyml.stage_keys import SYNTH, StageKeys, log_mel_spec

if TYPE_CHECKING:
    from tinyml.data import FeatureSet, Manifest
    from tinyml.deploy import DeployOptions, DeployResult
    from tinyml.evaluate.offline import Evaluation
    from tinyml.evaluate.stream import VirtualRun
    from tinyml.ir.graph import Graph
    from tinyml.search_stage import SearchOptions, SearchOutcome, SearchStage
    from tinyml.train import TrainResult


@dataclass(frozen=True)
class Deployed:
    """What a deployment did: a run on the virtual board, or the result of a runner that reached a real one."""

    runner: str
    run: VirtualRun | None
    result: DeployResult | None


class Project(DevicePath):
    """A project folder and everything that is made from it. Modules that need torch load only in stale stages."""

    def __init__(
        self, folder: Path, config: Config, board: Board, *, progress: Progress = no_progress,
        announce: Announce = no_announcement,
    ) -> None:  # fmt: skip
        self.folder, self.board = folder, board
        self.progress, self.announce = progress, announce
        self.store = Store(folder / "build")
        self.stages = Stages(self.store, announce)
        self._use(config)

    def _use(self, config: Config) -> None:
        """Go on under `config`; what was made under another one is forgotten."""
        for name in [n for n in self.__dict__ if isinstance(getattr(type(self), n, None), cached_property)]:
            del self.__dict__[name]
        self.config, self.features = config, log_mel_spec(config.features)
        self.keys = StageKeys(self.folder, config, self.features, self.board.isa)

    @classmethod
    def load(
        cls, folder: Path | str = ".", *, board: str | None = None, progress: Progress = no_progress,
        announce: Announce = no_announcement,
    ) -> Project:  # fmt: skip
        """Open the project in `folder`. `board` replaces the one in tinyml.toml. Raises: ProjectError."""
        folder = Path(folder).resolve()
        config = load_config(folder)
        if board:
            config = config.override(board={"name": board})
        return cls(folder, config, load_board(config.board.name), progress=progress, announce=announce)

    def override(self, **sections: dict[str, object]) -> Project:
        """The same folder and artifacts under a changed configuration (see `Config.override`)."""
        return self._under(self.config.override(**sections))

    def _under(self, config: Config) -> Project:
        other = Project(self.folder, config, load_board(config.board.name), progress=self.progress,
                        announce=self.announce)  # fmt: skip
        other.stages = self.stages  # what was announced is not announced again
        return other

    # ---- data: words and recordings -> manifests -> int8 examples -------------------------------------------

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """One manifest per source: the synthesised clips and every imported folder."""
        from tinyml.data import Manifest

        folders = {source: self._synthesised().path if source == SYNTH else self.keys.source_dir(source)
                   for source in self.config.data.sources}  # fmt: skip
        return {source: Manifest.load(folder) for source, folder in folders.items()}

    def _synthesised(self) -> Artifact:
        from tinyml.data import synthesise

        d = self.config.data

        def build(out: Path) -> None:
            synthesise(d.words, out, clips=d.clips, seed=d.seed, language=d.language, progress=self.progress)

        return self.stages.make("data", self.keys.source(SYNTH), build)

    def examples(self, split: str) -> FeatureSet:
        """Windows of int8 log-mel features, cut from streams that ran through the C front end."""
        from tinyml.data import FeatureSet

        parts = []
        for source in self.config.data.sources:
            build = self._examples_stage(source, split)
            key = self.keys.examples(source, split)
            made = self.stages.make("examples", key, build, lambda: self.manifests, f"of {source}, {split}")
            parts.append(FeatureSet.load(made.path / "examples.npz"))
        return FeatureSet.concatenate(parts)

    def _examples_stage(self, source: str, split: str) -> Callable[[Path], None]:
        def build(out: Path) -> None:
            from tinyml.data import make_examples

            training = split == "train"
            make_examples(
                self.manifests[source], self.config.labels, self.features, split,
                window_frames=self.config.features.window_frames, copies=self.config.data.copies if training else 1,
                seed=self.config.data.seed, augment=training, progress=self.progress,
            ).save(out / "examples.npz")  # fmt: skip

        return build

    # ---- search: examples -> the network's architecture ------------------------------------------------------

    def search(self, options: SearchOptions | None = None) -> SearchOutcome:
        """Find the network for this board and make it the project's; what was stopped goes on, what is done is taken.

        Raises: OverBudgetError when no network fits, ProjectError.
        """
        outcome = self.search_stage.run(options)
        self._use(self.config.override(
            model={"arch": None, "width_mult": 1.0, "module": None, "architecture": NETWORK_FILE},
            features=features_of(outcome.network.geometry, NETWORK_FILE)))  # fmt: skip
        return outcome

    def find_network(self) -> None:
        """Search where `[search]` asks for it and the network is not yet what it found; the keys depend on it."""
        if self.config.search.enabled and not self.search_stage.current:
            self.search()

    @property
    def search_stage(self) -> SearchStage:
        from tinyml.search_stage import SearchStage

        return SearchStage(self.folder, self.config, self.board, self.keys, self.stages, self._examples_of,
                           self.progress)  # fmt: skip

    def _examples_of(self, geometry: Geometry, split: str) -> FeatureSet:
        """Windows as a network of another geometry would see them."""
        return self.override(features=features_of(geometry, self.config.search.space)).examples(split)

    # ---- network: examples -> float weights -> int8 graph ---------------------------------------------------

    def build_model(self) -> Any:
        """A fresh, untrained network. Raises: ProjectError for layers that the engine cannot run."""
        from tinyml import models

        c = self.config
        shape = (c.features.window_frames, c.features.mel_bins)
        if c.model.module:
            return models.load_module(self.folder, c.model.module, shape, len(c.labels), seed=c.train.seed)
        if c.model.architecture:
            network = read_network(self.folder / c.model.architecture)
            return models.build_architecture(network.architecture(len(c.labels)), seed=c.train.seed)
        arch = c.model.arch or DEFAULT_ARCH
        return models.build(arch, shape, len(c.labels), width_mult=c.model.width_mult, seed=c.train.seed)

    @cached_property
    def trained(self) -> TrainResult:
        """The float network's weights and training curves."""
        self.find_network()
        return self._train()

    def _train(self, detail: str = "") -> TrainResult:
        from tinyml.train import TrainResult

        made = self.stages.make("train", self.keys.train, self._train_stage, self._before_training, detail)
        return TrainResult.load(made.path)

    def _before_training(self) -> None:
        self._training_examples()
        _ = self.teachers

    def _training_examples(self) -> None:
        from tinyml.data import check_classes

        check_classes(self.manifests.values(), self.config.data.words)
        for split in ("train", "val"):
            self.examples(split)

    @cached_property
    def teachers(self) -> list[Any]:
        """Trained networks whose answers the project's own learns; none where it learns the labels."""
        names = [teacher.title for teacher in self.config.train.teachers]
        projects = zip(names, map(self._under, self.config.of_teachers), strict=True)
        return [p._train(f"of teacher {name}").restore(p.build_model()) for name, p in projects]

    def _train_stage(self, out: Path) -> None:
        from tinyml import train

        t = self.config.train
        config = train.TrainConfig(steps=t.steps, batch_size=t.batch_size, seed=t.seed)
        model = self.build_model()
        if weights := self.keys.starting_weights:
            train.start_from(model, weights)
        train.fit(
            model, self.examples("train"), self.examples("val"), config, input_quant=self.features.quant,
            checkpoint_dir=self.store.work_dir("train", self.keys.train), progress=self.progress,
            teachers=self.teachers,
        ).save(out)  # fmt: skip

    @cached_property
    def quantized(self) -> Quantized:
        """The int8 network, its ONNX twin and how far it agrees with the float one."""
        self.find_network()
        made = self.stages.make("quantize", self.keys.quantize, self._quantize_stage,
                          lambda: (self.trained, self.examples("test")))  # fmt: skip
        return Quantized(made.path)

    def _quantize_stage(self, out: Path) -> None:
        """QAT in the engine's own arithmetic, then the graph, its ONNX twin and the float network's answers."""
        from tinyml import quant
        from tinyml.ir.save import save

        model = self.trained.restore(self.build_model())
        result = quant.quantize(
            model, self.examples("train"), self.examples("val"),
            quant.QuantConfig(steps=self.config.quant.qat_steps, seed=self.config.train.seed),
            input_quant=self.features.quant, progress=self.progress,
            checkpoint_dir=self.store.work_dir("quantize", self.keys.quantize),
        )  # fmt: skip
        made = Quantized(out)
        save(result.graph, made.graph_dir)
        quant.write_qdq_onnx(result.graph, made.onnx_file)
        quant.save_float_answers(model, self.examples("test"), made.float_answers_file,
                                 input_quant=self.features.quant)  # fmt: skip
        made.report_file.write_text(json.dumps(result.report, indent=1))

    @cached_property
    def graph(self) -> Graph:
        """The int8 network."""
        return self.quantized.graph

    @cached_property
    def evaluated(self) -> Evaluation:
        """Accuracy of the int8 C build on held-out windows, beside the float network. Raises: OverBudgetError."""
        from tinyml.evaluate.offline import Evaluation
        from tinyml.limits import check_accuracy

        self.find_network()
        made = Evaluation.load(self.stages.make(
            "evaluate", self.keys.evaluate, self._evaluate_stage, lambda: self.graph).path)  # fmt: skip
        check_accuracy(self.config, made.int8_accuracy)
        return made

    def _evaluate_stage(self, out: Path) -> None:
        from tinyml.evaluate.offline import evaluate

        evaluate(self.compiled, self.examples("test"), self.quantized.float_answers_file,
                 progress=self.progress).save(out)  # fmt: skip

    # ---- verbs ----------------------------------------------------------------------------------------------

    def train(self) -> Project:
        """Data, features and the float network, only what is stale."""
        self.check_feasible()
        _ = self.trained
        return self

    def evaluate(self) -> Project:
        _ = self.evaluated
        return self

    def compile(self) -> Project:
        _ = self.compiled_dir
        return self

    def build(self) -> Project:
        _ = self.image
        return self

    def run(self) -> Project:
        _ = self.simulated
        return self

    def report(self) -> Path:
        """Write `runs/<id>/report.html` from everything above; returns its path."""
        from tinyml.record import Sources, collect
        from tinyml.report import write_report

        self.find_network()
        sources = Sources(
            self.config, (self.folder / CONFIG_FILE).read_text(), self.board, self.manifests,
            self.store.path("train", self.keys.train), self.quantized, self.evaluated, self.compiled, self.image,
            self.simulated,
        )  # fmt: skip
        self.announce("report", "running")
        record = collect(sources)
        return write_report(record, self.folder / "runs" / record.run_id / "report.html", self.progress)

    def deploy(
        self, *, to: str | None = None, allow_unlicensed: bool = False, options: DeployOptions | None = None
    ) -> Deployed:
        """Run whatever is stale and flash. Raises: DeviceError without a probe, ProjectError for unlicensed clips."""
        from tinyml import deploy

        runner, options = deploy.choose(self.board, to), options or deploy.DeployOptions()
        runner.check(self.board, options)
        self.check_feasible()
        self.check_licences(allow_unlicensed)
        _ = self.evaluated
        if runner.name == "virtual":
            return Deployed(runner.name, self.simulated, None)
        image = self.build_image(uf2=runner.behind_bootloader)
        self.announce("deploy", f"to {runner.name}")
        done = runner.run(image, self.board, options, self.progress)
        return Deployed(runner.name, None, done)

    def plan_deployment(self, *, to: str | None = None, options: DeployOptions | None = None) -> list[str]:
        """What `deploy` would do, one line per step: stale stages, then the runner's own steps."""
        from tinyml import deploy

        runner = deploy.preferred(self.board, to)
        states = self.stage_states()
        lines = [f"{stage}: {'up to date' if done else 'would run'}" for stage, done in states]
        image = self.build_image(uf2=runner.behind_bootloader) if all(done for _, done in states) else None
        return lines + runner.plan(image, self.board, options or deploy.DeployOptions())

    def stage_states(self) -> list[tuple[str, bool]]:
        """(stage, whether its artifact exists), in order, without making anything."""
        searched = [("search", self.search_stage.current)] if self.config.search.enabled else []
        return searched + [(stage, self.store.has(stage, key)) for stage, key in self.keys.all()]

    def check_feasible(self) -> None:
        """Fail before the data is made, not after, when board or network will not do. Raises: ProjectError."""
        from tinyml.limits import check_needs

        check_needs(self.config, self.board)
        if self.config.search.enabled and not self.search_stage.current:
            self.search_stage.check()
        elif not self.store.has("train", self.keys.train):
            self.build_model()

    def check_licences(self, allow_unlicensed: bool = False) -> list[str]:
        """Names of the sources with unlicensed clips. Raises: ProjectError unless they are allowed."""
        from tinyml.data import audit

        bad = [name for name, manifest in self.manifests.items() if audit(manifest, measure_audio=False).unlicensed]
        if bad and not allow_unlicensed:
            raise ProjectError(
                f"clips of {', '.join(bad)} have no licence: they may be used to evaluate, not to ship",
                hint="run `tinyml data audit`; state the licence with `tinyml data import --licence`, "
                "or pass --allow-unlicensed",
            )
        return bad
