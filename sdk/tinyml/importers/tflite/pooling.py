"""Average and max pooling, MEAN, and the resizing of images."""

from __future__ import annotations

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.importers.tflite.window import WindowOptions, read_window
from tinyml.ops import AveragePool2d, MaxPool2d, Mean, ResizeBilinear, ResizeNearest


def _pool(site: Site, kind: type[AveragePool2d | MaxPool2d]) -> None:
    site.expect((1,))
    o = schema.Pool2D
    kernel = (site.option(o.filter_h, "int32"), site.option(o.filter_w, "int32"))
    window = read_window(site, WindowOptions(o.padding, o.stride_h, o.stride_w), kernel)
    clamp = site.activation_range(site.choice(o.activation, schema.ACTIVATIONS))
    site.emit(kind(kernel, window.stride, window.padding, *clamp), site.activation())


@converts("AVERAGE_POOL_2D", newest=3, options=schema.Options.pool2d)
def average_pool2d(site: Site) -> None:
    _pool(site, AveragePool2d)


@converts("MAX_POOL_2D", newest=3, options=schema.Options.pool2d)
def max_pool2d(site: Site) -> None:
    _pool(site, MaxPool2d)


@converts("MEAN", newest=3, options=schema.Options.reducer)
def mean(site: Site) -> None:
    site.expect((2,))
    rank = len(site.tensor(0).shape)
    axes = tuple(sorted({site.axis(a, rank) for a in site.integers(1)}))
    keep = site.option(schema.Reducer.keep_dims, "bool", False)
    site.emit(Mean(axes, keep, site.quant(), "double"), site.activation())


def _resize(site: Site, kind: type[ResizeNearest | ResizeBilinear], options: type[schema.IntEnum]) -> None:
    site.expect((2,))
    size = tuple(site.integers(1))
    flags = (site.option(options.align_corners, "bool"), site.option(options.half_pixel_centers, "bool"))
    site.emit(kind(size, *flags), site.activation())


@converts("RESIZE_NEAREST_NEIGHBOR", newest=4, options=schema.Options.resize_nearest_neighbor)
def resize_nearest(site: Site) -> None:
    _resize(site, ResizeNearest, schema.ResizeNearest)


@converts("RESIZE_BILINEAR", newest=4, options=schema.Options.resize_bilinear)
def resize_bilinear(site: Site) -> None:
    _resize(site, ResizeBilinear, schema.ResizeBilinear)
