"""The emitted C as a host library: the same files that go into the firmware, called through ctypes."""

from __future__ import annotations

import ctypes
import tempfile

import numpy as np

from tinyml.compiler.compile import Compiled, write
from tinyml.compiler.plan import ARENA_ALIGN
from tinyml.errors import ProjectError
from tinyml.toolchain import host_library

_GUARD = 0xA5


class HostModel:
    """Runs a compiled network on the host. Not thread-safe: one arena. Picklable (the library is cached)."""

    def __init__(self, compiled: Compiled) -> None:
        """Builds the library unless it is cached. Raises: ProjectError, MissingToolError."""
        self.compiled = compiled
        with tempfile.TemporaryDirectory() as folder:
            sources = write(compiled, folder)
            path = host_library(f"model_{compiled.name}", sources.sources, include_dirs=[sources.include_dir])
        self._library = ctypes.CDLL(str(path))
        self._invoke = getattr(self._library, f"{compiled.prefix}_invoke")
        self._invoke.argtypes, self._invoke.restype = [ctypes.c_void_p], None
        size = compiled.plan.arena_bytes
        memory = np.zeros(size + ARENA_ALIGN, np.uint8)
        start = -memory.ctypes.data % ARENA_ALIGN
        self._arena = memory[start : start + size]
        self._input = self._find("input", compiled.input_type.size_bytes)
        self._output = self._find("output", compiled.output_type.size_bytes)

    def __reduce__(self) -> tuple:
        return HostModel, (self.compiled,)

    def _find(self, side: str, size: int) -> np.ndarray:
        function = getattr(self._library, f"{self.compiled.prefix}_{side}")
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
        offset = function(self._arena.ctypes.data) - self._arena.ctypes.data
        return self._arena[offset : offset + size].view(np.int8)

    def invoke(self, x: np.ndarray) -> np.ndarray:
        """int8 [N, ...] to int8 [N, ...]: every item of the batch in turn. Raises: ProjectError for a wrong shape."""
        kind = self.compiled.input_type
        x = np.asarray(x)
        if x.dtype != np.int8 or x.shape[1:] != kind.shape[1:]:
            raise ProjectError(f"the network takes int8{list(kind.shape)}, not {x.dtype.name}{list(x.shape)}")
        results = np.empty((len(x), *self.compiled.output_type.shape[1:]), np.int8)
        for item, result in zip(x, results, strict=True):
            if self.compiled.guard_bytes:
                self._arena[:] = _GUARD
            self._input[:] = item.ravel()
            self._invoke(self._arena.ctypes.data)
            result[...] = self._output.reshape(result.shape)
            if self.compiled.guard_bytes:
                self._check_guards()
        return results

    def tap(self, value: str) -> np.ndarray:
        """A computed tensor of the last item that ran, by its name in the graph (compile with `taps=True`)."""
        offset, kind = self.compiled.taps[value]
        return self._arena[offset : offset + kind.size_bytes].view(kind.dtype).reshape(kind.shape).copy()

    def _check_guards(self) -> None:
        for place in self.compiled.plan.placements:
            end = place.offset + -(-place.size // 4) * 4
            if np.any(self._arena[end : end + self.compiled.guard_bytes] != _GUARD):
                raise ProjectError(f"the compiled network wrote behind `{place.name}`: this is a bug in a kernel")
