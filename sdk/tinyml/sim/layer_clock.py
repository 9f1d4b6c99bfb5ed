"""Keeps interrupts out of the cycles of the layer they interrupt."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.sim.hook import State

NO_RETURN = 1  # no block has an odd address


@dataclass(frozen=True)
class _Layer:
    number: int
    return_address: int
    begin: int
    excluded: int
    since: int


class LayerClock:
    """A stack of layers, one for each exception that is active."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.reset()

    def reset(self) -> None:
        """No layer runs."""
        self._waiting: list[_Layer] = []
        self._state.layer, self._state.layer_return = 0, NO_RETURN

    def suspend(self) -> None:
        """An exception begins."""
        s = self._state
        self._waiting.append(_Layer(s.layer, s.layer_return, s.layer_begin, s.layer_excluded, s.cycles))
        s.layer, s.layer_return = 0, NO_RETURN

    def resume(self) -> None:
        """The exception is over; what it took does not count."""
        if not self._waiting:
            return
        layer, s = self._waiting.pop(), self._state
        s.layer, s.layer_return, s.layer_begin = layer.number, layer.return_address, layer.begin
        s.layer_excluded = layer.excluded + s.cycles - layer.since
