"""`tinyml.toml` as frozen dataclasses, with errors that name the key and the nearest valid one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from tinyml.architecture import Geometry, read_network
from tinyml.errors import ProjectError
from tinyml.quantities import parse_seconds
from tinyml.toml_file import read_table, validated

CONFIG_FILE = "tinyml.toml"
NETWORK_FILE = "network.toml"
"""Where a search leaves the network it found."""
DEFAULT_ARCH = "ds_cnn"
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

    @property
    def geometry(self) -> Geometry:
        """What the network takes."""
        return Geometry(self.window_frames, self.mel_bins, 1, self.hop_ms)


@dataclass(frozen=True, config=_STRICT)
class Model:
    """One of three: `arch` names a network of `tinyml.models` (`DEFAULT_ARCH` where nothing is said), `architecture`
    is an architecture file (`network.toml`), `module = "model.py:build"` brings the app's own."""

    arch: str | None = None
    width_mult: Annotated[float, Field(gt=0, le=8)] = 1.0
    architecture: str | None = None
    module: str | None = None

    @property
    def title(self) -> str:
        """As messages have it."""
        if named := self.architecture or self.module:
            return named
        width = "" if self.width_mult == 1 else f" x{self.width_mult:g}"
        return f"{self.arch or DEFAULT_ARCH}{width}"


def _duration(text: str) -> str:
    """Raises: ValueError for a text that is no time."""
    parse_seconds(text)
    return text


@dataclass(frozen=True, config=_STRICT)
class Search:
    """`enabled`: `train` and `deploy` search for the network themselves. Limits here tighten those of `[limits]`."""

    enabled: bool = False
    budget: Annotated[str, AfterValidator(_duration)] = "20m"
    space: str = "kws"
    seed: Count = 0
    spaces: Positive = 4
    ram_bytes: Positive | None = None
    flash_bytes: Positive | None = None
    latency_ms: Annotated[float, Field(gt=0)] | None = None

    @property
    def budget_s(self) -> float:
        """`budget` in seconds."""
        return parse_seconds(self.budget)


@dataclass(frozen=True, config=_STRICT)
class Train:
    """`teachers`: networks that are trained first, on the labels; where there are any, the project's own network, from
    scratch, learns to answer as they do in the mean."""

    steps: Positive = 900
    batch_size: Positive = 128
    seed: int = 0
    teachers: tuple[Model, ...] = ()


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
    search: Search = Field(default_factory=Search)
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

    @property
    def of_teachers(self) -> tuple[Config, ...]:
        """Under which each teacher is trained: by the same recipe, with a seed of its own."""
        own, search = self.train, replace(self.search, enabled=False)
        return tuple(replace(self, model=model, train=replace(own, teachers=(), seed=own.seed + number), search=search)
                     for number, model in enumerate(own.teachers, 1))  # fmt: skip

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
    _check_model(config, path)
    config = _with_geometry(config, set(table.get("features", {})), path)
    _check_teachers(config, path)
    _check(config, path)
    return config


def _check_model(config: Config, path: Path) -> None:
    """Raises: ProjectError when `[model]` names more than one network."""
    _check_named(config.model, "model", path)
    other = "module" if config.model.module is not None else "architecture"
    if config.search.enabled and getattr(config.model, other) not in (None, NETWORK_FILE):
        raise ProjectError(f"{path.name}: `search.enabled` and `model.{other}` both decide on the network",
                           hint=f"remove `model.{other}`, or set `search.enabled = false`")  # fmt: skip


def _check_named(model: Model, where: str, path: Path) -> None:
    """Raises: ProjectError when the table `where` names more than one network."""
    stated = [key for key in ("arch", "architecture", "module") if getattr(model, key) is not None]
    if len(stated) > 1:
        raise ProjectError(f"{path.name}: `{where}.{stated[0]}` and `{where}.{stated[1]}` both name the network",
                           hint="keep one of them")  # fmt: skip
    if model.architecture is not None and model.width_mult != 1:
        raise ProjectError(f"{path.name}: `{where}.width_mult` does not apply to an architecture file",
                           hint=f"the file states every channel; remove `{where}.width_mult`")  # fmt: skip


def _check_teachers(config: Config, path: Path) -> None:
    """Raises: ProjectError for a teacher that is no network or hears something else than the project's does."""
    if config.search.enabled:
        check_teachers_hear_all(config, path)
    for number, teacher in enumerate(config.train.teachers):
        where = f"train.teachers.{number}"
        _check_named(teacher, where, path)
        if teacher.architecture is None:
            continue
        file = path.parent / teacher.architecture
        if teacher.architecture == NETWORK_FILE and not file.is_file():
            continue  # a search is still to make it
        if (network := read_network(file)).geometry != (own := config.features.geometry):
            raise ProjectError(f"{path.name}: the network of {teacher.architecture} takes {network.geometry.title} and "
                               f"cannot teach one that takes {own.title}",
                               hint=f"name a network of that input in `{where}`")  # fmt: skip


def check_teachers_hear_all(config: Config, path: Path) -> None:
    """Raises: ProjectError for teachers that cannot teach a network whose input a search decides."""
    for number, teacher in enumerate(config.train.teachers):
        if teacher.architecture not in (None, NETWORK_FILE):
            raise ProjectError(f"{path.name}: {teacher.architecture} cannot teach a network that is searched for",
                               details=["the search decides the input, the file has one of its own"],
                               hint=f"name an `arch` in `train.teachers.{number}`, or `{NETWORK_FILE}`")  # fmt: skip


def _with_geometry(config: Config, stated: set[str], path: Path) -> Config:
    """`[features]` as the architecture file has them. Raises: ProjectError when keys that are `stated` differ."""
    if config.model.architecture is None:
        return config
    file = path.parent / config.model.architecture
    if config.search.enabled and not file.is_file():
        return config  # the search is still to make it
    network = read_network(file)
    wanted = features_of(network.geometry, config.model.architecture)
    for key, value in wanted.items():
        if key in stated and getattr(config.features, key) != value:
            raise ProjectError(
                f"{path.name}: `features.{key}` is {getattr(config.features, key)}, the network of "
                f"{config.model.architecture} takes {value}",
                hint=f"remove {', '.join(f'`{k}`' for k in wanted)} from [features]: the network decides them",
            )
    return config.override(features=wanted)


def features_of(geometry: Geometry, name: str) -> dict[str, int]:
    """The keys of `[features]` that a network's geometry decides. Raises: ProjectError unless it hears sound."""
    if geometry.hop_ms is None:
        raise ProjectError(f"the network of {name} takes images of {geometry.title}, this project hears sound",
                           hint="name the architecture file of a network for sound")  # fmt: skip
    if geometry.hop_ms != int(geometry.hop_ms):
        raise ProjectError(f"{name}: a hop of {geometry.hop_ms:g} ms is no whole number of milliseconds",
                           hint="the firmware counts in those: use 10, 20 or 25, for example")  # fmt: skip
    return {"mel_bins": geometry.width, "window_frames": geometry.height, "hop_ms": int(geometry.hop_ms)}


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
    hop_ms = config.features.hop_ms
    if 1000 % (config.detect.inferences_per_second * hop_ms):
        rates = [str(n) for n in range(1, 1000 // hop_ms + 1) if 1000 % (n * hop_ms) == 0]
        known = f"{', '.join(rates[:-1])} or {rates[-1]}" if rates[1:] else "".join(rates)
        raise ProjectError(
            f"{path.name}: {config.detect.inferences_per_second} inferences a second are not a whole number of "
            f"{hop_ms} ms hops",
            hint=f"with {hop_ms} ms hops use {known} in `detect.inferences_per_second`" if rates
            else "set `features.hop_ms` to 10, 20 or 25",
        )  # fmt: skip
