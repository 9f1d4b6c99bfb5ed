"""Augmentation of feature windows, a batch at a time: what audio augmentation before the front end cannot do cheaply.

SpecAugment's masks, and smooth warps of the mel axis (other vocal tracts) and the time axis (other speaking rates).
Images have their own, `image_augment.py`.
Source: Park et al., "SpecAugment", 2019; Jaitly and Hinton, "Vocal tract length perturbation", 2013.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from tinyml.train.image_augment import ImageAugmentConfig, augment_images


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths; 0 switches a part off.

    `mel_stretch`, `time_stretch`: largest relative change of the axis; `mel_shift` in bins, `time_shift` in frames;
    `gain`: largest relative change of the contrast. `mel_masks` bands of up to `mel_mask_bins`, `time_masks`
    stretches of up to `time_mask_frames`, all set to 0 dB (the running mean).
    """

    mel_stretch: float = 0.15
    mel_shift: float = 2.0
    time_stretch: float = 0.3
    time_shift: float = 4.0
    gain: float = 0.15
    mel_masks: int = 1
    mel_mask_bins: int = 6
    time_masks: int = 1
    time_mask_frames: int = 6

    def scaled(self, mel_bins: int, hop_ms: float) -> AugmentConfig:
        """The same strengths in Hz and ms on other axes, if these are for 40 mel bins and frames 20 ms apart."""
        bins, frames = mel_bins / 40, 20 / hop_ms
        return replace(
            self, mel_shift=self.mel_shift * bins, time_shift=self.time_shift * frames,
            mel_mask_bins=round(self.mel_mask_bins * bins), time_mask_frames=round(self.time_mask_frames * frames),
        )  # fmt: skip


Augment = AugmentConfig | ImageAugmentConfig
"""How examples are augmented: as spectrograms or as images."""


def augment(x: torch.Tensor, config: Augment) -> torch.Tensor:
    """An augmented copy of inputs [B, C, H, W]. Draws from torch's default generator."""
    return augment_images(x, config) if isinstance(config, ImageAugmentConfig) else _augment_windows(x, config)


def _augment_windows(x: torch.Tensor, config: AugmentConfig) -> torch.Tensor:
    """Windows [B, 1, frames, mel_bins] in dB. Raises: ValueError for inputs of several channels."""
    if x.shape[1] != 1:
        raise ValueError(f"inputs of {x.shape[1]} channels are no spectrograms: augment them as images")
    batch, _, frames, bins = x.shape
    windows = x[:, 0]
    if config.time_stretch or config.time_shift:
        rows = _resampler(batch, frames, config.time_stretch, config.time_shift, pivot=0.5)
        windows = torch.bmm(rows, windows)
    if config.mel_stretch or config.mel_shift:
        columns = _resampler(batch, bins, config.mel_stretch, config.mel_shift, pivot=0.0)
        windows = torch.bmm(windows, columns.transpose(1, 2))
    if config.gain:
        windows = windows * (1 + config.gain * (2 * torch.rand(batch, 1, 1) - 1))
    for _ in range(config.time_masks):
        windows = windows * _mask(batch, frames, config.time_mask_frames)[:, :, None]
    for _ in range(config.mel_masks):
        windows = windows * _mask(batch, bins, config.mel_mask_bins)[:, None, :]
    return windows[:, None]


def _resampler(batch: int, size: int, stretch: float, shift: float, pivot: float) -> torch.Tensor:
    """Linear interpolation matrices [batch, size, size]: row i reads the axis at `(i - p) * s + p + shift`."""
    centre = pivot * (size - 1)
    factor = 1 + stretch * (2 * torch.rand(batch, 1) - 1)
    offset = shift * (2 * torch.rand(batch, 1) - 1)
    at = ((torch.arange(size) - centre) * factor + centre + offset).clamp(0, size - 1)
    return (1 - (at[:, :, None] - torch.arange(size)).abs()).clamp(min=0)


def _mask(batch: int, size: int, longest: int) -> torch.Tensor:
    """Zeros over one random interval of 0 to `longest` per row of [batch, size], ones elsewhere."""
    length = torch.randint(0, longest + 1, (batch, 1))
    start = torch.randint(0, size, (batch, 1))
    index = torch.arange(size)
    return 1.0 - ((index >= start) & (index < start + length)).float()
