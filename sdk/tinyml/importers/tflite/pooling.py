"""AVERAGE_POOL_2D."""

from __future__ import annotations

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.importers.tflite.window import WindowOptions, read_window
from tinyml.ops import AveragePool2d


@converts("AVERAGE_POOL_2D", options=schema.Options.pool2d)
def average_pool2d(site: Site) -> None:
    site.expect((1,))
    o = schema.Pool2D
    kernel = (site.option(o.filter_h, "int32"), site.option(o.filter_w, "int32"))
    window = read_window(site, WindowOptions(o.padding, o.stride_h, o.stride_w), kernel)
    clamp = site.activation_range(site.choice(o.activation, schema.ACTIVATIONS))
    site.emit(AveragePool2d(kernel, window.stride, window.padding, *clamp), site.activation())
