"""Graph to graph transformations, one module each. `compile.py` holds the list and its order."""

from tinyml.compiler.passes.constant_channels import constant_channels
from tinyml.compiler.passes.dead_nodes import dead_nodes

__all__ = ["constant_channels", "dead_nodes"]
