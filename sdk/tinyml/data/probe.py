"""Is this file a usable recording? Every reason to leave one out is found here, and named."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from tinyml.data.pcm import SAMPLE_RATE_HZ, content_hash, resample, to_int16

RATES_HZ = (8_000, 48_000)
MIN_SECONDS = 0.05
_SIZE_UNKNOWN = (0, 0xFFFFFFFF)  # what programs write that stream into a pipe


class UnusableAudio(Exception):
    """The file is left out; the message is the reason."""


@dataclass(frozen=True)
class Probed:
    """What a usable file holds; `sha256` is of its samples at 16 kHz."""

    seconds: float
    sample_rate_hz: int
    sha256: str


def probe(path: Path) -> Probed:
    """Decode the whole file and judge it. Raises: UnusableAudio with the reason."""
    try:
        _check_complete(path)
        info = soundfile.info(path)
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UnusableAudio(f"not readable as audio ({error.error_string.rstrip('.')})") from error
    except OSError as error:
        raise UnusableAudio(f"not readable ({error.strerror or error})") from error
    frames, channels = samples.shape
    if frames < info.frames:
        raise UnusableAudio(f"truncated: {frames:,} of {info.frames:,} samples")
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise UnusableAudio(f"{rate_hz:,} Hz; 8,000 to 48,000 are supported")
    if channels > 2:
        raise UnusableAudio(f"{channels} channels; mono and stereo are supported")
    if frames < MIN_SECONDS * rate_hz:
        raise UnusableAudio(f"only {1000 * frames / rate_hz:.0f} ms long")
    if not np.all(np.isfinite(samples)):
        raise UnusableAudio("holds NaN or infinite samples")
    pcm = to_int16(resample(samples.mean(axis=1), rate_hz))
    if not np.any(pcm):
        raise UnusableAudio("all samples are zero")
    return Probed(len(pcm) / SAMPLE_RATE_HZ, rate_hz, content_hash(pcm))


def _check_complete(path: Path) -> None:
    """libsndfile reads truncated WAV and Ogg files without a word; their containers tell."""
    with path.open("rb") as file:
        magic = file.read(4)
        size = path.stat().st_size
        if size == 0:
            raise UnusableAudio("empty file")
        if magic == b"RIFF":
            file.seek(12)
            while len(head := file.read(8)) == 8:
                name, length = struct.unpack("<4sI", head)
                if name == b"data":
                    left = size - file.tell()
                    if length > left and length not in _SIZE_UNKNOWN:
                        raise UnusableAudio(f"truncated: {left:,} of {length:,} bytes of samples")
                    return
                file.seek(length + length % 2, 1)
            raise UnusableAudio("truncated: a WAV without samples")
        if magic == b"OggS":
            _check_ogg_end(file, size)


def _check_ogg_end(file: BinaryIO, size: int) -> None:
    """The last page must be whole and flagged as the end of its stream. Source: RFC 3533, section 6."""
    file.seek(max(0, size - 2 * 65_307))  # an Ogg page is at most 65,307 bytes long
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26] or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        raise UnusableAudio("truncated: the last Ogg page is cut")
    if not page[5] & 4:
        raise UnusableAudio("truncated: the Ogg stream has no end")
