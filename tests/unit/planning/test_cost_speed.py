"""Searches cost thousands of networks: the analysis of shapes has to be fast."""

from __future__ import annotations

import gc
from time import process_time

from tinyml.board import load_board
from tinyml.compiler import network_cost

from .networks import inverted_residual

MOST_MS = 5.0


def test_a_weightless_network_of_60_layers_is_costed_in_5_ms() -> None:
    """Processor time, warm: its layers have been seen, in another graph, so nothing is known of this one as a whole."""
    isa = load_board("nrf52840").isa
    expected = network_cost(inverted_residual(), isa)
    graphs = [inverted_residual() for _ in range(12)]
    assert len(graphs[0].nodes) >= 60
    times = []
    gc.collect()
    for graph in graphs:
        begin = process_time()
        cost = network_cost(graph, isa)
        times.append(1000 * (process_time() - begin))
        assert cost == expected
    assert min(times) <= MOST_MS, times
