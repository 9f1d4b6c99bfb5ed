"""A network as data: what a search varies, what an architecture file holds, what modules and graphs are built from."""

from tinyml.architecture.network import Architecture, Block, Geometry, Layer, Stem

__all__ = ["Architecture", "Block", "Geometry", "Layer", "Stem"]
