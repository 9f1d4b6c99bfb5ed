"""A network as data: what a search varies, what an architecture file holds, what modules and graphs are built from."""

from tinyml.architecture.file import Found, Network, read_network, write_network
from tinyml.architecture.network import Architecture, Block, Geometry, Layer, Stem

__all__ = [
    "Architecture", "Block", "Found", "Geometry", "Layer", "Network", "Stem", "read_network", "write_network",
]  # fmt: skip
