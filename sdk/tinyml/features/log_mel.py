"""The front end on the host: the firmware's C, built by zig and called through ctypes."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from tinyml.features.spec import LogMelSpec
from tinyml.features.tables import C_DIR, HOST_SOURCE, c_files
from tinyml.toolchain import host_library, write_sources
from tinyml.toolchain.host import cache_dir


class LogMel:
    """A stream of audio to a stream of features, bit for bit what the board computes.

    State is kept between calls: samples that do not fill a hop wait for the next call. `process` and
    `process_log` are two streams that do not disturb each other. An instance belongs to one thread at a time;
    unpickling or copying gives a fresh stream.
    """

    def __init__(self, spec: LogMelSpec | None = None) -> None:
        self.spec = spec or LogMelSpec()
        self._library = _load(self.spec)
        size = self._library.tm_log_mel_size()
        self._features, self._logs = (_Stream(size, self.spec.hop_samples) for _ in range(2))
        self.reset()

    def __reduce__(self) -> tuple[type[LogMel], tuple[LogMelSpec]]:
        return LogMel, (self.spec,)

    def reset(self) -> None:
        """Forget all audio: silence before the next sample, no mean."""
        for stream in (self._features, self._logs):
            stream.rest = stream.rest[:0]
            self._library.tm_log_mel_reset(stream.state)

    def process(self, pcm: np.ndarray) -> np.ndarray:
        """int16[n] -> int8[n // hop_samples, mel_bins] (counting samples left over from the call before).

        Unit and zero: `spec.quant`. Raises: TypeError when `pcm` is not a vector of int16.
        """
        return self._run(self._library.tm_log_mel_run, self._features, pcm, np.int8)

    def process_log(self, pcm: np.ndarray) -> np.ndarray:
        """int16[n] -> int16[n // hop_samples, mel_bins]: log energies before floor and mean removal.

        Unit `spec.log_unit_db`, zero at `spec.log_offset_db`. Raises: TypeError as `process`.
        """
        return self._run(self._library.tm_log_mel_run_log, self._logs, pcm, np.int16)

    def _run(self, function: ctypes._CFuncPtr, stream: _Stream, pcm: np.ndarray, dtype: type) -> np.ndarray:
        block = stream.take(pcm)
        hops = block.size // self.spec.hop_samples
        out = np.empty((hops, self.spec.mel_bins), dtype)
        function(stream.state, block.ctypes.data, hops, out.ctypes.data)
        return out


class _Stream:
    """The C state of one stream and the samples that did not fill a hop yet."""

    def __init__(self, state_bytes: int, hop_samples: int) -> None:
        self.state = ctypes.create_string_buffer(state_bytes + 8)  # ctypes aligns to 8 or better
        self.rest = np.empty(0, np.int16)
        self._hop = hop_samples

    def take(self, pcm: np.ndarray) -> np.ndarray:
        """Whole hops of what waited and of `pcm`, contiguous."""
        pcm = np.asarray(pcm)
        if pcm.dtype != np.int16 or pcm.ndim != 1:
            raise TypeError(f"pcm must be a vector of int16, not {pcm.dtype} of shape {pcm.shape}")
        block = np.concatenate([self.rest, pcm]) if self.rest.size else np.ascontiguousarray(pcm)
        whole = block.size // self._hop * self._hop
        self.rest = block[whole:].copy()
        return block[:whole]


@cache
def _load(spec: LogMelSpec) -> ctypes.CDLL:
    """Build (or reuse) and open the library of `spec`."""
    files = c_files(spec) | {HOST_SOURCE: (C_DIR / HOST_SOURCE).read_text(encoding="utf-8")}
    c = write_sources(files, cache_dir() / "log_mel" / spec.digest[:20])
    library = ctypes.CDLL(str(host_library("log_mel", c.sources, include_dirs=(c.include_dir,))))
    library.tm_log_mel_size.restype = ctypes.c_uint32
    library.tm_log_mel_reset.argtypes = [ctypes.c_void_p]
    library.tm_log_mel_reset.restype = None
    for function in (library.tm_log_mel_run, library.tm_log_mel_run_log):
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p]
        function.restype = None
    return library
