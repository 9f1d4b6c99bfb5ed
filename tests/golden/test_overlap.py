"""Each operator's `overlap` against a trace of what its C kernel reads and writes on a Cortex-M4, access by access."""

from __future__ import annotations

from dataclasses import dataclass

import bare_board
import pytest
from case_graph import CaseGraph, all_cases
from elftools.elf.elffile import ELFFile

from tinyml.compiler.compile import PASSES
from tinyml.compiler.schedule import schedule
from tinyml.ir.op import Overlap

unicorn = pytest.importorskip("unicorn")

RAM, RETURN = 0x20000000, 0x3FF00
# Unicorn's memory hooks lose the IT state: a load or store inside an IT block makes it skip a later instruction.
NO_CONDITIONAL_ACCESSES = ("-mllvm", "-ifcvt-limit=0")


@dataclass(frozen=True)
class Access:
    write: bool
    address: int
    size: int


@pytest.fixture(scope="session")
def trace(answers, tmp_path_factory: pytest.TempPathFactory) -> list[Access]:
    """All accesses to the arena, in order, in one run of all cases (built with zig, tensors apart)."""
    compiled, _ = answers.program("zig")
    path = bare_board.build(compiled, "zig", tmp_path_factory.mktemp("trace"), NO_CONDITIONAL_ACCESSES)
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        segments = [(s["p_paddr"], s.data()) for s in elf.iter_segments("PT_LOAD") if s["p_filesz"]]
        symbols = {s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols()}
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    machine.ctl_set_cpu_model(unicorn.arm_const.UC_CPU_ARM_CORTEX_M4)
    machine.mem_map(0, 1 << 20)
    machine.mem_map(RAM, 1 << 18)
    for address, data in segments:
        machine.mem_write(address, data)
    arena = symbols["g_arena"]
    seen: list[Access] = []

    def note(_: object, kind: int, address: int, size: int, *rest: object) -> None:
        seen.append(Access(kind == unicorn.UC_MEM_WRITE, address - arena, size))

    hooks = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
    machine.hook_add(hooks, note, begin=arena, end=arena + compiled.plan.arena_bytes - 1)
    machine.reg_write(unicorn.arm_const.UC_ARM_REG_SP, RAM + (1 << 18))
    machine.reg_write(unicorn.arm_const.UC_ARM_REG_LR, RETURN | 1)
    machine.reg_write(unicorn.arm_const.UC_ARM_REG_R0, arena)
    machine.emu_start(symbols["m_invoke"] | 1, RETURN)
    return seen


def claims() -> list[tuple[str, int, Overlap]]:
    """(case, index of the input, bound): what the variants claim that the traced program runs."""
    graph = CaseGraph.of(all_cases()).graph
    for step in PASSES:
        graph = step(graph)
    chosen = schedule(graph, bare_board.cortex_m4().isa, keep_all=True, guard_bytes=16).variants
    found = []
    for node in graph.nodes:
        variant, inputs = chosen[node.name], graph.activations(node)
        for value, overlap in zip(inputs, node.op.overlap(variant, *graph.input_types(node)), strict=True):
            if overlap is not None and variant.kernel_file and value.startswith(f"{node.name}_"):
                found.append((node.name, int(value.removeprefix(f"{node.name}_")), overlap))
    return found


@pytest.fixture(scope="session")
def by_tensor(trace: list[Access], answers) -> dict[str, list[tuple[int, int, bool]]]:
    compiled, _ = answers.program("zig")
    owner: dict[int, tuple[str, int]] = {}
    for name, (origin, kind) in compiled.taps.items():
        owner.update((origin + i, (name, i)) for i in range(kind.size_bytes))
    tensors: dict[str, list[tuple[int, int, bool]]] = {name: [] for name in compiled.taps}
    for time, access in enumerate(trace):
        for byte in range(access.address, access.address + access.size):
            if byte in owner:
                name, offset = owner[byte]
                tensors[name].append((time, offset, access.write))
    return tensors


@pytest.mark.parametrize(("case", "index", "overlap"), [pytest.param(*c, id=f"{c[0]}-{c[1]}") for c in claims()])
def test_overlap_is_what_the_kernel_allows(case: str, index: int, overlap: Overlap, by_tensor) -> None:
    reads = [(t, o) for t, o, write in by_tensor[f"{case}_{index}"] if not write]
    writes = [(t, o) for t, o, write in by_tensor[case] if write]
    assert reads and writes
    # With the input at output + d, byte w of the output destroys byte w - d of the input, which must not be read later.
    last_read: dict[int, int] = {}
    for time, offset in reads:
        last_read[offset] = max(time, last_read.get(offset, -1))
    first_write: dict[int, int] = {}
    for time, offset in writes:
        first_write.setdefault(offset, time)
    forbidden = {w - r for w, begin in first_write.items() for r, end in last_read.items() if end > begin}
    assert not any(overlap.allows(d) for d in forbidden)
    if case.startswith("conv2d_1x1") and forbidden:
        assert overlap.least_bytes == max(forbidden) + 1, "the bound is not tight"
