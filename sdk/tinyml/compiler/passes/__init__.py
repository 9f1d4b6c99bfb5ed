"""Graph to graph transformations, one module each. `compile.py` holds the list and its order."""

from tinyml.compiler.passes.constant_channels import constant_channels
from tinyml.compiler.passes.constant_folding import constant_folding
from tinyml.compiler.passes.constant_weights import constant_weights
from tinyml.compiler.passes.dead_nodes import dead_nodes
from tinyml.compiler.passes.dilated_lines import dilated_lines
from tinyml.compiler.passes.fold_clamps import fold_clamps
from tinyml.compiler.passes.fold_padding import fold_padding
from tinyml.compiler.passes.identities import identities
from tinyml.compiler.passes.spatial_means import spatial_means
from tinyml.compiler.passes.trim_kernels import trim_kernels

__all__ = [
    "constant_channels", "constant_folding", "constant_weights", "dead_nodes", "dilated_lines", "fold_clamps",
    "fold_padding", "identities", "spatial_means", "trim_kernels",
]  # fmt: skip
