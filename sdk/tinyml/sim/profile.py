"""Where the cycles went: by function and by layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tinyml.sim.blocks import LAYER_PATTERN, layer_name
from tinyml.sim.elf import Image, Symbol
from tinyml.sim.hook import MAX_LAYERS, HookState
from tinyml.sim.timing import REFILL_CYCLES

EXCEPTIONS = "(exceptions)"  # entry and return, by the processor itself


def layer_functions(image: Image, names: Collection[str]) -> list[Symbol]:
    """The functions whose calls are measured: those in `names`, or all of a compiled model's layers."""
    found = [
        f for f in image.functions
        if (layer_name(f.name) in names if names else LAYER_PATTERN.match(f.name))
    ]  # fmt: skip
    return sorted(found, key=lambda f: f.name)[: MAX_LAYERS - 1]


def function_cycles(
    image: Image, hook: HookState, skipped: Mapping[int, int], exception_cycles: int
) -> dict[str, int]:
    """Cycles by function, most first; busy polls that were skipped count where they happened."""
    cycles: dict[str, int] = {}

    def add(address: int, amount: int) -> None:
        function = image.function_at(address)
        name = function.name if function else f"0x{address:08x}"
        cycles[name] = cycles.get(name, 0) + amount

    for block in hook.used_blocks():
        add(block.address, block.runs * block.cycles + block.taken * REFILL_CYCLES)
    for address, amount in skipped.items():
        add(address, amount)
    if exception_cycles:
        cycles[EXCEPTIONS] = exception_cycles
    return dict(sorted(cycles.items(), key=lambda item: (-item[1], item[0])))


def layer_cycles(layers: Sequence[Symbol], hook: HookState, calls_per_inference: Mapping[str, int]) -> dict[str, int]:
    """Cycles of one inference, rounded, of every layer that was called; layers run once unless the mapping has them."""
    found = {}
    for number, function in enumerate(layers, start=1):
        calls = hook.layer_calls[number]
        if calls:
            name = layer_name(function.name)
            found[name] = round(hook.layer_cycles[number] / calls * calls_per_inference.get(name, 1))
    return found
