"""The smallest arena by trying all offsets: the judge of planners on tiny problems."""

from __future__ import annotations

from itertools import count

from tinyml.compiler.plan_problem import Problem


def smallest_arena(problem: Problem) -> int:
    """Words of the smallest arena there is."""
    return next(arena for arena in count(1) if _fits(problem, arena, []))


def _fits(problem: Problem, arena: int, offsets: list[int]) -> bool:
    tensor = len(offsets)
    if tensor == len(problem.sizes):
        return all(_has_room(problem, step, offsets, arena) for step in range(len(problem.born)))
    for offset in range(arena - problem.sizes[tensor] + 1):
        if all(may_lie(problem, other, offsets[other], tensor, offset) for other in range(tensor)):
            offsets.append(offset)
            if _fits(problem, arena, offsets):
                return True
            offsets.pop()
    return False


def may_lie(problem: Problem, a: int, a_at: int, b: int, b_at: int) -> bool:
    """Whether tensors a and b, a before b, may lie at these offsets."""
    if problem.last[a] < problem.first[b] or problem.last[b] < problem.first[a]:
        return True
    if a_at + problem.sizes[a] <= b_at or b_at + problem.sizes[b] <= a_at:
        return True
    if a not in problem.rules[b]:
        return False
    least, exact = problem.rules[b][a]
    return a_at - b_at == least if exact else a_at - b_at >= least


def _has_room(problem: Problem, step: int, offsets: list[int], arena: int) -> bool:
    taken = set()
    for tensor, offset in enumerate(offsets):
        if problem.first[tensor] <= step <= problem.last[tensor]:
            taken.update(range(offset, offset + problem.sizes[tensor]))
    run = 0
    for word in range(arena):
        run = 0 if word in taken else run + 1
        if run >= problem.scratch[step]:
            return True
    return problem.scratch[step] == 0
