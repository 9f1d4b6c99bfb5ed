"""RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes under another shape."""

from __future__ import annotations

from math import prod

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.ops import Reshape


@converts("RESHAPE", newest=1, options=schema.Options.reshape, status="folded")
def reshape(site: Site) -> None:
    site.expect((1, 2))
    shape = site.integers(1) if site.has_input(1) else site.option_list(schema.Reshape.new_shape)
    if shape.count(-1) == 1:
        rest = prod(n for n in shape if n != -1)
        shape[shape.index(-1)] = prod(site.tensor(0).shape) // rest if rest else 0
    site.emit(Reshape(tuple(shape)), site.activation())


@converts("SQUEEZE", newest=2, options=schema.Options.squeeze, status="folded")
def squeeze(site: Site) -> None:
    """Axes of size 1 are dropped: the named ones, or all."""
    site.expect((1,))
    shape = site.tensor(0).shape
    named = {site.axis(a, len(shape)) for a in site.option_list(schema.Squeeze.squeeze_dims)}
    if any(shape[a] != 1 for a in named):
        raise site.error(f"axes {sorted(named)} of {list(shape)} are not all of size 1")
    dropped = named or {a for a, n in enumerate(shape) if n == 1}
    site.emit(Reshape(tuple(n for a, n in enumerate(shape) if a not in dropped)), site.activation())


@converts("EXPAND_DIMS", newest=1, status="folded")
def expand_dims(site: Site) -> None:
    site.expect((2,))
    shape, where = list(site.tensor(0).shape), site.integers(1)
    if len(where) != 1:
        raise site.error(f"it has {len(where)} axes to add; expected 1")
    shape.insert(site.axis(where[0], len(shape) + 1), 1)
    site.emit(Reshape(tuple(shape)), site.activation())
