"""What makes a stage stale: each key hashes the configuration, the keys upstream, and the code of the stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tinyml.architecture import read_network
from tinyml.artifacts import Store, code_digest, digest, files_digest
from tinyml.board import Isa
from tinyml.errors import ProjectError
from tinyml.features import LogMelSpec
from tinyml.project import Config, Features
from tinyml.searched import Searched

SYNTH = "synth"
_SYNTHESIS_CODE = tuple(f"data/{name}.py" for name in (
    "synthesis", "espeak", "espeak_worker", "engines", "voices", "vocabulary", "pcm"))  # fmt: skip
_EXAMPLES_CODE = tuple(f"data/{name}.py" for name in (
    "examples", "example_worker", "feature_set", "windows", "stream", "augment", "pcm"))  # fmt: skip


def log_mel_spec(f: Features) -> LogMelSpec:
    """The front end that `[features]` asks for. Raises: ProjectError for a geometry it cannot compute."""
    return LogMelSpec(f.sample_rate_hz, f.frame_ms, f.hop_ms, f.mel_bins, mean_removal=f.mean_removal)


@dataclass(frozen=True)
class StageKeys:
    """The keys of one project in one configuration; nothing is made to compute them."""

    folder: Path
    config: Config
    features: LogMelSpec
    isa: Isa

    def source_dir(self, source: str) -> Path:
        """Where an imported source lies. Raises: ProjectError when nothing was imported under that name."""
        folder = self.folder / "data" / source
        if not (folder / "manifest.jsonl").is_file():
            raise ProjectError(f"`data.sources` names `{source}`, but data/{source} holds no manifest",
                               hint=f"run `tinyml data import DIR --name {source}`")  # fmt: skip
        return folder

    def source(self, source: str) -> str:
        d = self.config.data
        if source == SYNTH:
            from tinyml.data.engines import programs_on_path

            return digest(d.words, d.language, d.clips, d.seed, programs_on_path(), code_digest(*_SYNTHESIS_CODE))
        return files_digest([self.source_dir(source) / "manifest.jsonl"])

    def examples(self, source: str, split: str) -> str:
        window_frames, d = self.config.features.window_frames, self.config.data
        return digest(self.source(source), split, self.config.labels, self.features.digest, window_frames, d.copies,
                      d.seed, code_digest(*_EXAMPLES_CODE))  # fmt: skip

    @property
    def train(self) -> str:
        c = self.config
        keys = [self.examples(s, split) for s in c.data.sources for split in ("train", "val")]
        return digest(keys, c.model, c.train, self.teachers, self._network_digest(), code_digest("models", "train"))

    @property
    def teachers(self) -> list[str]:
        """The key of each teacher's training."""
        return [replace(self, config=config).train for config in self.config.of_teachers]

    def _network_digest(self) -> str:
        """What the project's own files say of the network; where its training starts, if not from scratch."""
        model = self.config.model
        if model.architecture:
            path = self.folder / model.architecture
            if not path.is_file():
                return "absent"  # building the network says what is wrong, or the search makes the file
            network = read_network(path)
            start = network.found.weights_sha256 if self.starting_weights else "scratch"
            return digest(replace(network, found=None), start, code_digest("architecture/network.py"))
        if model.module:
            path = self.folder / model.module.split(":")[0]
            return files_digest([path]) if path.is_file() else "absent"  # loading it says what is wrong
        return ""

    @property
    def starting_weights(self) -> Path | None:
        """The weights from the search that training starts from; None for a network that is trained from scratch, as
        one that is taught always is: from the search's weights teachers gain it nothing."""
        name = self.config.model.architecture
        if self.config.train.teachers or name is None or not (self.folder / name).is_file():
            return None
        network = read_network(self.folder / name)
        if network.found is None:
            return None
        searched = Searched(Store(self.folder / "build").path("search", network.found.search_key))
        return searched.weights_file if searched.starts(network, self.config.labels) else None

    @property
    def quantize(self) -> str:
        return digest(self.train, self.config.quant, code_digest("quant", "ops", "ir"))

    @property
    def compile(self) -> str:
        return digest(self.quantize, self.isa, code_digest("compiler", "ops", "ir"))

    @property
    def evaluate(self) -> str:
        return digest(self.compile, code_digest("evaluate/offline.py"))

    def image(self, app: object) -> str:
        """A short name for the image of this network under the application's configuration `app`."""
        return digest(self.compile, app, self.config.board)[:12]

    def all(self) -> list[tuple[str, str]]:
        """(stage, key) of everything that is cached, in the order of the path."""
        sources = self.config.data.sources
        keys = [("data", self.source(SYNTH))] if SYNTH in sources else []
        keys += [("examples", self.examples(source, "train")) for source in sources]
        keys += [("train", key) for key in self.teachers]
        return keys + [(stage, getattr(self, stage)) for stage in ("train", "quantize", "evaluate", "compile")]
