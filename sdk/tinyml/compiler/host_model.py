"""The emitted C as a host library: the same files that go into the firmware, called through ctypes."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence

import numpy as np

from tinyml.compiler.compile import Compiled, write
from tinyml.compiler.plan import ARENA_ALIGN
from tinyml.errors import ProjectError
from tinyml.ir.tensor import TensorType
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
        self._inputs = self._views("input", compiled.input_types)
        self._outputs = self._views("output", compiled.output_types)

    def __reduce__(self) -> tuple:
        return HostModel, (self.compiled,)

    def _views(self, side: str, kinds: Sequence[TensorType]) -> list[np.ndarray]:
        views = []
        for index, kind in enumerate(kinds):
            function = getattr(self._library, f"{self.compiled.prefix}_{side}{f'_{index}' if index else ''}")
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
            offset = function(self._arena.ctypes.data) - self._arena.ctypes.data
            views.append(self._arena[offset : offset + kind.size_bytes].view(kind.dtype))
        return views

    def invoke(self, *inputs: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
        """[N, ...] to [N, ...] in the graph's types, every item of the batch in turn; a tuple of several outputs.

        Raises: ProjectError for a wrong shape, or when a guard word was overwritten.
        """
        inputs = self._checked(inputs)
        count = len(inputs[0])
        results = tuple(np.empty((count, *k.shape[1:]), k.dtype) for k in self.compiled.output_types)
        for item in range(count):
            if self.compiled.guard_bytes:
                self._arena[:] = _GUARD
            for view, x in zip(self._inputs, inputs, strict=True):
                view[:] = x[item].ravel()
            self._invoke(self._arena.ctypes.data)
            for view, result in zip(self._outputs, results, strict=True):
                result[item] = view.reshape(result.shape[1:])
            if self.compiled.guard_bytes:
                self._check_guards()
        return results[0] if len(results) == 1 else results

    def _checked(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        inputs = tuple(np.asarray(x) for x in inputs)
        found = [f"{x.dtype.name}{list(x.shape[1:])}" for x in inputs]
        expected = [f"{k.dtype}{list(k.shape[1:])}" for k in self.compiled.input_types]
        if found != expected or len({len(x) for x in inputs}) != 1:
            raise ProjectError(f"the network takes batches of {', '.join(expected)}, not {', '.join(found)}")
        return inputs

    def tap(self, value: str) -> np.ndarray:
        """A computed tensor of the last item that ran, by its name in the graph (compile with `taps=True`)."""
        offset, kind = self.compiled.taps[value]
        return self._arena[offset : offset + kind.size_bytes].view(kind.dtype).reshape(kind.shape).copy()

    def _check_guards(self) -> None:
        for place in self.compiled.plan.placements:
            end = place.offset + -(-place.size // 4) * 4
            if np.any(self._arena[end : end + self.compiled.guard_bytes] != _GUARD):
                raise ProjectError(f"the compiled network wrote behind `{place.name}`: this is a bug in a kernel")
