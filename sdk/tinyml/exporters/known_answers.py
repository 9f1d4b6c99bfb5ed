"""`NAME_test.c`: the integer reference's outputs for inputs that a generator draws, to be run anywhere."""

from __future__ import annotations

import numpy as np

from tinyml.ir.cwriter import CWriter
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret

RUNS = 3
_MULTIPLIER, _INCREMENT, _SEED = 1664525, 1013904223, 1


def known_answer_test(graph: Graph, name: str, *, frames_between: int | None = None) -> str:
    """The text of a program that runs the network on `RUNS` inputs and compares every output byte.

    With `frames_between`, frames are pushed one by one; that many frames after the first full window there is the next
    output, of the window that ends there, `RUNS` in all: 1, or the window's length. The program exits with status 0 and
    prints "pass", or with 1 and "FAIL".
    """
    stream = frames_between is not None
    w = CWriter()
    w.line(f"/* Known answers of network `{graph.name}`: the outputs that the integer reference gives for inputs that")
    w.line(" * draw() repeats here. Generated, do not edit. Call the function from a program of your own, with")
    w.line(f" * {name.upper()}_TEST_NO_MAIN defined, to run it on a board. */")
    w.line("#include <stdint.h>")
    w.line()
    w.line(f'#include "{name}.h"')
    w.line()
    w.line("int puts(const char *text); /* the C library's; declared here, since a bare target may have no stdio.h */")
    w.line()
    w.line(f"#define RUNS {RUNS}")
    w.line()
    w.array("expected", _stream_answers(graph, frames_between) if stream else _answers(graph))
    w.line(f"static _Alignas({name.upper()}_ARENA_ALIGN) uint8_t arena[{name.upper()}_ARENA_BYTES];")
    w.line(f"static uint32_t state = {_SEED}u;")
    w.line()
    _write_draw(w)
    _write_compare(w)
    if stream:
        _write_stream_test(w, name, frames_between)
    else:
        _write_test(w, graph, name)
    w.line()
    w.line(f"#if !defined({name.upper()}_TEST_NO_MAIN)")
    with w.block("int main(void)"):
        w.line(f"return {name}_test();")
    w.line("#endif")
    return w.text()


class _Draw:
    """The twin of the program's draw(): a linear congruential generator, its top byte."""

    def __init__(self) -> None:
        self._state = _SEED

    def __call__(self, count: int) -> np.ndarray:
        """The next `count` values, int8."""
        values = bytearray(count)
        for index in range(count):
            self._state = (self._state * _MULTIPLIER + _INCREMENT) & 0xFFFFFFFF
            values[index] = self._state >> 24
        return np.frombuffer(bytes(values), np.int8)


def _answers(graph: Graph) -> np.ndarray:
    """int8 [RUNS * bytes of all outputs], run by run."""
    draw, found = _Draw(), []
    for _ in range(RUNS):
        kinds = [graph.types[v] for v in graph.inputs]
        outputs = interpret(graph, *(draw(k.size_bytes).reshape(k.shape) for k in kinds))
        found += [y.ravel() for y in outputs]
    return np.concatenate(found)


def _stream_answers(graph: Graph, frames_between: int) -> np.ndarray:
    """int8 [RUNS * bytes of the output]: of the first full window, and of those that end `frames_between` later."""
    kind = graph.types[graph.inputs[0]]
    length = kind.shape[1]
    count = length + (RUNS - 1) * frames_between
    frames = _Draw()(count * (kind.size_bytes // length)).reshape(count, -1)
    starts = range(0, count - length + 1, frames_between)
    return np.concatenate([interpret(graph, frames[i : i + length].reshape(kind.shape))[0].ravel() for i in starts])


def _write_draw(w: CWriter) -> None:
    with w.block("static void draw(int8_t *values, int32_t count)"), w.block("for (int32_t i = 0; i < count; i++)"):
        w.line(f"state = state * {_MULTIPLIER}u + {_INCREMENT}u;")
        w.line("values[i] = (int8_t)(uint8_t)(state >> 24);")
    w.line()


def _write_compare(w: CWriter) -> None:
    w.line("/* The number of bytes that differ. */")
    with w.block("static int32_t compare(const int8_t *found, const int8_t *wanted, int32_t count)"):
        w.line("int32_t wrong = 0;")
        with w.block("for (int32_t i = 0; i < count; i++)"):
            w.line("wrong += found[i] != wanted[i];")
        w.line("return wrong;")
    w.line()


def _write_test(w: CWriter, graph: Graph, name: str) -> None:
    upper = name.upper()
    w.line(f"int {name}_test(void);")
    w.line()
    w.line("/* 0 when every output byte is right. */")
    with w.block(f"int {name}_test(void)"):
        w.line("const int8_t *next = expected;")
        w.line("int32_t wrong = 0;")
        with w.block("for (int32_t run = 0; run < RUNS; run++)"):
            with w.block(f"for (int32_t i = 0; i < {upper}_ARENA_BYTES; i++)"):
                w.line("arena[i] = 0xA5; /* the arena needs no initialisation */")
            for k in range(len(graph.inputs)):
                side = "input" if k == 0 else f"input_{k}"
                w.line(f"draw({name}_{side}(arena), {upper}_{side.upper()}_BYTES);")
            w.line(f"{name}_invoke(arena);")
            for k in range(len(graph.outputs)):
                side = "output" if k == 0 else f"output_{k}"
                w.line(f"wrong += compare({name}_{side}(arena), next, {upper}_{side.upper()}_BYTES);")
                w.line(f"next += {upper}_{side.upper()}_BYTES;")
        _write_verdict(w, name)


def _write_stream_test(w: CWriter, name: str, frames_between: int) -> None:
    upper = name.upper()
    w.line(f"static int8_t frame[{upper}_FRAME_BYTES];")
    w.line(f"int {name}_test(void);")
    w.line()
    w.line("/* 0 when every output byte, and every answer whether there is one, is right. */")
    with w.block(f"int {name}_test(void)"):
        w.line(f"const int32_t length = {upper}_INPUT_BYTES / {upper}_FRAME_BYTES;")
        w.line(f"const int32_t between = {frames_between}; /* frames from one output to the next */")
        w.line("const int8_t *next = expected;")
        w.line("int32_t wrong = 0;")
        with w.block(f"for (int32_t i = 0; i < {upper}_ARENA_BYTES; i++)"):
            w.line("arena[i] = 0xA5; /* only reset initialises the arena */")
        w.line(f"{name}_reset(arena);")
        with w.block("for (int32_t pushed = 1; pushed <= length + (RUNS - 1) * between; pushed++)"):
            w.line("const int ready = pushed >= length && (pushed - length) % between == 0;")
            w.line(f"draw(frame, {upper}_FRAME_BYTES);")
            w.line(f"wrong += {name}_push(arena, frame) != ready;")
            with w.block("if (ready)"):
                w.line(f"wrong += compare({name}_output(arena), next, {upper}_OUTPUT_BYTES);")
                w.line(f"next += {upper}_OUTPUT_BYTES;")
        _write_verdict(w, name)


def _write_verdict(w: CWriter, name: str) -> None:
    w.line(f'(void)puts(wrong == 0 ? "{name}: pass" : "{name}: FAIL");')
    w.line("return wrong != 0;")
