"""Samples in and out of files: everything becomes 16 kHz mono int16."""

from __future__ import annotations

import hashlib
from functools import cache
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import firwin, resample_poly

from tinyml.data.manifest import Clip
from tinyml.errors import ProjectError

SAMPLE_RATE_HZ = 16_000
FULL_SCALE = 32768.0
SILENCE_DBFS = -119.0


_HALF_LENGTH = 48
_CUTOFF = 0.945
_KAISER_BETA = 8.0


def resample(samples: np.ndarray, from_hz: int, to_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """Polyphase resampling of float samples [n]: flat to 0.89 of the lower Nyquist frequency, -80 dB above it.

    (scipy's default filter leaves images of an 8 kHz recording above 4 kHz that the front end would see.)
    """
    common = gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    if up == down:
        return samples
    return resample_poly(samples, up, down, window=_anti_alias(max(up, down)).astype(samples.dtype))


@cache
def _anti_alias(factor: int) -> np.ndarray:
    return firwin(2 * _HALF_LENGTH * factor + 1, _CUTOFF / factor, window=("kaiser", _KAISER_BETA))


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Float [-1, 1) to int16, rounded to nearest and saturated, as a converter would."""
    return np.clip(np.rint(samples * FULL_SCALE), -32768, 32767).astype(np.int16)


def content_hash(pcm: np.ndarray) -> str:
    """sha256 of 16 kHz int16 samples in little-endian order."""
    return hashlib.sha256(np.ascontiguousarray(pcm, dtype="<i2").tobytes()).hexdigest()


def rms_dbfs(samples: np.ndarray) -> float:
    """Level of float samples relative to a full-scale square wave; -120 for silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return 10.0 * float(np.log10(max(power, 1e-12)))


def write_wav(path: Path, pcm: np.ndarray) -> None:
    """Write int16 samples as a 16 kHz mono WAV."""
    soundfile.write(path, pcm, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")


def load_pcm(clip: Clip, root: Path = Path()) -> np.ndarray:
    """The clip as int16[n] at 16 kHz mono. `root` is the manifest's, for a clip whose path is relative to it.

    Raises: ProjectError when the file has gone or cannot be decoded any more.
    """
    path = Path(root) / clip.path
    try:
        info = soundfile.info(path)
        if info.samplerate == SAMPLE_RATE_HZ and info.channels == 1 and info.subtype == "PCM_16":
            return soundfile.read(path, dtype="int16")[0]
        return decode(path)[0]
    except (soundfile.LibsndfileError, OSError) as error:
        raise ProjectError(
            f"cannot read the clip `{clip.path}`", details=[str(error)], hint="import or synthesise the data again"
        ) from error


def decode(path: Path, to_hz: int = SAMPLE_RATE_HZ) -> tuple[np.ndarray, int]:
    """Any file that libsndfile reads -> (int16[n] mono at `to_hz`, original rate in Hz). Channels are averaged."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    return to_int16(resample(mono, rate_hz, to_hz)), rate_hz


def read_recording(path: Path, to_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """A user's recording as int16[n] mono at `to_hz`. Raises: ProjectError when it cannot be read."""
    try:
        return decode(path, to_hz)[0]
    except (OSError, soundfile.SoundFileError) as error:
        raise ProjectError(f"cannot read `{path}`: {error}", hint="give a WAV, FLAC or OGG file") from error



def voiced_bounds(pcm: np.ndarray, below_peak_db: float = 30.0) -> tuple[int, int]:
    """First and last sample (end exclusive) of the part that is louder than `below_peak_db` under the loudest 10 ms.

    Frames within 6 dB of the clip's quietest tenth count as background, unless all of the clip is one level.
    """
    hop = SAMPLE_RATE_HZ // 100
    count = len(pcm) // hop
    if count < 3:
        return 0, len(pcm)
    frames = np.asarray(pcm[: count * hop], dtype=np.float32).reshape(count, hop)
    level = 10.0 * np.log10(np.mean(np.square(frames), axis=1) + 1e-9)
    threshold = level.max() - below_peak_db
    floor = float(np.percentile(level, 10)) + 6.0
    if floor < level.max() - 12.0:
        threshold = max(threshold, floor)
    loud = np.flatnonzero(level >= threshold)
    return int(loud[0]) * hop, min(len(pcm), (int(loud[-1]) + 1) * hop)


def word_bounds(pcm: np.ndarray, longest_s: float = 1.0) -> tuple[int, int]:
    """`voiced_bounds` of a clip that holds one word: where the background is loud, only what stands out counts."""
    for below_peak_db in (30.0, 24.0, 18.0, 12.0):
        start, end = voiced_bounds(pcm, below_peak_db)
        if end - start <= longest_s * SAMPLE_RATE_HZ:
            break
    return start, end
