"""All golden cases as one graph, so that one compilation and one run answer for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.op import Case, operators
from tinyml.ir.tensor import Const


@dataclass(frozen=True)
class CaseGraph:
    """Every case is a node named like it, on inputs of its own; `data` are the inputs in the graph's order."""

    cases: tuple[Case, ...]
    graph: Graph
    data: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, cases: list[Case]) -> CaseGraph:
        builder, data = GraphBuilder("cases"), []
        for case in cases:
            names = []
            for index, (value, kind) in enumerate(zip(case.inputs, case.input_types, strict=True)):
                name = f"{case.name}_{index}"
                if isinstance(value, Const):
                    builder.const(name, value)
                else:
                    builder.input(name, kind)
                    data.append(value)
                names.append(name)
            builder.add(case.name, case.op, *names)
        return cls(tuple(cases), builder.build(*(c.name for c in cases)), tuple(data))

    def reference(self) -> dict[str, np.ndarray]:
        """What the operators' references answer, by case."""
        answers = {}
        for case in self.cases:
            operands = [v.data if isinstance(v, Const) else v for v in case.inputs]
            (answers[case.name],) = case.op.reference(*operands, types=case.input_types)
        return answers


def all_cases() -> list[Case]:
    """The cases of every registered operator."""
    return [case for kind in operators().values() for case in kind.cases()]
