"""What runs and where it lies: aliases, the variant of every node, chains that run by rows, and the memory plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyml.board import Isa
from tinyml.compiler import memo
from tinyml.compiler.order import best_order, with_order
from tinyml.compiler.plan import ARENA_ALIGN, Plan, Step, bytes_needed, plan_memory
from tinyml.compiler.row_streaming import MOST_STAGES, ChainGain, RowChain, by_rows, linear_runs, row_chain
from tinyml.compiler.share_kernels import Budget, LayerChoices, share_kernels
from tinyml.compiler.step_needs import StepNeeds
from tinyml.compiler.steps import buffers_of, chain_step, step_of, steps_of, unique
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import GraphError, Variant
from tinyml.ops.cost_table import cost_table

COUNTS = "rows_counted"
"""The state of a chain that is pushed."""

_SLOWER = 1.2  # what a layer may lose for a smaller arena
_WORTH = 3.0  # a chain must save this many times more of the arena than it adds to the cycles, both relative


@dataclass(frozen=True)
class Schedule:
    """`buffers` maps every computed value to the value whose memory it uses; inner values of chains lie in the
    scratch of their step. `variants` names what runs each node. `gains` says of each chain, in the order in which they
    were added, what it was chosen for."""

    variants: Mapping[str, Variant]
    chains: tuple[RowChain, ...]
    plan: Plan
    buffers: Mapping[str, str]
    gains: tuple[ChainGain, ...] = ()

    def chain_of(self, node: str) -> RowChain | None:
        """The chain that a node belongs to."""
        return next((c for c in self.chains if node in c.nodes), None)

    @property
    def code_bytes(self) -> int:
        """Estimated bytes of the network's functions and parameters, packed constants not among them."""
        kernels = {v.name for v in self.variants.values() if v.kernel_file}
        return round(self.code_beside + cost_table().code_bytes(kernels))

    @property
    def code_beside(self) -> float:
        """The part of `code_bytes` that is no kernel: layers' own functions and what calls them."""
        table, chained = cost_table(), {name for chain in self.chains for name in chain.nodes}
        kernels = {n: v.name for n, v in self.variants.items() if v.kernel_file}
        codes = {n: table.code(kernel) for n, kernel in kernels.items()}
        layers = sum(c.row_layer_bytes if n in chained else c.layer_bytes for n, c in codes.items())
        users = Counter(kernels.values())
        layers -= sum(codes[n].saved_alone(self.variants[n].tile) for n, kernel in kernels.items()
                      if users[kernel] == 1 and n not in chained)  # fmt: skip
        return layers + table.frame.bytes_of(len(codes) - len(chained), [len(c.stages) for c in self.chains])


def schedule(
    graph: Graph, isa: Isa, *, keep_all: bool = False, guard_bytes: int = 0,
    rows: bool | Callable[[Schedule], bool] = True,
    budget: Budget = Budget(), known: Mapping[str, memo.Options] | None = None,
) -> Schedule:  # fmt: skip
    """The schedule of `graph`. Constants are read only to leave out variants that cannot hold them. `known`: what
    operators say, if that has been asked for already.

    Every node gets its fastest variant, unless one with less scratch that is nearly as fast makes the whole arena
    smaller. With `rows`, which may be a question about the schedule without them, chains of layers run row by row where
    that lowers the peak enough for what it costs. Kernels
    that cost more code than they save cycles give their layers to others; a `budget` says what to spare. With
    `keep_all` every layer keeps the kernel that was made for it.
    """
    search = _Search.of(graph, isa, keep_all, guard_bytes, known)
    best = search.fastest_that_fits()
    if keep_all:
        return best
    plain = search.relieved(best)
    if rows is not True:
        shared = search.with_shared_kernels(plain, budget)
        if not rows or not rows(shared):
            return shared
    return search.with_shared_kernels(search.chained(best, plain), budget)


def fixed_schedule(graph: Graph, isa: Isa, variants: Mapping[str, Variant], *, guard_bytes: int = 0) -> Schedule:
    """The schedule that runs every node with the variant named for it, and keeps every value."""
    return _Search.of(graph, isa, True, guard_bytes).planned(variants)


def push_schedule(graph: Graph, isa: Isa, budget: Budget = Budget()) -> Schedule:
    """A schedule whose caller hands over the input row by row, so that it never exists as a whole.

    Raises: GraphError when the first layer cannot take rows.
    """
    search = _Search.of(graph, isa)
    base = search.relieved(search.fastest_that_fits())
    first = graph.nodes[0]
    able = len(graph.inputs) == 1 and graph.activations(first) == graph.inputs and graph.inputs[0] not in graph.outputs
    readers = sum(graph.inputs[0] in node.inputs for node in graph.nodes)
    if not able or readers != 1 or not any(by_rows(first, v) for v in search.options[first.name]):
        raise GraphError(
            f"graph `{graph.name}` cannot take its input row by row: layer `{first.name}` needs all of it",
            hint="the first layer must be a convolution, and the only one that reads the input",
        )
    run = next((r for r in linear_runs(graph, search.options) if r[0] is first), (first,))
    trials = []
    for end in range(1, min(len(run), MOST_STAGES) + 1):
        variants = dict(base.variants) | {n.name: search._for_rows(n) for n in run[:end]}
        trials.append(search.planned(variants, (row_chain(graph, run[:end], variants, pushed=True),)))
    best = search.smallest(trials, base)
    return search.with_shared_kernels(best, budget)


def reorder(graph: Graph, isa: Isa) -> Graph:
    """`graph` with its nodes in the order of execution that needs the least memory, as far as it is found."""
    if all(not set(a.outputs).isdisjoint(b.inputs) for a, b in zip(graph.nodes, graph.nodes[1:], strict=False)):
        return graph
    search = _Search.of(graph, isa)
    steps, *rest = search.problem(search.lightest(), ())
    return with_order(graph, [steps[number].name for number in best_order(steps, *rest)])


def _allowed(graph: Graph, node: Node, known: memo.Options) -> tuple[Variant, ...]:
    """The variants of a node that can hold its constants; of a weightless graph all that its types allow."""
    admits = getattr(node.op, "admits", None)
    if admits is None or any(c.data is None for c in graph.constants(node)):
        return known.variants
    kinds, constants = graph.input_types(node), graph.constants(node)
    found = tuple(v for v in known.variants if admits(v, kinds, *constants))
    return known.variants if len(found) == len(known.variants) else found


def _useful(known: memo.Options, allowed: tuple[Variant, ...]) -> tuple[Variant, ...]:
    if allowed is known.variants:
        return known.useful
    return memo.useful(allowed, known.costs, known.overlaps, known.row_cycles)


Trial = tuple[Mapping[str, Variant], tuple[RowChain, ...]]


@dataclass
class _Search:
    graph: Graph
    allowed: Mapping[str, tuple[Variant, ...]]
    known: Mapping[str, memo.Options]
    keep_all: bool
    guard_bytes: int

    @classmethod
    def of(
        cls, graph: Graph, isa: Isa, keep_all: bool = False, guard_bytes: int = 0,
        known: Mapping[str, memo.Options] | None = None,
    ) -> _Search:  # fmt: skip
        known = known or memo.options_by_name(graph, isa)
        allowed = {node.name: _allowed(graph, node, known[node.name]) for node in graph.nodes}
        return cls(graph, allowed, known, keep_all, guard_bytes)

    def __post_init__(self) -> None:
        graph = self.graph
        self.nodes = {node.name: node for node in graph.nodes}
        self.options = {n: _useful(known, self.allowed[n]) for n, known in self.known.items()}
        self.cycles = {(n, v): self.known[n].costs[v].cycles for n, found in self.options.items() for v in found}
        self.fast = {n: min(variants, key=lambda v: self.cycles[n, v]) for n, variants in self.options.items()}
        self.buffers = buffers_of(graph, self.fast)
        self.sizes = {b: graph.types[b].size_bytes for b in set(self.buffers.values())}
        self.made: dict[tuple[str, Variant], Step] = {}
        self.bounds: StepNeeds | None = None
        self.numbers: dict[str, int] = {}
        self.needed: dict[tuple[str, Variant], int] = {}

    def planned(self, variants: Mapping[str, Variant], chains: tuple[RowChain, ...] = ()) -> Schedule:
        state = dict([(COUNTS, c.counts_bytes) for c in chains if c.pushed])
        steps, sizes, inputs, outputs = self.problem(variants, chains)
        plan = plan_memory(steps, sizes | state, inputs, outputs, persistent=tuple(state), keep_all=self.keep_all,
                           guard_bytes=self.guard_bytes)  # fmt: skip
        return Schedule(variants, chains, plan, self.buffers)

    def needs(self, variants: Mapping[str, Variant], chains: tuple[RowChain, ...] = ()) -> dict[str, int]:
        """By step, a lower bound of the arena in bytes: what `planned` nearly always reaches, in a fraction of its
        time."""
        if any(c.pushed for c in chains):
            steps, sizes, inputs, outputs = self.problem(variants, chains)
            found = bytes_needed(steps, sizes, inputs, outputs)
            return {step.name: size for step, size in zip(steps, found, strict=True)}
        if self.bounds is None:
            self.bounds = StepNeeds.of(*self.problem(self.lightest(), ()))
            self.numbers = {name: n for n, name in enumerate(self.bounds.steps)}
        taken = {name: None for chain in chains for name in chain.nodes} | {c.nodes[0]: c for c in chains}
        needs = {}
        for name, number in self.numbers.items():
            if name not in taken:
                needs[name] = self._step_needs(name, number, variants[name])
            elif (chain := taken[name]) is not None:
                step = chain_step(self.graph, self.nodes, chain, self.buffers)
                needs[chain.name] = self.bounds.of_chain(number, number + len(chain.nodes) - 1, step)
        return needs

    def _step_needs(self, name: str, number: int, variant: Variant) -> int:
        needed = self.needed.get((name, variant))
        if needed is None:
            needed = self.bounds.of_step(number, self._step(self.nodes[name], variant))
            self.needed[name, variant] = needed
        return needed

    def problem(self, variants: Mapping[str, Variant], chains: tuple[RowChain, ...]) -> tuple:
        steps = list(steps_of(self.graph, variants, chains, self.buffers, self._step))
        inputs = () if any(c.pushed for c in chains) else self.graph.inputs
        seen = {v for step in steps for v in (*step.reads, *step.writes)} | set(inputs)
        sizes = {name: size for name, size in self.sizes.items() if name in seen}
        return steps, sizes, unique(inputs, self.buffers), unique(self.graph.outputs, self.buffers)

    def _step(self, node: Node, variant: Variant) -> Step:
        key = (node.name, variant)
        if key not in self.made:
            self.made[key] = step_of(self.graph, node, variant, self.buffers, self.known[node.name])
        return self.made[key]

    def fastest_that_fits(self) -> Schedule:
        light = self.lightest()
        needs = self.needs(light)
        peak = max(needs.values(), default=0)
        variants = {name: self.fast[name] if self.fast[name] != v and needs[name] - v.scratch_bytes
                    + self.fast[name].scratch_bytes <= peak else v for name, v in light.items()}  # fmt: skip
        best = self.planned(variants)
        if self.keep_all or variants == light or best.plan.arena_bytes - peak < ARENA_ALIGN:
            return best
        small = self.planned(light)  # the search missed the bound: was it because of the scratch?
        return small if small.plan.arena_bytes < best.plan.arena_bytes else best

    def relieved(self, best: Schedule) -> Schedule:
        """Give the fullest step a slower variant, one that may overlap more, as long as that is worth it."""
        while True:
            chains = best.chains
            needs = self.needs(best.variants, chains)
            fullest = max(needs, key=needs.get, default=None)
            others = [v for v in self.options.get(fullest, ()) if v != best.variants[fullest]]
            trials = (({**best.variants, fullest: v}, chains) for v in others)
            found = self._best_of(trials, best)
            if found is None:
                return best
            best = replace(found, gains=best.gains)

    def lightest(self) -> dict[str, Variant]:
        return {name: self._lightest(name) for name in self.options}

    def _lightest(self, name: str) -> Variant:
        """The variant with the least scratch among those that are about as fast and may overlap as much."""
        overlaps, fast = self.known[name].overlaps, self.fast[name]
        limit = _SLOWER * self.cycles[name, fast]
        rivals = [v for v in self.options[name]
                  if self.cycles[name, v] <= limit and overlaps[v] == overlaps[fast]]  # fmt: skip
        return min(rivals, key=lambda v: (v.scratch_bytes, self.cycles[name, v]))

    def with_chains(self, best: Schedule) -> Schedule:
        """Add the chain that lowers the peak most, as long as there is one that is worth it."""
        runs = list(linear_runs(self.graph, self.options))
        while True:
            trials = ((t.variants, (*best.chains, t.chains[0])) for t in self._candidates(best, runs))
            found = self._best_of(trials, best)
            if found is None:
                return best
            best = self.smallest([found], best)

    def chained(self, best: Schedule, plain: Schedule) -> Schedule:
        """`best` with chains if they are worth it beside `plain`, the best without any."""
        found = self.relieved(self.with_chains(best))
        cycles = self.total_cycles(plain)
        if not found.chains or not _worth(*self._arena_and_cycles(found), plain.plan.arena_bytes, cycles):
            return plain
        first = replace(found.gains[0], arena_bytes_before=plain.plan.arena_bytes,
                        estimated_cycles_before=cycles)  # fmt: skip
        return replace(found, gains=(first, *found.gains[1:]))

    def smallest(self, trials: Sequence[Schedule], before: Schedule) -> Schedule:
        """The schedule with the smallest arena, each of `trials` being `before` with one more chain."""
        best = min(trials, key=self._arena_and_cycles)
        gain = ChainGain(before.plan.arena_bytes, best.plan.arena_bytes, self.total_cycles(before),
                         self.total_cycles(best))  # fmt: skip
        return replace(best, gains=(*before.gains, gain))

    def _candidates(self, best: Schedule, runs: Sequence[tuple[Node, ...]]) -> Iterator[Schedule]:
        """Chains that do away with a tensor that is live at the peak."""
        step = best.plan.peak_step
        live = {p.name for p in best.plan.placements if p.first_step <= step <= p.last_step}
        taken = {name for chain in best.chains for name in chain.nodes}
        for run in runs:
            for i in range(len(run)):
                for j in range(i + 2, min(len(run), i + MOST_STAGES) + 1):
                    nodes = run[i:j]
                    inner = {v for n in nodes[:-1] for v in n.outputs}
                    if live & inner and taken.isdisjoint(n.name for n in nodes):
                        variants = dict(best.variants) | {n.name: self._for_rows(n) for n in nodes}
                        yield Schedule(variants, (row_chain(self.graph, nodes, variants),), best.plan, self.buffers)

    def _for_rows(self, node: Node) -> Variant:
        able = [v for v in self.options[node.name] if by_rows(node, v)]
        return min(able, key=lambda v: (self._row_cycles(node.name, v), v.scratch_bytes))

    def _row_cycles(self, name: str, variant: Variant) -> int:
        """Cycles of a whole tensor that is computed one row a call."""
        return self.known[name].row_cycles[variant]

    def _arena_and_cycles(self, s: Schedule) -> tuple[int, int]:
        return s.plan.arena_bytes, self.total_cycles(s)

    def total_cycles(self, s: Schedule) -> int:
        return self._cycles_of(s.variants, s.chains)

    def _cycles_of(self, variants: Mapping[str, Variant], chains: tuple[RowChain, ...]) -> int:
        chained = {name for chain in chains for name in chain.nodes}
        return sum([self._row_cycles(n, v) if n in chained else self.known[n].costs[v].cycles
                    for n, v in variants.items()])  # fmt: skip

    def _best_of(self, trials: Iterable[Trial], before: Schedule) -> Schedule | None:
        """Of those that are worth it beside `before` the one with the smallest arena, then the fewest cycles, then the
        first. Lower bounds tell in which order to plan them, and when no other can be better."""
        now, promising = (before.plan.arena_bytes, self.total_cycles(before)), []
        for number, trial in enumerate(trials):
            least = -(-max(self.needs(*trial).values()) // ARENA_ALIGN) * ARENA_ALIGN
            rank = least, self._cycles_of(*trial), number
            if _worth(*rank[:2], *now):
                promising.append((rank, trial))
        best: tuple[tuple[int, int, int], Schedule] | None = None
        for rank, trial in sorted(promising, key=lambda p: p[0]):
            if best is not None and best[0] < rank:
                break
            planned = self.planned(*trial)
            found = (planned.plan.arena_bytes, *rank[1:])
            if _worth(*found[:2], *now) and (best is None or found < best[0]):
                best = found, planned
        return best and best[1]

    def with_shared_kernels(self, best: Schedule, budget: Budget) -> Schedule:
        """Layers given to fewer kernels where that is worth it, within the arena that `best` needs."""
        layers = self._layer_choices(best)
        changed = share_kernels(layers, cost_table(), best.code_beside, budget)
        if not changed:
            return best
        variants = dict(best.variants) | changed
        chains = tuple(row_chain(self.graph, [self.nodes[n] for n in c.nodes], variants, pushed=c.pushed)
                       for c in best.chains)  # fmt: skip
        if all(self._uses_memory_like(n, v, best.variants[n]) for n, v in changed.items()):
            return replace(best, variants=variants, chains=chains)
        shared = replace(self.planned(variants, chains), gains=best.gains)
        return shared if shared.plan.arena_bytes <= best.plan.arena_bytes else best

    def _uses_memory_like(self, name: str, a: Variant, b: Variant) -> bool:
        return a.scratch_bytes == b.scratch_bytes and self.known[name].overlaps[a] == self.known[name].overlaps[b]

    def _layer_choices(self, best: Schedule) -> dict[str, LayerChoices]:
        """What each layer may run that needs no more memory than it has."""
        needs = self.needs(best.variants, best.chains)
        peak, found = max(needs.values(), default=0), {}
        rows = {n: max(s.variant.scratch_bytes for s in c.stages) for c in best.chains for n in c.nodes}
        for name, now in best.variants.items():
            if now.kernel_file:
                room = rows[name] if name in rows else now.scratch_bytes + peak - needs[name]
                choices = self.known[name].choices(now, room, name in rows)
                allowed = self.allowed[name]
                found[name] = choices if allowed is self.known[name].variants else choices.among(allowed)
        return found


def _worth(arena: int, cycles: int, arena_before: int, cycles_before: int) -> bool:
    saved = 1 - arena / arena_before
    added = cycles / cycles_before - 1
    return saved > 0.02 and saved > _WORTH * added
