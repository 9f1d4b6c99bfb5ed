"""Graph to graph transformations, one module each. `compile.py` holds the list and its order."""

from tinyml.compiler.passes.dead_nodes import dead_nodes

__all__ = ["dead_nodes"]
