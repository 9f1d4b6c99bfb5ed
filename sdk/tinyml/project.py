"""`tinyml.toml` as frozen dataclasses, with errors that name the key and the nearest valid one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from tinyml.errors import ProjectError
from tinyml.toml_file import read_table, validated

CONFIG_FILE = "tinyml.toml"
_STRICT = ConfigDict(extra="forbid")
Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, config=_STRICT)
class App:
    name: str
    template: str


@dataclass(frozen=True, config=_STRICT)
class BoardChoice:
    name: str
    compiler: Literal["zig", "gcc"] = "zig"


@dataclass(frozen=True, config=_STRICT)
class Data:
    """`sources`: "synth" or names of folders under `data/` that `tinyml data import` made."""

    words: tuple[str, ...]
    sources: tuple[str, ...] = ("synth",)
    language: str = "en"
    clips: Positive = 6000
    copies: Positive = 2
    seed: int = 0


@dataclass(frozen=True, config=_STRICT)
class Features:
    kind: Literal["log_mel"] = "log_mel"
    sample_rate_hz: Positive = 16000
    frame_ms: Positive = 32
    hop_ms: Positive = 20
    mel_bins: Positive = 40
    window_frames: Positive = 49
    mean_removal: bool = True


@dataclass(frozen=True, config=_STRICT)
class Model:
    """`arch` names a network of `tinyml.models`; `module = "model.py:build"` brings the app's own instead."""

    arch: str = "ds_cnn"
    width_mult: Annotated[float, Field(gt=0, le=8)] = 1.0
    module: str | None = None


@dataclass(frozen=True, config=_STRICT)
class Train:
    steps: Positive = 900
    batch_size: Positive = 128
    seed: int = 0


@dataclass(frozen=True, config=_STRICT)
class Quant:
    qat_steps: Count = 150


@dataclass(frozen=True, config=_STRICT)
class Limits:
    """Each is checked at build time and fails the build; an absent one is the board's own limit or none."""

    ram_bytes: Positive | None = None
    flash_bytes: Positive | None = None
    latency_ms: Annotated[float, Field(gt=0)] | None = None
    duty: Share | None = None
    accuracy: Share | None = None


@dataclass(frozen=True, config=_STRICT)
class Detect:
    """Post-processing on the device. Changing it re-links; nothing is retrained."""

    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    smooth_windows: Annotated[int, Field(ge=1, le=16)] = 3
    refractory_ms: Count = 500
    inferences_per_second: Positive = 5
    trace: bool = False


@dataclass(frozen=True, config=_STRICT)
class Needs:
    """What the app asks of a board, matched against its features."""

    microphone: dict[str, int] | None = None


@dataclass(frozen=True, config=_STRICT)
class Config:
    """A whole `tinyml.toml`."""

    schema: Literal[1]
    app: App
    board: BoardChoice
    data: Data
    features: Features = Field(default_factory=Features)
    model: Model = Field(default_factory=Model)
    train: Train = Field(default_factory=Train)
    quant: Quant = Field(default_factory=Quant)
    limits: Limits = Field(default_factory=Limits)
    detect: Detect = Field(default_factory=Detect)
    needs: Needs = Field(default_factory=Needs)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the network, by output index."""
        return ("silence", "unknown", *self.data.words)

    @property
    def hops_per_inference(self) -> int:
        return 1000 // (self.detect.inferences_per_second * self.features.hop_ms)

    def override(self, **sections: Mapping[str, Any]) -> Config:
        """A copy with some keys of some sections replaced, e.g. `override(detect={"threshold": 0.9})`."""
        changed = {name: replace(getattr(self, name), **keys) for name, keys in sections.items()}
        return replace(self, **changed)


def load_config(folder: Path) -> Config:
    """Read `folder/tinyml.toml`. Raises: ProjectError naming the key that is wrong."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ProjectError(f"`{folder}` holds no {CONFIG_FILE}", hint="run `tinyml new kws` or change into a project")
    return parse_config(read_table(path), path)


def parse_config(table: Mapping[str, Any], path: Path) -> Config:
    """Validate a parsed `tinyml.toml`. Raises: ProjectError."""
    config = validated(Config, table, path, "project file", "docs/project-file.md lists every key")
    _check(config, path)
    return config


def _check(config: Config, path: Path) -> None:
    """Rules that join several keys. Raises: ProjectError."""
    words = config.data.words
    if not words:
        raise ProjectError(f"{path.name}: `data.words` is empty", hint='name at least one word: words = ["yes"]')
    repeated = sorted({w for w in words if words.count(w) > 1} | {w for w in words if w in ("silence", "unknown")})
    if repeated:
        raise ProjectError(
            f"{path.name}: `data.words` repeats or reserves {', '.join(repeated)}",
            hint="list each word once; `silence` and `unknown` are made for you",
        )
    if 1000 % (config.detect.inferences_per_second * config.features.hop_ms):
        raise ProjectError(
            f"{path.name}: {config.detect.inferences_per_second} inferences a second are not a whole number of "
            f"{config.features.hop_ms} ms hops",
            hint="with 20 ms hops use 1, 2, 5, 10 or 25 in `detect.inferences_per_second`",
        )
