"""Calibration items from a folder: arrays, images and recordings as a float model takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.errors import Progress, ProjectError, no_progress

Shape = tuple[int, ...]
Item = Mapping[str, np.ndarray]
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
_SUFFIXES = (".npy", ".npz", *_IMAGES, ".wav")


@dataclass(frozen=True)
class CalibrationFolder:
    """The files of a folder, in the order of their names, for a model with these inputs (shapes with a batch of 1).

    `.npy` holds one item of the input's shape, with or without the batch, or many of them along the first axis; `.npz`
    one array per input. Images are resized and scaled to 0..1, recordings are mono, -1..1, cut or padded with zeros.
    """

    folder: Path
    inputs: Mapping[str, Shape]

    def files(self) -> list[Path]:
        """Raises: ProjectError when there are none."""
        try:
            found = sorted(p for p in self.folder.iterdir() if p.suffix.lower() in _SUFFIXES)
        except OSError as error:
            raise ProjectError(f"{self.folder} cannot be read", details=(str(error),)) from error
        if not found:
            raise ProjectError(f"there is nothing to calibrate with in {self.folder}",
                               hint=f"put files of the model's inputs there: {', '.join(_SUFFIXES)}")  # fmt: skip
        return found

    def items(self, progress: Progress = no_progress) -> Iterator[Item]:
        """All items, read one file at a time; `progress` counts the files.

        Raises: ProjectError naming the file that does not fit.
        """
        files = self.files()
        for index, path in enumerate(files):
            yield from self._items_of(path)
            progress("calibrating", index + 1, len(files))

    def _items_of(self, path: Path) -> Iterator[Item]:
        if path.suffix.lower() == ".npz":
            yield self._named(path)
            return
        if len(self.inputs) != 1:
            raise ProjectError(f"the model has {len(self.inputs)} inputs; {path.name} holds one array",
                               hint=f"store .npz files with the arrays {', '.join(self.inputs)}")  # fmt: skip
        ((name, shape),) = self.inputs.items()
        for array in _arrays(path, shape):
            yield {name: array}

    def _named(self, path: Path) -> Item:
        arrays = _loaded(path, lambda: dict(np.load(path, allow_pickle=False)))
        missing = [name for name in self.inputs if name not in arrays]
        if missing:
            raise ProjectError(f"{path} has no array `{missing[0]}`", hint=f"it needs {', '.join(self.inputs)}")
        return {name: _fitting(path, arrays[name], shape)[0] for name, shape in self.inputs.items()}


def _loaded(path: Path, read: Callable[[], object]):  # noqa: ANN202 - whatever `read` returns
    try:
        return read()
    except Exception as error:  # decoders raise what they like on a damaged file
        raise ProjectError(f"{path} cannot be read", details=(str(error),)) from error


def _arrays(path: Path, shape: Shape) -> Sequence[np.ndarray]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _fitting(path, _loaded(path, lambda: np.load(path, allow_pickle=False)), shape)
    return [_recording(path, shape) if suffix == ".wav" else _image(path, shape)]


def _fitting(path: Path, data: np.ndarray, shape: Shape) -> list[np.ndarray]:
    """float32 items of `shape` from an array of one or many. Raises: ProjectError."""
    if data.shape == shape[1:]:
        data = data[None]
    if data.shape[1:] != shape[1:] or data.dtype.kind not in "fiu":
        found = f"{data.dtype.name}{list(data.shape)}"
        raise ProjectError(f"{path} holds {found}, the model takes float32{list(shape)}",
                           hint="store items as the float model takes them, one file each or stacked")  # fmt: skip
    if not np.all(np.isfinite(data)):
        raise ProjectError(f"{path} holds numbers that are not finite")
    return [item[None].astype(np.float32) for item in data]


def _image(path: Path, shape: Shape) -> np.ndarray:
    """[1, C, H, W] or [1, H, W, C] in 0..1, whichever axis has 1 or 3 channels."""
    from PIL import Image

    first = len(shape) == 4 and shape[1] in (1, 3)
    if not first and not (len(shape) == 4 and shape[3] in (1, 3)):
        raise ProjectError(f"{path} is an image, but the model takes {list(shape)}", hint="store .npy files")
    channels, size = (shape[1], shape[2:]) if first else (shape[3], shape[1:3])

    def pixels() -> np.ndarray:
        with Image.open(path) as image:
            image = image.convert("L" if channels == 1 else "RGB").resize((size[1], size[0]))
            return np.asarray(image, np.float32).reshape(*size, channels) / 255

    data = _loaded(path, pixels)
    return (data.transpose(2, 0, 1) if first else data)[None]


def _recording(path: Path, shape: Shape) -> np.ndarray:
    """Samples for an input of [1, samples] or [1, 1, samples]."""
    import soundfile

    if any(n != 1 for n in shape[:-1]):
        raise ProjectError(f"{path} is a recording, but the model takes {list(shape)}",
                           hint="store the features of each recording as .npy")  # fmt: skip
    samples, _ = _loaded(path, lambda: soundfile.read(path, dtype="float32", always_2d=True))
    data = np.zeros(shape[-1], np.float32)
    mono = samples.mean(axis=1)[: shape[-1]]
    data[: len(mono)] = mono
    return data.reshape(shape)
