"""What an application's project file decides, as the header `app_config.h`; only main.c includes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinyml import __version__
from tinyml.errors import ProjectError
from tinyml.runtime.detector import MAX_CLASSES, MAX_WINDOWS, DetectorConfig

IGNORED_LABELS = ("silence", "unknown")
"""Classes that are never reported as detections."""

_MAX_UNSIGNED_DIGITS = 10
_LOST_LINE_BYTES = len("lost samples= t_ms=\n") + 2 * _MAX_UNSIGNED_DIGITS


@dataclass(frozen=True)
class AppConfig:
    """`labels` by output index of the network; `threshold` is 0 to 1; `model_sha256` identifies the network.

    Raises: ProjectError for values that the detector cannot take.
    """

    labels: tuple[str, ...]
    threshold: float
    smooth_windows: int
    refractory_ms: int
    hops_per_inference: int
    window_frames: int
    trace: bool = False
    name: str = "kws"
    version: str = __version__
    model_sha256: str = ""

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ProjectError(f"`{self.name}` cannot be built: {problems[0]}", details=problems[1:])

    def _problems(self) -> Iterator[str]:
        if not 1 <= len(self.labels) <= MAX_CLASSES:
            yield f"{len(self.labels)} classes, the detector takes 1 to {MAX_CLASSES}"
        for label in self.console_labels:
            if not label or "=" in label or any(c < " " for c in label):
                yield f"the label {label!r} cannot stand on a console line"
        if len(set(self.console_labels)) != len(self.labels):
            yield "two labels look the same on the console"
        if not 1 <= self.smooth_windows <= MAX_WINDOWS:
            yield f"smooth_windows is {self.smooth_windows}, the detector takes 1 to {MAX_WINDOWS}"
        if not 0 <= self.threshold <= 1:
            yield f"threshold is {self.threshold:g}, it lies between 0 and 1"
        if not 0 <= self.refractory_ms < 2**31:
            yield f"refractory_ms is {self.refractory_ms}"
        if self.hops_per_inference < 1 or self.window_frames < 1:
            yield "hops_per_inference and window_frames are at least 1"

    @property
    def console_labels(self) -> tuple[str, ...]:
        """The labels as the console shows them: blanks become underscores, so that a line splits at blanks."""
        return tuple("_".join(label.split()) for label in self.labels)

    @property
    def boot_line(self) -> str:
        """The first console line of a firmware, without its newline."""
        return f"boot app={self.name} version={self.version} model={self.model_sha256[:12] or 'unknown'}"

    @property
    def detector(self) -> DetectorConfig:
        """The same settings for the Python twin of the detector."""
        ignored = frozenset(i for i, label in enumerate(self.labels) if label in IGNORED_LABELS)
        return DetectorConfig(len(self.labels), self.smooth_windows, round(1000 * self.threshold),
                              self.refractory_ms, ignored)  # fmt: skip

    def header(self) -> str:
        """The text of app_config.h."""
        detector = self.detector
        longest = len("scores t_ms=") + _MAX_UNSIGNED_DIGITS + len("\n") + sum(
            len(label.encode()) + len(" =0.000") for label in self.console_labels
        )  # fmt: skip
        detect = len("detect label= score=0.00 t_ms=\n") + _MAX_UNSIGNED_DIGITS + max(
            len(label.encode()) for label in self.console_labels
        )  # fmt: skip
        values = {
            "BOOT_LINE": _c_string(self.boot_line + "\n"),
            "CLASSES": f"{detector.classes}u",
            "LABELS": ", ".join(_c_string(label) for label in self.console_labels),
            "IGNORED_CLASSES": f"{sum(1 << i for i in detector.ignored):#x}u",
            "THRESHOLD_THOUSANDTHS": f"{detector.threshold_thousandths}u",
            "SMOOTH_WINDOWS": f"{detector.windows}u",
            "REFRACTORY_MS": f"{detector.refractory_ms}u",
            "HOPS_PER_INFERENCE": f"{self.hops_per_inference}u",
            "WINDOW_FRAMES": f"{self.window_frames}u",
            "TRACE": "1" if self.trace else "0",
            "LINE_BYTES": f"{max(longest, detect, _LOST_LINE_BYTES)}u",
        }
        defines = "\n".join(f"#define TM_APP_{name} {value}" for name, value in values.items())
        return f"/* Written from tinyml.toml. */\n#ifndef APP_CONFIG_H\n#define APP_CONFIG_H\n\n{defines}\n\n#endif\n"


def _c_string(text: str) -> str:
    """A C string literal; bytes outside printable ASCII become octal escapes."""
    escaped = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '\\"?' else f"\\{b:03o}" for b in text.encode())
    return f'"{escaped}"'
