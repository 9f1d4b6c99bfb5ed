"""Things that happen at a given cycle, in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

NEVER = (1 << 64) - 1


@dataclass(order=True)
class Event:
    """An action at a cycle; those of one cycle run in the order they were scheduled."""

    cycle: int
    order: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Keep the action from running."""
        self.cancelled = True


class EventQueue:
    """A heap of events."""

    def __init__(self) -> None:
        self._heap: list[Event] = []
        self._scheduled = 0

    def at(self, cycle: int, action: Callable[[], None]) -> Event:
        """Run `action` when virtual time reaches `cycle`."""
        self._scheduled += 1
        event = Event(cycle, self._scheduled, action)
        heapq.heappush(self._heap, event)
        return event

    @property
    def next_cycle(self) -> int:
        """When the next event is due; NEVER without one."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0].cycle if self._heap else NEVER

    def run_due(self, now: int) -> None:
        """Run all that is due at `now`, including what these actions schedule for `now`."""
        while self.next_cycle <= now:
            heapq.heappop(self._heap).action()

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
