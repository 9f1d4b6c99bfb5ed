"""From `ir.Graph` to C: passes, memory plan, cost, emission, and the same C as a host library."""

from tinyml.compiler.compile import Compiled, LayerInfo, compile_graph, write
from tinyml.compiler.cost import NetworkCost, network_cost
from tinyml.compiler.host_model import HostModel
from tinyml.compiler.peak import Peak
from tinyml.compiler.plan import Placement, Plan, Step, plan_memory

__all__ = [
    "Compiled", "HostModel", "LayerInfo", "NetworkCost", "Peak", "Placement", "Plan", "Step", "compile_graph",
    "network_cost", "plan_memory", "write",
]  # fmt: skip
