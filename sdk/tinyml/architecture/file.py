"""The architecture file (`network.toml`): a network as readable TOML, and where it comes from.

    schema = 1
    geometry = { mel_bins = 40, frames = 49, hop_ms = 20 }       # of images: { height = 96, width = 96, channels = 3 }
    stem = { channels = 24, kernel = [10, 4], stride = [2, 2] }  # collapse = true: over the whole width
    blocks = [
        { kernel = [3, 3], stride = [1, 1], hidden = 0, channels = 24, residual = false, relu = true },
    ]
    head = { channels = 64 }                                     # may be left out

    [found]                                                      # by a search; may be left out
    ...

The number of classes is the project's. docs/architecture-file.md describes every key.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

import tomlkit
from pydantic import ConfigDict, Field, StrictBool
from pydantic.dataclasses import dataclass
from tomlkit.items import Array, InlineTable

from tinyml.architecture.network import Architecture, Block, Geometry, Stem
from tinyml.errors import ProjectError
from tinyml.storage import write_text
from tinyml.toml_file import read_table, validated

WHAT, REFERENCE = "architecture file", "docs/architecture-file.md describes the format"
_STRICT = ConfigDict(extra="forbid")
_Whole = Annotated[int, Field(strict=True, ge=1, le=65535)]
_Pair = tuple[_Whole, _Whole]
_COMMENT = "The network of this project, without weights; docs/architecture-file.md describes the format."


@dataclass(frozen=True, config=_STRICT)
class GeometryTable:
    """Spectrograms: mel_bins, frames and hop_ms; images: height, width and channels."""

    mel_bins: _Whole | None = None
    frames: _Whole | None = None
    hop_ms: Annotated[float, Field(gt=0)] | None = None
    height: _Whole | None = None
    width: _Whole | None = None
    channels: _Whole | None = None

    def geometry(self, path: Path, what: str, where: str) -> Geometry:
        """The shape it stands for. Raises: ProjectError when the keys do not make one."""
        sound, image = (self.frames, self.mel_bins, self.hop_ms), (self.height, self.width, self.channels)
        if None not in sound and image == (None, None, None):
            return Geometry(self.frames, self.mel_bins, 1, self.hop_ms)
        if None not in image and sound == (None, None, None):
            return Geometry(self.height, self.width, self.channels)
        raise ProjectError(f"{path.name} is not a valid {what}: `{where}` is neither a spectrogram nor an image",
                           hint="state mel_bins, frames and hop_ms, or height, width and channels")  # fmt: skip


@dataclass(frozen=True, config=_STRICT)
class StemTable:
    channels: _Whole
    kernel: _Pair
    stride: _Pair
    collapse: StrictBool = False


@dataclass(frozen=True, config=_STRICT)
class BlockTable:
    kernel: _Pair
    stride: _Pair
    hidden: Annotated[int, Field(strict=True, ge=0, le=65535)]
    channels: _Whole
    residual: StrictBool
    relu: StrictBool


@dataclass(frozen=True, config=_STRICT)
class HeadTable:
    channels: _Whole


@dataclass(frozen=True, config=_STRICT)
class Found:
    """Where a network comes from. `search_key` identifies all that went into the search, `record_sha256` its record,
    `weights_sha256` the weights that fine-tuning starts from (for `labels`); budgets are those of the network's
    geometry, `cycles` 0 for no limit."""

    command: str
    date: str
    seed: int
    board: str
    data: str
    labels: tuple[str, ...]
    space: str
    ram_bytes: int
    flash_bytes: int
    cycles: int
    search_key: str
    record_sha256: str
    weights_sha256: str = ""


@dataclass(frozen=True, config=_STRICT)
class _File:
    schema: Literal[1]
    geometry: GeometryTable
    stem: StemTable
    blocks: Annotated[tuple[BlockTable, ...], Field(min_length=1)]
    head: HeadTable | None = None
    found: Found | None = None


@dataclass(frozen=True)
class Network:
    """What an architecture file holds."""

    geometry: Geometry
    stem: Stem
    blocks: tuple[Block, ...]
    head_channels: int = 0
    found: Found | None = None

    def architecture(self, classes: int) -> Architecture:
        """The whole network. Raises: ValueError as `Architecture`."""
        return Architecture(self.geometry, classes, self.stem, self.blocks, self.head_channels)

    @classmethod
    def of(cls, arch: Architecture, found: Found | None = None) -> Network:
        return cls(arch.geometry, arch.stem, arch.blocks, arch.head_channels, found)


def read_network(path: Path) -> Network:
    """Read an architecture file. Raises: ProjectError for a file that is none, or describes no network."""
    if not path.is_file():
        raise ProjectError(f"the architecture file `{path}` does not exist",
                           hint="`tinyml search` makes one; or correct the key that names it")  # fmt: skip
    file = validated(_File, read_table(path), path, WHAT, REFERENCE)
    network = Network(
        file.geometry.geometry(path, WHAT, "geometry"), Stem(**vars(file.stem)),
        tuple(Block(**vars(block)) for block in file.blocks), file.head.channels if file.head else 0, file.found,
    )  # fmt: skip
    _check(network, path)
    return network


def _check(network: Network, path: Path) -> None:
    """Raises: ProjectError for values that contradict one another."""
    try:
        layers = network.architecture(classes=1).layers
    except ValueError as error:
        raise ProjectError(f"{path.name} is not a valid {WHAT}: {error}", hint=REFERENCE) from error
    for layer in layers:
        if min(layer.shape) < 1:
            height, width, _ = layer.shape
            raise ProjectError(
                f"{path.name} is not a valid {WHAT}: nothing is left of {network.geometry.title} behind `{layer.name}`",
                details=[f"its output would be {height}x{width}"],
                hint="use smaller kernels or strides, or a larger geometry",
            )


def write_network(network: Network, path: Path) -> None:
    """Write an architecture file that `read_network` reads back as the same. Raises: ProjectError."""
    document = tomlkit.document()
    document.add(tomlkit.comment(_COMMENT))
    document["schema"] = 1
    document["geometry"] = inline(geometry_keys(network.geometry))
    document["stem"] = inline(_stem_keys(network.stem))
    document["blocks"] = lines([{f.name: getattr(block, f.name) for f in fields(block)} for block in network.blocks])
    if network.head_channels:
        document["head"] = inline({"channels": network.head_channels})
    if network.found:
        found = tomlkit.table()
        for field in fields(network.found):
            found[field.name] = plain(getattr(network.found, field.name))
        document["found"] = found
    write_text(path, tomlkit.dumps(document))


def geometry_keys(geometry: Geometry) -> dict[str, object]:
    """As files have it."""
    if geometry.hop_ms is None:
        return {"height": geometry.height, "width": geometry.width, "channels": geometry.channels}
    return {"mel_bins": geometry.width, "frames": geometry.height, "hop_ms": number(geometry.hop_ms)}


def number(value: float) -> int | float:
    """20 rather than 20.0."""
    return int(value) if value == int(value) else value


def _stem_keys(stem: Stem) -> dict[str, object]:
    keys: dict[str, object] = {"channels": stem.channels, "kernel": stem.kernel, "stride": stem.stride}
    return {**keys, "collapse": True} if stem.collapse else keys


def inline(values: dict[str, object]) -> InlineTable:
    """`{ ... }` on one line."""
    table = tomlkit.inline_table()
    for key, value in values.items():
        table[key] = plain(value)
    return table


def plain(value: object) -> object:
    """Tuples as lists, whole floats as whole numbers."""
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    return number(value) if isinstance(value, float) else value


def lines(rows: list[dict[str, object]]) -> Array:
    """An array of tables, one a line."""
    array = tomlkit.array().multiline(True)
    for row in rows:
        array.append(inline(row))
    return array
