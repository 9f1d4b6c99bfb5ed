"""The order of branches: which execution order of the same steps needs the least memory at its worst step.

What is live depends on the set of steps that have run, not on their order, so the orders form a graph of sets, and the
best one is the path whose largest step is smallest. Networks have few such sets: branches are short and meet again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from tinyml.compiler.plan_problem import Step, rule_of, shared_words, words_of
from tinyml.ir.graph import Graph

MOST_TURNS = 20_000


def with_order(graph: Graph, names: Sequence[str]) -> Graph:
    """`graph` with the nodes called `names` in that order. All other nodes, which need no code, come as soon as what
    they read is there."""
    turn = {name: number for number, name in enumerate(names)}
    known, nodes, waiting = {*graph.inputs, *graph.consts}, [], list(graph.nodes)
    while waiting:
        node = min((n for n in waiting if known.issuperset(n.inputs)), key=lambda n: turn.get(n.name, -1))
        waiting.remove(node)
        nodes.append(node)
        known.update(node.outputs)
    return replace(graph, nodes=tuple(nodes))


@dataclass(frozen=True)
class _Task:
    """A step with what it needs to know; sets of steps and tensors are bit masks."""

    after: int  # steps that run before it
    touched: tuple[str, ...]  # tensors that may die with it
    born: tuple[str, ...]
    scratch: int
    rules: Mapping[str, tuple[int, int, bool]]  # input -> (its size, least, exact), for the one output


@dataclass(frozen=True)
class _Orders:
    tasks: tuple[_Task, ...]
    words: Mapping[str, int]
    readers: Mapping[str, int]  # steps that use a tensor, its writer included
    kept: frozenset[str]
    unread: int  # words of inputs that nobody reads: the planner drops them after the first step

    def ready(self, done: int) -> Iterator[int]:
        for number, task in enumerate(self.tasks):
            if not done >> number & 1 and task.after & done == task.after:
                yield number

    def run(self, number: int, done: int, live: int) -> tuple[int, int]:
        """(words needed while the step runs, words live behind it), after the steps `done` with `live` words."""
        task, then = self.tasks[number], done | 1 << number
        live += sum(self.words[t] for t in task.born)
        dying = [t for t in task.touched if t not in self.kept and self.readers[t] & then == self.readers[t]]
        need = live + task.scratch + (0 if done else self.unread)
        rules = [task.rules[t] for t in dying if t in task.rules]
        if rules:
            need -= shared_words(self.words[task.born[0]], rules)
        return need, live - sum(self.words[t] for t in dying)


def best_order(
    steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[int, ...]:
    """The numbers of `steps` in an order of execution that needs the least memory at its worst step.

    It is the best of all orders where that takes no more than `MOST_TURNS` looks at a step to find, else the better of
    the given order and a greedy one. Orders that are no better than the given one are not taken; nor is anything
    moved where a step changes a tensor in place.
    """
    given = tuple(range(len(steps)))
    if _forced(steps) or _in_place(steps, inputs):
        return given
    orders, live = _orders(steps, sizes, inputs, outputs)
    limit = _peak(orders, given, live)
    found = _best(orders, live, limit)
    if found is None:
        found = _greedy(orders, live)
    return found if found and _peak(orders, found, live) < limit else given


def _forced(steps: Sequence[Step]) -> bool:
    """Whether every step reads what the one before it wrote: then there is no other order."""
    return all(not set(a.writes).isdisjoint(b.reads) for a, b in zip(steps, steps[1:], strict=False))


def _in_place(steps: Sequence[Step], inputs: Sequence[str]) -> bool:
    written = [name for step in steps for name in step.writes]
    return len(written) != len(set(written)) or not set(inputs).isdisjoint(written)


def _orders(
    steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[_Orders, int]:
    """The problem, and the words that are live before the first step."""
    writer = {name: number for number, step in enumerate(steps) for name in step.writes}
    words = {name: words_of(sizes[name]) for name in (*inputs, *writer)}
    readers = {name: 1 << writer[name] if name in writer else 0 for name in words}
    for number, step in enumerate(steps):
        for name in step.reads:
            readers[name] |= 1 << number
    tasks = []
    for step in steps:
        rules = {}
        for (read, written), overlap in step.overlap.items():
            rule = rule_of(overlap, words[read], words[written])
            if rule is not None and len(step.writes) == 1:
                rules[read] = (words[read], *rule)
        after = sum(1 << n for n in {writer[r] for r in step.reads if r in writer})
        touched = tuple(dict.fromkeys((*step.reads, *step.writes)))
        tasks.append(_Task(after, touched, step.writes, words_of(step.scratch_bytes), rules))
    read = [name for name in dict.fromkeys(inputs) if readers[name] or name in outputs]
    unread = sum(words[name] for name in set(inputs).difference(read))
    return _Orders(tuple(tasks), words, readers, frozenset(outputs), unread), sum(words[name] for name in read)


def _peak(orders: _Orders, order: Sequence[int], live: int) -> int:
    done = peak = 0
    for number in order:
        need, live = orders.run(number, done, live)
        done, peak = done | 1 << number, max(peak, need)
    return peak


def _best(orders: _Orders, live: int, limit: int) -> tuple[int, ...] | None:
    """The order with the smallest peak below `limit` words, () when there is none, None when that was not found out."""
    goal, count = (1 << len(orders.tasks)) - 1, len(orders.tasks)
    waiting: list[tuple[int, int, int, int]] = [(0, count, 0, live)]  # peak, steps left, done, live
    came_from: dict[int, tuple[int, int]] = {}
    best, closed, turns = {0: 0}, set(), 0
    while waiting:
        peak, left, done, live = heappop(waiting)
        if done == goal:
            return _path(came_from, goal)
        if done in closed:
            continue
        closed.add(done)
        for number in orders.ready(done):
            turns += 1
            if turns > MOST_TURNS:
                return None
            need, after = orders.run(number, done, live)
            then, reached = done | 1 << number, max(peak, need)
            if reached < best.get(then, limit):
                best[then] = reached
                came_from[then] = (done, number)
                heappush(waiting, (reached, left - 1, then, after))
    return ()


def _path(came_from: Mapping[int, tuple[int, int]], goal: int) -> tuple[int, ...]:
    order, at = [], goal
    while at:
        at, number = came_from[at]
        order.append(number)
    return tuple(reversed(order))


def _greedy(orders: _Orders, live: int) -> tuple[int, ...]:
    """At every turn the step that leaves the least behind, of those the one that needs least, then the earliest."""
    order: list[int] = []
    done = 0
    while len(order) < len(orders.tasks):
        turns = [(after - live, need, number, after) for number in orders.ready(done)
                 for need, after in [orders.run(number, done, live)]]  # fmt: skip
        _, _, number, live = min(turns)
        order.append(number)
        done |= 1 << number
    return tuple(order)
