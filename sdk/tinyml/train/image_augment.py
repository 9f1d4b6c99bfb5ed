"""Augmentation of images, a batch at a time: mirrored, moved, lighter or darker, of more or less contrast."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class ImageAugmentConfig:
    """Strengths; 0 switches a part off.

    `flip`: probability of a left-right mirror; `shift`: largest move along each axis as a share of its length (edge
    pixels fill what appears); `contrast`: largest relative change; `brightness`: largest change in units of the
    image's own standard deviation.
    """

    flip: float = 0.5
    shift: float = 0.1
    brightness: float = 0.3
    contrast: float = 0.3


def augment_images(x: torch.Tensor, config: ImageAugmentConfig) -> torch.Tensor:
    """An augmented copy of images [B, C, H, W]. Draws from torch's default generator."""
    batch, _, height, width = x.shape
    rows = _moved(batch, height, config.shift)
    columns = _moved(batch, width, config.shift)
    mirrored = torch.rand(batch, 1) < config.flip
    columns = torch.where(mirrored, width - 1 - columns, columns)
    x = x[torch.arange(batch)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if config.contrast or config.brightness:
        deviation, mean = torch.std_mean(x, dim=(1, 2, 3), keepdim=True)
        contrast, brightness = (2 * torch.rand(2, batch, 1, 1, 1) - 1).unbind()
        x = (x - mean) * (1 + config.contrast * contrast) + mean + config.brightness * brightness * deviation
    return x


def _moved(batch: int, size: int, shift: float) -> torch.Tensor:
    """Indices [batch, size] into an axis that is moved by up to `shift` of its length."""
    most = round(shift * size)
    return (torch.arange(size) + torch.randint(-most, most + 1, (batch, 1))).clamp(0, size - 1)
