"""From `ir.Graph` to C: passes, memory plan, cost, emission, and the same C as a host library."""

from tinyml.compiler.compile import ChainInfo, Compiled, LayerInfo, compile_graph, write
from tinyml.compiler.cost import NetworkCost, network_cost
from tinyml.compiler.host_model import HostModel
from tinyml.compiler.peak import Peak
from tinyml.compiler.plan import Placement, Plan, Step, plan_memory
from tinyml.compiler.share_kernels import Budget
from tinyml.compiler.streaming_analysis import Windows

__all__ = [
    "Budget", "ChainInfo", "Compiled", "HostModel", "LayerInfo", "NetworkCost", "Peak", "Placement", "Plan", "Step",
    "Windows", "compile_graph", "network_cost", "plan_memory", "write",
]  # fmt: skip
