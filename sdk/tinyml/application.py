"""What the firmware is told of a project: `tinyml.toml` as its compile-time configuration."""

from __future__ import annotations

from tinyml.firmware import AppConfig
from tinyml.project import Config


def app_config(config: Config, model_sha256: str) -> AppConfig:
    """The application's configuration; `model_sha256` identifies the network on the console's boot line."""
    d = config.detect
    return AppConfig(
        name=config.app.name, labels=config.labels, threshold=d.threshold, smooth_windows=d.smooth_windows,
        refractory_ms=d.refractory_ms, hops_per_inference=config.hops_per_inference,
        window_frames=config.features.window_frames, trace=d.trace, model_sha256=model_sha256,
    )  # fmt: skip
