"""Layouts: renamed axes and regrouped factors mean the same elements as numpy's transpose and reshape."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.importers.onnx.layout import Layout, channels_last

SHAPES = st.lists(st.sampled_from((1, 2, 3, 4, 6)), min_size=1, max_size=5).map(tuple)


def elements(layout: Layout) -> np.ndarray:
    """The tensor's elements numbered in ONNX's order, as they lie in memory."""
    return layout.to_memory(np.arange(prod(layout.shape)).reshape(layout.shape))


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    shape = draw(SHAPES)
    layout = Layout.of(shape, tuple(draw(st.permutations(range(len(shape))))))
    regrouped = layout.reshaped((prod(shape),)) if draw(st.booleans()) else None
    return regrouped or layout


@settings(max_examples=200, deadline=None)
@given(layouts())
def test_memory_and_back(layout: Layout) -> None:
    data = np.arange(prod(layout.shape)).reshape(layout.shape)
    assert np.array_equal(layout.from_memory(layout.to_memory(data)), data)


@settings(max_examples=200, deadline=None)
@given(layouts(), st.data())
def test_transposed_renames_axes_only(layout: Layout, data: st.DataObject) -> None:
    perm = tuple(data.draw(st.permutations(range(len(layout.shape)))))
    moved = layout.transposed(perm)
    values = np.arange(prod(layout.shape)).reshape(layout.shape)
    assert np.array_equal(moved.to_memory(values.transpose(perm)), layout.to_memory(values))


@settings(max_examples=200, deadline=None)
@given(layouts(), st.data())
def test_reshaped_keeps_memory(layout: Layout, data: st.DataObject) -> None:
    total = prod(layout.shape)
    first = data.draw(st.sampled_from([n for n in range(1, total + 1) if total % n == 0]))
    shape = (first, total // first)
    regrouped = layout.reshaped(shape)
    values = np.arange(total).reshape(layout.shape)
    if regrouped is not None:
        assert regrouped.shape == shape
        assert np.array_equal(regrouped.to_memory(values.reshape(shape)), layout.to_memory(values))


@settings(max_examples=200, deadline=None)
@given(layouts(), st.data())
def test_moves_lead_to_the_order(layout: Layout, data: st.DataObject) -> None:
    order = tuple(data.draw(st.permutations(range(len(layout.shape)))))
    sizes, perm = layout.moves(order)
    moved = elements(layout).reshape(sizes).transpose(perm).ravel()
    assert np.array_equal(moved, elements(layout.with_order(order)))


@settings(max_examples=200, deadline=None)
@given(layouts())
def test_order_is_one_that_memory_has(layout: Layout) -> None:
    order = layout.order()
    if order is not None:
        assert sorted(order) == list(range(len(layout.shape)))
        assert np.array_equal(elements(layout), elements(layout.with_order(order)))


def test_images() -> None:
    image = Layout.of((1, 3, 4, 5), channels_last(4))
    assert image.order() == (0, 2, 3, 1)
    flat = image.reshaped((1, 60))
    assert flat is not None and flat.axes == ((), (3, 20)) and flat.memory == (1, 0)
    assert flat.order() is None  # channels and pixels interleave in the one axis
    assert flat.reshaped((1, 3, 4, 5)) == image
    assert Layout.of((1, 7, 1, 1), channels_last(4)).order() == (0, 2, 3, 1)


@pytest.mark.parametrize("shape", [(1, 2, 30), (1, 4, 15), (5, 12)])
def test_reshape_across_factors_is_refused(shape: tuple[int, ...]) -> None:
    """[3 channels, 20 pixels] of which memory holds the pixels outermost."""
    assert Layout.of((1, 3, 4, 5), channels_last(4)).reshaped(shape) is None
